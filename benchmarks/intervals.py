"""Interval bound propagation: what a general verifier makes of the model, layer by layer.

Each position may have any of a set of tokens, and every number on the way is known to lie between two. A condition on
the sum of the values, on which the label depends, is none that a box can hold. Computed in float64 without a bound
on rounding: unlike the proof, not sound to the last bit.

Source: Gowal et al. 2018, arXiv 1810.12715.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cumsum_model.model import CumsumTransformer


@dataclass(frozen=True)
class Box:
    """Every number of a tensor between two."""

    low: Tensor
    high: Tensor

    def __add__(self, other: Box | Tensor) -> Box:
        low, high = (other.low, other.high) if isinstance(other, Box) else (other, other)
        return Box(self.low + low, self.high + high)

    def __matmul__(self, W: Tensor) -> Box:
        middle, reach = (self.low + self.high) / 2 @ W, (self.high - self.low) / 2 @ W.abs()
        return Box(middle - reach, middle + reach)

    def __mul__(self, other: Box) -> Box:
        corners = torch.stack([mine * its for mine in (self.low, self.high) for its in (other.low, other.high)])
        return Box(corners.amin(0), corners.amax(0))

    def sum(self, axis: int) -> Box:
        return Box(self.low.sum(axis), self.high.sum(axis))

    def softmax(self) -> Box:
        """A share is smallest where its own score is lowest and all others are highest, and the reverse."""
        low, high = (self.low - self.high.max()).exp(), (self.high - self.high.max()).exp()
        return Box(low / (low + high.sum() - high), high / (high + low.sum() - low))


@torch.no_grad()
def interval_bounds(
    model: CumsumTransformer, choices: Sequence[Sequence[int]], right: int, other: int
) -> tuple[float, float]:
    """Between which numbers logit `right` minus logit `other` lies at the last position, layer by layer.

    Guarantee, up to rounding in float64: no sequence that takes one of its choices at each position lies outside.
    """
    W = {name.split(".")[-1]: tensor.cpu().double() for name, tensor in model.state_dict().items()}
    if model.cfg.n_layers != 1:
        raise ValueError(f"these bounds are of one block, the model has {model.cfg.n_layers}")
    met = [W["W_E"][list(tokens)] + W["W_pos"][position] for position, tokens in enumerate(choices)]
    resid_pre = Box(torch.stack([x.amin(0) for x in met]), torch.stack([x.amax(0) for x in met]))
    resid_mid = Box(resid_pre.low[-1], resid_pre.high[-1]) + W["b_O"]
    for head in range(model.cfg.n_heads):
        q, k, v = (resid_pre @ W[f"W_{name}"][head] + W[f"b_{name}"][head] for name in ("Q", "K", "V"))
        root = torch.tensor(math.sqrt(model.cfg.d_head), dtype=torch.float64)
        scores = (k * Box(q.low[-1] / root, q.high[-1] / root)).sum(-1)
        pattern = scores.softmax()
        z = (Box(pattern.low[:, None], pattern.high[:, None]) * v).sum(0)
        resid_mid = resid_mid + z @ W["W_O"][head]
    pre = resid_mid @ W["W_in"] + W["b_in"]
    post = Box(pre.low.relu(), pre.high.relu())
    towards = W["W_U"][:, right] - W["W_U"][:, other]
    bias = W["b_out"] @ towards + W["b_U"][right] - W["b_U"][other]
    difference = resid_mid @ towards + post @ (W["W_out"] @ towards) + bias
    return difference.low.item(), difference.high.item()
