"""A look at a pickle before torch reads it: what it names, and what reading it would take.

`torch.load(weights_only=True)` runs nothing of what a pickle asks for, but it takes the memory and the time that a
pickle asks for: tuples in tuples whose hash takes for ever, a bytearray of a terabyte, one member under thousands of
names, a codec to be imported. So the opcodes are walked through first, by what `pickletools` says each takes and
leaves. Nothing is made of them but entries that count.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from toy_model.checkpoint.refusal import CheckpointError, one_line

MAX_BYTES = 16 * 2**20
MAX_OPCODES = 1_000_000
"""A state dict of one block takes some 1,200, a training checkpoint with the moments of Adam four times that."""

MAX_DEPTH = 200
"""How deep values may stand in each other. Hashing and comparing recurse."""

MAX_WORK = 20_000_000
"""Values that all calls and entries of dicts may look at, each as often as it is reached."""

STORAGES = {
    f"torch {kind}Storage": itemsize
    for kind, itemsize in {
        "Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Bool": 1, "Byte": 1, "Char": 1, "Short": 2, "Int": 4,
        "Long": 8, "ComplexFloat": 8, "ComplexDouble": 16,
    }.items()
}  # fmt: skip
"""The storage types that a file may name, and the bytes of an element of each."""

ENCODE = "_codecs encode"

WEIGHTS = {
    *STORAGES,
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch.nn.parameter Parameter",
    "collections OrderedDict",
}
"""What a state dict is made of."""

DTYPES = {
    f"torch {name}"
    for name in (
        "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128",
        "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    )
}  # fmt: skip

BESIDE = {
    "collections Counter",  # what a MultiStepLR holds; counts
    "torch Size",  # a tuple of numbers
    "torch device",  # a name, which is parsed; no device is asked for
    *DTYPES,  # constants
    ENCODE,  # how bytes are written; the codec has to be latin1
    "builtins set",
    "__builtin__ set",
    "builtins complex",
    "__builtin__ complex",
}
"""What torch lets stand beside the weights, as far as making one takes no memory and imports nothing."""

STAND_INS = {
    *(f"{numpy}.multiarray {name}" for numpy in ("numpy.core", "numpy._core") for name in ("scalar", "_reconstruct")),
    "numpy ndarray",
    "numpy dtype",
    "__builtin__ long",
    *(f"{module} {kind}" for module in ("builtins", "__builtin__") for kind in ("int", "float", "list", "dict")),
}
"""Values beside the weights that are replaced by one that holds nothing: numpy is not called for them."""

DEFAULTDICT = "collections defaultdict"

STATEFUL = {"collections OrderedDict", *STAND_INS}
"""What may be given a state: the `_metadata` of a state dict, and what is not looked at."""

MEANT = WEIGHTS | BESIDE | STAND_INS | {DEFAULTDICT}
"""All names that a file may name."""

READ = {
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "TUPLE",
    "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWFALSE", "NEWTRUE", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET",
    "BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "BINPERSID", "BINGET", "LONG_BINGET",
    "BINPUT", "LONG_BINPUT", "LONG1",
}  # fmt: skip
"""The opcodes that torch reads."""

LATER_PROTOCOLS = {"FRAME", "MEMOIZE", "SHORT_BINUNICODE", "STACK_GLOBAL", "BINBYTES", "SHORT_BINBYTES", "ADDITEMS"}
"""Harmless ones of pickle protocols 3 to 5, which torch does not."""

_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_ADDING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"}
_PUTS = ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE")


NAMED = object()
"""What makes an entry that is a name of something, which may be called."""


@dataclass(eq=False)
class _Entry:
    """A value on the stack: what it is where that is a name, text or number, and how much stands in it, how deep.

    made_by: the name of what was called for it; `NAMED` of a name itself
    """

    value: object = None
    items: tuple[_Entry, ...] = ()
    made_by: object = None
    weight: int = 1
    depth: int = 1


@dataclass
class Survey:
    """What a pickle would have torch load: the bytes of every storage that it names, by key, and where it ended."""

    storages: dict[str, int] = field(default_factory=dict)
    opcodes: int = 0
    work: int = 0


def survey(file: BytesIO, so_far: Survey, what: str = "data.pkl") -> None:
    """Walk through the pickle that starts where `file` stands, up to its STOP, and add what it takes to `so_far`.

    Raises CheckpointError, without the name of the file, for whatever torch should not be asked to read.
    """
    walk = _Walk(so_far, what)
    opcodes = _opcodes(file, so_far, what)
    later = False
    with warnings.catch_warnings():  # genops warns of escapes in strings, whose opcodes are refused anyway
        warnings.simplefilter("ignore")
        for opcode, argument in opcodes:
            if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                name = walk.two_names() if opcode.name == "STACK_GLOBAL" else str(argument)
                if name not in MEANT or opcode.name == "INST":
                    raise CheckpointError(_not_meant(name, opcodes, what))
                argument = name
            elif opcode.name not in READ | LATER_PROTOCOLS:
                raise CheckpointError(f"{what} uses {opcode.name}, which no state dict needs; nothing was run")
            later |= opcode.name not in READ
            if opcode.name == "STOP":
                if later:
                    raise CheckpointError(
                        f"{what} was written with a pickle protocol that torch.load(weights_only=True) does not read; "
                        "save it with the default one: torch.save(model.state_dict(), path)"
                    )
                return
            walk.step(opcode, argument)
    raise CheckpointError(f"{what} is cut short")


def _opcodes(file: BytesIO, so_far: Survey, what: str) -> Iterator[tuple[pickletools.OpcodeInfo, object]]:
    parsed = pickletools.genops(file)
    while True:
        try:
            opcode, argument, _ = next(parsed)
        except StopIteration:
            return
        except (ValueError, OverflowError, MemoryError, IndexError) as error:
            raise CheckpointError(f"{what} is not a valid pickle ({one_line(error)})") from None
        so_far.opcodes += 1
        if so_far.opcodes > MAX_OPCODES:
            raise CheckpointError(f"{what} has more than {MAX_OPCODES:,} opcodes")
        yield opcode, argument


def _not_meant(name: str, rest: Iterator[tuple[pickletools.OpcodeInfo, object]], what: str) -> str:
    """Why a name is refused: an object of its own class, or a name that has no place in a state dict."""
    following: list[str] = []
    for opcode, _ in rest:
        if opcode.name not in _PUTS:
            following.append(opcode.name)
        if len(following) == 2:
            break
    dotted = one_line(name).replace(" ", ".")
    if following == ["EMPTY_TUPLE", "NEWOBJ"]:  # how an object of a class is pickled that does not say otherwise
        return f"holds a {dotted.rpartition('.')[2]} object, not a state dict: save model.state_dict()"
    return f"{what} names {dotted}, which no state dict needs; nothing was run. Save model.state_dict() alone"


class _Walk:
    """The stack, marks and memo of a pickle, over entries that count."""

    def __init__(self, so_far: Survey, what: str) -> None:
        self.so_far, self.what = so_far, what
        self.stack: list[_Entry] = []
        self.marks: list[int] = []
        self.memo: dict[int, _Entry] = {}

    def damaged(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self.what} is damaged: it {why}")

    def pop(self) -> _Entry:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged("takes values that it has not got")
        return self.stack.pop()

    def since_mark(self) -> list[_Entry]:
        if not self.marks:
            raise self.damaged("takes values that it has not got")
        start = self.marks.pop()
        entries = self.stack[start:]
        del self.stack[start:]
        return entries

    def two_names(self) -> str:
        if len(self.stack) < 2:
            raise self.damaged("takes values that it has not got")
        return f"{self.stack[-2].value} {self.stack[-1].value}"

    def spend(self, work: int) -> None:
        self.so_far.work += work
        if self.so_far.work > MAX_WORK:
            raise CheckpointError(
                f"{self.what} would take too long to read: it repeats or nests what it holds too often"
            )

    def holding(self, entries: list[_Entry]) -> _Entry:
        """What holds these, as a tuple does; it keeps a few of them, for calls to be looked at."""
        weight = 1 + sum(entry.weight for entry in entries)
        depth = 1 + max((entry.depth for entry in entries), default=0)
        if depth > MAX_DEPTH:
            raise CheckpointError(f"{self.what} nests values more than {MAX_DEPTH} deep")
        self.spend(len(entries))
        return _Entry(items=tuple(entries[:8]), weight=min(weight, MAX_WORK + 1), depth=depth)

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """What one opcode takes off the stack and leaves on it."""
        name = opcode.name
        if name == "MARK":
            self.marks.append(len(self.stack))
        elif name in _PUTS:
            if not self.stack:
                raise self.damaged("takes values that it has not got")
            self.memo[len(self.memo) if name == "MEMOIZE" else int(str(argument))] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise self.damaged("refers to what it has not got")
            self.stack.append(self.memo[int(str(argument))])
        elif name in _TUPLES:
            entries = self.since_mark() if name == "TUPLE" else [self.pop() for _ in range(int(name[5]))][::-1]
            self.stack.append(self.holding(entries))
        elif name in _ADDING:
            self._add([self.pop()] if name == "APPEND" else self.pair() if name == "SETITEM" else self.since_mark())
        elif name == "BINPERSID":
            self.stack.append(self._storage(self.pop()))
        elif name in ("REDUCE", "NEWOBJ", "BUILD"):
            arguments, called = self.pop(), self.pop()
            self.stack.append(self._called(name, called, arguments))
        elif opcode.stack_after:
            if name == "STACK_GLOBAL":
                self.pop(), self.pop()
            self.stack.append(_Entry(argument, made_by=NAMED if name in ("GLOBAL", "STACK_GLOBAL") else None))

    def pair(self) -> list[_Entry]:
        value, key = self.pop(), self.pop()
        return [key, value]

    def _add(self, entries: list[_Entry]) -> None:
        """Put entries into what is on top of the stack, whatever refers to it."""
        target = self.pop()
        held = self.holding(entries)
        self.spend(held.weight)
        target.weight = min(target.weight + held.weight, MAX_WORK + 1)
        target.depth = max(target.depth, held.depth)
        self.stack.append(target)

    def _called(self, name: str, called: _Entry, arguments: _Entry) -> _Entry:
        self.spend(arguments.weight)
        if name != "BUILD" and called.made_by is not NAMED:
            raise self.damaged("calls what is no name")
        if called.value == ENCODE and not (len(arguments.items) == 2 and arguments.items[1].value == "latin1"):
            raise CheckpointError(f"{self.what} names a codec other than latin1, which no state dict needs")
        if name == "BUILD":
            if called.made_by not in STATEFUL:
                raise self.damaged("gives a state to what has none")
            called.weight = min(called.weight + arguments.weight, MAX_WORK + 1)
            called.depth = max(called.depth, arguments.depth)
            return called
        made = self.holding([arguments])
        made.items, made.made_by = (), called.value
        return made

    def _storage(self, reference: _Entry) -> _Entry:
        """A storage that is referred to; it may be read under one key alone, and has one size."""
        words = [entry.value for entry in reference.items]
        match words:
            case ["storage", str(kind), str(key), str(_), int(numel), *view] if kind in STORAGES and len(view) < 2:
                if not (key.isascii() and key.isdigit()) or numel < 0 or (view and view != [None]):
                    raise self.damaged("refers to a storage in a way that torch.save does not")
            case _:
                raise self.damaged("refers to a storage in a way that torch.save does not")
        n_bytes = numel * STORAGES[kind]
        if self.so_far.storages.setdefault(key, n_bytes) != n_bytes:
            raise self.damaged(f"gives the storage {key[:20]} two sizes")
        return _Entry()
