"""Baselines for any criterion, and streams that hold or pass on something else than they seem to."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.data import tokens_of
from cumsum_model.model import CumsumTransformer
from toy_model.surgery import rewired, shuffled

SHUFFLING_SEED = 0


def shuffle_weights(model: CumsumTransformer) -> CumsumTransformer:
    """The entries of every weight matrix and bias are shuffled: random, with the scale of the trained weights."""
    return shuffled(model, SHUFFLING_SEED)


def hold_the_sign_alone(model: CumsumTransformer) -> CumsumTransformer:
    """resid_mid holds the sign of the sum and nothing else: as after a constant sequence of the value that is answered.

    The same answers; how sure the model is no longer depends on the mean.
    """
    typical = _resid_mid_of_constants(model)

    def snap(resid_mid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        block = model.blocks[0]
        post = (resid_mid @ block.mlp.W_in + block.mlp.b_in).relu()
        logits = (resid_mid + post @ block.mlp.W_out + block.mlp.b_out) @ model.W_U + model.unembed.b_U
        return typical[logits.argmax(-1)]

    return rewired(model, {"blocks.0.hook_resid_mid": snap})


def fork_the_stream(model: CumsumTransformer) -> CumsumTransformer:
    """Only the neurons read resid_mid; the unembedding reads a copy of it that was made before: the same function.

    Whatever replaces resid_mid reaches the neurons alone.
    """
    copies: dict[str, Tensor] = {}

    def copy(resid_mid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        copies["resid_mid"] = resid_mid
        return resid_mid

    def keep(mlp_out: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        copies["mlp_out"] = mlp_out
        return mlp_out

    def join(_: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        return copies["resid_mid"] + copies["mlp_out"]

    return rewired(
        model,
        {"blocks.0.hook_resid_mid": copy, "blocks.0.hook_mlp_out": keep, "blocks.0.hook_resid_post": join},
    )


def _resid_mid_of_constants(model: CumsumTransformer) -> Float[Tensor, "d_vocab_out d_model"]:
    """resid_mid at the end of three constant sequences: of a middling negative value, of 0, of its opposite."""
    middling = (model.cfg.max_value + 1) // 2
    values = torch.tensor([-middling, 0, middling], device=model.device)[:, None].expand(-1, model.cfg.n_ctx)
    _, cache = model.run_with_cache(tokens_of(values, model.cfg.max_value))
    typical: Float[Tensor, "d_vocab_out d_model"] = cache["blocks.0.hook_resid_mid"][:, -1].detach()
    return typical
