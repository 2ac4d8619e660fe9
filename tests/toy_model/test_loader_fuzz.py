"""Whatever file is given, it loads exactly or is refused in one line; nothing runs, nothing hangs, no memory is eaten.

Hundreds of damaged and hostile files of every kind that is read, all made from seeds, are read by one child process
under a limit of memory and an alarm, with every import, execution and write on record (`read_files.py`). What loads
has to be what an independent reader finds in the same damaged file: safetensors.numpy, or torch.load with
weights_only. A failure names the mutation, the source and the seed, which `cases` makes the file from again.
"""

import io
import itertools
import json
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from cumsum_model.config import CumsumConfig
from cumsum_model.task import untrained
from toy_model.checkout import ROOT

CONFIG = CumsumConfig(max_value=2, n_ctx=5, n_heads=2, d_model=6, d_head=3, d_mlp=4)
MASK, IGNORE = "blocks.0.attn.mask", "blocks.0.attn.IGNORE"
PER_KIND = 16
"""Files per kind of random mutation and source, each from its own seed."""


@dataclass(frozen=True)
class Case:
    """A file, how it came to be, and how it is to be read."""

    kind: str
    source: str
    seed: int
    content: bytes

    @property
    def name(self):
        return f"{self.kind}, of {self.source}, seed {self.seed}"

    @property
    def reading(self):
        return {
            "token_order": {"wrapped": "wrapped", "hooked": None}.get(self.source, "value"),
            "n_heads": 2 if "bridge" in self.source else None,
        }


# --- Sources: good files of every kind that is read


def classic_state():
    model = untrained(CONFIG, seed=5)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def hooked_state(wrapped=False):
    state = classic_state()
    if wrapped:
        state["embed.W_E"] = state["embed.W_E"].roll(-CONFIG.max_value, 0)
    state[MASK] = torch.ones(CONFIG.n_ctx, CONFIG.n_ctx, dtype=torch.bool).tril()
    state[IGNORE] = torch.tensor(-torch.inf)
    return state


def bridge_state(state=None):
    cfg = TransformerBridgeConfig(
        n_layers=1, n_heads=2, d_model=6, d_head=3, n_ctx=5, d_vocab=5, d_mlp=4, act_fn="relu", normalization_type=None
    )
    return convert_tl_checkpoint(state or classic_state(), cfg)


def saved(state):
    file = io.BytesIO()
    torch.save(OrderedDict(state) if isinstance(state, dict) else state, file)
    return file.getvalue()


def training_checkpoint(state):
    parameters = [torch.nn.Parameter(torch.ones(tensor.dim())) for tensor in state.values()]
    optimizer = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {"epoch": 3, "state_dict": state, "optimizer": optimizer.state_dict(), "best": 0.5, "name": "run"}


def plain(state):
    """Tensors that safetensors takes: each contiguous, with bytes of its own."""
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def to_file(source, state):
    """The bytes of `source` with the tensors `state`, under whatever names they have."""
    if source in ("ours", "hooked safetensors", "bridge safetensors"):
        return safetensors.torch.save(plain(state))
    return saved(training_checkpoint(state) if source == "training" else state)


STATES = {
    "ours": classic_state,
    "hooked": hooked_state,
    "wrapped": lambda: hooked_state(wrapped=True),
    "bridge": bridge_state,
    "training": hooked_state,
    "hooked safetensors": hooked_state,
    "bridge safetensors": bridge_state,
}
ARCHIVES = ("hooked", "wrapped", "bridge", "training")


# --- Mutations of bytes, whatever they mean


def flip_bits(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def flip_header_bits(content, rng):
    """Early and late bytes, where the structure is."""
    content = bytearray(content)
    index = rng.randrange(200) if rng.random() < 0.5 else len(content) - 1 - rng.randrange(min(1500, len(content) - 1))
    content[index] ^= 1 << rng.randrange(8)
    return bytes(content)


def truncate(content, rng):
    return content[: rng.randrange(len(content))]


def pad(content, rng):
    padding = rng.choice([b"\0", b" ", b"PK\x05\x06", rng.randbytes(7)]) * rng.randint(1, 50)
    return padding + content if rng.random() < 0.3 else content + padding


def cut_out(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 64) :]


