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
    from torch import Tensor

    from toy_model.checkpoint.misreading import Misreading
    from toy_model.checkpoint.reading import Reading
    from toy_model.dataset import Dataset
    from toy_model.transformer import Transformer

M = TypeVar("M", bound="Transformer")


@dataclass(frozen=True, kw_only=True)
class TokenOrder:
    """An order in which files of a task may have the rows of the embedding.

    name      what `--token-order` calls it
    rows      which tokens the rows are of, in words: "from -max to +max"
    restored  the rows in our order, given those of a file that has them in this one
    """

    name: str
    rows: str
    restored: Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the help of the commands says of one task alone.

    defaults        what training by the published recipe gives, and how long it takes: a sentence
    diagnosis       what `inspect` measures and compares: phrases that follow "a first diagnosis:"
    mutants_take    how long all claims on all mutants take in two processes, such as "about twenty minutes"
    sizes           sizes of the model for examples, by the names of their options
    released        the file that was released with the task, for examples
    released_order  the order of its rows, where it is not ours
    """

    defaults: str
    diagnosis: str
    mutants_take: str
    sizes: Mapping[str, tuple[int, ...]]
    released: str
    released_order: str | None = None


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
    words          what the help of the commands says of it
    token_orders   the orders in which files may have the rows of the embedding, ours first; none if there is only one
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
    words: Words
    token_orders: tuple[TokenOrder, ...] = ()

    @property
    def our_order(self) -> str | None:
        """The name of the order that our files have; None where there is only one."""
        return self.token_orders[0].name if self.token_orders else None

    def token_order(self, name: str) -> TokenOrder:
        """Raises ValueError where files of this task are in no such order."""
        for order in self.token_orders:
            if order.name == name:
                return order
        known = ", ".join(order.name for order in self.token_orders)
        raise ValueError(f"token_order is {name!r}; there {f'are: {known}' if known else 'is none to choose'}")

    def untrained(self, cfg: Config, seed: int) -> M:
        """The model that training with `seed` starts from."""
        import torch

        model = self.model(cfg)
        self.initialise(model, torch.Generator().manual_seed(seed))
        return model.requires_grad_(False)
