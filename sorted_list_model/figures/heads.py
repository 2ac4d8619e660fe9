"""The heads: what is lost without each of them, by the number that should be answered"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from pytest_claims.drawing.canvas import Drawing, figure, key, name_y, span, zero_line
from torch import Tensor

from sorted_list_model.figures.subject import HEAD_COLOURS, Subject, listed, one_layer, round_steps
from sorted_list_model.writeup import ABLATION_COSTS, HEADS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("ablation-by-target", "What ablating each head costs, by the right answer")
def ablation_by_target(subject: Subject) -> Drawing:
    """Source: solution, Head ablation, for the mean over all answers; ours by target."""
    one_layer(subject.model)
    targets, n_numbers = subject.some.targets.flatten(), subject.model.cfg.max_value + 1
    many = targets.bincount(minlength=n_numbers)
    by_target = torch.stack([_means(falls.flatten(), targets, many) for falls in subject.falls])
    seen = many.nonzero().flatten()
    overall = [falls.mean().item() for falls in subject.falls]
    costlier = torch.nan_to_num(by_target, -torch.inf).argmax(0)
    lesser, main = ABLATION_COSTS
    published = subject.published(
        f"Published ({HEADS}, over the first 500 lists): {lesser:.3f} without the lesser head, {main:.3f} without the "
        "main one, on average."
    )
    caption = (
        "Mean fall of the log probability of the right answer, by what that answer is, when one head is mean-ablated: "
        f"its output at each position is replaced by its mean over the lists. Over {subject.first_lists}, at SEP and "
        "the sorted numbers but the last. If the heads split the vocabulary, where one curve is high the other is low."
        f"{subject.of_all_heads}{published}"
    )
    alt = " ".join(
        f"Without head {head} the log probability falls by {overall[head]:.3f} nats on average, most for "
        f"{int(torch.nan_to_num(by_target[head], -torch.inf).argmax())}; it is the costliest for "
        f"{listed([number for number in seen.tolist() if costlier[number] == head])}."
        for head in subject.heads
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.16, "top": 0.91})
        zero_line(ax)
        for head, colour in zip(subject.heads, HEAD_COLOURS, strict=False):
            ax.plot(seen, by_target[head][seen].numpy(), "o-", color=colour, markersize=3, linewidth=1.2)
        ax.set(ylim=span(by_target[:, seen].numpy()), xlim=(-0.8, n_numbers - 0.2), xlabel="right answer")
        ax.set_xticks(round_steps(n_numbers))
        name_y(ax, "fall of the log probability (nats)")
        key(ax, subject.head_key)

    return Drawing(caption, alt, paint, height=2.8)


def _means(falls: Float[Tensor, " answer"], targets: Tensor, many: Tensor) -> Float[Tensor, " number"]:
    """By target; nan for a number that is never the right answer."""
    return targets.bincount(falls, minlength=len(many)) / many
