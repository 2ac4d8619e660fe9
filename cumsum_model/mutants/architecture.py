"""Other architectures around the same circuit: each is what the published model is said not to be."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from toy_model.surgery import rewired
from toy_model.transformer import centred_and_scale


def add_a_head(model: CumsumTransformer) -> CumsumTransformer:
    """A further head that attends evenly and writes nothing: the same function of two heads."""
    return _within(model, dataclasses.replace(model.cfg, n_heads=model.cfg.n_heads + 1))


def add_a_layer(model: CumsumTransformer) -> CumsumTransformer:
    """A further layer that writes nothing: the same function of two layers."""
    return _within(model, dataclasses.replace(model.cfg, n_layers=model.cfg.n_layers + 1))


def normalise_before_unembedding(model: CumsumTransformer) -> CumsumTransformer:
    """The stream is centred and scaled to a length of its own, as by layer norm, before it is unembedded."""

    def normalise(resid: Tensor) -> Tensor:
        centred, scale = centred_and_scale(resid)
        return centred / scale

    last = model.cfg.n_layers - 1
    return rewired(model, {f"blocks.{last}.hook_resid_post": normalise})


def _within(model: CumsumTransformer, cfg: CumsumConfig) -> CumsumTransformer:
    """A model of larger sizes that computes what `model` does: what it has more of is zero."""
    larger = CumsumTransformer(cfg).to(model.device).requires_grad_(False)
    weights = larger.state_dict()
    for name, tensor in model.state_dict().items():
        weights[name][tuple(slice(size) for size in tensor.shape)] = tensor
    return larger
