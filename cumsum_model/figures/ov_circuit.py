"""The OV circuit: what the head makes of each value"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pytest_claims.drawing.canvas import ACCENT, INK, LINE, MUTED, Drawing, figure, short_numbers, span, zero_line

from cumsum_model.figures.subject import Subject, u_of
from cumsum_model.ov_circuit import value_outputs, value_projections, value_slope, value_spacing_error
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

FLOOR = 1e-17
"""Singular values below this share of the first are nothing but rounding, and drawn there."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@figure("ov-circuit", "The OV circuit: singular values, and where each value lands along u")
@torch.no_grad()
def ov_circuit(subject: Subject) -> Drawing:
    """Singular values of W_E W_OV, and where each value lands along u. Source: write-up, First pass."""
    model = subject.model
    u_of(model)
    singular = torch.linalg.svdvals(value_outputs(model)).cpu().numpy()
    projections = value_projections(model).cpu()
    finite(projections)
    slope, off = value_slope(model), value_spacing_error(model)
    values = np.arange(len(projections)) - model.cfg.max_value
    published = subject.published('The write-up (First pass) calls it "essentially one-dimensional".')
    caption = (
        "Left, the singular values of W_E W_V W_O: one that stands alone means that every value is moved along one "
        "direction, u. Right, how far along u each value is moved, and the straight line of least squares: equal steps "
        f"let an average stand for the sum. Read off the weights; no data.{published}"
    )
    second = singular[1] / singular[0]
    alt = (
        f"Left: {len(singular)} singular values, the first {singular[0]:.4g}, the second {second:.2g} of it. Right: "
        f"{len(values)} values on a line of slope {slope:.4g} per unit, none further from it than {off:.2g} units."
    )

    def paint(paper: Paper) -> None:
        left, right = paper.subplots(
            1, 2, gridspec_kw={"left": 0.075, "right": 0.98, "bottom": 0.15, "top": 0.9, "wspace": 0.22}
        )
        exponents = np.log10(np.maximum(singular, FLOOR * singular[0]))
        order = np.arange(1, len(singular) + 1)
        low, high = span(exponents, pad=0.12)
        left.vlines(order, low, exponents, color=LINE, linewidth=1)
        left.plot(order, exponents, "o", color=ACCENT, markersize=5)
        ticks = _whole_steps(low, high)
        left.set_yticks(ticks, [f"10{str(tick).translate(_SUPERSCRIPT)}" for tick in ticks])
        left.set(ylim=(low, high), xlim=(0.3, len(order) + 0.7), xlabel="rank of the singular value")
        left.set_xticks(order[:: -(-len(order) // 12)])
        left.set_title("singular values of W_E W_OV")
        for rank, colour in ((1, INK), (2, MUTED)):
            at = (rank, exponents[rank - 1])
            left.annotate(f"{singular[rank - 1]:.3g}", at, (0, 5), textcoords="offset points", color=colour)

        line = projections.mean().item() + slope * values
        zero_line(right)
        right.plot(values, line, color=MUTED, linewidth=1)
        right.plot(values, projections.numpy(), "o", color=ACCENT, markersize=5)
        right.set(
            xlabel=f"value (slope {slope:.4g}, off the line by {off:.2g} units at most)",
            ylim=span(np.concatenate([line, projections.numpy()]), pad=0.08),
        )
        right.set_xticks(values[:: -(-len(values) // 21)])
        right.set_title("where each value lands along u")
        short_numbers(right)

    return Drawing(caption, alt, paint, height=3.0)


def _whole_steps(low: float, high: float) -> list[int]:
    """At most eight whole numbers between the two, evenly apart."""
    first, last = int(np.ceil(low)), int(np.floor(high))
    return list(range(first, last + 1, max(1, -(-(last - first + 1) // 8))))
