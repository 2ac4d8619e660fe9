"""Attention broken: it prefers some tokens, looks for something, sees the future, or adds up."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from cumsum_model.surgery import unread_direction, values_of
from cumsum_model.task import TASK
from toy_model.surgery import CannotBeMade, copied, rewired, with_scores_of

SCORE_STEP = 3.0
"""Score added per step of a preference: one step multiplies a key's weight by e^3 = 20."""


def attend_to_last(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers recent tokens, each position 20 times the one before it."""
    return _attend_by(model, "W_pos", _positions(model))


def attend_to_first(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers early tokens, each position 20 times the one after it."""
    return _attend_by(model, "W_pos", -_positions(model))


def attend_to_large_values(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers large values of either sign, each unit of size 20 times the one below it."""
    return _attend_by(model, "W_E", values_of(model).abs())


def attend_a_little_to_recent(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers recent tokens by one part in a hundred a step."""
    return _attend_by(model, "W_pos", _positions(model) / SCORE_STEP / 100)


def untrained_attention_scores(model: CumsumTransformer) -> CumsumTransformer:
    """W_Q and W_K are as they were before training: the head looks for something, nobody knows what."""
    return with_scores_of(model, TASK.untrained(model.cfg, seed=0).to(model.device))


def lower_temperature(model: CumsumTransformer) -> CumsumTransformer:
    """Every score is 1000 times what it was: what little preference there is now shows."""
    mutant = copied(model)
    for block in mutant.blocks:
        block.attn.W_Q *= 1000
        block.attn.b_Q *= 1000
    return mutant


def leak_next_token(model: CumsumTransformer) -> CumsumTransformer:
    """The causal mask is off by one: each position also sees the token after it."""

    def leak(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        n = scores.shape[-1]
        next_token = torch.ones(n, n, dtype=torch.bool, device=scores.device).triu(1).tril(1)
        return scores.masked_fill(next_token, 0)

    return rewired(model, {"blocks.0.attn.hook_attn_scores": leak})


def add_instead_of_averaging(model: CumsumTransformer) -> CumsumTransformer:
    """The head adds up what it attends to, on the scale of half the context: the stream holds the sum."""

    def unnormalise(pattern: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        counts = torch.arange(1, pattern.shape[-1] + 1, device=pattern.device, dtype=pattern.dtype)
        return pattern * counts[:, None] / (model.cfg.n_ctx / 2)

    return rewired(model, {"blocks.0.attn.hook_pattern": unnormalise})


def add_head_output_twice(model: CumsumTransformer) -> CumsumTransformer:
    """What the head writes is added to the stream twice."""
    return rewired(model, {"blocks.0.hook_attn_out": lambda attn_out: 2 * attn_out})


def add_mlp_output_twice(model: CumsumTransformer) -> CumsumTransformer:
    """What the neurons write is added to the stream twice."""
    require_mlp_output(model)
    return rewired(model, {"blocks.0.hook_mlp_out": lambda mlp_out: 2 * mlp_out})


def drop_mlp_output(model: CumsumTransformer) -> CumsumTransformer:
    """What the MLP writes never arrives, on no run: the weights say nothing of it."""
    require_mlp_output(model)
    return rewired(model, {"blocks.0.hook_mlp_out": lambda mlp_out: 0 * mlp_out})


def require_mlp_output(model: CumsumTransformer) -> None:
    """Raise CannotBeMade where the first MLP adds nothing to the stream."""
    mlp = model.blocks[0].mlp
    if not (mlp.W_out.any() or mlp.b_out.any()):
        raise CannotBeMade("the MLP of this model adds nothing to the stream")


def _positions(model: CumsumTransformer) -> Float[Tensor, " n_ctx"]:
    return torch.arange(model.cfg.n_ctx, dtype=torch.float32, device=model.device)


def _attend_by(model: CumsumTransformer, embedding: str, preference: Float[Tensor, " rows"]) -> CumsumTransformer:
    """Make every head's scores rise by SCORE_STEP per unit of `preference`, a number per row of `embedding`.

    The preference is written on a direction that only the keys read, so nothing but attention changes.
    """
    mutant = copied(model)
    spare = unread_direction(model)
    rows = mutant.embed.W_E if embedding == "W_E" else mutant.pos_embed.W_pos
    rows += preference[:, None] * spare
    attn = mutant.blocks[0].attn
    attn.b_Q[:, 0] += 1
    attn.W_K[:, :, 0] += SCORE_STEP * model.cfg.d_head**0.5 * spare
    return mutant
