"""The weights read as circuits, in float64: what attention can see, what OV moves, where values lie along u.

Quantities come from the weights alone unless a function takes sequences. Those that speak of "every
sequence" are exact: they optimise over all of them in closed form rather than sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.behaviour import CHUNK
from cumsum_model.model import CumsumTransformer

SHORTEST = 4
"""Contexts shorter than this leave too few sequences to say anything about length."""

LONG = 10
"""In shorter contexts sums next to zero have means of a tenth and more, and are not hard."""


def no_account_of(model: CumsumTransformer) -> str | None:
    """Why an account of one layer over sequences of some length does not apply to `model`; None if it does."""
    if model.cfg.n_layers > 1:
        return f"this is an account of one layer, the model has {model.cfg.n_layers}"
    if model.cfg.d_model == 1:
        return "this is about directions of the stream, which has one dimension in this model"
    if model.cfg.n_ctx < SHORTEST:
        return f"this is about sequences of some length, the model's context is {model.cfg.n_ctx}"
    if not (value_step(model).any() and centred_unembedding(model).any()):
        return "this is about how values reach the answer, in this model nothing of them does"
    return None


def no_account_of_sizes(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is true where values of one sign have several sizes."""
    if model.cfg.max_value < 2:
        return "this is about values of several sizes, in this model all have one"
    return no_account_of(model)


