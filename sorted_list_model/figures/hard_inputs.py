"""Hard inputs: large jumps from a number to the next, and lists without small numbers"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from pytest_claims.drawing.canvas import ACCENT, INK, MUTED, OTHER, Drawing, figure, key, name_y
from pytest_claims.drawing.figure import NotDrawn

from sorted_list_model.data import SortedListDataset
from sorted_list_model.figures.subject import Subject, every_few, lists_of, round_steps
from sorted_list_model.hard_inputs import (
    accuracy_after_jumps,
    accuracy_by_jump,
    largest_jump,
    lists_with_minimum,
    right,
)
from toy_model.figures.measured import measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

LISTS, SEED = 100, 0
"""Lists that are drawn for each size of a jump and each smallest number, and the seed for each."""

SURE = 0.99
"""Accuracy from which on answers count as right in the words beside a figure."""

FEWEST = 20
"""Answers of the validation set that it takes to show their accuracy."""


@figure("accuracy-by-jump", "Accuracy by the size of the jump to the next number, and by position")
def by_jump(subject: Subject) -> Drawing:
    """Source: challenge post of November, on October's solution: large jumps are rare in training and adversarial."""
    model, data = subject.model, subject.data
    lists_of(model, 2, "it takes two numbers for a jump")
    gaps = range(1, largest_jump(model.cfg.list_len, model.cfg.max_value) + 1)
    ordered = measured(accuracy_by_jump, model, gaps, LISTS, SEED).tolist()
    accuracy, many = accuracy_after_jumps(data, subject.right)
    shown = (many >= FEWEST).nonzero().flatten()
    n_wrong = (~subject.right).sum(0)
    caption = (
        f"Left, accuracy at the number before the jump: over the jumps of each size in {LISTS} lists that are drawn to "
        f"have one (seed {SEED} for each size; every place of the jump is equally likely), and over "
        f"{subject.data_set}, where it has at least {FEWEST} of a size. Right, wrong answers by position on the same "
        f"set, of {len(data)} each. If large jumps are what is hard, the curves fall to the right; few lists have any."
    )
    sure = [gap for gap, part in zip(gaps, ordered, strict=True) if part > SURE]
    unsure = [gap for gap, part in zip(gaps, ordered, strict=True) if part < 0.5]
    alt = (
        f"On lists drawn to have one, the accuracy is above {SURE} for jumps of "
        f"{_how_many(sure, len(gaps), 'sizes', max)} and below one half for jumps of "
        f"{_how_many(unsure, len(gaps), 'sizes', min)}. On the validation set it is "
        f"{subject.right.double().mean().item():.5f} over all answers; wrong answers by position: "
        f"{', '.join(map(str, n_wrong.tolist()))}."
    )

    def paint(paper: Paper) -> None:
        left, right_side = paper.subplots(
            1, 2, width_ratios=[2, 1],
            gridspec_kw={"left": 0.07, "right": 0.985, "bottom": 0.16, "top": 0.91, "wspace": 0.16},
        )  # fmt: skip
        left.plot(gaps, ordered, color=OTHER, linewidth=1.2)
        left.plot(gaps, ordered, "o", color=OTHER, markersize=3)
        left.plot(shown, accuracy[shown].numpy(), "o", color=ACCENT, markersize=6, markerfacecolor="none")
        _accuracy_axis(left, gaps, "jump to the next number")
        key(left, {"drawn to order": OTHER, "validation set": ACCENT})
        places = range(model.cfg.list_len, 2 * model.cfg.list_len)
        right_side.bar(places, n_wrong.tolist(), 0.8, color=ACCENT, linewidth=0)
        if len(places) <= 12:
            for place, wrong in zip(places, n_wrong.tolist(), strict=True):
                right_side.annotate(str(wrong), (place, wrong), (0, 2), textcoords="offset points", ha="center",
                                    fontsize=7, color=INK)  # fmt: skip
        right_side.set(ylim=(0, 1.1 * max(int(n_wrong.max()), 1)), xlabel="position of the query")
        right_side.set_xticks([places[i] for i in every_few(len(places), 12)])
        right_side.tick_params(axis="x", length=0)
        name_y(right_side, "wrong answers")

    return Drawing(caption, alt, paint, height=2.8)


def _accuracy_axis(ax: Axes, numbers: range, below: str) -> None:
    ax.set(ylim=(-0.03, 1.03), xlim=(numbers[0] - 0.8, numbers[-1] + 0.8), xlabel=below)
    ax.set_xticks([number for number in round_steps(numbers[-1] + 1) if number in numbers])
    name_y(ax, "accuracy")


@figure("accuracy-by-smallest", "Accuracy of the first answer, by the smallest number of the list")
@torch.no_grad()
def by_smallest(subject: Subject) -> Drawing:
    """Source: solution, QK circuits: SEP attends to the smallest number up to about 30."""
    cfg = subject.model.cfg
    smallest = range(cfg.max_value + 2 - cfg.list_len)
    if len(smallest) < 2:
        raise NotDrawn("all lists have the same smallest number")
    lists = [lists_with_minimum(number, LISTS, SEED, cfg.list_len, cfg.max_value) for number in smallest]
    data = SortedListDataset.of(torch.cat(lists), cfg.max_value)
    rights = measured(right, subject.model, data).view(len(smallest), LISTS, -1).double()
    first = rights[:, :, 0].mean(-1)
    later = rights[:, :, 1:].mean((1, 2)) if cfg.list_len > 1 else None
    caption = (
        f"Accuracy at SEP, where the smallest number is the right answer, over {LISTS} lists for each smallest number "
        f"(seed {SEED} for each; each list with that smallest number equally likely), and at the sorted numbers of the "
        "same lists. If SEP finds the smallest only among small numbers, the curve falls."
    )
    sure = [number for number in smallest if first[number] > SURE]
    unsure = [number for number in smallest if first[number] < 0.5]
    what = "smallest numbers"
    alt = (
        f"At SEP the accuracy is above {SURE} for {_how_many(sure, len(smallest), what, max)} and below one half for "
        f"{_how_many(unsure, len(smallest), what, min)}; where the smallest number is {smallest[-1]} it is "
        f"{first[-1].item():.2f}."
        + ("" if later is None else f" At the sorted numbers it is at least {later.min().item():.3f}.")
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.16, "top": 0.91})
        if later is not None:
            ax.plot(smallest, later.numpy(), color=MUTED, linewidth=1.2)
        ax.plot(smallest, first.numpy(), "o-", color=ACCENT, markersize=3, linewidth=1.2)
        _accuracy_axis(ax, smallest, "smallest number of the list")
        key(ax, {"at SEP": ACCENT, "at the sorted numbers": MUTED})

    return Drawing(caption, alt, paint, height=2.6)


def _how_many(chosen: list[int], n: int, what: str, outermost: Callable[[list[int]], int]) -> str:
    """How many of n sizes are chosen, and the outermost of them if there are any."""
    which = "largest" if outermost is max else "smallest"
    return f"{len(chosen)} of {n} {what}" + (f" (the {which}: {outermost(chosen)})" if chosen else "")
