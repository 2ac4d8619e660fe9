"""The same probabilities on every sequence, in other weights: what no claim about the function may notice.

A model without layer norm is the same function in every basis of its stream, softmax takes no notice of what is
added to all logits alike, several parameters can hold one constant, and neurons and heads have scales, bases and
numbers of their own. A symmetry says in `changes` which of these it alters. A claim that speaks of one of them may
notice the symmetry; one that does not and yet notices it is about the way the weights happen to be written down.

All are computed in float64 and stored as the model's weights are, so that the new model is the old one up to the
rounding of its weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.data import POS
from cumsum_model.gauge import change_basis
from cumsum_model.model import CumsumTransformer
from toy_model.surgery import CannotBeMade, copied
from toy_model.symmetry import Changes

STREAM_BASIS = "the basis of the stream"
LOGIT_GAUGE = "the gauge of the logits"
CONSTANTS = "the split of constants"
NEURON_SCALES = "the scale of neurons"
NEURON_NUMBERS = "neuron numbers"
HEAD_BASES = "the basis of the heads"
HEAD_NUMBERS = "head numbers"

FIGURES = "the figures of a run"

EVERYTHING = (STREAM_BASIS, LOGIT_GAUGE, CONSTANTS, NEURON_SCALES, NEURON_NUMBERS, HEAD_BASES, HEAD_NUMBERS)
"""All that a symmetry can change. FIGURES are none of it: only an ideal, which is another function, has others."""

SHEAR = 3.0
"""Condition number of the sheared basis."""

SKEW = 10.0
"""Condition number of the general change of basis: a vector can become ten times as long, relative to another."""

HEAD_SKEW = 4.0
"""Condition number of the change of basis of queries and keys, and of values."""

LOGITS = 3.0
"""What is added to all logits alike, a few times what separates two answers near a sum of zero."""

SEED = 0


changes = Changes(EVERYTHING, besides=(FIGURES,))


@changes(STREAM_BASIS)
def rescale_stream(model: CumsumTransformer) -> CumsumTransformer:
    """Every axis of the stream is measured in a unit of its own, between half and twice the old one."""
    factors = 2 ** _uniform(_generator(), model.cfg.d_model)
    return change_basis(model, factors.diag())


@changes(STREAM_BASIS)
def shear_stream(model: CumsumTransformer) -> CumsumTransformer:
    """The stream is sheared by a unit upper triangular matrix of condition number 3."""
    _require_dimensions(model)
    return change_basis(model, _shear(model.cfg.d_model, SHEAR, _generator()))


@changes(STREAM_BASIS)
def rotate_stream(model: CumsumTransformer) -> CumsumTransformer:
    """The stream is rotated: all lengths and angles stay, no coordinate does."""
    _require_dimensions(model)
    return change_basis(model, _orthogonal(model.cfg.d_model, _generator()))


@changes(STREAM_BASIS)
def skew_stream(model: CumsumTransformer) -> CumsumTransformer:
    """The stream is in a general basis of condition number 10: no length or angle stays."""
    _require_dimensions(model)
    return change_basis(model, _conditioned(model.cfg.d_model, SKEW, _generator()))


@changes(LOGIT_GAUGE)
def shift_logits_by_a_constant(model: CumsumTransformer) -> CumsumTransformer:
    """Three is added to all logits alike, through b_U."""
    mutant = copied(model)
    mutant.unembed.b_U += LOGITS
    return mutant


@changes(LOGIT_GAUGE)
def shift_unembeddings(model: CumsumTransformer) -> CumsumTransformer:
    """The pos unembedding is added to all three unembeddings: every logit moves by the same amount."""
    return _with_unembeddings_shifted(model, model.W_U[:, POS].double())


@changes(LOGIT_GAUGE)
def shift_unembeddings_at_random(model: CumsumTransformer) -> CumsumTransformer:
    """A random vector of the length of the pos unembedding is added to all three: every logit moves alike."""
    vector = _normal(_generator(), model.cfg.d_model).to(model.device)
    return _with_unembeddings_shifted(model, vector * (model.W_U[:, POS].double().norm() / vector.norm()))


@changes(CONSTANTS)
def fold_b_V_into_b_O(model: CumsumTransformer) -> CumsumTransformer:
    """b_V is zero and b_O holds b_V W_O as well, since attention weights add up to one.

    Raises CannotBeMade where b_V is zero already.
    """
    if not any(block.attn.b_V.any() for block in model.blocks):
        raise CannotBeMade("b_V is zero already")
    mutant = copied(model).double()
    for block in mutant.blocks:
        attn = block.attn
        attn.b_O += (attn.b_V[:, None] @ attn.W_O).sum((0, 1))
        attn.b_V.zero_()
    return _stored_as(model, mutant)


@changes(CONSTANTS)
def move_b_in_to_b_O(model: CumsumTransformer) -> CumsumTransformer:
    """b_O adds a random vector as long as an embedding, b_in cancels it at the neurons' inputs and b_out after them."""
    mutant = copied(model).double()
    generator = _generator()
    for block in mutant.blocks:
        vector = _as_long_as_an_embedding(model, generator)
        block.attn.b_O += vector
        block.mlp.b_in -= vector @ block.mlp.W_in
        block.mlp.b_out -= vector
    return _stored_as(model, mutant)


