"""Controls: whole models with one mechanism broken, each named for what it does.

A mutant is a function from a model to a new one; the original is not touched. A claim that still
holds on a mutant that breaks its mechanism says nothing, so every claim names mutants that refute it.

Two kinds are worth telling apart. Most mutants answer differently. Some answer exactly as before
while the mechanism has changed (`carry_a_second_direction`, `shift_unembeddings`,
`split_strongest_neuron`, `renumber_neurons`): no test of behaviour can see them, a claim about the
mechanism must.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model import circuit
from cumsum_model.data import NEG, POS
from cumsum_model.model import CumsumTransformer
from cumsum_model.training import untrained as _untrained

UNTRAINED_SEED = 0

SCORE_STEP = 3.0
"""Score added per step of a mutant's attention: one step multiplies a key's weight by e^3 = 20."""


def untrained(model: CumsumTransformer) -> CumsumTransformer:
    """A model of the same sizes as training starts from."""
    return _untrained(model.cfg, UNTRAINED_SEED).to(model.device)


def attend_to_last(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers recent tokens, each position 20 times the one before it."""
    positions = torch.arange(model.cfg.n_ctx, dtype=torch.float32, device=model.device)
    return _attend_by(model, "W_pos", positions)


def attend_to_large_values(model: CumsumTransformer) -> CumsumTransformer:
    """Attention prefers large values of either sign, each unit of size 20 times the one below it."""
    return _attend_by(model, "W_E", _values(model).abs())


def untrained_attention_scores(model: CumsumTransformer) -> CumsumTransformer:
    """W_Q and W_K are as they were before training: the head looks for something, nobody knows what."""
    mutant = _copy(model)
    fresh = _untrained(model.cfg, UNTRAINED_SEED).to(model.device)
    for block, start in zip(mutant.blocks, fresh.blocks, strict=True):
        block.attn.W_Q.copy_(start.attn.W_Q)
        block.attn.W_K.copy_(start.attn.W_K)
    return mutant


def carry_a_second_direction(model: CumsumTransformer) -> CumsumTransformer:
    """The head also moves |value|, along a direction that nothing reads: same answers, OV of rank two."""
    mutant = _copy(model)
    attn = mutant.blocks[0].attn
    spare = _unread_direction(model)
    # The direction of the head's own space that its OV uses least.
    used = torch.cat([attn.W_V[0], attn.W_O[0].T])
    channel = torch.linalg.svd(used.double()).Vh[-1].float()
    mutant.embed.W_E += _values(model).abs()[:, None] * spare
    attn.W_V[0] += torch.outer(spare, channel)
    attn.W_O[0] += torch.outer(channel, spare)
    return mutant


def count_signs(model: CumsumTransformer) -> CumsumTransformer:
    """All positive values are read as one middling one, all negative likewise: it counts signs."""
    middling = (model.cfg.max_value + 1) // 2
    return _read_as(model, _values(model).sign() * middling)


def clip_values(model: CumsumTransformer) -> CumsumTransformer:
    """The largest value of either sign is read as the one below it."""
    bound = max(1, model.cfg.max_value - 1)
    return _read_as(model, _values(model).clamp(-bound, bound))


def shout_current_value(model: CumsumTransformer) -> CumsumTransformer:
    """The current token writes its own value on u, past the head, as loudly as a tenth of the mean."""
    mutant = _copy(model)
    u = circuit.value_direction(model)
    W_V = torch.cat([head.double() for head in model.blocks[0].attn.W_V], dim=-1)
    # The part of u that the head does not read, so that what it moves stays as it was.
    basis = torch.linalg.svd(W_V, full_matrices=False).U
    past_head = u - basis @ (basis.T @ u)
    loudness = 0.1 * circuit.value_slope(model) / (past_head @ u)
    mutant.embed.W_E += torch.outer(_values(model).double() * loudness, past_head).float()
    return mutant


def shift_unembeddings(model: CumsumTransformer) -> CumsumTransformer:
    """The same vector is added to all three unembeddings, which no probability can notice."""
    mutant = _copy(model)
    mutant.unembed.W_U += model.W_U[:, [POS]].clone()
    return mutant


