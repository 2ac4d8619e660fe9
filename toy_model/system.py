"""What a package says of its task and its model, so that training, sweeps, commands and claims can serve it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from toy_model.config import Config
from toy_model.recipe import Recipe, changed

if TYPE_CHECKING:
    import torch
    from pytest_claims import Control, Illustrations, Report, Subject
    from pytest_claims.universality.outcome import Proved

    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.naming import Misreading, Reading
    from toy_model.dataset import Dataset
    from toy_model.transformer import Transformer

M = TypeVar("M", bound="Transformer")


@dataclass(frozen=True, kw_only=True)
class System(Generic[M]):
    """One task, and the small transformer that is trained on it.

    Nothing here imports torch: each function does that itself, when it is called.

    name           its claims lie in claims/NAME, its checkpoints in fixtures/NAME
    package        its commands are `python -m PACKAGE`
    title          what it is, in a few words
    recipe         the published one: its defaults and its sizes
    reference      the checkpoint that is shipped
    model          the model of some sizes, all weights zero
    initialise     draws the weights, in place, from a generator
    draw           sequences of a training or validation set, from a generator: (config, size, generator)
    evaluation     the set that figures of behaviour are measured on
    evaluated_on   which set that is, in words
    config_of      sizes from those of a file's axes, by name; CheckpointError where they are not this system's
    misread        the reading in which a model is right where as read it is wrong: see `checkpoint`
    inspected      the first look at a checkpoint: as text and as plain data
    details        what a report says of a checkpoint beside the verdicts
    illustrate     figures of a report
    mutants        the broken models, by kind
    prove          what is proved over every sequence, or why nothing is
    """

    name: str
    package: str
    title: str
    recipe: Recipe
    reference: Path
    model: Callable[[Any], M]
    initialise: Callable[[M, torch.Generator], None]
    draw: Callable[[Any, int, torch.Generator], Dataset]
    evaluation: Callable[[Any], Dataset]
    evaluated_on: Callable[[], str]
    config_of: Callable[[Mapping[str, int]], Config]
    misread: Callable[[M, Reading, Callable[[Reading], M], bool], Misreading | None]
    inspected: Callable[[Checkpoint[M], Misreading | None], tuple[list[str], dict[str, Any]]]
    details: Callable[[Checkpoint[M], str], Subject]
    illustrate: Callable[[Report], Illustrations]
    mutants: Callable[[], Mapping[str, tuple[Control, ...]]]
    prove: Callable[[M], Proved | str]

    def recipe_with(self, **numbers: Any) -> Recipe:
        """The published recipe with some numbers changed, by field; sizes of the model among them."""
        return changed(self.recipe, numbers)

    def untrained(self, cfg: Config, seed: int) -> M:
        """The model that training with `seed` starts from."""
        import torch

        model = self.model(cfg)
        self.initialise(model, torch.Generator().manual_seed(seed))
        return model.requires_grad_(False)


def system_of(package: str) -> System[Any]:
    """The system that a package is about: `SYSTEM` in its module `system`."""
    system: System[Any] = importlib.import_module(f"{package}.system").SYSTEM
    return system
