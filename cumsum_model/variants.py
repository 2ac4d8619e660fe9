"""The model with one part of its computation replaced, in its weights: so that the result can be proved right.

An intervention replaces an activation on a data set. Wherever a replacement is linear it can be made in the weights
instead, and then everything that `proof` proves of a model is proved of the intervention, over every sequence.
All are functions of what the model computes: none depends on the basis of the stream.
"""

from __future__ import annotations

import torch

from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons
from cumsum_model.ov_circuit import value_step
from cumsum_model.reading import mean_readout
from toy_model.surgery import copied


def with_uniform_attention(model: CumsumTransformer) -> CumsumTransformer:
    """Exactly uniform attention: every score is zero, so that each of n tokens gets the weight 1/n."""
    variant = copied(model)
    for block in variant.blocks:
        for weights in (block.attn.W_Q, block.attn.b_Q):
            weights.zero_()
    return variant


def without_relus(model: CumsumTransformer) -> CumsumTransformer:
    """The affine map that the model is next to zero, taken everywhere: every ReLU that is open there is an identity.

    Neurons that fire at a mean of zero always do, others never, and what is then linear is folded into the unembedding:
    W_U becomes (I + W_in W_out) W_U, a model without an MLP. Rounded to float32 once.
    """
    variant = copied(model)
    mlp, W_U = variant.blocks[0].mlp, model.W_U.double()
    # What a unit of each neuron's activation adds to the logits.
    folded = (mlp.W_out.double() @ W_U) * read_neurons(model).fires_at_zero[:, None]
    variant.unembed.W_U.copy_(W_U + mlp.W_in.double() @ folded)
    constant = mlp.b_out.double() @ W_U
    variant.unembed.b_U.copy_(model.unembed.b_U.double() + constant + mlp.b_in.double() @ folded)
    for weights in (mlp.W_in, mlp.b_in, mlp.W_out, mlp.b_out):
        weights.zero_()
    return variant


def with_head_along_the_step(model: CumsumTransformer) -> CumsumTransformer:
    """What the heads write for a token is reduced to one direction: what g reads of it, written along `value_step`.

    What they write whatever the values stays as it is, and so does what token and position write past the heads.
    """
    return _with_head(model, along=True)


def without_the_step(model: CumsumTransformer) -> CumsumTransformer:
    """The rest: of what the heads write for a token, that part alone is removed, so that g reads nothing of it."""
    return _with_head(model, along=False)


def _with_head(model: CumsumTransformer, *, along: bool) -> CumsumTransformer:
    variant = copied(model)
    # A projection that knows no angle: onto the vector that is written, along what the covector does not read.
    onto = torch.outer(mean_readout(model), value_step(model))
    kept = onto if along else torch.eye(len(onto), dtype=onto.dtype, device=onto.device) - onto
    attn = variant.blocks[0].attn
    W_O = model.blocks[0].attn.W_O.double()
    attn.W_O.copy_(W_O @ kept)
    # What all tokens and positions have in common could as well be a bias, and biases are no output for any token:
    # what the projection took of it is given back.
    common = (model.W_E.mean(0) + model.W_pos.mean(0)).double()
    for W_V, b_V, head in zip(model.blocks[0].attn.W_V.double(), model.blocks[0].attn.b_V.double(), W_O, strict=True):
        constant = (common @ W_V + b_V) @ head
        attn.b_O += (constant - constant @ kept).float()
    return variant
