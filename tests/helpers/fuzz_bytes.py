"""Mutations of a file: of its bytes whatever they mean, of its tensors, of a safetensors header."""

import json
import struct

import torch
from fuzz_sources import IGNORE, MASK, STATES, to_file


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
    donor = to_file(source := rng.choice(list(STATES)), STATES[source]())
    at = rng.randrange(len(content))
    start = rng.randrange(len(donor))
    piece = donor[start : start + rng.randint(1, 2000)]
    return content[:at] + piece + content[at + rng.choice([0, len(piece)]) :]


def blank(content, rng):
    start, length = rng.randrange(len(content)), rng.randint(1, 200)
    return content[:start] + rng.choice([b"\0", b"\xff"]) * length + content[start + length :]


BYTE_MUTATIONS = (flip_bits, flip_header_bits, truncate, pad, cut_out, splice, blank)


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
    name = next(name for name, value in header.items() if value is entry)
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
