"""The weights read as circuits, in float64: what attention can see, what OV moves, where values lie along u.

Quantities come from the weights alone unless a function takes sequences. Those that speak of "every
sequence" are exact: they optimise over all of them in closed form rather than sample.
"""

from __future__ import annotations

import math

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.behaviour import CHUNK
from cumsum_model.data import running_means
from cumsum_model.model import CumsumTransformer


def W_QK(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "d_model d_model"]:
    """`W_Q @ W_K.T` of a head of the first layer: which directions a query looks for in a key."""
    attn = model.blocks[0].attn
    return attn.W_Q[head].double() @ attn.W_K[head].double().T


def W_OV(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "d_model d_model"]:
    """`W_V @ W_O` of a head of the first layer: what it writes for each direction that it reads."""
    attn = model.blocks[0].attn
    return attn.W_V[head].double() @ attn.W_O[head].double()


def initial_W_QK_std(model: CumsumTransformer) -> float:
    """Standard deviation of a `W_QK` entry before training: d_head products of N(0, 0.8/sqrt(d_model))."""
    return math.sqrt(model.cfg.d_head) * 0.8**2 / model.cfg.d_model


def attention_scores(
    model: CumsumTransformer, head: int = 0
) -> Float[Tensor, "query_pos query_tok key_pos key_tok"]:
    """The score of every query (position, token) for every key (position, token), biases included.

    Entries whose key lies after the query exist but are never used.
    """
    attn = model.blocks[0].attn
    resid_pre = model.W_pos.double()[:, None] + model.W_E.double()[None]
    q = resid_pre @ attn.W_Q[head].double() + attn.b_Q[head].double()
    k = resid_pre @ attn.W_K[head].double() + attn.b_K[head].double()
    scores = einsum(q, k, "n a d_head, j t d_head -> n a j t")
    return scores / math.sqrt(model.cfg.d_head)


def uniformity_gap(model: CumsumTransformer) -> float:
    """The largest |pattern - 1/n| that any sequence can produce, at any query and key position.

    Exact over every sequence. A key's share w_j / (w_1 + .. + w_n) of the exponentiated scores rises
    with its own weight and falls with every other, and the tokens are chosen independently, so both
    extremes are attained by picking the largest or smallest weight at each position. The query's own
    position is a key too, with its token given. (One layer: deeper ones see no single token.)
    """
    return max(_uniformity_gap(attention_scores(model, head)) for head in range(model.cfg.n_heads))


def _uniformity_gap(scores: Float[Tensor, "query_pos query_tok key_pos key_tok"]) -> float:
    worst = 0.0
    for n, per_query in enumerate(scores, start=1):
        weights = (per_query[:, :n] - per_query[:, :n].amax((-2, -1), keepdim=True)).exp()
        low, high = weights.amin(-1), weights.amax(-1)
        own = weights[:, n - 1].diagonal()
        low[:, -1] = high[:, -1] = own
        largest = high / (high + low.sum(-1, keepdim=True) - low)
        smallest = low / (low + high.sum(-1, keepdim=True) - high)
        worst = max(worst, (largest - 1 / n).max().item(), (1 / n - smallest).max().item())
    return worst


def value_outputs(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "d_vocab d_model"]:
    """`W_E @ W_OV`: what the head writes for each value when it gives that value all its attention."""
    return model.W_E.double() @ W_OV(model, head)


def value_direction(model: CumsumTransformer, head: int = 0) -> Float[Tensor, " d_model"]:
    """u: the direction that carries the values, of length 1, larger values projecting higher.

    The first right singular vector of `W_E @ W_OV`. Source: write-up, First pass.
    """
    outputs = value_outputs(model, head)
    u = torch.linalg.svd(outputs, full_matrices=False).Vh[0]
    values = _values(model)
    return u if (outputs @ u) @ values >= 0 else -u


def value_projections(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """How far along u each value is moved, from -max_value to +max_value."""
    return value_outputs(model) @ value_direction(model)


def value_slope(model: CumsumTransformer) -> float:
    """How far along u one unit of value is moved: the least-squares slope of the projections."""
    values = _values(model)
    projections = value_projections(model)
    return ((values @ (projections - projections.mean())) / (values @ values)).item()


def value_spacing_error(model: CumsumTransformer) -> float:
    """The largest distance of a value's projection from the least-squares line, in units of value."""
    projections = value_projections(model)
    slope = value_slope(model)
    line = projections.mean() + slope * _values(model)
    return ((projections - line).abs().max() / abs(slope)).item()


def value_leak(model: CumsumTransformer) -> float:
    """How far any value is moved *off* u, in units of what one unit of value moves along u.

    Only differences between values count: what is the same for all of them tells them apart no more
    than a bias does.
    """
    outputs = value_outputs(model)
    u = value_direction(model)
    off_u = outputs - (outputs @ u)[:, None] * u
    return ((off_u - off_u.mean(0)).norm(dim=-1).max() / abs(value_slope(model))).item()


@torch.no_grad()
def resid_mid_along_u(model: CumsumTransformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """Projection of the stream between attention and MLP on u, at every position."""
    u = value_direction(model)
    toks = toks.to(model.device)
    return torch.cat(
        [
            model.run_with_cache(chunk)[1]["blocks.0.hook_resid_mid"].double() @ u
            for chunk in toks.split(CHUNK)
        ]
    )


def mean_resolution(model: CumsumTransformer, values: Int[Tensor, "batch pos"]) -> float:
    """The largest difference in running mean that resid_mid . u puts in the wrong order.

    Over all pairs of positions in `values`: 0 means strictly monotone in the mean; r means that any
    two means further apart than r are told apart. In units of value.
    """
    projections = resid_mid_along_u(model, values + model.cfg.max_value)
    return monotone_resolution(running_means(values.to(model.device)).flatten(), projections.flatten())


def monotone_resolution(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> float:
    """The largest x_j - x_i > 0 with y_j <= y_i: how far y is from strictly increasing in x.

    >>> x = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> monotone_resolution(x, torch.tensor([0.0, 1.0, 2.0, 3.0]))
    0.0
    >>> monotone_resolution(x, torch.tensor([0.0, 2.5, 2.0, 2.4]))
    2.0
    """
    order = x.argsort(stable=True)
    x, y = x[order], y[order]
    # The running maximum of y rises along x, so the earliest point at or above y_j is found by bisection.
    earliest = torch.searchsorted(y.cummax(0).values, y)
    return (x - x[earliest]).clamp(min=0).max().item()


def cosine(a: Float[Tensor, " d"], b: Float[Tensor, " d"]) -> float:
    """Cosine of the angle between two vectors, in float64."""
    a, b = a.double(), b.double()
    return (a @ b / (a.norm() * b.norm())).item()


def _values(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float64, device=model.device)