def no_account_of_long(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is true of contexts in which sums near zero are hard."""
    if model.cfg.n_ctx < LONG:
        return f"this is about sequences of at least {LONG} values, the model's context is {model.cfg.n_ctx}"
    return no_account_of(model)


def no_account_of_heads(model: CumsumTransformer) -> str | None:
    """As `no_account_of`, for what is said of a single head."""
    if model.cfg.n_heads > 1:
        return f"this is an account of one head, the model has {model.cfg.n_heads}"
    return no_account_of(model)


def W_QK(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "d_model d_model"]:
    """`W_Q @ W_K.T` of a head of the first layer: which directions a query looks for in a key."""
    attn = model.blocks[0].attn
    return attn.W_Q[head].double() @ attn.W_K[head].double().T


def W_OV(model: CumsumTransformer) -> Float[Tensor, "d_model d_model"]:
    """`W_V @ W_O`, summed over the heads of the first layer: what they write for each direction that they read."""
    attn = model.blocks[0].attn
    return einsum(attn.W_V.double(), attn.W_O.double(), "head i d_head, head d_head j -> i j")


def initial_W_QK_std(model: CumsumTransformer) -> float:
    """Standard deviation of a `W_QK` entry before training: d_head products of N(0, 0.8/sqrt(d_model))."""
    return math.sqrt(model.cfg.d_head) * 0.8**2 / model.cfg.d_model


def attention_scores(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "query_pos query_tok key_pos key_tok"]:
    """The score of every query (position, token) for every key (position, token), biases included.

    Entries whose key lies after the query exist but are never used.
    """
    attn = model.blocks[0].attn
    resid_pre = model.W_pos.double()[:, None] + model.W_E.double()[None]
    q = resid_pre @ attn.W_Q[head].double() + attn.b_Q[head].double()
    k = resid_pre @ attn.W_K[head].double() + attn.b_K[head].double()
    scores = einsum(q, k, "n a d_head, j t d_head -> n a j t")
    return scores / math.sqrt(model.cfg.d_head)


def _score_ranges(
    model: CumsumTransformer,
) -> Iterator[tuple[Float[Tensor, "query_tok key_pos"], Float[Tensor, "query_tok key_pos"]]]:
    """For every head and query position: the lowest and highest score of each key position, over its tokens.

    The query's own position is a key too, and its token is given.
    """
    for head in range(model.cfg.n_heads):
        for n, per_query in enumerate(attention_scores(model, head), start=1):
            low, high = per_query[:, :n].amin(-1), per_query[:, :n].amax(-1)
            low[:, -1] = high[:, -1] = per_query[:, n - 1].diagonal()
            yield low, high


def uniformity_gap(model: CumsumTransformer) -> float:
    """The largest |pattern - 1/n| that any sequence can produce, at any query and key position.

    Exact over every sequence. A key's share e^s_j / (e^s_1 + .. + e^s_n) rises with its own score and
    falls with every other, and the tokens are chosen independently, so both extremes are attained by
    picking the highest or lowest score at each position. (One layer: deeper ones see no single token.)
    """
    return max(gap / n for n, gap in _largest_gaps(model))


def relative_uniformity_gap(model: CumsumTransformer) -> float:
    """The largest |n * pattern - 1| that any sequence can produce: the same relative to the uniform weight.

    So that it means the same at every length: a weight of twice 1/n gives 1, however small 1/n is.
    """
    return max(gap for _, gap in _largest_gaps(model))


def _largest_gaps(model: CumsumTransformer) -> Iterator[tuple[int, float]]:
    """For every head and query position n: the largest |n * pattern - 1|."""
    for low, high in _score_ranges(model):
        n = low.shape[-1]
        largest = (high - _logsumexp_of_others(low)).sigmoid()
        smallest = (low - _logsumexp_of_others(high)).sigmoid()
        yield n, torch.maximum(n * largest - 1, 1 - n * smallest).max().item()


def _logsumexp_of_others(scores: Float[Tensor, "query_tok key_pos"]) -> Float[Tensor, "query_tok key_pos"]:
    """For each key position the logsumexp over all the others; -inf where there is no other."""
    n = scores.shape[-1]
    itself = torch.eye(n, dtype=torch.bool, device=scores.device)
    return scores[:, None, :].expand(-1, n, n).masked_fill(itself, -torch.inf).logsumexp(-1)


def score_spread(model: CumsumTransformer) -> float:
    """The largest difference between two scores that one query can see, over every sequence.

    A spread s bounds the ratio of any two shares of attention by e^s.
    """
    spreads = [(high.amax(-1) - low.amin(-1)).max() for low, high in _score_ranges(model)]
    return torch.stack(spreads).max().item()


@torch.no_grad()
def info_weighted_attention(
    model: CumsumTransformer, toks: Int[Tensor, "batch pos"], head: int = 0
) -> Float[Tensor, "batch query key"]:
    """Attention of one head times the size of what it moves: pattern * |v W_O|, with v as the head computes it.

    Source: write-up, First pass.
    """
    attn = model.blocks[0].attn
    _, cache = model.run_with_cache(toks.to(model.device))
    moved = cache["blocks.0.attn.hook_v"][:, :, head].double() @ attn.W_O[head].double()
    return cache["blocks.0.attn.hook_pattern"][:, head].double() * moved.norm(dim=-1)[:, None, :]


def centred_unembedding(model: CumsumTransformer) -> Float[Tensor, "d_model d_vocab_out"]:
    """`W_U` less the mean of its columns: what all three have in common moves all logits alike, and no probability."""
    W_U = model.W_U.double()
    return W_U - W_U.mean(-1, keepdim=True)


def value_outputs(model: CumsumTransformer) -> Float[Tensor, "d_vocab d_model"]:
    """`W_E @ W_OV`: what the heads write for each value when they give that value all their attention."""
    return model.W_E.double() @ W_OV(model)


def value_direction(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """u: the direction that carries the values, of length 1, larger values projecting higher.

    The first right singular vector of `W_E @ W_OV`. Source: write-up, First pass.
    """
    outputs = value_outputs(model)
    u = torch.linalg.svd(outputs, full_matrices=False).Vh[0]
    values = token_values(model)
    return u if (outputs @ u) @ values >= 0 else -u


def value_projections(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """How far along u each value is moved, from -max_value to +max_value."""
    return value_outputs(model) @ value_direction(model)


def value_slope(model: CumsumTransformer) -> float:
    """How far along u one unit of value is moved: the least-squares slope of the projections."""
    values = token_values(model)
    projections = value_projections(model)
    return ((values @ (projections - projections.mean())) / (values @ values)).item()


def value_step(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The vector that the heads write per unit of value: the least-squares slope of `W_E @ W_OV` against the values.

    One unit of running mean moves resid_mid by this much under uniform attention. It points along u where OV has rank
    one, and has its length, `value_slope`.
    """
    outputs, v = value_outputs(model), token_values(model)
    return v @ outputs / (v @ v)  # the values add up to zero, so a constant drops out


def value_spacing_error(model: CumsumTransformer) -> float:
    """The largest distance of a value's projection from the least-squares line, in units of value."""
    projections = value_projections(model)
    slope = value_slope(model)
    line = projections.mean() + slope * token_values(model)
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
        [model.run_with_cache(chunk)[1]["blocks.0.hook_resid_mid"].double() @ u for chunk in toks.split(CHUNK)]
    )


