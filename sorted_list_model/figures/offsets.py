"""Tables of numbers by numbers, drawn by how far apart the two are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from pytest_claims.drawing.canvas import ACCENT, INK, OTHER, name_y, signed, span, strokes, zero_line
from torch import Tensor

from sorted_list_model.ov_circuit import boosts_by_offset

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

REACH = 10
"""Offsets that are drawn, on either side."""

MIDDLE = (0.1, 0.9)
"""Quantiles between which a stroke is drawn."""


def by_offset(table: Float[Tensor, "number answer"]) -> dict[int, Float[Tensor, " number"]]:
    """The entries whose answer is so far above the number, by offset."""
    reach = min(REACH, len(table) - 1)
    return {offset: boosts_by_offset(table, offset) for offset in range(-reach, reach + 1)}


def in_words(table: dict[int, Float[Tensor, " number"]], near: int = 2) -> str:
    """Means at the offsets around 0, and for how many numbers each is positive: "-1 +0.120, above 0 for 50 of 50"."""
    return "; ".join(
        f"{offset:+d} {some.mean().item():+.3f}, above 0 for {int((some > 0).sum())} of {len(some)}"
        for offset, some in table.items()
        if abs(offset) <= near
    )


def draw_by_offset(paper: Paper, table: dict[int, Float[Tensor, " number"]], what: str, below: str) -> None:
    """A bar for each mean, in one colour above zero and in the other below, and a stroke over the middle."""
    ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.16, "top": 0.91})
    offsets = list(table)
    means = np.array([some.mean().item() for some in table.values()])
    low, high = (np.array([some.quantile(part).item() for some in table.values()]) for part in MIDDLE)
    zero_line(ax)
    ax.bar(offsets, means, 0.75, color=[ACCENT if mean > 0 else OTHER for mean in means], linewidth=0)
    strokes(ax, np.array(offsets), low, high, INK, 0.8)
    ax.set_xticks(offsets, [signed(offset) for offset in offsets])
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(offsets[0] - 0.7, offsets[-1] + 0.7), ylim=span(np.concatenate([means, low, high])), xlabel=below)
    name_y(ax, what)
