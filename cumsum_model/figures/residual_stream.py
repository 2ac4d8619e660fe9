"""The residual stream: what is stored along u, and what moving it there does to the answer"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pytest_claims.drawing.canvas import ACCENT, LINE, MUTED, Drawing, density, figure, short_numbers, span
from torch import Tensor

from cumsum_model.data import running_means
from cumsum_model.figures.subject import Subject, u_of
from cumsum_model.residual_stream import resid_mid_along_u
from toy_model.figures.measured import finite
from toy_model.statistics import r_squared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

FURTHEST_SUM, VIOLINS = 20, 11
FEWEST = 20
"""Positions that it takes to speak of a distribution."""

MOST_SUMS, MOVES_PER_SUM = 10, 2
"""How far resid_mid is moved, and in what steps, in what a sum of 1 moves it at full length."""


@figure("resid-mid", "resid_mid along u, against the running sum and the running mean")
def resid_mid(subject: Subject) -> Drawing:
    """Source: write-up, Finding u in resid mid."""
    u_of(subject.model)
    along_u = resid_mid_along_u(subject.model, subject.data.toks).cpu()
    finite(along_u)
    sums, means = subject.data.values.cumsum(1), running_means(subject.data.values)
    by_sum, by_mean = _explained(sums, along_u), _explained(means, along_u)
    caption = (
        "How far the stream between attention and MLP lies along u, at all "
        f"{along_u.numel()} positions of {subject.data_set}. Left, by running sum: each shape shows how often a sum is "
        "stored where. Right, against the running mean, a mark wherever there is a position, stronger where there are "
        "many. If the mean is what is stored, the right side is a line and the left side is not."
    )
    alt = (
        f"The running sum explains {by_sum:.4f} of the variance along u, the running mean {by_mean:.6f}; at means from "
        f"{means.min().item():.2g} to {means.max().item():.2g} the stream lies from {along_u.min().item():.4g} to "
        f"{along_u.max().item():.4g} along u."
    )
    flat = along_u.flatten().numpy()

    def paint(paper: Paper) -> None:
        left, right = paper.subplots(
            1, 2, sharey=True,
            gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.14, "top": 0.9, "wspace": 0.07},
        )  # fmt: skip
        low, high = span(flat)
        _violins(left, sums.flatten().numpy(), flat, (low, high))
        left.set(xlabel="running sum", ylim=(low, high))
        left.set_title(f"resid_mid · u against the sum: R² = {by_sum:.3f}")
        x = means.flatten().numpy()
        density(right, x, flat, (*span(x), low, high))
        right.set(xlabel="running mean")
        short_numbers(left)
        right.set_title(f"against the mean: R² = {by_mean:.6f}")

    return Drawing(caption, alt, paint, height=3.4)


def _explained(x: Tensor, y: Tensor) -> float:
    """R^2, and 0 where one of the two never varies: then there is nothing to explain, or nothing to do it with."""
    return r_squared(x, y) if x.double().std() > 0 and y.std() > 0 else 0.0


def _violins(ax: Axes, sums: np.ndarray, along_u: np.ndarray, limits: tuple[float, float]) -> None:
    """A shape for each of some sums, as wide as `along_u` is often there; all are equally wide at their widest."""
    furthest = min(FURTHEST_SUM, int(np.abs(sums).max()))
    step = max(1, -(-2 * furthest // (VIOLINS - 1)))
    edges = np.linspace(*limits, 91)
    centres = (edges[:-1] + edges[1:]) / 2
    enough = [s for s in range(-(furthest // step) * step, furthest + 1, step) if (sums == s).sum() >= FEWEST]
    for s in enough:
        here = along_u[sums == s]
        often = np.histogram(here, edges)[0].astype(float)
        for _ in range(2):
            often = np.convolve(often, [0.25, 0.5, 0.25], mode="same")
        half = 0.45 * step * often / max(often.max(), 1e-9)
        shown = np.flatnonzero(half > 0.004 * step)
        part = slice(shown[0], shown[-1] + 1) if len(shown) else slice(0)
        ax.fill_betweenx(centres[part], s - half[part], s + half[part], color=ACCENT, alpha=0.75, linewidth=0)
        ax.plot([s - 0.22 * step, s + 0.22 * step], [np.median(here)] * 2, color=MUTED, linewidth=0.8)
    ends = span(np.array(enough or [0]), pad=0)
    ax.set(xlim=(ends[0] - 0.7 * step, ends[1] + 0.7 * step), xticks=enough)
    ax.axhline(0, color=LINE, linewidth=0.8, zorder=0)
