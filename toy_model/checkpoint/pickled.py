"""The pickle inside a torch.save archive, read as data. Nothing in it is imported, called or executed.

There is no unpickler here. `pickletools.genops` of the standard library cuts the bytes into opcodes and their
arguments; this module interprets the few opcodes that torch.save writes. A global is a name that is looked up in
a table of a dozen names, every other name is refused where it stands; a call is a record of what would be called.
What comes out are strings, numbers, tuples, lists, dicts, and descriptions of tensors.

Nothing here recurses, so that nesting costs no stack, and every opcode makes at most one object, of which there
may be `MAX_OPCODES`.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from toy_model.checkpoint.refusal import CheckpointError, one_line

MAX_BYTES = 16 * 2**20
MAX_OPCODES = 1_000_000
"""The published state dict takes some 1,200, a training checkpoint with the moments of Adam four times that."""

MAX_STACK = 100_000
MAX_MARKS = 1_000
"""How deep unfinished containers may stand in each other. torch.save needs about three marks."""

MAX_DIMS = 8
MAX_INT = 2**63

STORAGES = {
    f"torch {kind}Storage": dtype
    for kind, dtype in {
        "Float": "float32",
        "Double": "float64",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Bool": "bool",
        "Byte": "uint8",
        "Char": "int8",
        "Short": "int16",
        "Int": "int32",
        "Long": "int64",
    }.items()
}
"""The storage types that a state dict may name, and the torch dtype of each."""

ORDERED_DICT = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
PARAMETER = "torch._utils _rebuild_parameter"
MEANT = {*STORAGES, ORDERED_DICT, TENSOR, PARAMETER}
"""All globals that mean anything here."""


@dataclass(frozen=True)
class Global:
    """A name, "module name", and nothing but the name."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A reference to the member `data/KEY` of the archive, which holds `numel` elements."""

    dtype: str
    key: str
    numel: int


