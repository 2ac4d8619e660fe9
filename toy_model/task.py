"""What a package says of its task, so that a model can be trained on it and read from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from toy_model.config import Config
from toy_model.recipe import Recipe

if TYPE_CHECKING:
    import torch

    from toy_model.checkpoint.misreading import Misreading
    from toy_model.checkpoint.naming import Reading
    from toy_model.dataset import Dataset
    from toy_model.transformer import Transformer

M = TypeVar("M", bound="Transformer")


@dataclass(frozen=True, kw_only=True)
class Task(Generic[M]):
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
    config_of      sizes from those of a file's axes, by name; CheckpointError where they are not of this task
    misread        the reading in which a model is right where as read it is wrong: see `checkpoint`
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

    def untrained(self, cfg: Config, seed: int) -> M:
        """The model that training with `seed` starts from."""
        import torch

        model = self.model(cfg)
        self.initialise(model, torch.Generator().manual_seed(seed))
        return model.requires_grad_(False)
