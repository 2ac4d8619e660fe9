"""Which way the three answers are unembedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pytest_claims.drawing.canvas import ACCENT, INK, OTHER, Drawing, figure, signed
from pytest_claims.drawing.figure import NotDrawn

from cumsum_model.data import NEG, POS, VOCAB_OUT, ZERO
from cumsum_model.figures.subject import Subject, u_of
from toy_model.statistics import cosine

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("unembedding", "u and the three unembeddings: cosines")
@torch.no_grad()
def unembedding_cosines(subject: Subject) -> Drawing:
    """Source: write-up, Analysing neurons."""
    model = subject.model
    vectors = {"u": u_of(model), **dict(zip(VOCAB_OUT, model.W_U.T, strict=True))}
    if any(not vector.norm() > 0 for vector in vectors.values()):
        raise NotDrawn("an unembedding is zero: it makes no angle with anything")
    names, columns = list(vectors), list(vectors.values())
    cosines = [[cosine(a, b) for b in columns] for a in columns]
    u, neg, zero, pos = 0, 1 + NEG, 1 + ZERO, 1 + POS
    published = subject.published(
        "Published (write-up, Analysing neurons, of a sibling run): u with pos +0.970, u with neg -0.958, pos with neg "
        "-0.949, pos with zero -0.190, neg with zero -0.128."
    )
    caption = (
        "Cosine of the angle between each two of: u, and the columns of W_U. +1 is the same direction, -1 the opposite "
        "one, 0 a right angle. If the answer is read off u, pos lies along u, neg against it, and zero takes no side. "
        f"Read off the weights; no data.{published}"
    )
    alt = (
        f"Cosines: u with pos {cosines[u][pos]:+.3f}, u with neg {cosines[u][neg]:+.3f}, u with zero "
        f"{cosines[u][zero]:+.3f}, pos with neg {cosines[pos][neg]:+.3f}, pos with zero {cosines[pos][zero]:+.3f}, "
        f"neg with zero {cosines[neg][zero]:+.3f}."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.09, "right": 0.995, "bottom": 0.02, "top": 0.86})
        for i, row in enumerate(cosines):
            for j, value in enumerate(row):
                colour = ACCENT if value > 0 else OTHER
                ax.axhspan(i - 0.47, i + 0.47, (j + 0.01) / 4, (j + 0.99) / 4,
                           color=colour, alpha=0.45 * min(abs(value), 1), linewidth=0)  # fmt: skip
                ax.text(j, i, signed(value, ".3f"), ha="center", va="center", fontsize=9.5, color=INK)
        ax.set_xticks(range(4), names)
        ax.set_yticks(range(4), names)
        ax.set(xlim=(-0.5, 3.5), ylim=(3.5, -0.5))
        ax.xaxis.tick_top()
        ax.tick_params(length=0, labelsize=9, labelcolor=INK)
        ax.spines[:].set_visible(False)

    return Drawing(caption, alt, paint, height=1.75)