@dataclass(frozen=True)
class PickledTensor:
    """A tensor as it is described; whether its storage bears it out is for `torch_archive` to see."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Ignored:
    """A value that no state dict needs, such as a number beyond 64 bits."""


IGNORED = Ignored()

Opcode = tuple[str, Any]


@dataclass(frozen=True)
class Interpreted:
    """What a pickle describes, and all tensors that it mentions on the way."""

    value: object
    tensors: tuple[PickledTensor, ...]


def interpret(pickle: bytes) -> Interpreted:
    """What `pickle` describes. Raises CheckpointError, without the name of the file, for whatever is not expected."""
    if len(pickle) > MAX_BYTES:
        raise CheckpointError(f"data.pkl takes {len(pickle):,} bytes, more than the {MAX_BYTES:,} that are read")
    machine = _Machine()
    opcodes = _opcodes(pickle)
    with warnings.catch_warnings():  # genops warns of escapes in strings, whose opcodes are refused anyway
        warnings.simplefilter("ignore")
        for name, argument in opcodes:
            if name == "STOP":
                return Interpreted(machine.result(), tuple(machine.tensors))
            if name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                named = machine.two_names() if name == "STACK_GLOBAL" else argument
                if named not in MEANT or name == "INST":
                    raise CheckpointError(_not_meant(named, opcodes))
                machine.push(Global(named))
            else:
                machine.step(name, argument)
    raise CheckpointError("data.pkl is cut short")


def _opcodes(pickle: bytes) -> Iterator[Opcode]:
    """The opcodes up to STOP, which has to be the last byte."""
    parsed = pickletools.genops(pickle)
    for _ in range(MAX_OPCODES):
        try:
            opcode, argument, position = next(parsed)
        except StopIteration:
            return
        except (ValueError, OverflowError, MemoryError, IndexError) as error:
            raise CheckpointError(f"data.pkl is not a valid pickle ({one_line(error)})") from None
        if opcode.name == "STOP" and position is not None and position + 1 != len(pickle):
            raise CheckpointError("data.pkl goes on after its end")
        yield opcode.name, argument
    raise CheckpointError(f"data.pkl has more than {MAX_OPCODES:,} opcodes")


def _not_meant(named: str, rest: Iterator[Opcode]) -> str:
    """Why a global is refused: an object of its own class, or a name that has no place in a state dict."""
    following = []
    for name, _ in rest:
        if name not in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            following.append(name)
        if len(following) == 2:
            break
    told = one_line(named).replace(" ", ".")
    if following == ["EMPTY_TUPLE", "NEWOBJ"]:  # how an object of a class is pickled that does not say otherwise
        return f"holds a {told.rpartition('.')[2]} object, not a state dict: save model.state_dict()"
    return f"data.pkl names {told}, which no state dict needs; nothing was run. Save model.state_dict() alone"


class _Machine:
    """The stack, marks and memo of the pickle machine, over inert values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.tensors: list[PickledTensor] = []

    def push(self, value: object) -> None:
        if len(self.stack) >= MAX_STACK:
            raise CheckpointError(f"data.pkl stacks more than {MAX_STACK:,} values")
        self.stack.append(value)

    def pop(self) -> Any:
        self.require(1)
        return self.stack.pop()

    def top(self) -> Any:
        self.require(1)
        return self.stack[-1]

    def require(self, n: int) -> None:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < n:
            raise CheckpointError("data.pkl is damaged: it takes values that it has not got")

    def since_mark(self) -> list[Any]:
        if not self.marks:
            raise CheckpointError("data.pkl is damaged: it takes values that it has not got")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def result(self) -> object:
        if self.marks or len(self.stack) != 1:
            raise CheckpointError("data.pkl is damaged: it ends with values left over")
        return self.stack[0]

    def two_names(self) -> str:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise CheckpointError("data.pkl is damaged: it names something by what is not a name")
        return f"{module} {name}"

    def step(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                if len(self.marks) >= MAX_MARKS:
                    raise CheckpointError(f"data.pkl nests more than {MAX_MARKS:,} deep")
                self.marks.append(len(self.stack))
            case "NONE":
                self.push(None)
            case "NEWTRUE" | "NEWFALSE":
                self.push(name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4":
                self.push(argument if -MAX_INT <= argument < MAX_INT else IGNORED)
            case "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                self.push(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                self.push({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "TUPLE":
                self.push(tuple(self.since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(name[-1])
                self.require(n)
                values = self.stack[-n:]
                del self.stack[-n:]
                self.push(tuple(values))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.top()
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.top()
            case "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise CheckpointError("data.pkl is damaged: it refers to what it has not got")
                self.push(self.memo[argument])
            case "APPEND":
                self.extend([self.pop()])
            case "APPENDS":
                self.extend(self.since_mark())
            case "SETITEM":
                value, key = self.pop(), self.pop()
                self.set_items([key, value])
            case "SETITEMS":
                self.set_items(self.since_mark())
            case "BINPERSID":
                storage = _storage(self.pop())
                self.tensors.append(PickledTensor(storage, 0, (storage.numel,), (1,)))  # which has to be there as well
                self.push(storage)
            case "REDUCE":
                arguments, called = self.pop(), self.pop()
                made = _call(called, arguments)
                if isinstance(made, PickledTensor):
                    self.tensors.append(made)
                self.push(made)
            case "BUILD":  # attributes of a state dict: the `_metadata` of its modules
                self.pop()
                if not isinstance(self.top(), dict):
                    raise CheckpointError("data.pkl is damaged: it gives attributes to what is not a state dict")
            case _:
                raise CheckpointError(f"data.pkl uses {name}, which no state dict needs; nothing was run")

    def extend(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise CheckpointError("data.pkl is damaged: it appends to what is not a list")
        target.extend(values)

    def set_items(self, items: list[Any]) -> None:
        """Entries under names; under anything else no state dict can stand, and hashing it could recurse."""
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise CheckpointError("data.pkl is damaged: it sets entries of what is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key if isinstance(key, str) else IGNORED] = value


def _storage(reference: object) -> Storage:
    match reference:
        case ("storage", Global(name), str(key), str(_), int(numel)) if name in STORAGES and _is_count(numel):
            return Storage(STORAGES[name], key, numel)
    raise CheckpointError("data.pkl is damaged: it refers to a storage in a way that torch.save does not")


def _call(called: object, arguments: object) -> object:
    match called, arguments:
        case Global(name), () if name == ORDERED_DICT:
            return {}
        case Global(name), (Storage() as storage, int(offset), tuple(size), tuple(stride), *rest) if name == TENSOR:
            if len(rest) > 2 and rest[2]:  # beside requires_grad and hooks: {"neg": True}, {"conj": True}
                raise CheckpointError(
                    "data.pkl has a tensor that is the negative or conjugate of its bytes: save clones"
                )
            # The length first: a long tuple may be referred to often.
            fits = len(size) == len(stride) <= MAX_DIMS
            if fits and all(_is_count(number) for number in (offset, *size, *stride)):
                return PickledTensor(storage, offset, size, stride)
            raise CheckpointError("data.pkl has a tensor whose offset, size or stride is impossible")
        case Global(name), (PickledTensor() as tensor, *_) if name == PARAMETER:
            return tensor
    raise CheckpointError("data.pkl is damaged: it calls what it names with what does not fit; nothing was run")


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 0
