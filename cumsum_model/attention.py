"""What attention can see: QK, scores and attention weights over every sequence, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.data import CumsumDataset
from cumsum_model.model import CumsumTransformer


def W_QK(model: CumsumTransformer, head: int = 0) -> Float[Tensor, "d_model d_model"]:
    """`W_Q @ W_K.T` of a head of the first layer: which directions a query looks for in a key."""
    attn = model.blocks[0].attn
    return attn.W_Q[head].double() @ attn.W_K[head].double().T


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


@torch.no_grad()
def sampled_uniformity_gap(model: CumsumTransformer, data: CumsumDataset, layer: int) -> float:
    """The largest |n * pattern - 1| of any head of a layer on a data set: of any layer, where the exact one is not."""
    _, cache = model.run_with_cache(data.toks.to(model.device))
    pattern = cache[f"blocks.{layer}.attn.hook_pattern"].double()
    n = torch.arange(1, pattern.shape[-1] + 1, device=pattern.device)
    return (n[:, None] * pattern - 1).tril().abs().max().item()