def splice(content, rng):
    other = to_file(source := rng.choice(list(STATES)), STATES[source]())
    at = rng.randrange(len(content))
    start = rng.randrange(len(other))
    piece = other[start : start + rng.randint(1, 2000)]
    return content[:at] + piece + content[at + rng.choice([0, len(piece)]) :]


def blank(content, rng):
    start, length = rng.randrange(len(content)), rng.randint(1, 200)
    return content[:start] + rng.choice([b"\0", b"\xff"]) * length + content[start + length :]


BYTE_MUTATIONS = (flip_bits, flip_header_bits, truncate, pad, cut_out, splice, blank)


# --- Mutations of tensors: a whole file, with something wrong in what it says


def pick(state, rng):
    return rng.choice([name for name in state if name not in (MASK, IGNORE)])


def other_dtype(state, rng):
    name = rng.choice(list(state))
    state[name] = state[name].to(rng.choice([torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8]))


def not_finite(state, rng):
    name = pick(state, rng)
    state[name].view(-1)[rng.randrange(state[name].numel())] = rng.choice([torch.nan, torch.inf, -torch.inf])


def huge_values(state, rng):
    state[pick(state, rng)].fill_(rng.choice([3e38, -3e38, 1e-45, 0.0]))


def zero_size(state, rng):
    name = pick(state, rng)
    state[name] = state[name].narrow(rng.randrange(state[name].dim()), 0, 0)


def transposed(state, rng):
    name = pick(state, rng)
    state[name] = state[name].mT if state[name].dim() > 1 else state[name][:, None]


def strided(state, rng):
    """The same numbers, kept in another order: not contiguous, and perfectly good."""
    name = pick(state, rng)
    if state[name].dim() > 1:
        state[name] = state[name].mT.contiguous().mT


def shared(state, rng):
    """A view into the middle of a larger storage."""
    name = pick(state, rng)
    start = rng.randint(0, 40)
    whole = torch.randn(500, generator=torch.Generator().manual_seed(rng.randrange(10**6)))
    state[name] = whole[start : start + state[name].numel()].view(state[name].shape)


def expanded(state, rng):
    name = pick(state, rng)
    state[name] = state[name].flatten()[:1].expand(state[name].shape)


def enlarged(state, rng):
    name = pick(state, rng)
    state[name] = torch.zeros(1).expand([size * rng.choice([1, 2, 10_000]) for size in state[name].shape[:2]])


def missing(state, rng):
    del state[rng.choice(list(state))]


def extra(state, rng):
    name = rng.choice(
        ["blocks.1.attn.W_Q", "blocks.9999.mlp.W_in", "embed.weight", "embed.W_E", "", "a\nb\x1b[31m", "é" * 300]
    )
    state[name] = torch.ones(rng.choice([1, 3]))


def renamed(state, rng):
    name = rng.choice(list(state))
    state[rng.choice([name.upper(), f"{name} ", name.replace(".", "_"), f"module.{name}"])] = state.pop(name)


def prefixed(state, rng):
    prefix = rng.choice(["module.", "_orig_mod.", "model.", "net."])
    for name in list(state):
        state[prefix + name] = state.pop(name)


def other_mask(state, rng):
    mask = state.get(MASK, torch.ones(5, 5, dtype=torch.bool).tril())
    state[MASK] = rng.choice([mask.float(), mask.mT, ~mask, mask[:3], torch.tensor(True), mask[:4, :4]])


def other_ignore(state, rng):
    state[IGNORE] = rng.choice(
        [torch.tensor(0.0), torch.tensor(-1e5), torch.tensor(torch.nan), torch.ones(2), torch.tensor(1)]
    )


TENSOR_MUTATIONS = (
    other_dtype, not_finite, huge_values, zero_size, transposed, strided, shared, expanded, enlarged, missing, extra,
    renamed, prefixed, other_mask, other_ignore,
)  # fmt: skip


# --- Mutations of a safetensors header


def with_header(content, change, rng):
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    text = change(header, rng)
    text = (json.dumps(header) if text is None else text).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def some_entry(header, rng):
    return header[rng.choice(sorted(set(header) - {"__metadata__"}))]


