"""Archives and pickles made by hand, which nobody saves by accident."""

import pickle
import struct
import zipfile

from fuzz_archives import archived, members
from fuzz_sources import hooked_state, saved

HOSTILE = (
    "os system", "posix system", "builtins eval", "builtins exec", "__builtin__ eval", "builtins getattr",
    "builtins __import__", "subprocess Popen", "torch load", "torch.hub load",
    "torch._utils _rebuild_device_tensor_from_numpy", "pickle loads", "runpy run_path", "webbrowser open",
    "socket socket", "shutil rmtree", "functools partial", "operator attrgetter", "builtins bytearray",
    "torch.storage _load_from_bytes", "numpy.core.multiarray _reconstruct", "torch.jit load", "codecs encode",
    "importlib import_module", "torch._utils _rebuild_tensor_v2.__globals__",
    "torch.storage UntypedStorage", "torch Tensor", "torch FloatTensor", "torch._tensor _rebuild_from_type_v2",
    "torch._utils _rebuild_device_tensor_from_cpu_tensor", "torch._utils _rebuild_meta_tensor_no_storage",
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
    for arguments in (
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
        yield archive_of(tensor(**arguments))


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
