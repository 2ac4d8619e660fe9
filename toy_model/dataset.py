"""Sequences with the right answer at every position, whatever the task."""

from __future__ import annotations

from copy import copy
from typing import Self

import torch
from jaxtyping import Int
from torch import Tensor


class Dataset:
    """Tokens and labels of some sequences, each of shape (size, seq_len).

    `scored` selects the positions that a measurement over the set counts: all, unless set otherwise.
    Indexing gives `(toks, labels)` of one sequence or of a slice.
    """

    def __init__(self, toks: Int[Tensor, "size seq_len"], labels: Int[Tensor, "size seq_len"]) -> None:
        self.toks = toks
        self.labels = labels
        self.scored = slice(None)

    def __len__(self) -> int:
        return len(self.toks)

    def __getitem__(self, index: int | slice | Tensor) -> tuple[Tensor, Tensor]:
        return self.toks[index], self.labels[index]

    def first(self, size: int) -> Self:
        """The first `size` sequences, as a set of their own."""
        part = copy(self)
        for name, tensor in vars(self).items():
            if isinstance(tensor, Tensor):
                setattr(part, name, tensor[:size])
        return part

    def to(self, device: torch.device | str) -> Self:
        """Move the tensors to `device`, in place, and return the data set."""
        for name, tensor in vars(self).items():
            if isinstance(tensor, Tensor):
                setattr(self, name, tensor.to(device))
        return self