def unembed_neg_apart_from_pos(model: CumsumTransformer) -> CumsumTransformer:
    """The neg unembedding loses its part along pos: the two read from directions at right angles."""
    mutant = _copy(model)
    pos = model.W_U[:, POS] / model.W_U[:, POS].norm()
    mutant.unembed.W_U[:, NEG] -= (model.W_U[:, NEG] @ pos) * pos
    return mutant


def swap_verdicts(model: CumsumTransformer) -> CumsumTransformer:
    """Says "neg" where it said "pos", and the reverse."""
    mutant = _copy(model)
    order = torch.tensor([POS, 1, NEG], device=model.device)
    mutant.unembed.W_U.copy_(model.W_U[:, order])
    mutant.unembed.b_U.copy_(model.unembed.b_U[order])
    return mutant


def speak_timidly(model: CumsumTransformer) -> CumsumTransformer:
    """A quarter of every logit: the same answers, far less sure of them."""
    mutant = _copy(model)
    mutant.unembed.W_U *= 0.25
    mutant.unembed.b_U *= 0.25
    return mutant


def silence_mlp(model: CumsumTransformer) -> CumsumTransformer:
    """No neuron's output reaches the stream."""
    mutant = _copy(model)
    for block in mutant.blocks:
        block.mlp.W_out.zero_()
    return mutant


def split_strongest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron is replaced by half of the strongest: nearly the same answers, the work shared."""
    mutant = _copy(model)
    mlp = mutant.blocks[0].mlp
    weakest, strongest = _weakest_and_strongest_neuron(model)
    mlp.W_out[strongest] /= 2
    for weights in (mlp.W_in.T, mlp.b_in, mlp.W_out):
        weights[weakest] = weights[strongest]
    return mutant


def renumber_neurons(model: CumsumTransformer) -> CumsumTransformer:
    """The neurons stand in the reverse order: the same answers, other numbers."""
    mutant = _copy(model)
    for block in mutant.blocks:
        block.mlp.W_in.copy_(block.mlp.W_in.flip(1))
        block.mlp.b_in.copy_(block.mlp.b_in.flip(0))
        block.mlp.W_out.copy_(block.mlp.W_out.flip(0))
    return mutant


def _copy(model: CumsumTransformer) -> CumsumTransformer:
    return copy.deepcopy(model).requires_grad_(False)


def _values(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float32, device=model.device)


def _read_as(model: CumsumTransformer, values: Float[Tensor, " d_vocab"]) -> CumsumTransformer:
    """Give every token the embedding row of the value that it is to be read as."""
    mutant = _copy(model)
    mutant.embed.W_E.copy_(model.W_E[values.long() + model.cfg.max_value])
    return mutant


def _attend_by(
    model: CumsumTransformer, embedding: str, preference: Float[Tensor, " rows"]
) -> CumsumTransformer:
    """Make every head's scores rise by SCORE_STEP per unit of `preference`, a number per row of `embedding`.

    The preference is written on a direction that only the keys read, so nothing but attention changes.
    """
    mutant = _copy(model)
    spare = _unread_direction(model)
    rows = mutant.embed.W_E if embedding == "W_E" else mutant.pos_embed.W_pos
    rows += preference[:, None] * spare
    attn = mutant.blocks[0].attn
    attn.b_Q[:, 0] += 1
    attn.W_K[:, :, 0] += SCORE_STEP * model.cfg.d_head**0.5 * spare
    return mutant


def _unread_direction(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The direction of the stream that values, neurons and unembedding read least.

    In the published sizes not at all: they read 23 directions of 24.
    """
    block = model.blocks[0]
    readers = torch.cat([*block.attn.W_V, block.mlp.W_in, model.W_U], dim=-1)
    return torch.linalg.svd(readers.double()).U[:, -1].float()


def _weakest_and_strongest_neuron(model: CumsumTransformer) -> tuple[int, int]:
    """By what a neuron of the first layer reads times what it adds to the logits."""
    mlp = model.blocks[0].mlp
    strength = mlp.W_in.norm(dim=0) * (mlp.W_out @ model.W_U).norm(dim=-1)
    return int(strength.argmin()), int(strength.argmax())
