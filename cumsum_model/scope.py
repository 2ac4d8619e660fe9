"""Which models a claim is about."""

from __future__ import annotations

from functools import cache

import torch

from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import centred_unembedding, value_step
from cumsum_model.task import REFERENCE, TASK
from toy_model.checkpoint.checkpoint import read_checkpoint

SHORTEST = 4
"""Contexts shorter than this leave too few sequences to say anything about length."""


LONG = 10
"""In shorter contexts sums next to zero have means of a tenth and more, and are not hard."""


def no_account_of(model: CumsumTransformer) -> str | None:
    """Why an account of one layer over sequences of some length does not apply to `model`; None if it does."""
    if model.cfg.n_layers > 1:
        return f"this is an account of one layer, the model has {model.cfg.n_layers}"
    if model.cfg.d_model == 1:
        return "this is about directions of the stream, which has one dimension in this model"
    if model.cfg.n_ctx < SHORTEST:
        return f"this is about sequences of some length, the model's context is {model.cfg.n_ctx}"
    if not (value_step(model).any() and centred_unembedding(model).any()):
        return "this is about how values reach the answer, in this model nothing of them does"
    return None


def no_account_of_sizes(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is true where values of one sign have several sizes."""
    if model.cfg.max_value < 2:
        return "this is about values of several sizes, in this model all have one"
    return no_account_of(model)


def no_account_of_long(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is true of contexts in which sums near zero are hard."""
    if model.cfg.n_ctx < LONG:
        return f"this is about sequences of at least {LONG} values, the model's context is {model.cfg.n_ctx}"
    return no_account_of(model)


def no_account_of_heads(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is said of a single head."""
    if model.cfg.n_heads > 1:
        return f"this is an account of one head, the model has {model.cfg.n_heads}"
    return no_account_of(model)


def not_the_reference(model: CumsumTransformer) -> str | None:
    """Why claims about the reference's neuron numbers do not apply to `model`; None if they do.

    They apply to the shipped checkpoint, to the same recipe run elsewhere (which differs in the last
    digits) and to edited copies: models that share most of the matrices that surround the neurons.
    """
    mine, theirs = model.state_dict(), reference_model().state_dict()
    shared = [
        mine[name].shape == theirs[name].shape and torch.allclose(mine[name].cpu(), theirs[name], rtol=0, atol=1e-3)
        for name in ("embed.W_E", "blocks.0.mlp.W_in", "blocks.0.mlp.W_out", "unembed.W_U")
    ]
    if sum(shared) >= 2 and model.cfg == reference_model().cfg and not _renumbered(model):
        return None
    return "this claim is about the shipped checkpoint alone: its neuron numbers, or figures published of it"


not_the_reference.one_model_only = True  # type: ignore[attr-defined]  # see `unless` in verification.claim


def _renumbered(model: CumsumTransformer) -> bool:
    """Whether the neurons are those of the reference under other numbers: each reads what another one of them does."""
    mine, theirs = (which.blocks[0].mlp.W_in.double().cpu() for which in (model, reference_model()))
    norms = mine.norm(dim=0)[:, None] * theirs.norm(dim=0)
    alike = (mine.T @ theirs / norms.clamp(min=1e-12) > 1 - 1e-6).int()
    counterpart = alike.argmax(-1)
    each_once = bool((alike.sum(-1) == 1).all()) and len(counterpart.unique()) == len(counterpart)
    return each_once and bool((counterpart != torch.arange(len(counterpart))).any())


@cache
def reference_model() -> CumsumTransformer:
    """The model that this project ships. Raises CheckpointError."""
    return read_checkpoint(REFERENCE, TASK).model
