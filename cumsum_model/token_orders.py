"""The orders in which files have the rows of the embedding, one for each value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toy_model.task import TokenOrder

if TYPE_CHECKING:
    from torch import Tensor


def _unwrapped(W_E: Tensor) -> Tensor:
    return W_E.roll(len(W_E) // 2, 0)


VALUE = TokenOrder(name="value", rows="from -max to +max", restored=lambda W_E: W_E)
WRAPPED = TokenOrder(
    name="wrapped", rows="0, +1 .. +max, -max .. -1, as the original release stored them", restored=_unwrapped
)
