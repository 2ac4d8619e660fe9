"""The cells of the study: which sizes and recipes are trained, with which seeds, and which of them are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cumsum_model.task import PUBLISHED
from toy_model.recipe import Number, Recipe, changed, options_by_name

LENGTHS = (10, 20, 40, 80, 160, 320)
LAYERS = (1, 2)
HEADS = (1, 2, 4)

INTERVENED_AT = 80
"""The length at which one thing at a time is changed of a one-layer model with one head."""

INTERVENTIONS: tuple[tuple[str, Number], ...] = (("epochs", 60), ("weight_decay", 0.0), ("d_mlp", 32))
"""Three times the training; no weight decay; four times the neurons. More heads are cells of their own."""

SHORT, SEEDS_IF_SHORT, SEEDS = 40, 5, 3
"""So many seeds: five up to length 40, three beyond."""


@dataclass(frozen=True, order=True)
class Cell:
    """Models of the same sizes, trained by the same recipe. `change` is what is not as published: name and number."""

    seq_len: int
    n_layers: int = 1
    n_heads: int = 1
    change: tuple[str, Number] | None = None

    @property
    def seeds(self) -> range:
        return range(SEEDS_IF_SHORT if self.seq_len <= SHORT else SEEDS)

    @property
    def varied(self) -> dict[str, Number]:
        """The options in which it differs from others, by their names on a command line."""
        sizes: dict[str, Number] = {"seq_len": self.seq_len, "n_layers": self.n_layers, "n_heads": self.n_heads}
        return sizes | (dict([self.change]) if self.change else {})

    @property
    def question(self) -> int:
        """Which question it helps to answer: 0 how long one layer and two can go, 1 what limits a layer, 2 whether
        more heads help it, 3 the same of two layers, which nobody has asked.
        """
        if self.change:
            return 1
        return 0 if self.n_heads == 1 else 1 + self.n_layers

    @property
    def recipe(self) -> Recipe:
        """That of every seed, but for the seed."""
        by_name = options_by_name(PUBLISHED)
        return changed(PUBLISHED, {by_name[name].field: number for name, number in self.varied.items()})

    @property
    def n_steps(self) -> int:
        """Of all its seeds together."""
        return len(self.seeds) * self.recipe.epochs * self.recipe.steps_per_epoch

    def __str__(self) -> str:
        """As in "length 80, 1 layer, 2 heads" or "length 80, 1 layer, 1 head, epochs 60"."""
        parts = [f"length {self.seq_len}", _count(self.n_layers, "layer"), _count(self.n_heads, "head")]
        return ", ".join(parts + ([f"{self.change[0]} {self.change[1]:g}"] if self.change else []))


ALL = (
    *(Cell(n, layers, heads) for n in LENGTHS for layers in LAYERS for heads in HEADS),
    *(Cell(INTERVENED_AT, change=change) for change in INTERVENTIONS),
)
"""All that one could want to know."""


LONGEST_SEED = 30 * 60
"""Seconds on one core: a cell of which a single seed takes longer is left out."""


@dataclass(frozen=True)
class Plan:
    """Which cells are trained, in this order, and which are not and why, by cell.

    seconds: that all seeds of a cell are predicted to take on one core.
    """

    trained: tuple[Cell, ...]
    dropped: Mapping[Cell, str]
    seconds: Mapping[Cell, float]


def planned(seconds_a_step: Callable[[Cell], float], core_hours: float, cells: Sequence[Cell] = ALL) -> Plan:
    """Choose the cells that fit into `core_hours`.

    First of all a cell is left out if one seed of it takes longer than LONGEST_SEED. The others are taken in the order
    of the questions that they answer (`Cell.question`), for each question what takes least first, and each that does
    not fit into what is left of the time is left out.
    """
    seconds = {cell: seconds_a_step(cell) * cell.n_steps for cell in cells}
    dropped = {
        cell: f"a seed takes {seconds[cell] / len(cell.seeds) / 60:.0f} min, more than {LONGEST_SEED / 60:.0f}"
        for cell in cells
        if seconds[cell] > LONGEST_SEED * len(cell.seeds)
    }
    trained, left = [], core_hours * 3600
    for cell in sorted(cells, key=lambda cell: (cell.question, seconds[cell], str(cell))):
        if cell in dropped:
            continue
        if seconds[cell] <= left:
            trained.append(cell)
            left -= seconds[cell]
        else:
            dropped[cell] = f"its seeds take {seconds[cell] / 60:.0f} min, {left / 60:.0f} are left"
    return Plan(tuple(trained), dropped, seconds)


def cell_of(varied: dict[str, Any]) -> Cell:
    """The cell of a run, from the options that its sweep varied. Raises ValueError where it is none of a study."""
    sizes = {name: int(varied[name]) for name in ("seq_len", "n_layers", "n_heads") if name in varied}
    changes = [(name, number) for name, number in varied.items() if name not in sizes]
    if len(sizes) != 3 or len(changes) > 1:
        raise ValueError(f"a run that varies {', '.join(varied) or 'nothing'} is none of this study")
    return Cell(**sizes, change=changes[0] if changes else None)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
