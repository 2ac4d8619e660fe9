"""The figures of the study: the smallest margin at each length, and what the best bias would leave of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pytest_claims.drawing.canvas import (
    ACCENT,
    LINE,
    MUTED,
    OTHER,
    THREE_COLOURS,
    Drawing,
    figure,
    key,
    margin_ticks,
    name_y,
    signed,
    span,
    stretched,
    zero_line,
)
from pytest_claims.drawing.figure import NotDrawn

from cumsum_model.lengths.cells import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

    from cumsum_model.lengths.study import Run, Study

SHADES = (*THREE_COLOURS, ACCENT, OTHER)


def _of_one_head(study: Study, n_layers: int) -> dict[int, list[Run]]:
    """The runs of the published recipe, but for length and layers, by length."""
    cells = [cell for cell in study.cells if cell == Cell(cell.seq_len, n_layers)]
    return {cell.seq_len: study.of(cell) for cell in cells}


@figure("margin-by-length", "One layer: the smallest margin at each length")
def margin_by_length(study: Study) -> Drawing:
    """A line for each model, coloured by the length that it was trained for."""
    by_context = _of_one_head(study, 1)
    lines = {n: [run.proved.found for run in runs if run.proved is not None] for n, runs in by_context.items()}
    lines = {n: found for n, found in lines.items() if found}
    if not lines:
        raise NotDrawn("the study has no model of one layer of which something is proved")
    colours = dict(zip(lines, SHADES * 9, strict=False))
    everything = np.array([margin for found in lines.values() for run in found for margin in run])
    caption = (
        "The margin of the hardest sequence of each length, proved over all of them, of every seed; in the colour of "
        "the length that a model was trained for. Below the line at 0 some sequence is classified wrongly. The scale "
        "is logarithmic but for the middle."
    )
    alt = " ".join(
        f"Trained for {n} values: at full length between {min(run[-1] for run in found):+.3g} and "
        f"{max(run[-1] for run in found):+.3g} logits."
        for n, found in lines.items()
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.15, "top": 0.9})
        zero_line(ax)
        for n, found in lines.items():
            for run in found:
                ax.plot(range(1, len(run) + 1), stretched(np.array(run)), color=colours[n], linewidth=0.9)
        _margins_upwards(ax, everything)
        ax.set_xscale("log")
        ticks = [n for n in (1, 2, 5, 10, 20, 40, 80, 160, 320) if n <= max(lines)]
        ax.set_xticks(ticks, [str(n) for n in ticks])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("length of the sequence")
        key(ax, {f"trained for {n}": colour for n, colour in colours.items()})

    return Drawing(caption, alt, paint, height=3.0)


@figure("margin-by-layers", "The smallest margin that is known, by the length that models were trained for")
def margin_by_layers(study: Study) -> Drawing:
    """A dot for every seed: of one layer as trained and with the best bias, and of two layers."""
    one, two = _of_one_head(study, 1), _of_one_head(study, 2)
    if not one or not two:
        raise NotDrawn("the study has no models of one layer, or none of two")
    kinds = {
        "one layer": {n: [run.smallest_margin for run in runs] for n, runs in one.items()},
        "one layer, best bias": {n: [run.balanced_margin for run in runs] for n, runs in one.items()},
        "two layers": {n: [run.smallest_margin for run in runs] for n, runs in two.items()},
    }
    caption = (
        "A dot for each seed. Of one layer the smallest margin of all sequences is proved, as trained and with the "
        "bias of the zero logit moved to where it is best; of two layers it is the smallest that a search found. Below "
        "the line at 0 some sequence is classified wrongly."
    )
    alt = " ".join(
        f"{kind.capitalize()} trained for {n} values: from {min(some):+.3g} to {max(some):+.3g} logits."
        for kind, by in kinds.items()
        for n, some in by.items()
    )
    everything = np.array([margin for by in kinds.values() for some in by.values() for margin in some])
    if not np.isfinite(everything).all():
        raise NotDrawn("some of the margins are not known")

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.15, "top": 0.9})
        zero_line(ax)
        lengths = sorted({*one, *two})
        for shift, by, colour in zip((-0.15, 0.0, 0.15), kinds.values(), THREE_COLOURS, strict=True):
            for n, some in by.items():
                at = [lengths.index(n) + shift] * len(some)
                ax.plot(at, stretched(np.array(some)), "o", color=colour, markersize=4)
        _margins_upwards(ax, everything)
        ax.set(xlim=(-0.5, len(lengths) - 0.5))
        ax.set_xticks(range(len(lengths)), [str(n) for n in lengths])
        ax.set_xlabel("length that it was trained for")
        key(ax, dict(zip(kinds, THREE_COLOURS, strict=True)))

    return Drawing(caption, alt, paint, height=3.0)


FIGURES = (margin_by_length, margin_by_layers)


def _margins_upwards(ax: Axes, margins: np.ndarray) -> None:
    shown = np.append(margins, 0.0)
    ticks = margin_ticks(shown)
    ax.set_ylim(*span(stretched(shown)))
    ax.set_yticks(stretched(ticks), [signed(tick, "g") for tick in ticks.tolist()])
    ax.grid(axis="y", color=LINE, linewidth=0.5)
    ax.tick_params(axis="x", colors=MUTED)
    name_y(ax, "smallest margin (logits)")
    ax.set_yticks(stretched(ticks), [signed(tick, "g") for tick in ticks.tolist()])
