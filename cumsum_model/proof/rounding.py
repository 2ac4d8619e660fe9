"""What float32 may add: a bound on how far computed logits can be from those of real arithmetic.

The proof speaks of real numbers; what ships computes in float32. For every sequence, the model's forward pass in
IEEE 754 single precision, with sums in any order and exp within `float32.EXP_ULPS`, gives logits within
`logit_error` of the exact ones. So a margin that is proved larger than twice that is right as computed, too.
"""

from __future__ import annotations

import math

import numpy as np

from cumsum_model.model import CumsumTransformer
from toy_model.arithmetic.balls import SINGLE, Array, gamma
from toy_model.arithmetic.float32 import Computed, attention_error, computed, stored


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
    stream = computed(abs(exact_stream), SINGLE * abs(exact_stream))
    query = Computed(stream.size[-1], stream.error[-1])  # [token, d_model]
    written = []
    for head in range(len(W["W_Q"])):
        q, k, v = (
            x.times(W[f"W_{name}"][head], stored(W[f"b_{name}"][head]))
            for x, name in ((query, "Q"), (stream, "K"), (stream, "V"))
        )
        weight_error, most_v = attention_error(q, k.most(1).most(0), n), v.most(1).most(0)
        # Attention weights add up to 1, so a mean of v is no larger than the largest v.
        error = weight_error[:, None] * most_v.reach + (1 + weight_error)[:, None] * (
            most_v.error + gamma(n, SINGLE) * most_v.reach
        )
        written.append(computed(np.broadcast_to(most_v.size, error.shape), error))
    z = Computed(*(np.concatenate([getattr(part, name) for part in written], -1) for name in ("size", "error")))
    # A bias and what was in the stream may be added before, between or after the products.
    resid_mid = z.times(W["W_O"].reshape(-1, W["W_O"].shape[-1]), stored(W["b_O"]), query)
    post = resid_mid.times(W["W_in"], stored(W["b_in"]))  # ReLU makes neither larger
    resid_post = post.times(W["W_out"], stored(W["b_out"]), resid_mid)
    logits = resid_post.times(W["W_U"], stored(W["b_U"]))
    return float(logits.error.max())
