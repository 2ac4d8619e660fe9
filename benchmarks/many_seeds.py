"""Many seeds of one recipe trained at once: models stacked along a first axis, and one gradient of all of them.

For a GPU, where a step of one model of these sizes is nothing but the time that Python takes to ask for it. On a CPU it
gains nothing (docs/performance.md), which is why `sweep` trains one seed a process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from toy_model.recipe import Recipe
from toy_model.task import Task
from toy_model.training.training import Training, batches


class ManySeeds:
    """A run of `recipe` for each of `seeds`: weights, data and order of each are those that `Training` draws."""

    def __init__(self, recipe: Recipe, task: Task[Any], seeds: Sequence[int], device: torch.device | str) -> None:
        runs = [Training(replace(recipe, seed=seed), task, device) for seed in seeds]
        self.recipe, self.device = recipe, torch.device(device)
        self.model = runs[0].model
        each = [dict(run.model.named_parameters()) for run in runs]
        self.parameters = {name: torch.stack([of[name].detach() for of in each]) for name in each[0]}
        self.toks = torch.stack([run.train_set.toks for run in runs])
        self.labels = torch.stack([run.train_set.labels for run in runs])
        self.scored = runs[0].train_set.scored
        self.generators = [run.generator for run in runs]
        self.adam = torch.optim.Adam(self.parameters.values(), weight_decay=recipe.weight_decay)
        self.gradients = vmap(grad_and_value(self._loss), randomness="error")

    def _loss(self, parameters: dict[str, Tensor], toks: Tensor, labels: Tensor) -> Tensor:
        logits = functional_call(self.model, parameters, (toks,))[:, self.scored]
        return F.cross_entropy(logits.flatten(0, 1), labels[:, self.scored].flatten())

    def steps(self, epoch: int = 0) -> Iterator[Tensor]:
        """Take the steps of an epoch; the losses before each, [seed], in nats."""
        for group in self.adam.param_groups:
            group["lr"] = self.recipe.learning_rate(epoch)
        orders = zip(*(batches(self.recipe, generator) for generator in self.generators), strict=True)
        for chosen in orders:
            yield self.step(torch.stack(chosen).to(self.device))

    def step(self, chosen: Tensor) -> Tensor:
        """Take one step on the chosen sequences, [seed, sequence]. Returns their losses before it, [seed]."""
        seed = torch.arange(len(chosen), device=self.device)[:, None]
        gradients, losses = self.gradients(self.parameters, self.toks[seed, chosen], self.labels[seed, chosen])
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.adam.step()
        return losses
