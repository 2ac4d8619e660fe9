"""Attention: what the heads attend to in two lists, which numbers they look for, and what position adds"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from pytest_claims.drawing.canvas import INK, LINE, MUTED, Drawing, figure, name_y, span, zero_line
from pytest_claims.drawing.figure import NotDrawn
from pytest_claims.drawing.heat_map import draw_heat_map, draw_scale
from torch import Tensor

from sorted_list_model.attention import bias_to_smallest, position_circuit, token_circuit
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import decompose, scores
from sorted_list_model.figures.subject import (
    HEAD_COLOURS,
    Subject,
    every_few,
    lists_of,
    one_layer,
    ring,
    round_steps,
    tokens,
)
from sorted_list_model.hard_inputs import list_with_large_jump
from toy_model.figures.measured import finite, measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

MOST_ROWS, MOST_COLUMNS = 12, 22
"""Tokens that there is room to name beside a map."""

SMALLEST, ABOVE = 3, 2
"""How many numbers count as the smallest, and as just above the current one."""

LINE_OF_TEXT = 0.09
"""Of the height of a panel."""

DASHES = ("solid", (0, (4, 2)), (0, (1, 1.5)))


def chosen_lists(subject: Subject) -> dict[str, Int[Tensor, " list_len"]]:
    """Unsorted lists by what they are: the first of the validation set, and 0 with large numbers if there is room."""
    cfg = subject.model.cfg
    chosen = {"first of the validation set": subject.data.lists[0]}
    hard = list_with_large_jump(cfg.list_len, cfg.max_value)
    if hard is not None:
        first, *others = sorted(hard.tolist())
        chosen[f"{first}, {others[0]} to {others[-1]}"] = hard
    return chosen


@figure("attention-patterns", "Attention of each head in two lists")
@torch.no_grad()
def attention_patterns(subject: Subject) -> Drawing:
    """Source: solution, Attention patterns and Adversarial examples."""
    model, n = subject.model, subject.model.cfg.list_len
    one_layer(model)
    lists = chosen_lists(subject)
    data = SortedListDataset.of(torch.stack(list(lists.values())), model.cfg.max_value)
    parts = measured(decompose, model, data)
    answers = parts.logits.argmax(-1)
    keys = [tokens(row, model) for row in parts.sources.tolist()]
    queries = [tokens(row, model) for row in data.current.tolist()]
    caption = (
        "Each row is a query, SEP or a sorted number; each column a token that it attends to: the unsorted numbers, "
        "SEP, and the sorted numbers so far. A ring marks the right answer, a cross a wrong answer of the "
        f"model that is in the list. Lists: the first of {subject.data_set}"
        f"{'; and one whose second sorted number is a large jump away' if len(lists) > 1 else ''}. If the next larger "
        f"number is what a head attends to, the ring is on the strongest square of its row.{subject.of_all_heads}"
    )
    alt = " ".join(_in_words(*each) for each in zip(lists, data.targets, answers, parts.pattern, keys, strict=True))
    rows, columns = len(lists), len(subject.heads)
    height = 0.5 + 1.95 * rows

    def paint(paper: Paper) -> None:
        axes = paper.subplots(
            rows, columns, squeeze=False,
            gridspec_kw={"left": 0.055, "right": 0.915, "bottom": 0.35 / height, "top": 1 - 0.3 / height,
                         "wspace": 0.13, "hspace": 0.3},
        )  # fmt: skip
        for i, name in enumerate(lists):
            for head, ax in enumerate(axes[i]):
                draw_heat_map(ax, parts.pattern[i, head].numpy(), 1.0)
                ring(ax, parts.index_of(data.targets)[i], 4.5)
                _cross_wrong(ax, data.lists[i].tolist(), data.targets[i].tolist(), answers[i].tolist())
                ax.axvline(n - 0.5, color=LINE, linewidth=0.8)
                _name_tokens(ax, queries[i], keys[i])
                ax.set_title(f"head {head}: {name}" if columns < 3 else f"head {head}")
            draw_scale(axes[i][-1], "attention weight", 1.0)
        axes[-1][0].set_xlabel("token attended to", loc="left")

    return Drawing(caption, alt, paint, height)


def _cross_wrong(ax: Axes, numbers: list[int], targets: list[int], answers: list[int]) -> None:
    for row, (target, answer) in enumerate(zip(targets, answers, strict=True)):
        if answer != target and answer in numbers:
            ax.plot(numbers.index(answer), row, "x", color=INK, markersize=4.5, markeredgewidth=0.8)


def _name_tokens(ax: Axes, rows: list[str], columns: list[str]) -> None:
    at_columns, at_rows = every_few(len(columns), MOST_COLUMNS), every_few(len(rows), MOST_ROWS)
    ax.set_xticks(at_columns, [columns[i] for i in at_columns], rotation=90)
    ax.set_yticks(at_rows, [rows[i] for i in at_rows])


def _in_words(
    name: str,
    targets: Int[Tensor, " query"],
    answers: Int[Tensor, " query"],
    pattern: Float[Tensor, "head query key"],
    keys: list[str],
) -> str:
    """What is attended to most at SEP and in general, and which answers are wrong."""
    first = "; ".join(
        f"head {head} attends most to {keys[int(weights[0].argmax())]} ({weights[0].max().item():.2f})"
        for head, weights in enumerate(pattern)
    )
    wrong = [
        f"{answer} in place of {target}"
        for target, answer in zip(targets.tolist(), answers.tolist(), strict=True)
        if target != answer
    ]
    return f"In the list {name}, at SEP, {first}; wrong answers: {', '.join(wrong) or 'none'}."


@figure("qk-circuit", "The QK circuit: which numbers each number attends to")
@torch.no_grad()
def qk_circuit(subject: Subject) -> Drawing:
    """Source: solution, QK circuits; here exact, through the first layer norm."""
    model, heads, n_numbers = subject.model, subject.heads, subject.model.cfg.max_value + 1
    one_layer(model)
    n = model.cfg.list_len
    of_sep = scores(model)[:, :1, model.cfg.sep, :n, :n_numbers].mean(2)
    lists_of(model, 2, "it takes two numbers for one to attend to the other")
    circuit = torch.cat([of_sep, token_circuit(model)[:, :n_numbers, :n_numbers]], 1)
    circuit = (circuit - circuit.mean(-1, keepdim=True))[: len(heads)]
    finite(circuit)
    most = circuit.abs().max().item() or 1.0
    favourites = circuit[:, 1:].argmax(-1)
    offsets = favourites - torch.arange(n_numbers)
    above = [some[some > 0] for some in offsets]
    caption = (
        "Attention score of each number (columns, as a key in the unsorted half) for SEP (top row) and for each "
        "current number (rows), less the mean of its row: only differences within a row matter. Exact, through "
        "the first layer norm; mean over positions. If a head looks for the next larger number, the strongest violet "
        "lies just right of the diagonal, which is drawn as a line. Read off the weights; no data."
        f"{subject.of_all_heads}"
    )
    alt = " ".join(
        f"Head {head}: the number of the highest score is above the current one for {len(above[head])} of {n_numbers} "
        f"numbers{f', by {int(above[head].median())} in the median' if len(above[head]) else ''}; for SEP it is "
        f"{int(circuit[head, 0].argmax())}."
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
            ax.plot([-0.5, n_numbers - 0.5], [0.5, n_numbers + 0.5], color=INK, linewidth=0.6)
            ax.set_xticks(ticks, [str(tick) for tick in ticks])
            ax.set_yticks([0, *(tick + 1 for tick in ticks)], ["SEP", *(str(tick) if tick else "" for tick in ticks)])
            ax.set_title(f"head {head}")
            ax.set_xlabel("attended to")
        axes[0].set_ylabel("current")
        draw_scale(axes[-1], "score less its row's mean", most, two_sided=True)

    return Drawing(caption, alt, paint, height=1.1 + 5.6 / len(heads))


@figure("position-bias", "How position counteracts attention to the smallest numbers")
@torch.no_grad()
def position_bias(subject: Subject) -> Drawing:
    """Source: solution, QK circuits, on why numbers above 35 attend to very small ones and it does no harm."""
    model = subject.model
    one_layer(model)
    lists_of(model, 3, "it takes at least two positions of sorted numbers")
    currents = large_numbers(model.cfg.max_value)
    biases = torch.stack([bias_to_smallest(model, current, SMALLEST, ABOVE) for current in currents])
    position = position_circuit(model)
    finite(biases, position)
    n, max_value = model.cfg.list_len, model.cfg.max_value
    low, high = max(max_value // 10, 1), 7 * max_value // 10
    small, large = position[:, 1:, :low].mean(-1), position[:, 1:, high : max_value + 1].mean(-1)
    where = range(n + 1, 2 * n)
    caption = (
        f"Across, the position of the current number. Above, for {', '.join(map(str, currents))} as the current "
        f"number, the score of 0 to {SMALLEST - 1} less that of the {ABOVE} numbers just above the current one, exact, "
        "mean over unsorted positions: above 0 the smallest would get more attention. Below, W_pos W_QK W_E, which "
        f"leaves layer norm's scale out: its mean over 0 to {low - 1} and over {high} to {max_value}. If position "
        "works against the smallest numbers, the curves of the smallest fall. Read off the weights; no data."
        f"{subject.of_all_heads}"
    )
    alt = " ".join(
        f"Head {head}: from position {where[0]} to {where[-1]} the score of the smallest against those just above "
        + ", ".join(
            f"{current} goes from {bias[0].item():+.2f} to {bias[-1].item():+.2f}"
            for current, bias in zip(currents, biases[:, head], strict=True)
        )
        + f"; W_pos W_QK W_E of 0 to {low - 1} from {small[head][0].item():+.2g} to {small[head][-1].item():+.2g}, of "
        f"{high} to {max_value} from {large[head][0].item():+.2g} to {large[head][-1].item():+.2g}."
        for head in subject.heads
    )

    def paint(paper: Paper) -> None:
        top, bottom = paper.subplots(
            2, len(subject.heads), squeeze=False, sharex=True, sharey="row",
            gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.1, "top": 0.94, "wspace": 0.06, "hspace": 0.25},
        )  # fmt: skip
        drawn = slice(len(subject.heads))
        for ax, shown, what in (
            (top[0], biases[:, drawn], "score of the smallest"),
            (bottom[0], torch.stack([small, large])[:, drawn], "W_pos W_QK W_E"),
        ):
            ax.set_ylim(*span(np.append(shown.numpy(), 0.0), pad=0.08))
            name_y(ax, f"{what}, head 0")
        for head, colour in zip(subject.heads, HEAD_COLOURS, strict=False):
            upper, lower = top[head], bottom[head]
            zero_line(upper)
            of_currents = {str(now): bias for now, bias in zip(currents, biases[:, head], strict=True)}
            _named_curves(upper, where, of_currents, colour)
            zero_line(lower)
            of_numbers = {f"0 to {low - 1}": small[head], f"{high} to {max_value}": large[head]}
            _named_curves(lower, where, of_numbers, colour)
            lower.set_xlabel("position of the current number")
            lower.set_xlim(where[0] - 0.2, where[-1] + 0.18 * len(where))
            lower.set_xticks([where[i] for i in every_few(len(where), 10)])
        for head in list(subject.heads)[1:]:
            top[head].set_title(f"head {head}", color=MUTED, fontsize=8)

    return Drawing(caption, alt, paint, height=3.9)


def large_numbers(max_value: int) -> list[int]:
    """Three large numbers with `ABOVE` larger ones, 40, 44 and 48 of 0 .. 50. NotDrawn where there are none."""
    chosen = sorted({min(round(part * max_value), max_value - ABOVE) for part in (0.8, 0.88, 0.96)})
    if chosen[0] <= SMALLEST:
        raise NotDrawn(f"numbers of 0 .. {max_value} are too few to have the smallest and those above a large one")
    return chosen


def _named_curves(ax: Axes, x: range, curves: Mapping[str, Tensor], colour: str) -> None:
    """Curves of one colour, each dashed in its own way, with its name at its end or as near as there is room."""
    for curve, dash in zip(curves.values(), DASHES, strict=False):
        ax.plot(x, curve.numpy(), color=colour, linestyle=dash)
    low, high = ax.get_ylim()
    place = low - 1.0
    for name, curve in sorted(curves.items(), key=lambda pair: pair[1][-1].item()):
        place = max(curve[-1].item(), place + LINE_OF_TEXT * (high - low))
        ax.text(x[-1] + 0.15, place, name, va="center", color=MUTED, fontsize=7)