def declare_shape(header, rng):
    entry = some_entry(header, rng)
    entry["shape"] = rng.choice(
        [[2**40, 2**40], [2**63], [10**30], [-1, 6], [], [0], entry["shape"][::-1], [1.5], "x", [2**31, 3]]
    )


def declare_offsets(header, rng):
    entry = some_entry(header, rng)
    start, end = entry["data_offsets"]
    entry["data_offsets"] = rng.choice(
        [[end, start], [0, 2**60], [-4, 4], [0, end], [start], [start + 1, end + 1], [0, 0]]
    )


def declare_dtype(header, rng):
    some_entry(header, rng)["dtype"] = rng.choice(
        ["F64", "I32", "BF16", "BOOL", "F8_E4M3", "U32", "f32", "Object", 7, None]
    )


def declare_twice(header, rng):
    entry = some_entry(header, rng)
    name = next(name for name, one in header.items() if one is entry)
    twin = {**entry, "shape": entry["shape"][::-1]}
    return json.dumps(header)[:-1] + f", {json.dumps(name)}: {json.dumps(twin)}}}"


def nest(header, rng):
    depth = rng.choice([100, 10_000, 200_000])
    return '{"__metadata__": ' + '{"a": ' * depth + "1" + "}" * depth + "}"


def meta(header, rng):
    header["__metadata__"] = rng.choice([{"format": "pt"}, {"a": 1}, [], "x" * 10_000, {"\ud800": "x"}])


def spoil_text(header, rng):
    text = json.dumps(header)
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(['"', "{", "\\u0000", "NaN", "1e999", "\x7f", "é"]) + text[at + rng.randrange(3) :]


HEADER_MUTATIONS = (declare_shape, declare_offsets, declare_dtype, declare_twice, nest, meta, spoil_text)


# --- Mutations inside an archive, whose checksums are made anew


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def with_pickle(content, change):
    entries = members(content)
    (name,) = [name for name in entries if name.endswith("/data.pkl")]
    entries[name] = change(entries[name])
    return archived(entries)


def opcodes(pickled):
    starts = [position for _, _, position in pickletools.genops(pickled)] + [len(pickled)]
    return [pickled[start:end] for start, end in itertools.pairwise(starts)]


def a_number(rng):
    number = rng.choice([0, 1, 2, 5, 6, 30, 255, -1, 2**31 - 1, -(2**31), 2**40, 2**63, -(2**63), 2**200])
    return pickle.dumps(number, protocol=2)[2:-1]


def change_number(pickled, rng):
    """Sizes, strides, offsets and numbers of elements."""
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 1, 3])):
        index = rng.choice([index for index, part in enumerate(parts) if part[:1] in b"KMJ"])
        parts[index] = a_number(rng)
    return b"".join(parts)


def shuffle_opcodes(pickled, rng):
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 2, 5])):
        index, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        match rng.randrange(4):
            case 0:
                del parts[index]
            case 1:
                parts.insert(index, parts[other])
            case 2:
                parts[index], parts[other] = parts[other], parts[index]
            case 3:
                parts[index] = rng.choice(
                    [b"N", b"\x88", b"]", b"}", b")", b"(", b"t", b"R", b"Q", b"0", b"2", b"b", b"\x81", b"u"]
                )
    return b"".join(parts)


def change_memo(pickled, rng):
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 3])):
        index = rng.choice([index for index, part in enumerate(parts) if part[:1] in b"qh"])
        parts[index] = parts[index][:1] + bytes([rng.randrange(256)])
    return b"".join(parts)


def flip_pickle(pickled, rng):
    return flip_bits(pickled, rng)


def cut_pickle(pickled, rng):
    return rng.choice([truncate, cut_out, pad, splice])(pickled, rng)


def change_storage_type(pickled, rng):
    wanted = rng.choice(
        [b"DoubleStorage", b"HalfStorage", b"BoolStorage", b"LongStorage", b"ComplexFloatStorage", b"Storage"]
    )
    return pickled.replace(b"FloatStorage", wanted, 1)


PICKLE_MUTATIONS = (change_number, shuffle_opcodes, change_memo, flip_pickle, cut_pickle, change_storage_type)


def flip_member(entries, rng):
    name = rng.choice([name for name in entries if "/data/" in name])
    entries[name] = flip_bits(entries[name], rng)


