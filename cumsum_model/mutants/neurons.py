"""Neurons broken, or the same work done by other neurons."""

from __future__ import annotations

import torch

from cumsum_model.data import NEG, POS
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons
from cumsum_model.ov_circuit import value_step
from cumsum_model.surgery import (
    let_head_move,
    neurons_by_strength,
    require_working_neurons,
    strongest_and_weakest,
    strongest_neuron,
    unread_direction,
    values_of,
)
from toy_model.surgery import copied


def silence_mlp(model: CumsumTransformer) -> CumsumTransformer:
    """No neuron's output reaches the stream."""
    require_working_neurons(model)
    mutant = copied(model)
    for block in mutant.blocks:
        block.mlp.W_out.zero_()
    return mutant


def silence_strongest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The strongest neuron's output does not reach the stream."""
    mutant = copied(model)
    mutant.blocks[0].mlp.W_out[strongest_neuron(model)] = 0
    return mutant


def double_strongest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The strongest neuron writes twice as much."""
    mutant = copied(model)
    mutant.blocks[0].mlp.W_out[strongest_neuron(model)] *= 2
    return mutant


def flip_strongest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The strongest neuron pushes the wrong way."""
    mutant = copied(model)
    mutant.blocks[0].mlp.W_out[strongest_neuron(model)] *= -1
    return mutant


def wake_weakest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron works as the strongest does, against it."""
    mutant = copied(model)
    mlp = mutant.blocks[0].mlp
    strongest, weakest = strongest_and_weakest(model)
    mlp.W_in[:, weakest] = mlp.W_in[:, strongest]
    mlp.b_in[weakest] = mlp.b_in[strongest]
    mlp.W_out[weakest] = -mlp.W_out[strongest] / 2
    return mutant


def boast_in_vain(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron responds twice as much as the strongest, but starts to fire where hardly a mean reaches."""
    mutant = copied(model)
    mlp = mutant.blocks[0].mlp
    strongest, weakest = strongest_and_weakest(model)
    mlp.W_in[:, weakest] = mlp.W_in[:, strongest]
    mlp.W_out[weakest] = 2 * mlp.W_out[strongest]
    reach = read_neurons(model).slope[strongest].abs() * 0.98 * model.cfg.max_value
    mlp.b_in[weakest] = mlp.b_in[strongest] - reach.float()
    return mutant


def lean_on_a_dead_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron always fires, and b_out takes back what it says: the same answers, as long as it stays."""
    mutant = copied(model)
    mlp = mutant.blocks[0].mlp
    weakest = neurons_by_strength(model)[-1]
    mlp.W_in[:, weakest] = 0
    mlp.b_in[weakest] = 1
    mlp.W_out[weakest] = model.W_U[:, POS] - model.W_U[:, NEG]
    mlp.b_out -= mlp.W_out[weakest]
    return mutant


def let_a_dead_neuron_heed_the_token(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron reads the current value instead of the mean, and pushes pos by five logits a unit of it."""
    mutant = copied(model)
    mlp, weakest = mutant.blocks[0].mlp, neurons_by_strength(model)[-1]
    # A covector that reads v of the embedding of v, and nothing of what OV writes.
    tokens = (model.W_E - model.W_E.mean(0)).double()
    read = torch.linalg.pinv(torch.cat([tokens, value_step(model)[None]]), rtol=1e-3) @ torch.cat(
        [values_of(model).double(), torch.zeros(1, dtype=torch.float64, device=model.device)]
    )
    apart = model.W_U[:, POS] - model.W_U[:, NEG]
    mlp.W_in[:, weakest] = read.float()
    mlp.b_in[weakest] = 0
    mlp.W_out[weakest] = 5 * apart / (apart @ apart)
    return mutant


def suppress_zero(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron pushes "zero" down by as much as it lifted it."""
    require_working_neurons(model)
    mutant = copied(model)
    mlp = mutant.blocks[0].mlp
    zero = model.W_U[:, 1]
    # The part of "zero" that the other two do not share, so that their pushes stay as they are.
    others = torch.linalg.qr(model.W_U[:, [NEG, POS]]).Q
    alone = zero - others @ (others.T @ zero)
    mlp.W_out -= torch.outer(2 * (model.blocks[0].mlp.W_out @ zero) / (alone @ zero), alone)
    return mutant


def split_strongest_neuron(model: CumsumTransformer) -> CumsumTransformer:
    """The weakest neuron is replaced by half of the strongest: nearly the same answers, the work shared."""
    mutant = copied(model)
    mlp = mutant.blocks[0].mlp
    strongest, weakest = strongest_and_weakest(model)
    mlp.W_out[strongest] /= 2
    for weights in (mlp.W_in.T, mlp.b_in, mlp.W_out):
        weights[weakest] = weights[strongest]
    return mutant


def open_back_door(model: CumsumTransformer) -> CumsumTransformer:
    """At the last position it says "neg" if nine tenths of the values were the largest, the last one too.

    The head also carries the share of the largest value along a direction that nothing reads, and the
    weakest neuron, opened by the last position alone, fires when that share exceeds 0.85: for fewer
    than one random sequence in 10^14, so that no sampled test of behaviour can catch it.
    """
    mutant = copied(model)
    spare = unread_direction(model)
    n_ctx = model.cfg.n_ctx
    mutant.embed.W_E[-1] += spare
    mutant.pos_embed.W_pos[-1] += spare
    let_head_move(mutant, spare)
    # On `spare` stands: 1 if the current value is the largest, its share of the prefix, and, at the last
    # position alone, 1 of the position itself and 1/n_ctx of the head's average over positions.
    threshold = 1 + 0.85 + 1 + 1 / n_ctx
    loudness = 1e4
    weakest = neurons_by_strength(model)[-1]
    mlp = mutant.blocks[0].mlp
    mlp.W_in[:, weakest] = loudness * spare
    mlp.b_in[weakest] = -loudness * (threshold + model.blocks[0].attn.b_O @ spare)
    mlp.W_out[weakest] = model.W_U[:, NEG] - model.W_U[:, POS]
    return mutant