@changes(CONSTANTS)
def fold_b_out_into_readers(model: CumsumTransformer) -> CumsumTransformer:
    """b_out is zero and b_U holds b_out W_U, as do the biases of later layers what they read of it.

    Raises CannotBeMade where b_out is zero already.
    """
    if not any(block.mlp.b_out.any() for block in model.blocks):
        raise CannotBeMade("b_out is zero already")
    mutant = copied(model).double()
    for layer, block in enumerate(mutant.blocks):
        constant = block.mlp.b_out.clone()
        block.mlp.b_out.zero_()
        for later in mutant.blocks[layer + 1 :]:
            later.attn.b_Q += constant @ later.attn.W_Q
            later.attn.b_K += constant @ later.attn.W_K
            later.attn.b_V += constant @ later.attn.W_V
            later.mlp.b_in += constant @ later.mlp.W_in
        mutant.unembed.b_U += constant @ mutant.W_U
    return _stored_as(model, mutant)


@changes(CONSTANTS)
def shift_embeddings(model: CumsumTransformer) -> CumsumTransformer:
    """A random vector as long as an embedding is added to every row of W_E and taken from every row of W_pos."""
    mutant = copied(model).double()
    vector = _as_long_as_an_embedding(model, _generator())
    mutant.embed.W_E += vector
    mutant.pos_embed.W_pos -= vector
    return _stored_as(model, mutant)


@changes(CONSTANTS)
def move_W_pos_to_biases(model: CumsumTransformer) -> CumsumTransformer:
    """Every row of W_pos has a random vector added, which b_Q, b_K, b_V and b_O of the first layer cancel."""
    mutant = copied(model).double()
    vector = _as_long_as_an_embedding(model, _generator())
    attn = mutant.blocks[0].attn
    mutant.pos_embed.W_pos += vector
    for bias, weights in ((attn.b_Q, attn.W_Q), (attn.b_K, attn.W_K), (attn.b_V, attn.W_V)):
        bias -= vector @ weights
    attn.b_O -= vector
    return _stored_as(model, mutant)


@changes(CONSTANTS)
def change_b_K(model: CumsumTransformer) -> CumsumTransformer:
    """b_K has a random vector added, which moves all scores of a query alike."""
    mutant = copied(model).double()
    generator = _generator()
    for block in mutant.blocks:
        block.attn.b_K += _normal(generator, *block.attn.b_K.shape).to(model.device)
    return _stored_as(model, mutant)


