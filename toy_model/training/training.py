"""A training run: the recipe of a task, epoch by epoch.

Everything random comes from one generator in a fixed order, which is part of the recipe: weights,
then the training set, then the validation set, then one order of the training set per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from toy_model.behaviour import accuracy
from toy_model.dataset import Dataset
from toy_model.engine import flushing_denormals, run
from toy_model.recipe import Recipe
from toy_model.task import M, Task
from toy_model.training import gradient, lookup
from toy_model.training.gradient import Gradient
from toy_model.training.optimizer import Adam
from toy_model.transformer import Transformer


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training ended with; `loss` is that of its last batch, in nats."""

    index: int
    loss: float
    val_accuracy: float

    def beats(self, best: Epoch | None) -> bool:
        """Whether to keep this epoch rather than `best`: by accuracy, then by loss; ties go to the later."""
        if best is None:
            return True
        return (self.val_accuracy, -self.loss) >= (best.val_accuracy, -best.loss)


@dataclass(frozen=True)
class Step:
    """Where a run stands, for a progress bar. `ended` is the last epoch that was validated."""

    done: int
    total: int
    epoch: int
    loss: float
    ended: Epoch | None


@dataclass(frozen=True)
class Trained(Generic[M]):
    """The kept model, on the CPU, and the run that led to it."""

    model: M
    recipe: Recipe
    kept: Epoch
    history: tuple[Epoch, ...]


@dataclass(frozen=True)
class State:
    """Where a run stands between two epochs: all that decides how it goes on, on the CPU.

    weights, kept_weights  of the model now, and of the epoch that is kept so far
    moments                Adam's running means of each gradient ("exp_avg.NAME") and its square ("exp_avg_sq.NAME")
    generator              the state of the generator of the random draws
    """

    recipe: Recipe
    history: tuple[Epoch, ...]
    kept: Epoch
    weights: Mapping[str, Tensor]
    kept_weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    generator: Tensor

    @property
    def epochs_done(self) -> int:
        return len(self.history)


class Diverged(ArithmeticError):
    """The loss stopped being a number."""


