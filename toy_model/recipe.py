"""The options of a training recipe as a command line spells them: for `train`, and for the grids of `sweep`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from toy_model.config import CumsumConfig

Number = int | float


@dataclass(frozen=True)
class Option:
    """One number of a recipe. `field` is its name in `Recipe`, or in `CumsumConfig` if it is a size of the model."""

    field: str
    default: Number
    meaning: str
    of_model: bool = False
    also: str = ""

    @property
    def name(self) -> str:
        """What a user calls it: "seq_len" rather than n_ctx, since all sequences are as long as the context."""
        return self.also or self.field

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Number:
        """Raises ValueError."""
        return type(self.default)(text)


OPTIONS = (
    Option("seed", 42, "decides weights, data and order"),
    Option("epochs", 20, "passes over the training set"),
    Option("train_size", 150_000, "training sequences"),
    Option("val_size", 10_000, "validation sequences"),
    Option("batch_size", 512, "sequences in a step"),
    Option("lr_start", 1e-3, "learning rate before the first epoch, from which it falls in equal steps"),
    Option("lr_end", 1e-4, "learning rate in the last epoch"),
    Option("weight_decay", 0.01, "of Adam: L2, in the gradient"),
    Option("max_value", 5, "values lie in -N .. N", of_model=True),
    Option("n_ctx", 20, "length of the sequences", of_model=True, also="seq_len"),
    Option("n_layers", 1, "blocks", of_model=True),
    Option("n_heads", 1, "heads of a block", of_model=True),
    Option("d_model", 24, "width of the residual stream", of_model=True),
    Option("d_head", 12, "width of a head", of_model=True),
    Option("d_mlp", 8, "neurons of a block", of_model=True),
)
"""Every field of `Recipe` and `CumsumConfig`, with the default that it has there."""

BY_NAME = {name: option for option in OPTIONS for name in (option.field, option.name)}


def add_options(parser: argparse.ArgumentParser, *, without: tuple[str, ...] = ()) -> None:
    """Give `parser` an option for each number of a recipe but those named in `without`."""
    training = parser.add_argument_group("recipe")
    model = parser.add_argument_group("model")
    for option in OPTIONS:
        if option.field not in without:
            (model if option.of_model else training).add_argument(
                option.flag,
                dest=option.field,
                type=type(option.default),
                default=option.default,
                metavar="N" if isinstance(option.default, int) else "X",
                help=f"{option.meaning} (default: {option.default:.12g})",
            )


def chosen(options: argparse.Namespace) -> dict[str, Number]:
    """The numbers of a recipe that were given on the command line or have their default."""
    return {option.field: getattr(options, option.field) for option in OPTIONS if hasattr(options, option.field)}


def recipe_of(numbers: Mapping[str, Number]) -> Recipe:
    """The recipe with these numbers, by field. Raises ValueError naming the one that is impossible."""
    from toy_model.config import CumsumConfig
    from toy_model.recipe import Recipe

    sizes = {option.field for option in OPTIONS if option.of_model}
    config = CumsumConfig(**{name: int(number) for name, number in numbers.items() if name in sizes})
    rest = {name: number for name, number in numbers.items() if name not in sizes}
    return Recipe(config=config, **rest)  # type: ignore[arg-type]  # each has the type of its option's default


def numbers_of(recipe: Recipe) -> dict[str, Number]:
    """All numbers of a recipe, by field."""
    return {option.field: getattr(recipe.config if option.of_model else recipe, option.field) for option in OPTIONS}


def arguments(recipe: Recipe) -> list[str]:
    """The options that give this recipe on a command line, each number to its last digit."""
    return [part for field, number in numbers_of(recipe).items() for part in (BY_NAME[field].flag, repr(number))]


def difference(mine: Recipe, theirs: Recipe) -> str:
    """The first option in which two recipes differ, in words: "epochs 20, not 5"; nothing if they are the same."""
    here, there = numbers_of(mine), numbers_of(theirs)
    return next(
        (
            f"{option.name.replace('_', '-')} {there[option.field]:.12g}, not {here[option.field]:.12g}"
            for option in OPTIONS
            if here[option.field] != there[option.field]
        ),
        "",
    )


LARGEST = 10**9
"""No size of a recipe may be larger; what fits in memory is for the machine to say."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run. The defaults are the published recipe.

    Source: write-up, Setup; the order of the random draws was recovered by reproducing the checkpoint.
    """

    seed: int = 42
    config: CumsumConfig = field(default_factory=CumsumConfig)
    train_size: int = 150_000
    val_size: int = 10_000
    epochs: int = 20
    batch_size: int = 512
    lr_start: float = 1e-3
    lr_end: float = 1e-4
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        for field_ in fields(self):
            number = getattr(self, field_.name)
            if field_.type == "int" and field_.name != "seed" and number < 1:
                raise ValueError(f"{field_.name} must be at least 1, got {number}")
            if field_.type == "int" and field_.name != "seed" and number > LARGEST:
                raise ValueError(f"{field_.name} must be at most {LARGEST:,}, got {number:,}")
            if field_.type == "float" and not (math.isfinite(number) and number >= 0):
                raise ValueError(f"{field_.name} must be a finite number of at least 0, got {number}")
        if not 0 <= self.seed < 2**63 - 1:
            raise ValueError(f"seed must lie in 0 .. 2**63 - 2, got {self.seed}")
        n_parameters = self.config.n_parameters
        if n_parameters > LARGEST:
            raise ValueError(
                f"a model of these sizes has {n_parameters:,} parameters, at most {LARGEST:,} can be trained"
            )

    def learning_rate(self, epoch: int) -> float:
        """The rate throughout `epoch`, counted from 0: linear, and at `lr_end` in the last one."""
        return self.lr_start + (self.lr_end - self.lr_start) * (epoch + 1) / self.epochs

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.train_size / self.batch_size)


def recipe_from(plain: Mapping[str, Any]) -> Recipe:
    """The recipe that `dataclasses.asdict` made plain. Raises ValueError or TypeError."""
    try:
        return Recipe(**{**plain, "config": CumsumConfig(**plain["config"])})
    except OverflowError as error:  # an integer where a float should be
        raise ValueError(str(error)) from None
