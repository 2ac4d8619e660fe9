"""The numbers of a training run, each spelled once: as a recipe, as options of a command line, as plain data.

What a number means and what it is called stands beside it, in `Recipe` or in the sizes of a system's model. The
defaults are those of the recipe that a system was published with.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from toy_model.config import Config

Number = int | float

LARGEST = 10**9
"""No size of a recipe may be larger; what fits in memory is for the machine to say."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training run of a system's model."""

    config: Config
    seed: int = field(default=42, metadata={"meaning": "decides weights, data and order"})
    epochs: int = field(metadata={"meaning": "passes over the training set"})
    train_size: int = field(default=150_000, metadata={"meaning": "training sequences"})
    val_size: int = field(default=10_000, metadata={"meaning": "validation sequences"})
    batch_size: int = field(default=512, metadata={"meaning": "sequences in a step"})
    lr_start: float = field(
        default=1e-3,
        metadata={"meaning": "learning rate before the first epoch, from which it falls in equal steps"},
    )
    lr_end: float = field(default=1e-4, metadata={"meaning": "learning rate in the last epoch"})
    weight_decay: float = field(metadata={"meaning": "of Adam: L2, in the gradient"})

    def __post_init__(self) -> None:
        for each in fields(self):
            number = getattr(self, each.name)
            if each.type == "int" and each.name != "seed" and number < 1:
                raise ValueError(f"{each.name} must be at least 1, got {number}")
            if each.type == "int" and each.name != "seed" and number > LARGEST:
                raise ValueError(f"{each.name} must be at most {LARGEST:,}, got {number:,}")
            if each.type == "float" and not (math.isfinite(number) and number >= 0):
                raise ValueError(f"{each.name} must be a finite number of at least 0, got {number}")
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


@dataclass(frozen=True)
class Option:
    """A number of a recipe as a command line spells it.

    field     its name in `Recipe`, or in the sizes of the model if it is one of those
    name      what a user calls it: "seq_len" rather than n_ctx, since all sequences are as long as the context
    value     what it is in the recipe that the option was read off
    meaning   in a few words
    of_model  whether it is a size of the model
    """

    field: str
    name: str
    value: Number
    meaning: str
    of_model: bool

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Number:
        """Raises ValueError."""
        return type(self.value)(text)


def options_of(recipe: Recipe) -> tuple[Option, ...]:
    """An option for every number of the recipe, with the value that it has there; none for neurons without an MLP."""
    of_recipe = [_option(recipe, number, of_model=False) for number in fields(recipe) if number.name != "config"]
    sizes = (size for size in fields(recipe.config) if not (size.name == "d_mlp" and recipe.config.attn_only))
    return (*of_recipe, *(_option(recipe.config, size, of_model=True) for size in sizes))


def _option(holder: Recipe | Config, number: Field[Any], *, of_model: bool) -> Option:
    described = _metadata(type(holder), number.name)
    name = described.get("also", number.name)
    return Option(number.name, name, getattr(holder, number.name), described["meaning"], of_model)


def _metadata(owner: type, name: str) -> Mapping[str, Any]:
    """What is said of a field by the first class that says it: a subclass that gives a default says no more."""
    declared = (vars(cls).get("__dataclass_fields__", {}).get(name) for cls in owner.__mro__)
    return next(number.metadata for number in declared if number is not None and number.metadata)


def options_by_name(recipe: Recipe) -> dict[str, Option]:
    """The same by what a user may call them: seq_len and n_ctx are one."""
    return {name: option for option in options_of(recipe) for name in (option.field, option.name)}


def add_options(parser: argparse.ArgumentParser, published: Recipe, *, without: tuple[str, ...] = ()) -> None:
    """Give `parser` an option for each number of a recipe but those named in `without`."""
    training = parser.add_argument_group("recipe")
    model = parser.add_argument_group("model")
    for option in options_of(published):
        if option.field not in without:
            (model if option.of_model else training).add_argument(
                option.flag,
                dest=option.field,
                type=type(option.value),
                default=option.value,
                metavar="N" if isinstance(option.value, int) else "X",
                help=f"{option.meaning} (default: {option.value:.12g})",
            )


def chosen(options: argparse.Namespace, published: Recipe) -> dict[str, Number]:
    """The numbers of a recipe that were given on the command line or have their default, by field."""
    names = [option.field for option in options_of(published)]
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def changed(published: Recipe, numbers: Mapping[str, Number]) -> Recipe:
    """The recipe with these numbers, by field, in place of its own. Raises ValueError for an impossible one."""
    sizes = {option.field for option in options_of(published) if option.of_model}
    config = replace(published.config, **{name: int(number) for name, number in numbers.items() if name in sizes})
    rest = {name: number for name, number in numbers.items() if name not in sizes}
    return replace(published, config=config, **rest)  # type: ignore[arg-type]  # each has its option's type


def arguments(recipe: Recipe) -> list[str]:
    """The options that give this recipe on a command line, each number to its last digit."""
    return [part for option in options_of(recipe) for part in (option.flag, repr(option.value))]


def difference(mine: Recipe, theirs: Recipe) -> str:
    """The first option in which two recipes of a system differ: "epochs 20, not 5"; nothing if they are the same."""
    for here, there in zip(options_of(mine), options_of(theirs), strict=True):
        if here.value != there.value:
            return f"{here.name.replace('_', '-')} {there.value:.12g}, not {here.value:.12g}"
    return ""


def recipe_from(plain: Mapping[str, Any], config: type[Config]) -> Recipe:
    """The recipe that `dataclasses.asdict` made plain. Raises ValueError or TypeError."""
    try:
        return Recipe(**{**plain, "config": config(**plain["config"])})
    except OverflowError as error:  # an integer where a float should be
        raise ValueError(str(error)) from None
