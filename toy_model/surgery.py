"""Edited copies of a model, and forward passes that are altered."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch

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


def louder(model: M, times: float) -> M:
    """Every logit `times` as large: the same answers, and more confidence in them."""
    mutant = copied(model)
    mutant.unembed.W_U *= times
    mutant.unembed.b_U *= times
    return mutant


def shuffled(model: M, seed: int) -> M:
    """The entries of every weight matrix and bias in another order: random, with the scale of the trained weights."""
    mutant = copied(model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in mutant.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.data = parameter.data.flatten()[order].view_as(parameter)
    return mutant


def noisy(model: M, by: float, seed: int) -> M:
    """Every weight off by normal noise, `by` times as large as its matrix's root mean square."""
    mutant = copied(model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in mutant.parameters():
        noise = torch.empty(parameter.shape).normal_(generator=generator).to(parameter.device)
        parameter.data += by * parameter.square().mean().sqrt() * noise
    return mutant


def with_scores_of(model: M, other: Transformer) -> M:
    """A copy whose W_Q and W_K are those of another model of the same sizes."""
    mutant = copied(model)
    for block, theirs in zip(mutant.blocks, other.blocks, strict=True):
        block.attn.W_Q.copy_(theirs.attn.W_Q)
        block.attn.W_K.copy_(theirs.attn.W_K)
    return mutant


def without_neurons(model: M, neurons: Iterable[int], layer: int = 0) -> M:
    """Zero-ablation written into the weights: a copy of the model in which the given neurons write nothing.

    The same function as `model` under `intervention.zero_neurons`, in a form that can be proved things of.
    """
    silenced = copied(model)
    silenced.blocks[layer].mlp.W_out[list(neurons)] = 0
    return silenced
