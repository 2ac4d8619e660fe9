"""Past the neurons: what the unembedding reads off u directly, and what is left of the answer without the MLP"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pytest_claims.drawing.canvas import (
    ACCENT,
    HUE,
    INK,
    OTHER,
    OTHER_HUE,
    Drawing,
    density,
    figure,
    key,
    name_y,
    signed,
)
from pytest_claims.drawing.figure import NotDrawn

from cumsum_model.behaviour import accuracy, cross_entropy, run
from cumsum_model.circuit import cosine
from cumsum_model.data import NEG, POS, VOCAB_OUT, ZERO, running_means
from cumsum_model.figures.figure import Subject, measured, u_of
from cumsum_model.intervention import all_neurons, run_under

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

MEANS = 2.0
"""The answer is drawn for means up to here in size: beyond, nothing is in doubt."""


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


@figure("without-mlp", "P(zero) against the running mean, with and without the MLP")
def without_mlp(subject: Subject) -> Drawing:
    """All neurons zero-ablated. Source: write-up, Analysing neurons."""
    model, data = subject.model, subject.data
    u_of(model)
    whole = measured(run, model, data.toks).cpu()
    without = measured(run_under, model, data.toks, all_neurons(model)).cpu()
    means = running_means(data.values)
    shown = means.abs() <= MEANS
    x = means[shown].numpy()
    published = subject.published(
        "Published (write-up, Analysing neurons, of a sibling run): cross entropy 0.077 with the MLP, 0.536 without."
    )
    caption = (
        f"Probability of the answer zero at the {int(shown.sum())} positions of {subject.data_set} whose mean is at "
        f"most {MEANS:g} in size: a mark wherever there is a position, stronger where there are many. Without the MLP "
        "means all neurons zero-ablated. A narrow peak is a sharp answer; where it is wide, the sum has to be extreme "
        f"before the model is confident.{published}"
    )
    losses = [cross_entropy(logits, data.labels).item() for logits in (whole, without)]
    rights = [accuracy(logits, data.labels) for logits in (whole, without)]
    said = [(logits.argmax(-1) == ZERO).double().mean().item() for logits in (whole, without)]
    alt = (
        f"With the MLP the cross entropy is {losses[0]:.4g} nats, {rights[0]:.1%} of all answers are right and "
        f"{said[0]:.1%} are zero; without it {losses[1]:.4g} nats, {rights[1]:.1%} right, {said[1]:.1%} zero."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.15, "top": 0.92})
        limits = (-MEANS, MEANS, -0.02, 1.02)
        for logits, hue in ((without, OTHER_HUE), (whole, HUE)):
            density(ax, x, logits.double().softmax(-1)[..., ZERO][shown].numpy(), limits, hue)
        ax.set(xlabel="running mean")
        name_y(ax, "P(zero)")
        key(ax, {"with the MLP": ACCENT, "without it": OTHER})

    return Drawing(caption, alt, paint, height=3.1)
