"""The OV circuit: what attention to each number adds to the answers, and which head copies which numbers"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool
from pytest_claims.drawing.canvas import Drawing, figure, key, name_y, span, zero_line
from pytest_claims.drawing.heat_map import draw_heat_map, draw_scale
from torch import Tensor

from sorted_list_model.figures.subject import HEAD_COLOURS, SCALED_LOGIT, Subject, listed, one_layer, round_steps
from sorted_list_model.ov_circuit import copied, diagonals
from sorted_list_model.ov_circuit import ov_circuit as circuits
from sorted_list_model.writeup import OF_LESSER_HEAD, OV
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("ov-circuit", "The OV circuit: what attention to each number adds to each answer")
@torch.no_grad()
def ov_circuit(subject: Subject) -> Drawing:
    """Source: solution, OV circuits; here exact, through both layer norms but for the division by the final scale."""
    model, heads = subject.model, subject.heads
    one_layer(model)
    circuit = circuits(model)[: len(heads)]
    finite(circuit)
    most = circuit.abs().max().item() or 1.0
    n_numbers = circuit.shape[-1]
    diagonal = circuit.diagonal(dim1=-2, dim2=-1)
    raised, lowered = diagonal.amax(-1).tolist(), (-diagonal).amax(-1).relu().tolist()
    caption = (
        "What attention to each number (row) adds to the logit of each number (column), before the division by the "
        "final layer norm's scale: violet raises it, brown lowers it. Exact, through the first layer norm; mean over "
        "unsorted positions. A violet diagonal is copying, a brown one anti-copying. Read off the weights; no data."
        f"{subject.of_all_heads}"
    )
    alt = " ".join(
        f"Head {head}: {int((diagonal[head] > 0).sum())} of {n_numbers} numbers raise their own logit, by "
        f"{raised[head]:.3g} at most; the others lower it, by {lowered[head]:.3g} at most."
        for head in heads
    )

    def paint(paper: Paper) -> None:
        axes = paper.subplots(
            1, len(heads), squeeze=False,
            gridspec_kw={"left": 0.06, "right": 0.905, "bottom": 0.12, "top": 0.92, "wspace": 0.12},
        )[0]  # fmt: skip
        ticks = round_steps(n_numbers)
        for head, ax in enumerate(axes):
            draw_heat_map(ax, circuit[head].numpy(), most)
            names = [str(tick) for tick in ticks]
            ax.set_xticks(ticks, names)
            ax.set_yticks(ticks, names)
            ax.set_title(f"head {head}")
            ax.set_xlabel("answer")
        axes[0].set_ylabel("attended to")
        draw_scale(axes[-1], SCALED_LOGIT, most, two_sided=True)

    return Drawing(caption, alt, paint, height=1.1 + 5.6 / len(heads))


@figure("copying", "Which head copies which numbers")
@torch.no_grad()
def copying(subject: Subject) -> Drawing:
    """The diagonals of the OV circuits. Source: solution, OV circuits, on how the heads split the vocabulary."""
    model, heads = subject.model, subject.heads
    one_layer(model)
    diagonal = diagonals(model)[: len(heads)]
    finite(diagonal)
    copies = copied(model)[: len(heads)]
    numbers = range(diagonal.shape[-1])
    band = f"{OF_LESSER_HEAD[0]} to {OF_LESSER_HEAD[-1]}"
    published = subject.published(
        f"Published ({OV}): the lesser head deals with about {band}, the main one with most others."
    )
    caption = (
        "What attention to a number adds to its own logit, before the division by the final layer norm's scale: the "
        "diagonals of the OV circuits, mean over unsorted positions. The squares below mark the numbers that a head "
        "copies: attention to them raises their own logit more than any other, at every unsorted position. If the "
        f"heads split the vocabulary, each number has a square of one head. Read off the weights; no data."
        f"{subject.of_all_heads}{published}"
    )
    adds_most = diagonal.argmax(0)
    alt = " ".join(
        f"Head {head} copies {_where(copies[head])}, and adds the most of all heads to the own logit of "
        f"{_where(adds_most == head)}, up to {diagonal[head].max().item():.3g}."
        for head in heads
    )
    alt += f" Copied by no head: {_where(~copies.any(0))}."

    def paint(paper: Paper) -> None:
        curves, marks = paper.subplots(
            2, 1, sharex=True, height_ratios=[6, 0.6 * len(heads)],
            gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.14, "top": 0.91, "hspace": 0.06},
        )  # fmt: skip
        zero_line(curves)
        for head, colour in zip(heads, HEAD_COLOURS, strict=False):
            curves.plot(numbers, diagonal[head].numpy(), "o-", color=colour, markersize=3, linewidth=1.2)
            where = copies[head].nonzero().flatten().numpy()
            marks.plot(where, [head] * len(where), "s", color=colour, markersize=4.5)
        curves.set_ylim(*span(diagonal.numpy()))
        curves.tick_params(axis="x", length=0)
        name_y(curves, f"own {SCALED_LOGIT}")
        key(curves, subject.head_key)
        marks.set(ylim=(len(heads) - 0.4, -0.6), yticks=[], xlim=(-0.8, len(numbers) - 0.2), xlabel="number")
        marks.set_xticks(round_steps(len(numbers)))
        marks.spines["left"].set_visible(False)

    return Drawing(caption, alt, paint, height=3.0)


def _where(numbers: Bool[Tensor, " number"]) -> str:
    return listed(numbers.nonzero().flatten().tolist())
