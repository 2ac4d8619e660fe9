"""Which models the claims about two layers are about."""

from __future__ import annotations

from cumsum_model.model import CumsumTransformer
from cumsum_model.scope import reference_model

SHORTEST = 8
"""Contexts shorter than this leave too few positions to say where a head attends."""


def no_account_of(model: CumsumTransformer) -> str | None:
    """Why what is said of the second layer's head does not apply to `model`; None if it does."""
    cfg = model.cfg
    if cfg.n_layers != 2:
        return f"this is an account of two layers, the model has {cfg.n_layers}"
    if cfg.n_heads != 1:
        return f"this is an account of one head in each layer, the model has {cfg.n_heads}"
    if cfg.n_ctx < SHORTEST:
        return f"this is about sequences of some length, the model's context is {cfg.n_ctx}"
    return None


def not_beside_one_layer(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what compares it with the shipped model of one layer, which has a length of its own."""
    one_layer = reference_model().cfg
    if (model.cfg.n_ctx, model.cfg.max_value) != (one_layer.n_ctx, one_layer.max_value):
        return (
            f"this compares it with the shipped model of one layer, which reads {one_layer.n_ctx} values of up to "
            f"{one_layer.max_value}"
        )
    return no_account_of(model)