@changes(NEURON_SCALES)
def rescale_neurons(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron reads more and writes less, or the reverse, by a factor of its own between 1/4 and 4."""
    mutant = copied(model).double()
    generator = _generator()
    for block in mutant.blocks:
        factors = 4 ** _uniform(generator, model.cfg.d_mlp).to(model.device)
        block.mlp.W_in *= factors
        block.mlp.b_in *= factors
        block.mlp.W_out /= factors[:, None]
    return _stored_as(model, mutant)


@changes(NEURON_NUMBERS)
def renumber_neurons(model: CumsumTransformer) -> CumsumTransformer:
    """The neurons are in the reverse order."""
    if model.cfg.d_mlp == 1:
        raise CannotBeMade("there is no second neuron")
    mutant = copied(model)
    for block in mutant.blocks:
        block.mlp.W_in.copy_(block.mlp.W_in.flip(1))
        block.mlp.b_in.copy_(block.mlp.b_in.flip(0))
        block.mlp.W_out.copy_(block.mlp.W_out.flip(0))
    return mutant


@changes(HEAD_BASES)
def change_head_basis(model: CumsumTransformer) -> CumsumTransformer:
    """Queries and keys of every head are in another basis, and so are its values, each of condition number 4."""
    mutant = copied(model).double()
    generator = _generator()
    for block in mutant.blocks:
        attn = block.attn
        for head in range(model.cfg.n_heads):
            for_scores = _conditioned(model.cfg.d_head, HEAD_SKEW, generator).to(model.device)
            for_values = _conditioned(model.cfg.d_head, HEAD_SKEW, generator).to(model.device)
            for weights, matrix in (
                (attn.W_Q, for_scores),
                (attn.b_Q, for_scores),
                (attn.W_K, for_scores.inverse().T),
                (attn.b_K, for_scores.inverse().T),
                (attn.W_V, for_values),
                (attn.b_V, for_values),
            ):
                weights[head] = weights[head] @ matrix
            attn.W_O[head] = for_values.inverse() @ attn.W_O[head]
    return _stored_as(model, mutant)


@changes(HEAD_NUMBERS)
def renumber_heads(model: CumsumTransformer) -> CumsumTransformer:
    """The heads are in the reverse order."""
    if model.cfg.n_heads == 1:
        raise CannotBeMade("there is no second head")
    mutant = copied(model)
    for block in mutant.blocks:
        for name, weights in block.attn.named_parameters():
            if name != "b_O":
                weights.copy_(weights.flip(0))
    return mutant


ONE_BY_ONE = (
    rescale_stream,
    shear_stream,
    rotate_stream,
    skew_stream,
    shift_logits_by_a_constant,
    shift_unembeddings,
    shift_unembeddings_at_random,
    fold_b_V_into_b_O,
    move_b_in_to_b_O,
    fold_b_out_into_readers,
    shift_embeddings,
    move_W_pos_to_biases,
    change_b_K,
    rescale_neurons,
    renumber_neurons,
    change_head_basis,
    renumber_heads,
)


@changes(*EVERYTHING)
def all_at_once(model: CumsumTransformer) -> CumsumTransformer:
    """Every symmetry that the model has, one after another: same probabilities, hardly a weight as it was."""
    mutant = copied(model).double()
    for symmetry in ONE_BY_ONE:
        try:
            mutant = symmetry(mutant)
        except CannotBeMade:
            continue
    return _stored_as(model, mutant)


def _with_unembeddings_shifted(model: CumsumTransformer, vector: Float[Tensor, " d_model"]) -> CumsumTransformer:
    mutant = copied(model).double()
    mutant.unembed.W_U += vector[:, None]
    return _stored_as(model, mutant)


def _stored_as(model: CumsumTransformer, mutant: CumsumTransformer) -> CumsumTransformer:
    return mutant.to(model.W_E.dtype)


def _require_dimensions(model: CumsumTransformer) -> None:
    if model.cfg.d_model == 1:
        raise CannotBeMade("the stream has one dimension, whose only change of basis is a scale")


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float64).normal_(generator=generator)


def _uniform(generator: torch.Generator, size: int) -> Float[Tensor, " size"]:
    """Between -1 and 1."""
    return 2 * torch.empty(size, dtype=torch.float64).uniform_(generator=generator) - 1


def _as_long_as_an_embedding(model: CumsumTransformer, generator: torch.Generator) -> Float[Tensor, " d_model"]:
    """A random direction, at the length that an average token writes to the stream."""
    vector = _normal(generator, model.cfg.d_model).to(model.device)
    return vector * (model.W_E.double().norm(dim=-1).mean() / vector.norm())


def _orthogonal(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    q, r = torch.linalg.qr(_normal(generator, size, size))
    return q * r.diag().sign()


def _conditioned(size: int, condition: float, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A matrix of that condition number with singular values at equal ratios around 1; of size 1 its square root."""
    exponents = torch.linspace(-0.5, 0.5, size, dtype=torch.float64) if size > 1 else torch.tensor([0.5]).double()
    return _orthogonal(size, generator) * condition**exponents @ _orthogonal(size, generator)


def _shear(size: int, condition: float, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A unit upper triangular matrix of that condition number: it grows from 1 with what is above the diagonal."""
    above = _normal(generator, size, size).triu(1)
    identity = torch.eye(size, dtype=torch.float64)
    low, high = 0.0, 2 * condition / float(above.abs().max())
    for _ in range(60):  # bisection, to the last digit
        middle = (low + high) / 2
        if float(torch.linalg.cond(identity + middle * above)) < condition:
            low = middle
        else:
            high = middle
    return identity + low * above
