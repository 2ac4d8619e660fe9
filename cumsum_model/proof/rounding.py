"""What float32 may add: a bound on how far computed logits can be from those of real arithmetic.

The proof speaks of real numbers; what ships computes in float32. For every sequence, the model's forward pass in
IEEE 754 single precision, with sums in any order and exp within EXP_ULPS, gives logits within
`logit_error` of the exact ones. So a margin that is proved larger than twice that is right as computed, too.
Not covered: arithmetic of lower precision that some accelerators use for products (TF32, bfloat16).

Method: forward error analysis by magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3). Each
quantity is a pair of a magnitude that no sequence exceeds and an error; both follow the forward pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.balls import SINGLE, Array, gamma

EXP_ULPS = 4
"""How many units in the last place a float32 exp may be off. Library versions keep within 1."""

_SLOP = 1 + 1e-9
_TINY = 2.0**-120
"""Covers what underflow takes away in float32."""


@dataclass(frozen=True)
class Computed:
    """Numbers as float32 has them: no exact one is larger than `size`, no computed one further off than `error`."""

    size: Array
    error: Array

    @property
    def reach(self) -> Array:
        """No computed number is larger than this."""
        return self.size + self.error

    def times(self, W: Array, *added: Computed) -> Computed:
        """`self @ W` for stored weights W, plus what is `added`: all of it as one sum, in any order."""
        size, error, reach = self.size @ abs(W), self.error @ abs(W), self.reach @ abs(W)
        for other in added:
            size, error, reach = size + other.size, error + other.error, reach + other.reach
        return _computed(size, error + gamma(W.shape[-2] + len(added), SINGLE) * reach)

    def most(self, axis: int) -> Computed:
        """The largest along an axis."""
        return Computed(self.size.max(axis), self.error.max(axis))


def _computed(size: Array, error: Array) -> Computed:
    if not (size + error < 2.0**126).all():
        raise OverflowError("float32 may overflow on the way")
    return Computed(size * _SLOP, error * _SLOP + _TINY)


def _stored(weights: Array) -> Computed:
    return Computed(abs(weights), np.zeros_like(weights))


def logit_error(model: CumsumTransformer) -> float:
    """How far any logit, computed in float32, can be from the exact one: every sequence, every length.

    For models of one block. Infinite where float32 may overflow or scores are too large to say anything.
    """
    W = {name.split(".")[-1]: tensor.cpu().double().numpy() for name, tensor in model.state_dict().items()}
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            bound = max(_logit_error_at(W, n) for n in range(1, model.cfg.n_ctx + 1))
        except (OverflowError, ValueError):
            return math.inf
    return bound if math.isfinite(bound) else math.inf


def margin_error(model: CumsumTransformer) -> float:
    """The same of a margin, which is a difference of two logits."""
    return 2 * logit_error(model)


def _logit_error_at(W: dict[str, Array], n: int) -> float:
    """The same for the last position of sequences of length n."""
    exact_stream = W["W_E"][None] + W["W_pos"][:n, None]  # [position, token, d_model]
    stream = _computed(abs(exact_stream), SINGLE * abs(exact_stream))
    query = Computed(stream.size[-1], stream.error[-1])  # [token, d_model]
    written = []
    for head in range(len(W["W_Q"])):
        q, k, v = (
            x.times(W[f"W_{name}"][head], _stored(W[f"b_{name}"][head]))
            for x, name in ((query, "Q"), (stream, "K"), (stream, "V"))
        )
        share_error, most_v = _share_error(q, k, n), v.most(1).most(0)
        # Shares add up to 1, so a mean of v is no larger than the largest v.
        error = share_error[:, None] * most_v.reach + (1 + share_error)[:, None] * (
            most_v.error + gamma(n, SINGLE) * most_v.reach
        )
        written.append(_computed(np.broadcast_to(most_v.size, error.shape), error))
    z = Computed(*(np.concatenate([getattr(part, name) for part in written], -1) for name in ("size", "error")))
    # A bias and what was in the stream may be added before, between or after the products.
    resid_mid = z.times(W["W_O"].reshape(-1, W["W_O"].shape[-1]), _stored(W["b_O"]), query)
    post = resid_mid.times(W["W_in"], _stored(W["b_in"]))  # ReLU makes neither larger
    resid_post = post.times(W["W_out"], _stored(W["b_out"]), resid_mid)
    logits = resid_post.times(W["W_U"], _stored(W["b_U"]))
    return float(logits.error.max())


def _share_error(q: Computed, k: Computed, n: int) -> Array:
    """How far a share of attention can be off, relative to itself, for each query token: computed softmax."""
    d_head = q.size.shape[-1]
    k = k.most(1).most(0)
    size = q.size @ k.size
    error = (
        q.error @ k.size + q.reach @ k.error + gamma(d_head + 1, SINGLE) * (q.reach @ k.reach)
    )  # the scale may come first
    _computed(size, error)
    # Dividing by sqrt(d_head), which is rounded itself; then the largest score is subtracted.
    size, error = size / math.sqrt(d_head), (error / math.sqrt(d_head)) + 3 * SINGLE * (size + error)
    error = error + 2 * SINGLE * (size + error)
    if not (error < 1).all():
        raise OverflowError("scores are so large that float32 does not determine the attention pattern")
    return np.expm1(2 * error + 2 * (2 * EXP_ULPS * SINGLE) + gamma(n + 2, SINGLE)) * _SLOP + n * _TINY