def resize_member(entries, rng):
    name = rng.choice([name for name in entries if "/data/" in name])
    entries[name] = rng.choice([entries[name][:-1], entries[name] + b"\0\0\0\0", b"", entries[name] * 2])


def drop_member(entries, rng):
    del entries[rng.choice(list(entries))]


def other_byte_order(entries, rng):
    name = next(name for name in entries if name.endswith("/byteorder"))
    entries[name] = rng.choice([b"big", b"big", b"middle", b"", b"little\n", b"\xff"])


def rename_member(entries, rng):
    name = rng.choice(list(entries))
    folder = name.partition("/")[0]
    entries[rng.choice(["../" + name, "/" + name, name.upper(), f"{folder}/constants.pkl", "x/" + name])] = entries.pop(
        name
    )


def swap_members(entries, rng):
    one, other = rng.sample([name for name in entries if "/data/" in name], 2)
    entries[one], entries[other] = entries[other], entries[one]


MEMBER_MUTATIONS = (flip_member, resize_member, drop_member, other_byte_order, rename_member, swap_members)


# --- Made by hand: archives and pickles that nobody saves by accident

HOSTILE = (
    "os system", "posix system", "builtins eval", "builtins exec", "__builtin__ eval", "builtins getattr",
    "builtins __import__", "subprocess Popen", "torch load", "torch.hub load",
    "torch._utils _rebuild_device_tensor_from_numpy", "pickle loads", "runpy run_path", "webbrowser open",
    "socket socket", "shutil rmtree", "functools partial", "operator attrgetter", "collections Counter",
    "torch.storage _load_from_bytes", "numpy.core.multiarray _reconstruct", "torch.jit load", "codecs encode",
    "importlib import_module", "torch._utils _rebuild_tensor_v2.__globals__",
)  # fmt: skip


def text(string):
    raw = string.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def called(name, form):
    """A call of the global `name` with the argument "touch pwned", in one of the ways that pickle has."""
    module, _, attribute = name.partition(" ")
    named = f"c{module}\n{attribute}\n".encode()
    argument = text("touch pwned")
    return {
        "reduce": named + argument + b"\x85R",
        "stack global": text(module) + text(attribute) + b"\x93" + argument + b"\x85R",
        "newobj": named + argument + b"\x85\x81",
        "inst": b"(" + argument + f"i{module}\n{attribute}\n".encode(),
        "obj": b"(" + named + argument + b"o",
        "build": named + b")R}" + text("x") + argument + b"sb",
        "nested": named + called("os getcwd", "reduce") + b"\x85R" if form == "nested" else b"",
        "persistent": text("storage") + named + argument + argument + b"K\x05(tQ",
    }[form]


FORMS = ("reduce", "stack global", "newobj", "inst", "obj", "build", "nested", "persistent")


def around(value, rng):
    """`value` in some place of a dict."""
    return rng.choice(
        [
            b"\x80\x02" + value + b".",
            b"\x80\x02}" + text("embed.W_E") + value + b"s.",
            b"\x80\x02}" + value + b"Ns.",
            b"\x80\x02}" + text("state_dict") + b"}" + text("W") + value + b"ss.",
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0}" + text("W") + value + b"s.",
        ]
    )


def tensor(numel=4, offset=0, size=(4,), stride=(1,), key="0"):
    """The pickle of one tensor, whatever is said of it."""

    def number(n):
        return pickle.dumps(n, protocol=2)[2:-1]

    def numbers(these):
        return b"(" + b"".join(map(number, these)) + b"t"

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(numel) + b"tQ"
    rest = number(offset) + numbers(size) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)R"
    return b"\x80\x02}" + text("embed.W_E") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tRs."


def archive_of(pickled, **more):
    return archived({"archive/data.pkl": pickled, "archive/byteorder": b"little", "archive/data/0": bytes(16), **more})


