"""How a checkpoint is refused: in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_claims.files import shown

if TYPE_CHECKING:
    from torch import Tensor


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message is one line that names the file, and the tensor if any."""


class NotThisModel(CheckpointError):
    """A file whose tensors were read, and are not those of this architecture.

    format   the container
    tensors  shape and type of each, by the name that it has in the file
    notes    what was done to find them
    """

    def __init__(self, message: str, kind: str, state: Mapping[str, Tensor], notes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.format, self.notes = kind, notes
        self.tensors = {
            name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in state.items()
        }


def one_line(text: object) -> str:
    """The text on one line, at a bearable length, without control characters."""
    return shown(text)[:200]
