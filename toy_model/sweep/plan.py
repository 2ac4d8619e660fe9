"""Which runs a sweep is made of: every seed in every cell of a grid of training options."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from toy_model.recipe import Number, Recipe, changed, options_by_name, options_of

MOST = 100_000
"""No more runs than this are planned at once."""


class PlanError(ValueError):
    """The runs that are asked for cannot be planned. The message is one line that names the option."""


@dataclass(frozen=True)
class Job:
    """One run. `varied` are the options of its cell of the grid, by name."""

    name: str
    varied: Mapping[str, Number]
    recipe: Recipe


def plan(
    seeds: Sequence[int],
    grid: Mapping[str, Sequence[Number]],
    recipe: Recipe,
    given: Mapping[str, Number] = MappingProxyType({}),
) -> list[Job]:
    """All runs, cell by cell: what neither seed nor grid nor `given`, by field, says is in all of them as in `recipe`.

    Sizes that go together in every cell may be impossible beside the other sizes of `recipe`. Raises PlanError.
    """
    n_runs = math.prod(map(len, grid.values())) * len(seeds)
    if n_runs > MOST:
        raise PlanError(f"these are {n_runs:,} runs, more than {MOST:,}")
    cells = [dict(zip(grid, cell, strict=True)) for cell in itertools.product(*grid.values())]
    jobs, by_name = [], options_by_name(recipe)
    for cell in cells:
        for seed in seeds:
            here = {by_name[name].field: number for name, number in cell.items()}
            try:
                varied = changed(recipe, {**given, **here, "seed": seed})
            except ValueError as error:
                raise PlanError(f"{name_of(seed, cell)}: {error}") from None
            jobs.append(Job(name_of(seed, cell), cell, varied))
    return jobs


def name_of(seed: int, cell: Mapping[str, Number]) -> str:
    """The folder of a run.

    >>> name_of(7, {})
    'seed7'
    >>> name_of(7, {"d_mlp": 4, "seq_len": 10})
    'd_mlp=4,seq_len=10,seed=7'
    """
    if not cell:
        return f"seed{seed}"
    return ",".join(f"{name}={number!r}" for name, number in {**cell, "seed": seed}.items())


def parse_seeds(text: str) -> list[int]:
    """Seeds as they are written: "0:100" is 0 .. 99, "0:100:10" every tenth, and commas join. Raises PlanError.

    >>> parse_seeds("7"), parse_seeds("0:3,42"), parse_seeds("0:10:5")
    ([7], [0, 1, 2, 42], [0, 5])
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        if not re.fullmatch(r"\d{1,18}(:\d{1,18}(:\d{1,18})?)?", part.strip()):
            raise PlanError(f"{text!r} are no seeds; write 7, 0:100 (up to 99), 0:100:10, or several with commas")
        bounds = [int(number) for number in part.split(":")]
        if len(bounds) == 3 and bounds[2] == 0:
            raise PlanError(f"{text!r} are no seeds: a step of 0 goes nowhere")
        some = range(bounds[0], bounds[0] + 1) if len(bounds) == 1 else range(*bounds)
        if len(some) > MOST:
            raise PlanError(f"{text!r} are {len(some):,} seeds, more than {MOST:,}")
        seeds.update(dict.fromkeys(some))
    if not seeds:
        raise PlanError(f"{text!r} are no seeds: the range is empty")
    return list(seeds)


def parse_grid(texts: Sequence[str], published: Recipe) -> dict[str, list[Number]]:
    """The values of each option of the published recipe, as written "d_mlp=2,4,8". Raises PlanError.

    >>> from cumsum_model.task import PUBLISHED
    >>> parse_grid(["d_mlp=2,4", "lr-end=1e-4"], PUBLISHED)
    {'d_mlp': [2, 4], 'lr_end': [0.0001]}
    """
    grid: dict[str, list[Number]] = {}
    by_name = options_by_name(published)
    for text in texts:
        written, equals, values = text.partition("=")
        option = by_name.get(written.strip().replace("-", "_"))
        if option is None or not equals:
            names = ", ".join(each.name for each in options_of(published) if each.field != "seed")
            d_model = published.config.d_model
            such = f"such as d_model={d_model},{2 * d_model}"
            raise PlanError(f"{text!r} is no option with values, {such}; there are: {names}")
        if option.field == "seed":
            raise PlanError(f"{text!r}: seeds are given with --seeds")
        if option.name in grid:
            raise PlanError(f"{option.name} is given twice")
        try:
            numbers = [option.parse(value) for value in values.split(",")]
        except ValueError:
            kind = "whole numbers" if isinstance(option.value, int) else "numbers"
            raise PlanError(f"{text!r}: the values of {option.name} are {kind}") from None
        grid[option.name] = list(dict.fromkeys(numbers))
    return grid