def impossible_tensors():
    for told in (
        {"size": (2**40, 2**40), "stride": (0, 0)},
        {"size": (2**62,), "stride": (0,)},
        {"size": (50_000, 50_000), "stride": (0, 0)},
        {"size": (4,), "stride": (-1,)},
        {"size": (-4,), "stride": (1,)},
        {"offset": -1},
        {"offset": 2**62},
        {"offset": 1},
        {"numel": 2**40},
        {"numel": 2**62, "size": (2**60,)},
        {"numel": 5},
        {"numel": 3},
        {"size": (2, 2), "stride": (1,)},
        {"size": (1,) * 5_000, "stride": (1,) * 5_000},
        {"size": (0, 2**63 - 1), "stride": (1, 1)},
        {"size": (), "stride": ()},
        {"size": (2,), "stride": (2**62,)},
        {"size": (2**31, 2**31, 2**31, 4), "stride": (0, 0, 0, 1)},
        {"key": "../../etc/passwd"},
        {"key": "0\n1"},
        {"size": (16_000, 16_000), "stride": (0, 0)},
        {"size": (8_000, 8_000), "stride": (0, 0)},
    ):
        yield archive_of(tensor(**told))


def abused_pickles():
    yield b"\x80\x02" + b")" + b"\x85" * 500_000 + b"."  # tuples in tuples
    yield b"\x80\x02}" + b")" + b"\x85" * 500_000 + b"Ns."  # as a key, whose hash recurses
    yield b"\x80\x02" + b"(" * 500_000 + b"."
    yield b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b"."
    yield b"\x80\x02" + b"}" * 2_000_000 + b"."
    yield b"\x80\x02)" + b"".join(b"q\x00h\x00h\x00\x87" for _ in range(200_000)) + b"."  # 3 ** 200,000 leaves
    yield b"\x80\x02]q\x00h\x00a."  # a list in itself
    sizes = b"(" + b"K\x01" * 90_000 + b"tq\x01"  # one long size, which a hundred thousand tensors refer to
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQq\x02"
    many = b"(h\x02K\x00h\x01h\x01\x89Ntq\x03" + b"".join(
        b"ctorch._utils\n_rebuild_tensor_v2\nh\x03R" for _ in range(9_000)
    )
    yield b"\x80\x02(" + sizes + storage + many + b"t."
    yield b"\x80\x02}q\x00" + text("state_dict") + b"h\x00s."  # a state dict in itself
    yield b"\x80\x02}" + b"".join(text(str(n)) + b"Nr" + struct.pack("<I", 2**32 - 1 - n) for n in range(1000)) + b"."
    yield b"\x80\x02h\x07."
    for opcode in (b"R", b"a", b"e", b"s", b"u", b"Q", b"b", b"t", b"\x85", b"\x86", b"\x87", b"\x93", b"q\x00"):
        for before in (b"", b"(", b"N(", b"]", b"}N", b"NN"):  # taking values that are not there, or not those
            yield b"\x80\x02" + before + opcode + b"."
    yield b"\x80\x02."
    yield b"."
    yield b""
    yield b"\x80\x02" + b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\xff."
    yield b"\x80\x02" + b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b"."
    yield b"\x80\x02}" + text("embed.W_E") + b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b"s."
    yield b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"x."
    yield b"I" + b"9" * 100_000 + b"\n."
    yield b"L" + b"9" * 100_000 + b"L\n."
    yield b"S'\\q'\n."
    yield b"X\x03\x00\x00\x00\xed\xa0\x80."
    yield b"\x80\x02}X\x03\x00\x00\x00\xed\xa0\x80Ns."
    yield pickle.dumps({"a": {1, 2}, "b": b"bytes", "c": 1j}, protocol=4)
    yield b"\x80\x02\x82\x01."
    yield b"\x80\x02P0\n."
    yield tensor() + b"more"
    yield tensor().replace(b"cpu", b"meta")


