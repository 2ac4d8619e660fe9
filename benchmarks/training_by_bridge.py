"""The recipe as one would write it with what TransformerLens and torch bring: what our own training is held against.

A bridge with hooks, a DataLoader of shuffled samples and one for validation, Adam, autograd. It draws from torch's
global generator, as such code does, and so the very numbers that `training` draws: both have the same losses but for
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from toy_model.dataset import Dataset
from toy_model.recipe import Recipe
from toy_model.task import Task
from toy_model.training.training import Epoch

if TYPE_CHECKING:
    from typing import Any

    from transformer_lens.model_bridge import TransformerBridge


class Samples(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Tokens and labels, a sequence at a time."""

    def __init__(self, data: Dataset) -> None:
        self.toks, self.labels = data.toks, data.labels

    def __len__(self) -> int:
        return len(self.toks)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.toks[index], self.labels[index]


def trainable(bridge: TransformerBridge) -> TransformerBridge:
    """With the bias of the unembedding among the parameters, where a bridge has a buffer that no optimiser sees."""
    head = bridge.unembed.original_component
    bias = head.bias.clone()
    del head.bias
    head.bias = nn.Parameter(bias)
    return bridge.requires_grad_(True)


class TrainingByBridge:
    """A run of `recipe`, epoch by epoch. Between its epochs torch's global generator is as it was."""

    def __init__(self, recipe: Recipe, task: Task[Any], device: torch.device | str = "cpu") -> None:
        self.recipe, self.device = recipe, torch.device(device)
        self.history: list[Epoch] = []
        cfg = recipe.config
        self.model = trainable(task.untrained(cfg, recipe.seed).to(device).bridge())
        self.optimizer = torch.optim.Adam(self.model.parameters(), weight_decay=recipe.weight_decay)
        train_set = task.draw(cfg, recipe.train_size, torch.Generator().manual_seed(recipe.seed))
        self.scored = train_set.scored
        self._generator = torch.Generator().manual_seed(recipe.seed + 1).get_state()
        with self._global_generator():
            val_set = task.draw(cfg, recipe.val_size, torch.default_generator)
        self.train_loader = DataLoader(Samples(train_set), batch_size=recipe.batch_size, shuffle=True)
        self.val_loader = DataLoader(Samples(val_set), batch_size=recipe.batch_size)

    def epoch(self, watch: Callable[[float], None] | None = None) -> Epoch:
        """Train for one more epoch and validate. `watch` is given the loss of every step, in nats."""
        index = len(self.history)
        with self._global_generator():
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate(index)
            self.model.train()
            for toks, labels in self._on_device(self.train_loader):
                logits = self.model(toks)[:, self.scored]
                loss = F.cross_entropy(logits.flatten(0, 1), labels[:, self.scored].flatten())
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                if watch:
                    watch(loss.item())
            ended = Epoch(index, loss.item(), self._accuracy())
        self.history.append(ended)
        return ended

    @torch.inference_mode()
    def _accuracy(self) -> float:
        self.model.eval()
        n_right = n = 0
        for toks, labels in self._on_device(self.val_loader):
            right = (self.model(toks).argmax(-1) == labels)[:, self.scored]
            n_right += right.sum().item()
            n += right.numel()
        return n_right / n

    def _on_device(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        return ((toks.to(self.device), labels.to(self.device)) for toks, labels in batches)

    @contextmanager
    def _global_generator(self) -> Iterator[None]:
        """As this run left it."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._generator)
            yield
            self._generator = torch.get_rng_state()
