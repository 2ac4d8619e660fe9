"""What ablating each neuron costs, by the kind of ablation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pytest_claims.drawing.canvas import LINE, Drawing, figure, key, name_y, span
from pytest_claims.drawing.figure import NotDrawn

from cumsum_model.figures.neurons import KIND_COLOURS, MOST_BARS, _strongest
from cumsum_model.figures.subject import Subject
from cumsum_model.scope import no_account_of
from toy_model.figures.measured import finite, measured
from toy_model.intervention import ABLATIONS, RESAMPLING_SEED, neuron_costs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("ablation-kinds", "What is lost without each neuron, by kind of ablation")
def ablation_kinds(subject: Subject) -> Drawing:
    """Source: write-up, Analysing neurons, for zero-ablation; ours for the rest."""
    model = subject.model
    why_not = no_account_of(model)
    if why_not:
        raise NotDrawn(why_not)
    costs = {kind: measured(neuron_costs, model, subject.data, ablate) for kind, ablate in ABLATIONS.items()}
    finite(*costs.values())
    chosen = _strongest(costs["zero"], MOST_BARS)
    d_mlp = model.cfg.d_mlp
    of_all = f" The {len(chosen)} of {d_mlp} that cost most when zeroed." if len(chosen) < d_mlp else ""
    published = subject.published(
        "Published for zero-ablation (write-up, Analysing neurons, of a sibling run): .0185 .0163 .0951 .0200 .0311 "
        ".0002 .0000 .0465 for neurons 0 to 7."
    )
    caption = (
        "Rise in cross entropy when one neuron alone is ablated at every position: set to zero, to its mean, or to "
        f"what it does at the same position of another sequence (permutation of seed {RESAMPLING_SEED}). Over "
        f"{subject.data_set}. Which kind is meant changes the numbers, so a figure without its kind says little."
        f"{of_all}{published}"
    )
    alt = " ".join(
        f"{kind.capitalize()}-ablation costs most for neuron {int(cost.argmax())} ({cost.max().item():.4g} nats) and "
        f"least for neuron {int(cost.argmin())} ({cost.min().item():.2g})."
        for kind, cost in costs.items()
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.15, "top": 0.91})
        width = 0.8 / len(costs)
        places = np.arange(len(chosen))
        for i, (cost, colour) in enumerate(zip(costs.values(), KIND_COLOURS, strict=True)):
            shift = (i - (len(costs) - 1) / 2) * width
            ax.bar(places + shift, cost[chosen].numpy(), 0.92 * width, color=colour, linewidth=0)
        heights = np.concatenate([[0.0], *(cost[chosen].numpy() for cost in costs.values())])
        low, high = span(heights)
        ax.set(ylim=(low if heights.min() < 0 else 0, high), xlim=(-0.6, len(chosen) - 0.4))
        ax.axhline(0, color=LINE, linewidth=0.8)
        ax.set_xticks(places, [str(neuron) for neuron in chosen])
        ax.tick_params(axis="x", length=0)
        ax.set_xlabel("neuron")
        name_y(ax, "rise in cross entropy (nats)")
        key(ax, {f"{kind}-ablated": colour for kind, colour in zip(costs, KIND_COLOURS, strict=True)})

    return Drawing(caption, alt, paint, height=2.8)
