"""Edits of this model: spare directions, merged neurons."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons
from toy_model.surgery import CannotBeMade, copied


@torch.no_grad()
def one_neuron_a_side(model: CumsumTransformer) -> CumsumTransformer:
    """A copy in which a single neuron does the work of all that fire on one side of zero, and another that of the rest.

    It reads what those of its side read on average, weighted by strength, and writes what they write in sum. If
    they differ in strength alone, it is the same function. Neurons that no mean moves are silenced.
    """
    neurons = read_neurons(model)
    merged = copied(model)
    mlp = merged.blocks[0].mlp
    W_in, b_in, W_out = (weights.double() for weights in (mlp.W_in, mlp.b_in, mlp.W_out))
    spread = neurons.push.amax(-1) - neurons.push.amin(-1)
    mlp.W_out[~neurons.fires] = 0
    for side in (neurons.fires & (neurons.slope > 0), neurons.fires & (neurons.slope < 0)):
        mlp.W_out[side] = 0
        total = neurons.strength[side].sum()
        if total > 0:
            first = int(side.nonzero()[0])
            mlp.W_in[:, first] = (W_in[:, side] @ spread[side] / total).float()
            mlp.b_in[first] = (b_in[side] @ spread[side] / total).float()
            mlp.W_out[first] = (neurons.slope[side].abs() @ W_out[side]).float()
    mlp.W_out[neurons.slope == 0] = 0
    return merged


def values_of(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """-max_value .. +max_value, in the order of the rows of W_E."""
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float32, device=model.device)


def unread_direction(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The direction of the stream that values, neurons and unembedding read least.

    In the published sizes not at all: they read 23 directions of 24.
    """
    block = model.blocks[0]
    readers = torch.cat([*block.attn.W_V, block.mlp.W_in, model.W_U], dim=-1)
    return torch.linalg.svd(readers.double()).U[:, -1].float()


def let_head_move(mutant: CumsumTransformer, direction: Float[Tensor, " d_model"]) -> None:
    """Make the first head also move `direction` onto itself, by the part of its space that OV uses least."""
    attn = mutant.blocks[0].attn
    used = torch.cat([attn.W_V[0], attn.W_O[0].T])
    channel = torch.linalg.svd(used.double()).Vh[-1].float()
    attn.W_V[0] += torch.outer(direction, channel)
    attn.W_O[0] += torch.outer(channel, direction)


def require_working_neurons(model: CumsumTransformer) -> None:
    """Raise CannotBeMade where no neuron of any layer adds anything to the logits: there is nothing of it to break."""
    if not any((block.mlp.W_out @ model.W_U).any() for block in model.blocks):
        raise CannotBeMade("no neuron of this model does anything")


def neurons_by_strength(model: CumsumTransformer) -> list[int]:
    """Neurons of the first layer, strongest first, by what each reads times what it adds to the logits.

    Raises CannotBeMade where there are none.
    """
    if not model.cfg.d_mlp:
        raise CannotBeMade("this model has no neurons")
    mlp = model.blocks[0].mlp
    strength = mlp.W_in.norm(dim=0) * (mlp.W_out @ model.W_U).norm(dim=-1)
    return strength.argsort(descending=True).tolist()


def strongest_neuron(model: CumsumTransformer) -> int:
    """The strongest neuron of the first layer. Raises CannotBeMade where none does anything."""
    require_working_neurons(model)
    return neurons_by_strength(model)[0]


def strongest_and_weakest(model: CumsumTransformer) -> tuple[int, int]:
    """Two different neurons of the first layer. Raises CannotBeMade where there is only one, or none does anything."""
    strongest, *others = neurons_by_strength(model)
    if not others:
        raise CannotBeMade("there is no second neuron")
    require_working_neurons(model)
    return strongest, others[-1]
