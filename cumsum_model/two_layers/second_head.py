"""What the head of the second layer looks for, what it finds and what it moves, as numbers along a data set.

The scores of one head are the pairing of two vectors, a query's and a key's. Where one number of each is all that
counts, the matrix of scores over all queries and keys has rank one, and its singular vectors are these numbers: how
strongly each position asks, and how strongly it answers. They are functions of what the first layer left, whatever the
basis of stream or head. What all keys have in common adds the same to every score of a query, which softmax does not
see, so keys are centred first. Likewise what the head moves from each position, and what it writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.data import CumsumDataset
from cumsum_model.model import CumsumTransformer
from toy_model.statistics import slope

LAYER = 1
SCORES = f"blocks.{LAYER}.attn.hook_attn_scores"


@dataclass(frozen=True, eq=False)
class SecondHead:
    """Over a data set, each of shape (batch, pos), in float64.

    query    how strongly a position asks, in score per standard deviation of `key`
    key      how strongly it answers: centred, of standard deviation 1, and larger for larger values
    moved    what is moved from it, along the direction in which that varies most: centred, larger for larger values
    written  what the head writes at it, along the same direction
    rest_of_scores, rest_of_moved  the second singular value over the first: 0 if one number each is all there is, 1
                                   if there is none
    """

    query: Float[Tensor, "batch pos"]
    key: Float[Tensor, "batch pos"]
    moved: Float[Tensor, "batch pos"]
    written: Float[Tensor, "batch pos"]
    rest_of_scores: float
    rest_of_moved: float


@torch.no_grad()
def second_head(model: CumsumTransformer, data: CumsumDataset) -> SecondHead:
    """Read the head off a run of `model` on `data`. Of several heads in the second layer it is the first."""
    _, cache = model.run_with_cache(data.toks.to(model.device))
    q, k, v, z = (cache[f"blocks.{LAYER}.attn.hook_{part}"][:, :, 0].double().cpu() for part in "qkvz")
    shape, values = q.shape[:2], data.values.double().flatten()
    queries, sizes, keys = _factors(q.flatten(0, 1), k.flatten(0, 1))
    sizes = sizes / math.sqrt(q.shape[-1])
    scale = keys[:, 0].std() * torch.sign(keys[:, 0] @ values)
    query, key = queries[:, 0] * sizes[0] * scale, keys[:, 0] / scale

    W_O = model.blocks[LAYER].attn.W_O[0].double().cpu()
    moved, written = v.flatten(0, 1) @ W_O, z.flatten(0, 1) @ W_O
    centre = moved.mean(0)
    _, spread, directions = torch.linalg.svd(moved - centre, full_matrices=False)
    along = directions[0] * torch.sign((moved - centre) @ directions[0] @ values)
    return SecondHead(
        query=query.view(shape),
        key=key.view(shape),
        moved=((moved - centre) @ along).view(shape),
        written=((written - centre) @ along).view(shape),
        rest_of_scores=_share(sizes),
        rest_of_moved=_share(spread),
    )


def _factors(q: Float[Tensor, "query d_head"], k: Float[Tensor, "key d_head"]) -> tuple[Tensor, Tensor, Tensor]:
    """The singular value decomposition of q (k - mean k)^T, of which no row of millions is ever made."""
    basis_q, r_q = torch.linalg.qr(q)
    basis_k, r_k = torch.linalg.qr(k - k.mean(0))
    u, sizes, v = torch.linalg.svd(r_q @ r_k.T)
    return basis_q @ u, sizes, basis_k @ v.T


def _share(sizes: Tensor) -> float:
    return (sizes[1] / sizes[0]).item() if sizes[0] > 0 else 1.0


def prefix_covariance(a: Float[Tensor, "batch pos"], b: Float[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """The covariance of two numbers over the positions up to and including each."""
    n = torch.arange(1, a.shape[1] + 1, dtype=a.dtype)
    return (a * b).cumsum(1) / n - (a.cumsum(1) / n) * (b.cumsum(1) / n)


def prefix_mean(a: Float[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """The mean over the positions up to and including each: what uniform attention would write."""
    return a.cumsum(1) / torch.arange(1, a.shape[1] + 1, dtype=a.dtype)


def amplification(read: SecondHead, means: Float[Tensor, "batch pos"], near: float) -> float:
    """How much more what is written changes per unit of mean than under uniform attention, at means of at most `near`.

    0 where under uniform attention it would not change at all.
    """
    close = means.abs() <= near
    evenly = slope(means[close], prefix_mean(read.moved)[close])
    return slope(means[close], read.written[close]) / evenly if evenly else 0.0


def explained_by(what: Float[Tensor, "batch pos"], *numbers: Float[Tensor, "batch pos"]) -> float:
    """How much of the variance of something an affine function of these numbers explains: R squared.

    0 where it does not vary.
    """
    y = what.flatten()
    if not y.var() > 0:
        return 0.0
    X = torch.stack([number.double().flatten() for number in numbers] + [torch.ones_like(y)], 1)
    left = X @ torch.linalg.lstsq(X, y[:, None]).solution[:, 0] - y
    return 1 - (left.var() / y.var()).item()


@torch.no_grad()
def explained_by_position(model: CumsumTransformer, data: CumsumDataset, layer: int = LAYER) -> float:
    """How much of the variance of a query's scores among its keys its position and theirs explain, without content.

    1 if scores depend on positions alone, or on nothing; 0 if every pair of positions has the same mean scores.
    """
    _, cache = model.run_with_cache(data.toks.to(model.device))
    scores = cache[f"blocks.{layer}.attn.hook_attn_scores"].double().cpu()
    visible = torch.isfinite(scores)
    scores = scores.masked_fill(~visible, 0)
    centred = (scores - scores.sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)).masked_fill(~visible, 0)
    total = centred.square().sum()
    return (centred.mean(0).square().sum() * len(centred) / total).item() if total > 0 else 1.0


def uniform(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
    """All visible scores alike."""
    return scores.masked_fill(torch.isfinite(scores), 0)


def replaced_at(position: int, other: Tensor) -> Callable[[Tensor], Tensor]:
    """A hook that puts what another run had at one position in the place of what is there."""

    def hook(activation: Tensor) -> Tensor:
        patched = activation.clone()
        patched[:, position] = other[:, position]
        return patched

    return hook


@torch.no_grad()
def flips_by_position(model: CumsumTransformer, data: CumsumDataset) -> Float[Tensor, " pos"]:
    """How many of the answers at the end become those of another sequence, where it has another answer.

    What the first layer's head wrote at one position is replaced by what it wrote there on the sequence after it in
    `data`. One number for each position.
    """
    toks = data.toks.to(model.device)
    logits, cache = model.run_with_cache(toks.roll(-1, 0))
    here, there = model(toks)[:, -1].argmax(-1), logits[:, -1].argmax(-1)
    name = "blocks.0.hook_attn_out"
    flipped = []
    for position in range(toks.shape[1]):
        after = model.run_with_hooks(toks, {name: replaced_at(position, cache[name])})[:, -1].argmax(-1)
        flipped.append((after == there)[here != there].double().sum() / max(int((here != there).sum()), 1))
    return torch.stack(flipped).cpu()


@torch.no_grad()
def written_by(model: CumsumTransformer, data: CumsumDataset, layer: int) -> tuple[Float[Tensor, "batch pos"], float]:
    """What a layer's head writes, along the direction in which that varies most, and the share of it in the variance.

    Nothing, where it always writes the same.
    """
    _, cache = model.run_with_cache(data.toks.to(model.device))
    written = cache[f"blocks.{layer}.hook_attn_out"].double().cpu()
    flat = written.flatten(0, 1)
    flat = flat - flat.mean(0)
    _, spread, directions = torch.linalg.svd(flat, full_matrices=False)
    total = spread.square().sum()
    share = (spread[0] ** 2 / total).item() if total > 0 else 0.0
    return (flat @ directions[0]).view(written.shape[:2]), share


@torch.no_grad()
def weight_gained(model: CumsumTransformer, data: CumsumDataset) -> dict[int, float]:
    """How much more attention weight values of a sign get in the second layer than under uniform attention, by sign.

    Where the running sum has that sign, on average over all such positions.
    """
    _, cache = model.run_with_cache(data.toks.to(model.device))
    pattern = cache[f"blocks.{LAYER}.attn.hook_pattern"][:, 0].double().cpu()
    n = torch.arange(1, pattern.shape[-1] + 1, dtype=pattern.dtype)
    sums, values = signs_of(data), data.values.sign()
    gained = {}
    for sign in (-1, 1):
        of_sign = (values == sign).double()
        weight = (pattern @ of_sign[..., None])[..., 0] - of_sign.cumsum(1) / n
        gained[sign] = weight[sums == sign].mean().item()
    return gained


def signs_of(data: CumsumDataset) -> Int[Tensor, "batch pos"]:
    """The signs of the running sums."""
    return data.values.cumsum(1).sign()
