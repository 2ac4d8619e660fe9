"""The neurons: what each adds to the answer as the running mean goes by, and what is lost without it"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from pytest_claims.drawing.canvas import (
    ACCENT,
    MUTED,
    OTHER,
    Drawing,
    figure,
    short_numbers,
    span,
    zero_line,
)
from torch import Tensor

from cumsum_model.figures.subject import LABEL_COLOURS, Subject, answers_key, u_of
from cumsum_model.neurons import Neurons, read_neurons
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

REACH = 2.0
"""The mean runs from -REACH to +REACH: about as far as k from -4 to +4 along u in the write-up."""

MOST_PANELS, MOST_BARS = 8, 12
COLUMNS = 4
KIND_COLOURS = (ACCENT, OTHER, MUTED)


@figure("neurons", "What each neuron adds to the three logits, by the running mean")
@torch.no_grad()
def neuron_responses(subject: Subject) -> Drawing:
    """Source: write-up, Analysing neurons."""
    u_of(subject.model)
    neurons = read_neurons(subject.model)
    finite(neurons.slope, neurons.bias, neurons.push)
    chosen = _strongest(neurons.strength, MOST_PANELS)
    lines = {i: _response(neurons, i) for i in chosen}
    of_all = f" The {len(chosen)} strongest of {len(neurons.slope)}." if len(chosen) < len(neurons.slope) else ""
    published = subject.published(
        "Published (write-up, Analysing neurons, of a sibling run): in its plot neurons 2 and 7 fire on the positive "
        "side and 0, 1, 3, 4 on the negative, 2 most, 5 and 6 hardly at all; its summary has the sides the other way "
        "round."
    )
    caption = (
        f"What each neuron adds to the logits neg, zero and pos (centred) at a running mean from -{REACH:g} to "
        f"+{REACH:g}, at the average token and position. The tick on the axis is the kink, where it starts or stops to "
        "fire: a little beyond 0, so that next to 0 all neurons fire. Read off the weights; no data."
        f"{of_all}{published}"
    )
    rising = [i for i in chosen if neurons.slope[i] > 0]
    falling = [i for i in chosen if neurons.slope[i] < 0]
    strongest = int(neurons.strength.argmax())
    alt = (
        f"{len(chosen)} small plots. Neurons that fire on positive means: {_listed(rising)}; on negative means: "
        f"{_listed(falling)}. The strongest is {strongest}, which moves the logits apart by "
        f"{neurons.strength[strongest].item():.3g} per unit of mean; the kinks drawn: "
        f"{', '.join(f'{i} at {round(neurons.kink[i].item(), 2) + 0.0}' for i in chosen if neurons.slope[i] != 0)}."
    )

    rows = -(-len(chosen) // COLUMNS)
    height = 1.3 * rows + 0.75

    def paint(paper: Paper) -> None:
        axes = paper.subplots(
            rows, COLUMNS, sharex=True, sharey=True, squeeze=False,
            gridspec_kw={"left": 0.065, "right": 0.99, "bottom": 0.42 / height, "top": 1 - 0.5 / height,
                         "wspace": 0.08, "hspace": 0.3},
        )  # fmt: skip
        limits = span(np.concatenate([y.ravel() for _, y in lines.values()]), pad=0.08)
        for place, ax in enumerate(axes.flat):
            if place >= len(chosen):
                ax.set_visible(False)
                continue
            neuron = chosen[place]
            k, added = lines[neuron]
            zero_line(ax)
            for label, colour in enumerate(LABEL_COLOURS):
                ax.plot(k, added[:, label], color=colour, linewidth=1.8)
            kink = neurons.kink[neuron].item()
            if abs(kink) <= REACH:
                ax.plot(kink, 0, "|", color=MUTED, markersize=11, markeredgewidth=1)
            ax.set(xlim=(-REACH, REACH), ylim=limits, xticks=(-1, 0, 1))
            ax.set_title(f"neuron {neuron}")
            ax.tick_params(labelbottom=place + COLUMNS >= len(chosen))
            if place + COLUMNS >= len(chosen):
                ax.set_xlabel("running mean")
            short_numbers(ax)
        paper.text(0.065, 1 - 0.17 / height, "added to the logits", color=MUTED)
        answers_key(axes[0][min(len(chosen), COLUMNS) - 1], y=1.16)

    return Drawing(caption, alt, paint, height)


def _strongest(strength: Float[Tensor, " d_mlp"], most: int) -> list[int]:
    """The numbers of the strongest neurons, in order of number."""
    return sorted(strength.cpu().argsort(descending=True, stable=True)[:most].tolist())


def _response(neurons: Neurons, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Running means, and what the neuron adds to each logit there: straight between its ends and its kink."""
    kink = neurons.kink[i].item()
    ends = [-REACH, REACH]
    k = torch.tensor(sorted({*ends, kink} if abs(kink) < REACH else ends), dtype=torch.float64)
    fires = (neurons.slope[i].cpu() * k + neurons.bias[i].cpu()).relu()
    return k.numpy(), (fires[:, None] * neurons.push[i].cpu()).numpy()


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
