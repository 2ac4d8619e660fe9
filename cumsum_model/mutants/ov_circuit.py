"""Values broken: read as other values, moved in a second direction, or written past the head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model import ov_circuit
from cumsum_model.data import NEG, POS, ZERO, tokens_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.mutants.symmetries import EVERYTHING, FIGURES, changes
from cumsum_model.reading import mean_readout
from cumsum_model.surgery import let_head_move, neurons_by_strength, unread_direction, values_of
from toy_model.surgery import CannotBeMade, copied


def count_signs(model: CumsumTransformer) -> CumsumTransformer:
    """All positive values are read as one middling one, all negative likewise: it counts signs."""
    return _read_as(model, values_of(model).sign() * ((model.cfg.max_value + 1) // 2))


def clip_values(model: CumsumTransformer) -> CumsumTransformer:
    """The largest value of either sign is read as the one below it."""
    bound = max(1, model.cfg.max_value - 1)
    return _read_as(model, values_of(model).clamp(-bound, bound))


def swap_two_values(model: CumsumTransformer) -> CumsumTransformer:
    """The two largest values are read as each other."""
    order = values_of(model)
    order[-1], order[-2] = order[-2].item(), order[-1].item()
    return _read_as(model, order)


def square_values(model: CumsumTransformer) -> CumsumTransformer:
    """Values are moved by their squares, signs kept, scaled so that the largest stays what it was."""
    mutant = copied(model)
    bound = model.cfg.max_value
    values = values_of(model)
    squares = values.sign() * values**2 / bound
    unit = (model.W_E[-1] - model.W_E[0]) / (2 * bound)
    mutant.embed.W_E += (squares - values)[:, None] * unit
    return mutant


def stretch_one_value(model: CumsumTransformer) -> CumsumTransformer:
    """The largest value is moved a tenth of a unit too far."""
    mutant = copied(model)
    mutant.embed.W_E[-1] += 0.1 * (model.W_E[-1] - model.W_E[0]) / (2 * model.cfg.max_value)
    return mutant


def offset_values(model: CumsumTransformer) -> CumsumTransformer:
    """Every value is moved half a unit too far towards positive: zero counts as a half."""
    mutant = copied(model)
    mutant.embed.W_E += 0.5 * (model.W_E[-1] - model.W_E[0]) / (2 * model.cfg.max_value)
    return mutant


def carry_a_second_direction(model: CumsumTransformer) -> CumsumTransformer:
    """The head also moves |value|, along a direction that nothing reads: same answers, OV of rank two."""
    mutant = copied(model)
    spare = unread_direction(model)
    mutant.embed.W_E += values_of(model).abs()[:, None] * spare
    let_head_move(mutant, spare)
    return mutant


def shout_current_value(model: CumsumTransformer) -> CumsumTransformer:
    """The current token writes its own value on u, past the head, as loudly as a tenth of the mean."""
    mutant = copied(model)
    past_head = _past_head(model)
    mutant.embed.W_E += torch.outer(0.1 * values_of(model), past_head)
    return mutant


def shout_off_u(model: CumsumTransformer) -> CumsumTransformer:
    """The current token votes for its own sign, three logits a unit, by a direction orthogonal to u."""
    mutant = copied(model)
    u = ov_circuit.value_direction(model)
    # Unread by the head, orthogonal to u, and as much towards pos and away from neg as that leaves.
    blocked = torch.cat([*(head.double() for head in model.blocks[0].attn.W_V), u[:, None]], dim=-1)
    basis = torch.linalg.svd(blocked, full_matrices=False).U
    vote = (model.W_U[:, POS] - model.W_U[:, NEG]).double()
    direction = vote - basis @ (basis.T @ vote)
    direction *= 3 / (direction @ vote)
    mutant.embed.W_E += torch.outer(values_of(model), direction.float())
    return mutant


def let_size_vote_zero(model: CumsumTransformer) -> CumsumTransformer:
    """The head also moves |value|, and "zero" reads it: two logits a unit of mean size."""
    mutant = carry_a_second_direction(model)
    mutant.unembed.W_U[:, ZERO] += 2 * unread_direction(model)
    return mutant


def let_a_dead_neuron_read_size(model: CumsumTransformer) -> CumsumTransformer:
    """The head also moves |value|, and the weakest neuron reads that alone: it adds four logits a unit to zero."""
    mutant = carry_a_second_direction(model)
    mlp, weakest = mutant.blocks[0].mlp, neurons_by_strength(model)[-1]
    mlp.W_in[:, weakest] = unread_direction(model)
    mlp.b_in[weakest] = 0
    alone = model.W_U[:, ZERO] - model.W_U[:, [NEG, POS]].mean(-1)
    mlp.W_out[weakest] = 4 * alone / (alone @ alone)
    return mutant


def drift_with_position(model: CumsumTransformer) -> CumsumTransformer:
    """Positions write on u, past the head: nothing at the first, half a unit of mean at the last."""
    mutant = copied(model)
    drift = torch.linspace(0, 0.5, model.cfg.n_ctx, device=model.device)
    mutant.pos_embed.W_pos += torch.outer(drift, _past_head(model))
    return mutant


@changes(*EVERYTHING, FIGURES)
def hold_the_mean_exactly(model: CumsumTransformer) -> CumsumTransformer:
    """The circuit as its summary has it: QK zero, values on an exact line, nothing else that anything reads."""
    mutant = copied(model)
    block, values = model.blocks[0], values_of(model)
    W_OV = ov_circuit.W_OV(model)
    # What the heads read of a token as its value, without what neurons and unembedding would read of it directly.
    readers = torch.linalg.qr(torch.cat([block.mlp.W_in, model.W_U], dim=-1).double()).Q
    as_value = W_OV @ mean_readout(model)
    unseen = as_value - readers @ (readers.T @ as_value)
    if unseen.norm() < 1e-6 * as_value.norm():
        raise CannotBeMade("neurons and unembedding read all that the heads read of a value")
    mutant.embed.W_E.copy_(torch.outer(values, (unseen / (unseen @ as_value)).float()))
    mutant.pos_embed.W_pos.zero_()
    # What all values and positions have in common is a bias, and stays one.
    common = (model.W_E.mean(0) + model.W_pos.mean(0)).double()
    mutant.blocks[0].attn.b_O += (common + common @ W_OV).float()
    for attn in (block.attn for block in mutant.blocks):
        for weights in (attn.W_Q, attn.W_K, attn.b_Q, attn.b_K):
            weights.zero_()
    return mutant


def _past_head(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """What to add to the stream to move it by one unit of mean along u, unread by the head."""
    u = ov_circuit.value_direction(model)
    W_V = torch.cat([head.double() for head in model.blocks[0].attn.W_V], dim=-1)
    basis = torch.linalg.svd(W_V, full_matrices=False).U
    past_head = u - basis @ (basis.T @ u)
    if past_head.norm() < 1e-6:
        raise CannotBeMade("the heads read every direction of the stream, so nothing can be written past them")
    return (past_head * ov_circuit.value_slope(model) / (past_head @ u)).float()


def _read_as(model: CumsumTransformer, values: Float[Tensor, " d_vocab"]) -> CumsumTransformer:
    """Give every token the embedding row of the value that it is to be read as."""
    if torch.equal(values, values_of(model)):
        raise CannotBeMade(f"with values up to {model.cfg.max_value} every value would be read as itself")
    mutant = copied(model)
    mutant.embed.W_E.copy_(model.W_E[tokens_of(values.long(), model.cfg.max_value)])
    return mutant