def monotone_resolution(
    x: Float[Tensor, " n"], y: Float[Tensor, " n"], up_to: Float[Tensor, " n"] | None = None
) -> float:
    """The largest x_j - x_i > 0 with y_j <= y_i: how far y is from strictly increasing in x.

    Where each y is only known to lie between `y` and `up_to`: how far it can be.

    >>> x = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> monotone_resolution(x, torch.tensor([0.0, 1.0, 2.0, 3.0]))
    0.0
    >>> monotone_resolution(x, torch.tensor([0.0, 2.5, 2.0, 2.4]))
    2.0
    >>> monotone_resolution(x, torch.tensor([0.0, 1.0, 2.0, 3.0]), up_to=torch.tensor([0.0, 2.0, 2.5, 3.0]))
    1.0
    """
    order = x.argsort(stable=True)
    x, low, high = x[order], y[order], (y if up_to is None else up_to)[order]
    # The running maximum rises along x, so the earliest point at or above y_j is found by bisection.
    earliest = torch.searchsorted(high.cummax(0).values, low)
    return (x - x[earliest]).clamp(min=0).max().item()


def second_singular_share(matrix: Float[Tensor, "m n"]) -> float:
    """The second singular value over the first: 0 for a matrix of rank one."""
    values = torch.linalg.svdvals(matrix)
    return (values[1] / values[0]).item()


def equal_mean_spread(stored: Float[Tensor, "batch pos"], values: Int[Tensor, "batch pos"]) -> float:
    """How far what is stored differs between positions of exactly the same running mean, in its own unit.

    The largest over all means that occur in `values`: 0 if it is a function of the mean.
    """
    sums, stored = values.cpu().cumsum(-1), stored.cpu().flatten()
    counts = torch.arange(1, values.shape[-1] + 1).expand_as(sums)
    shared = torch.gcd(sums, counts)  # the same mean is the same fraction in lowest terms
    fractions = torch.stack([sums // shared, counts // shared], dim=-1).flatten(0, 1)
    _, group = fractions.unique(dim=0, return_inverse=True)
    empty = torch.zeros(int(group.max()) + 1, dtype=stored.dtype)
    highest = empty.scatter_reduce(0, group, stored, "amax", include_self=False)
    lowest = empty.scatter_reduce(0, group, stored, "amin", include_self=False)
    return (highest - lowest).max().item()


def r_squared(x: Tensor, y: Tensor) -> float:
    """Share of the variance of y that a straight line in x explains, in float64."""
    x, y = x.double().flatten(), y.double().flatten()
    x, y = x - x.mean(), y - y.mean()
    return ((x @ y) ** 2 / ((x @ x) * (y @ y))).item()


def cosine(a: Float[Tensor, " d"], b: Float[Tensor, " d"]) -> float:
    """Cosine of the angle between two vectors, in float64."""
    a, b = a.double(), b.double()
    return (a @ b / (a.norm() * b.norm())).item()


def token_values(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float64, device=model.device)
