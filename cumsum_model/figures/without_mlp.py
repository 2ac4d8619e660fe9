"""Past the neurons: what the unembedding reads off u directly, and what is left of the answer without the MLP"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_claims.drawing.canvas import (
    ACCENT,
    HUE,
    OTHER,
    OTHER_HUE,
    Drawing,
    density,
    figure,
    key,
    name_y,
)

from cumsum_model.data import ZERO, running_means
from cumsum_model.figures.subject import Subject, u_of
from toy_model.behaviour import accuracy, cross_entropy
from toy_model.engine import run
from toy_model.figures.measured import measured
from toy_model.intervention import all_neurons, run_under

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

MEANS = 2.0
"""The answer is drawn for means up to here in size: beyond, nothing is in doubt."""


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