class Training(Generic[M]):
    """A run of `recipe` for the model of `task`, epoch by epoch, from its beginning or from `start`.

    The random draws are those of the original code: two plain `DataLoader`s and torch's global
    generator. They are made here from a generator of our own, so the caller's is untouched.

    Raises ValueError if `start` is of another recipe.
    """

    def __init__(
        self, recipe: Recipe, task: Task[M], device: torch.device | str = "cpu", start: State | None = None
    ) -> None:
        if start is not None and start.recipe != recipe:
            raise ValueError("the run was started with another recipe")
        self.recipe = recipe
        self.task = task
        self.device = torch.device(device)
        self.history: list[Epoch] = []
        cfg = recipe.config
        self.model = task.model(cfg)
        task.initialise(self.model, torch.Generator().manual_seed(recipe.seed))
        self.model.to(device)

        self.train_set = task.draw(cfg, recipe.train_size, torch.Generator().manual_seed(recipe.seed)).to(device)
        self.generator = torch.Generator().manual_seed(recipe.seed + 1)
        self._val_set = task.draw(cfg, recipe.val_size, self.generator).to(device)

        self._gradient = gradient_of(self.model, self.train_set, self.device)
        self._optimizer = Adam(self.model, recipe.weight_decay)
        self._kept: Epoch | None = None
        self._kept_weights: dict[str, Tensor] = {}
        if start is not None:
            self.model.load_state_dict(start.weights)
            self._optimizer.restore(start.moments, start.epochs_done * recipe.steps_per_epoch)
            self.generator.set_state(start.generator)
            self.history = list(start.history)
            self._kept, self._kept_weights = start.kept, dict(start.kept_weights)

    def epoch(self, watch: Callable[[Step], None] | None = None) -> Epoch:
        """Train for one more epoch, validate, and remember the weights if it is the best so far.

        `watch` is called after every step. Raises Diverged when the loss of a batch is not finite.
        """
        recipe, index = self.recipe, len(self.history)
        ended = self.history[-1] if self.history else None
        learning_rate = recipe.learning_rate(index)
        total = recipe.epochs * recipe.steps_per_epoch
        for step, batch in enumerate(batches(recipe, self.generator), start=1):
            with flushing_denormals():
                last_loss = self._step(batch.to(self.device), learning_rate)
            if not math.isfinite(last_loss):
                raise Diverged(f"seed {recipe.seed}: the loss is {last_loss} at step {step} of epoch {index}")
            if watch:
                watch(Step(index * recipe.steps_per_epoch + step, total, index, last_loss, ended))

        _draw_int64(self.generator)  # the seed that a DataLoader over the validation set would take
        try:
            logits = run(self.model, self._val_set.toks, self._val_set.scored)
        except ValueError as error:
            raise Diverged(f"seed {recipe.seed}: after epoch {index} {error}") from None
        ended = Epoch(index, last_loss, accuracy(logits, self._val_set.labels[:, self._val_set.scored]))
        self.history.append(ended)
        if ended.beats(self._kept):
            self._kept, self._kept_weights = ended, _copied(self.model.state_dict())
        return ended

    def _step(self, chosen: Tensor, learning_rate: float) -> float:
        """Take a step on the chosen sequences. Returns their loss before it, in nats."""
        toks, labels = self.train_set.toks.index_select(0, chosen), self.train_set.labels.index_select(0, chosen)
        loss, gradient_of_loss = self._gradient(self.model, toks, labels, self.train_set.scored)
        self._optimizer.step(gradient_of_loss, learning_rate)
        return loss.item()

    def state(self) -> State:
        """Where the run stands. There is nothing to tell before the first epoch."""
        assert self._kept is not None
        weights, moments = _copied(self.model.state_dict()), _copied(self._optimizer.moments())
        history, generator = tuple(self.history), self.generator.get_state()
        return State(self.recipe, history, self._kept, weights, self._kept_weights, moments, generator)

    def result(self) -> Trained[M]:
        """The best epoch so far."""
        assert self._kept is not None
        model = self.task.model(self.recipe.config)
        model.load_state_dict(self._kept_weights)
        return Trained(model.requires_grad_(False), self.recipe, self._kept, tuple(self.history))


def gradient_of(model: Transformer, data: Dataset, device: torch.device) -> Callable[..., tuple[Tensor, Gradient]]:
    """What computes the loss of a batch and its gradient: the quickest that is about such a model and such data.

    On a GPU always autograd on the plain pass, since adding up rows by index takes another order there in every run.
    """
    if device.type == "cpu" and gradient.can_be_written_out(model, data):
        return gradient.written_out
    if device.type == "cpu" and lookup.can_be_looked_up(model, data):
        return lookup.by_lookup
    return gradient.by_autograd


def train(
    recipe: Recipe,
    task: Task[M],
    device: torch.device | str = "cpu",
    watch: Callable[[Step], None] | None = None,
    start: State | None = None,
    keep: Callable[[State], None] | None = None,
) -> Trained[M]:
    """Run `recipe` and keep its best epoch. `watch` is called after every step and every validation.

    `keep` is given the state after every epoch. From such a state, as `start`, the run goes on to the same result, to
    the bit where machine and number of threads are the same.

    Raises Diverged when the loss of a batch is not finite, ValueError if `start` is of another recipe.
    """
    training = Training(recipe, task, device, start)
    total = recipe.epochs * recipe.steps_per_epoch
    while len(training.history) < recipe.epochs:
        ended = training.epoch(watch)
        if keep:
            keep(training.state())
        if watch:
            watch(Step((ended.index + 1) * recipe.steps_per_epoch, total, ended.index, ended.loss, ended))
    return training.result()


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def batches(recipe: Recipe, generator: torch.Generator) -> Iterator[Tensor]:
    """One epoch's order, drawn as a shuffling DataLoader does: a seed for workers, a seed for the order."""
    _draw_int64(generator)
    order = torch.Generator().manual_seed(_draw_int64(generator))
    return iter(torch.randperm(recipe.train_size, generator=order).split(recipe.batch_size))


def _draw_int64(generator: torch.Generator) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))
