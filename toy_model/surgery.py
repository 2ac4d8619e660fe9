"""Edited copies of a model, and forward passes that are altered."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from toy_model.task import M
from toy_model.transformer import Hook, Transformer


class CannotBeMade(ValueError):
    """There is no such mutant of a model; the message says why. The claims that it is a control of have others."""

    cannot_be_made = True  # see `refuted_by` in pytest_claims.claim


def rewired(model: M, alterations: Mapping[str, Hook]) -> M:
    """The same weights with `alterations`, a function of the activation by hook name, on every run.

    Its weights say nothing of the alteration, so only what runs the model can notice.
    """
    mutant = copied(model)
    mutant.alterations = {
        **model.alterations,
        **{name: _after(model, name, alter) for name, alter in alterations.items()},
    }
    return mutant


def _after(model: Transformer, name: str, alter: Hook) -> Hook:
    before = model.alterations.get(name)
    return alter if before is None else lambda activation: alter(before(activation))


def copied(model: M) -> M:
    """A copy whose weights can be written to."""
    return copy.deepcopy(model).requires_grad_(False)


def without_neurons(model: M, neurons: Iterable[int], layer: int = 0) -> M:
    """Zero-ablation written into the weights: a copy of the model in which the given neurons write nothing.

    The same function as `model` under `intervention.zero_neurons`, in a form that can be proved things of.
    """
    silenced = copied(model)
    silenced.blocks[layer].mlp.W_out[list(neurons)] = 0
    return silenced
