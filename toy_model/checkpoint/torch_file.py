"""What `torch.save` wrote, read by `torch.load(weights_only=True)` once it is known what that would take."""

from __future__ import annotations

import io
import math
import re
import warnings

import torch
from torch import Tensor

from toy_model.checkpoint.archive import members_of, written_anew
from toy_model.checkpoint.refusal import CheckpointError, one_line
from toy_model.checkpoint.state_dict import state_dict_in
from toy_model.checkpoint.survey import DEFAULTDICT, MAX_BYTES, STAND_INS, Survey, survey

BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a torch.save file from before torch 1.6 starts: a pickle of its magic number."""

LEGACY_PICKLES = ("its first pickle", "its second pickle", "its third pickle", "its pickle", "its list of storages")
"""A file from before torch 1.6 is these, and then the bytes of the tensors."""

MAX_TENSORS = 10_000
MAX_TENSOR_BYTES = 256 * 2**20
"""Of all tensors of the state dict together, as float32. Views may overlap, so they can be larger than the file."""

MAX_DIMS = 8


class Beside:
    """Stands for a value beside the weights, such as a numpy scalar, and keeps nothing of it."""

    def __new__(cls, *_: object) -> Beside:
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        return


def _plain_dict(*_: object) -> dict[object, object]:
    """In place of a `defaultdict`, whose factory is of no use to a reader."""
    return {}


SAFE = [
    *((Beside, name.replace(" ", ".").replace("__builtin__", "builtins")) for name in sorted(STAND_INS)),
    (_plain_dict, DEFAULTDICT.replace(" ", ".")),
]
"""What is allowed beyond what torch itself allows: names that are replaced by something inert, so that nothing of
numpy is called. What else may stand beside the weights, `survey.BESIDE`, torch allows by itself: numbers and names."""


def read_archive(content: bytes) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state dict in the bytes of a torch.save archive, and notes on where in it that was found.

    Raises CheckpointError, without the name of the file.
    """
    members = members_of(content)
    pickled = members["data.pkl"]
    if len(pickled) > MAX_BYTES:
        raise CheckpointError(f"data.pkl takes {len(pickled):,} bytes, more than the {MAX_BYTES:,} that are read")
    surveyed, file = Survey(), io.BytesIO(pickled)
    survey(file, surveyed)
    if file.tell() != len(pickled):
        raise CheckpointError("data.pkl goes on after its end")
    for key, n_bytes in surveyed.storages.items():
        stored = members.get(f"data/{key}")
        if stored is None:
            raise CheckpointError(f"lacks data/{key[:20]}, the bytes of a tensor")
        if len(stored) != n_bytes:
            raise CheckpointError(f"has {len(stored):,} bytes in data/{key}, which is not what data.pkl says of them")
    order = members.get("byteorder", b"little")  # older versions of torch leave it out, and wrote little
    if order not in (b"little", b"big"):
        raise CheckpointError(f"has the byte order {one_line(order[:20])}, which is neither little nor big")
    return _state_dict(written_anew({**members, "byteorder": order}), len(content))


def read_legacy(content: bytes) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """As `read_archive`, of a file from before torch 1.6."""
    surveyed, file = Survey(), io.BytesIO(content)
    for what in LEGACY_PICKLES:
        survey(file, surveyed, what)
        if file.tell() > MAX_BYTES:
            raise CheckpointError(f"{what} ends after {file.tell():,} bytes, more than the {MAX_BYTES:,} that are read")
    if sum(surveyed.storages.values()) > len(content):
        raise CheckpointError("is cut short: it lacks bytes of its tensors")
    return _state_dict(content, len(content))


def _state_dict(content: bytes, n_bytes: int) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(SAFE):  # type: ignore[arg-type]
            warnings.simplefilter("ignore")
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # whatever torch raises of a damaged file: its code was not made to be precise there
        raise CheckpointError(_in_one_line(error)) from None
    state, notes = state_dict_in(loaded)
    if len(state) > MAX_TENSORS:
        raise CheckpointError(f"holds {len(state):,} tensors, more than the {MAX_TENSORS:,} that are read")
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise CheckpointError(
                f"{one_line(name)} is not a plain tensor: save model.state_dict() of the model on a CPU"
            )
        if tensor.dim() > MAX_DIMS:
            raise CheckpointError(f"{one_line(name)} has {tensor.dim()} axes, more than the {MAX_DIMS} that are read")
    if sum(math.prod(tensor.shape) * max(4, tensor.itemsize) for tensor in state.values()) > MAX_TENSOR_BYTES:
        raise CheckpointError(
            f"declares tensors of more than the {MAX_TENSOR_BYTES:,} bytes that are read, in a file of {n_bytes:,}"
        )
    return {name: _own(tensor) for name, tensor in state.items()}, notes


def _own(tensor: Tensor) -> Tensor:
    """The numbers of a tensor in memory of its own; also where it is the negative or conjugate of what is stored."""
    return tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)


def _in_one_line(error: Exception) -> str:
    """What torch says of a file that it does not read, without its advice."""
    text = str(error)
    named = re.search(r"GLOBAL (\S+) was not an allowed|unsupported GLOBAL (\S+)", text)
    if named:
        return f"names {one_line(named[1] or named[2])}, which no state dict needs; nothing was run"
    if isinstance(error, MemoryError):
        return "asks for more memory than there is"
    lines = [line for line in text.splitlines() if line.strip() and "weights_only" not in line.lower()]
    lines = [line for line in lines if not line.startswith(("Check the documentation", "Weights only load failed"))]
    return f"is a damaged torch.save file ({one_line(lines[0] if lines else type(error).__name__)})"