def odd_archives():
    good = members(saved(hooked_state()))
    pickled = tensor()
    yield archived(good, zipfile.ZIP_DEFLATED)
    yield archived({**good, "archive/data/0": bytes(300 * 2**20)}, zipfile.ZIP_DEFLATED)  # a bomb
    yield archived({"archive/data.pkl": b"\x80\x02}." + b" " * (300 * 2**20)}, zipfile.ZIP_DEFLATED)
    yield archived([*good.items(), ("archive/data/0", bytes(16))])
    yield archived([*good.items(), ("archive/data.pkl", pickled)])
    yield archived([("other/data.pkl", pickled), *good.items()])
    yield archived({"archive/data.pkl": archived(good), "archive/data/0": b""})
    yield archived({"archive/inner.pt": archived(good)})
    yield archived({f"archive/{n}": b"" for n in range(25_000)})
    yield archived({"archive/data.pkl": pickled, "archive/data/0": bytes(16), "archive/byteorder": b"big"})
    yield archived({"archive/data.pkl": b"\x80\x02}" + b"N0" * 9_000_000 + b"."})
    yield archived({}) + b""
    yield archived({"data.pkl": pickled, "data/0": bytes(16)})
    yield archived({**good, "archive/constants.pkl": b"\x80\x02)."})
    whole = archived(good)
    at = whole.rindex(b"PK\x01\x02")
    for field, size in (
        (20, 4),
        (24, 4),
        (42, 4),
        (8, 2),
        (10, 2),
        (28, 2),
        (30, 2),
    ):  # sizes, place, flags, method, lengths
        for value in (0, 1, 2 ** (8 * size) - 1):
            yield whole[: at + field] + value.to_bytes(size, "little") + whole[at + field + size :]
    end = whole.rindex(b"PK\x05\x06")
    for field, size in ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2)):
        for value in (0, 1, 2 ** (8 * size) - 1):
            yield whole[: end + field] + value.to_bytes(size, "little") + whole[end + field + size :]


# --- All of them


