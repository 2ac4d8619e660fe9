"""The weights of least norm that give the same probabilities: one representative of all that are equivalent.

Whatever is read off them (lengths, angles, projections, biases, the strength of a neuron) is the same for every
model of the same function that `mutants.symmetries` makes, but for the numbers of neurons and heads and the signs of
coordinates. Weight decay leads there too (`gauge` has the derivation), so that what is read off a trained model's own
weights is nearly the same.

The norm is minimised over one group of symmetries after another, each step exactly and in closed form, until a sweep
over all of them lowers it no more. No step raises it. That all starts end in the same place is tested, not proved.
"""

from __future__ import annotations

import copy
import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.gauge import balance, balance_basis, is_as_training_leaves, padded
from cumsum_model.model import CumsumTransformer
from toy_model.transformer import Block

CONVERGED = 1e-12
"""A sweep that lowers the squared norm by less than this fraction of it is the last: float64 resolves little more."""

SWEEPS = 200
"""At most so many. Trained models take about 50."""


def of_least_norm(model: CumsumTransformer) -> CumsumTransformer:
    """The same probabilities from weights of the least norm, in float64.

    Where the norm still falls after SWEEPS, which it does by parts in 10^4 at most, the result is the same function
    but depends a little on the weights that it was found from: models with a large constant that nothing was trained
    to hold, such as `favour_zero`.
    """
    least = copy.deepcopy(model).requires_grad_(False).double()
    norm = squared_norm(least)
    for _ in range(SWEEPS):
        _center_logits(least)
        _split_constants(least)
        for block in least.blocks:
            _balance_heads(block)
            _balance_neurons(block)
        balance_basis(least)
        before, norm = norm, squared_norm(least)
        if before - norm <= CONVERGED * norm:
            break
    return least


@lru_cache(maxsize=8)
def as_training_leaves(model: CumsumTransformer) -> CumsumTransformer:
    """The model in weights whose lengths and angles mean something: those that weight decay leaves.

    A model that has them already, as every trained one does, is returned as it is, so that what is then said of raw
    columns is said of them. Of any other it is the one of least norm, in float32.
    """
    return model if is_as_training_leaves(model) else of_least_norm(model).float()


def squared_norm(model: CumsumTransformer) -> float:
    """The sum of the squares of all weights and biases, which weight decay lowers."""
    return math.fsum(parameter.double().square().sum().item() for parameter in model.parameters())


def norm_above_least(model: CumsumTransformer) -> float:
    """By what fraction the squared norm of the weights exceeds the least that gives the same probabilities."""
    least = squared_norm(of_least_norm(model))
    return squared_norm(model) / least - 1 if least > 0 else 0.0


def _center_logits(model: CumsumTransformer) -> None:
    model.unembed.W_U -= model.W_U.mean(-1, keepdim=True)
    model.unembed.b_U -= model.unembed.b_U.mean()


def _split_constants(model: CumsumTransformer) -> None:
    """Move what several parameters can hold to where it costs least, one kind of move after another.

    b_K moves all scores of a query alike, so that it can be zero.
    """
    ones = _one_like(model.W_U)
    _move((model.W_E, ones), (model.W_pos, -ones))
    before = model.W_pos  # what adds a constant to the stream before attention
    for block in model.blocks:
        attn, mlp = block.attn, block.mlp
        attn.b_K.zero_()
        W_O = attn.W_O.flatten(0, 1)
        W_Q, W_V = (weights.movedim(0, 1).flatten(1) for weights in (attn.W_Q, attn.W_V))
        _move((attn.b_V, _one_like(W_O)), (attn.b_O, -W_O))
        _move((before, ones), (attn.b_Q, -W_Q), (attn.b_V, -W_V), (attn.b_O, -ones))
        _move((attn.b_O, ones), (mlp.b_in, -mlp.W_in), (mlp.b_out, -ones))
        before = mlp.b_out
    _move((before, ones), (model.unembed.b_U, -model.W_U))


def _move(*holders: tuple[Tensor, Float[Tensor, "d n"]]) -> None:
    """Add x J to each parameter, for the x that gives the least norm: least squares.

    Of a parameter of n rows all move alike, which costs what their mean does, n times, and what stays.
    """
    rows = [(parameter.view(-1, J.shape[1]), J) for parameter, J in holders if parameter.numel()]
    target = torch.cat([row.mean(0) * len(row) ** 0.5 for row, _ in rows])
    columns = torch.cat([J * len(row) ** 0.5 for row, J in rows], dim=1)
    # By the pseudoinverse, since the default driver of lstsq gives other last digits in every process.
    x = -torch.linalg.pinv(columns.T) @ target
    for row, J in rows:
        row += x @ J


def _balance_heads(block: Block) -> None:
    """Queries against keys and values against outputs, by the formula for the stream."""
    attn = block.attn
    for head in range(len(attn.W_Q)):
        M, N = padded(*balance(torch.cat([attn.W_Q[head], attn.b_Q[head, None]]), attn.W_K[head].T))
        attn.W_Q[head], attn.b_Q[head], attn.W_K[head] = attn.W_Q[head] @ M, attn.b_Q[head] @ M, attn.W_K[head] @ N.T
        M, N = padded(*balance(torch.cat([attn.W_V[head], attn.b_V[head, None]]), attn.W_O[head]))
        attn.W_V[head], attn.b_V[head], attn.W_O[head] = attn.W_V[head] @ M, attn.b_V[head] @ M, N @ attn.W_O[head]


def _balance_neurons(block: Block) -> None:
    """Every neuron reads and writes with the same norm. One that reads or writes nothing has none."""
    mlp = block.mlp
    reads = torch.cat([mlp.W_in, mlp.b_in[None]]).norm(dim=0)
    writes = mlp.W_out.norm(dim=-1)
    works = (reads > 0) & (writes > 0)
    for weights, mine, others in ((mlp.W_in, reads, writes), (mlp.b_in, reads, writes), (mlp.W_out.T, writes, reads)):
        weights *= torch.where(works, (others / mine).sqrt(), 0)


def _one_like(matrix: Float[Tensor, "d n"]) -> Float[Tensor, "d d"]:
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