def cases():
    good = {source: to_file(source, make()) for source, make in STATES.items()}
    for source, content in good.items():
        yield Case("as it is", source, 0, content)
        for change in BYTE_MUTATIONS:
            for seed in range(PER_KIND // 2):
                yield Case(change.__name__, source, seed, change(content, random.Random(seed)))
        for change in TENSOR_MUTATIONS:
            for seed in range(PER_KIND // 4):
                rng, state = random.Random(seed), STATES[source]()
                change(state, rng)
                if source in ARCHIVES or sum(one.numel() for one in state.values()) < 10**6:
                    yield Case(change.__name__, source, seed, to_file(source, state))
        if source not in ARCHIVES:
            for change in HEADER_MUTATIONS:
                for seed in range(PER_KIND // 2):
                    yield Case(change.__name__, source, seed, with_header(content, change, random.Random(seed)))
            continue
        for change in PICKLE_MUTATIONS:
            for seed in range(PER_KIND):
                rng = random.Random(seed)
                mutated = with_pickle(content, lambda pickled, rng=rng, change=change: change(pickled, rng))
                yield Case(change.__name__, source, seed, mutated)
        for change in MEMBER_MUTATIONS:
            for seed in range(PER_KIND // 2):
                entries = members(content)
                change(entries, random.Random(seed))
                yield Case(change.__name__, source, seed, archived(entries))
    for name in HOSTILE:
        for seed, form in enumerate(FORMS):
            pickled = around(called(name, form), random.Random(f"{name} {form}"))
            yield Case(f"hostile {form}", "hooked", seed, archive_of(pickled))
            yield Case(f"hostile {form}, bare", "hooked", seed, pickled)
    for seed, content in enumerate(impossible_tensors()):
        yield Case("impossible tensor", "hooked", seed, content)
    for seed, pickled in enumerate(abused_pickles()):
        yield Case("abused pickle", "hooked", seed, archive_of(pickled))
    for seed, content in enumerate(odd_archives()):
        yield Case("odd archive", "hooked", seed, content)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every case with what became of it, from one child process; a crash or a hang names the file it died on."""
    folder = tmp_path_factory.mktemp("files")
    first = [
        {"path": str(folder / f"first-{source}".replace(" ", "-")), **Case("", source, 0, b"").reading}
        for source in STATES
    ]
    for entry, (source, make) in zip(first, STATES.items(), strict=True):
        Path(entry["path"]).write_bytes(to_file(source, make()))
    all_cases = list(cases())
    entries = []
    for number, case in enumerate(all_cases):
        path = folder / f"{number:05}.bin"
        path.write_bytes(case.content)
        entries.append({"path": str(path), **case.reading})
    (folder / "manifest.json").write_text(json.dumps({"first": first, "files": entries}))
    script = ROOT / "tests" / "helpers" / "read_files.py"
    child = subprocess.Popen(
        [sys.executable, "-W", "error", script, folder / "manifest.json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment(),
    )  # fmt: skip
    try:
        told, complaints = child.communicate(timeout=1800)  # to read hundreds of files, which takes seconds
    except subprocess.TimeoutExpired:
        child.kill()
        told, complaints = child.communicate()
    results = [json.loads(line) for line in told.splitlines()]
    assert len(results) == len(all_cases), f"died on {all_cases[len(results)].name}: {complaints[-500:]}"
    return [
        (case, Path(entry["path"]), result) for case, entry, result in zip(all_cases, entries, results, strict=True)
    ]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_there_are_enough_of_them_and_both_things_happen(outcomes, capsys):
    """What became of them is printed, so that it can be quoted."""
    counts = Counter((case.kind, result["outcome"]) for case, _, result in outcomes)
    loaded = sum(result["outcome"] == "loaded" for _, _, result in outcomes)
    largest = max(outcomes, key=lambda outcome: outcome[2]["memory"])
    slowest = max(outcomes, key=lambda outcome: outcome[2]["seconds"])
    with capsys.disabled():
        print(f"\n{len(outcomes)} files: {loaded} loaded, {len(outcomes) - loaded} refused")
        for kind in dict.fromkeys(case.kind for case, _, _ in outcomes):
            print(f"  {kind:<28} loaded {counts[kind, 'loaded']:>4}, refused {counts[kind, 'refused']:>4}")
        print(f"most memory {largest[2]['memory'] / 2**20:.0f} MB: {largest[0].name}")
        print(f"slowest {slowest[2]['seconds']:.2f} s: {slowest[0].name}")
    assert len(outcomes) >= 600
    assert loaded >= 100
    assert all(result["outcome"] == "loaded" for case, _, result in outcomes if case.kind in ("as it is", "strided"))


def test_every_file_loads_or_is_refused_in_one_line_that_names_it(outcomes):
    for case, path, result in outcomes:
        assert result["outcome"] in ("loaded", "refused"), (case.name, result)
        if result["outcome"] == "refused":
            line = result["told"]
            assert line.startswith(f"{path}: "), (case.name, line)
            assert line.isprintable(), (case.name, line)
            assert len(line) < len(str(path)) + 400, (case.name, line)


def test_reading_runs_imports_and_writes_nothing(outcomes):
    for case, _, result in outcomes:
        assert result["caused"] == [], case.name
    left = {entry.name.partition(".")[2] for entry in outcomes[0][1].parent.iterdir()} - {
        "",
        "bin",
        "bin.npz",
        "npz",
        "json",
    }
    assert left == set()


def test_no_hostile_pickle_is_loaded(outcomes):
    for case, _, result in outcomes:
        if case.kind.startswith(("hostile", "impossible", "abused")):
            assert result["outcome"] == "refused", case.name


def test_what_loads_is_what_an_independent_reader_finds(outcomes):
    for case, path, result in outcomes:
        if result["outcome"] == "loaded":
            theirs = read_independently(case.content)
            with np.load(f"{path}.npz") as ours:
                state = {name: torch.from_numpy(ours[name]) for name in ours.files}
            if case.reading["token_order"] == "wrapped":
                rows = [v % len(state["embed.W_E"]) for v in range(-CONFIG.max_value, CONFIG.max_value + 1)]
                assert sorted(rows) == list(range(len(rows)))
                unrolled = torch.empty_like(state["embed.W_E"])
                unrolled[rows] = state["embed.W_E"]
                state["embed.W_E"] = unrolled
            if "bridge" in case.source:
                state = bridge_state(state)
            assert theirs.keys() == state.keys(), case.name
            for name, tensor in state.items():
                assert tensor.numpy().tobytes() == theirs[name].tobytes(), (case.name, name)
                assert tuple(tensor.shape) == theirs[name].shape, (case.name, name)
                assert theirs[name].dtype == np.float32, (case.name, name)


def read_independently(content):
    """The parameters in a file, by its own names, without the buffers of HookedTransformer."""
    if content.startswith(b"PK"):
        read = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        read = read.get("state_dict", read)
        arrays = {name: tensor.detach().numpy() for name, tensor in read.items()}
    else:
        arrays = safetensors.numpy.load(content)
    for prefix in ("module.", "_orig_mod.", "model."):
        if all(name.startswith(prefix) for name in arrays):
            arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return {name: array for name, array in arrays.items() if name not in (MASK, IGNORE)}
