"""What float32 may add: a bound on how far computed logits can be from those of real arithmetic.

The proof speaks of real numbers; what ships computes in float32. For every list, at every position that counts, the
model's forward pass in IEEE 754 single precision, plain or as `engine` has it, gives logits within `float32_error` of
the exact ones: sums in any order, exp within `float32.EXP_ULPS`, quotients of layer norm within
`float32.QUOTIENT_ULPS`.

A layer norm before attention reads a token at a position and nothing else, so queries, keys and values are known
exactly, one for each. All that attention adds to the stream is a mean of what single keys add: what is bounded for each
key is bounded for each list. The final layer norm divides what is off in the stream by the scale of the list itself,
hence the two parts of the bound. Of answers only the order of logits matters, of which `order_error` says more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sorted_list_model.config import SortedListConfig
from sorted_list_model.model import SortedListTransformer
from toy_model.arithmetic.balls import SINGLE, Array, Ball, centred, exact, gamma
from toy_model.arithmetic.float32 import (
    QUOTIENT_ULPS,
    SLOP,
    TINY,
    Traced,
    computed,
    exponent_error,
    layer_norm,
    mean_error,
    scale_error,
    score_error,
    softmax_sum_error,
    sum_error,
)
from toy_model.transformer import EPSILON


@dataclass(frozen=True)
class Float32Error:
    """No logit at a position that counts, computed in float32, is further from the exact one than
    `stream / sigma + scale`, sigma being the exact final scale of that list there.
    """

    stream: float
    scale: float

    def at(self, sigma: float) -> float:
        """How far a logit may be off where the final scale is sigma, or larger."""
        return self.stream / sigma + self.scale


UNKNOWN = Float32Error(math.inf, math.inf)


def float32_error(model: SortedListTransformer) -> Float32Error:
    """How far logits can be off: every list, every position that counts.

    Infinite where float32 may overflow or scores are too large to say anything. Raises ValueError for a model of
    several layers.
    """
    return _bounds(model)[0]


def order_error(model: SortedListTransformer) -> Float32Error:
    """The same of computed logits times a factor, which is one for all answers of a list at a position, and positive.

    A factor does not change which of two logits is larger: an exact margin of more than twice this is right as
    computed. It is a fraction of `float32_error`, as an error of the final scale is such a factor, but for the biases.
    """
    return _bounds(model)[1]


def _bounds(model: SortedListTransformer) -> tuple[Float32Error, Float32Error]:
    if model.cfg.n_layers != 1:
        raise ValueError(f"this is an analysis of one layer, the model has {model.cfg.n_layers}")
    W = {name: tensor.cpu().double().numpy() for name, tensor in model.state_dict().items()}
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            off = _Stream.of(model.cfg, W)
            bounds = (_after_layer_norm(off, W, order=False), _after_layer_norm(off, W, order=True))
        except (OverflowError, ValueError):
            return UNKNOWN, UNKNOWN
    finite = all(math.isfinite(bound.stream) and math.isfinite(bound.scale) for bound in bounds)
    return bounds if finite else (UNKNOWN, UNKNOWN)


def states(cfg: SortedListConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and tokens of every token at a position where a list has it, by position."""
    L = cfg.list_len
    unsorted = [(j, number) for j in range(L) for number in range(cfg.max_value + 1)]
    # The number of rank r has r - 1 smaller ones and L - r larger ones.
    ordered = [(L + r, number) for r in range(1, L + 1) for number in range(r - 1, cfg.max_value + 1 - (L - r))]
    positions, tokens = np.array([*unsorted, (L, cfg.sep), *ordered]).T
    return positions, tokens


@dataclass(frozen=True, eq=False)
class _Visible:
    """The keys that each query may attend to: those at earlier positions, and itself."""

    before: NDArray[np.int64]
    itself: NDArray[np.int64]

    @classmethod
    def to(cls, asks: NDArray[np.int64], positions: NDArray[np.int64]) -> _Visible:
        return cls(np.searchsorted(positions, positions[asks]), asks)

    def most(self, of_key: Array) -> Array:
        """The largest entry of any key: from [key, column] to [query, column]."""
        return np.maximum(np.maximum.accumulate(of_key)[self.before - 1], of_key[self.itself])

    def most_of_pairs(self, of_pair: Array) -> Array:
        """The same of entries that depend on the query: from [query, key] to [query, 1]."""
        key = np.arange(of_pair.shape[1])
        seen = (key < self.before[:, None]) | (key == self.itself[:, None])
        return np.where(seen, of_pair, 0).max(1, keepdims=True)


@dataclass(frozen=True, eq=False)
class _Head:
    """What a head adds to the stream, for each query.

    log_weight  how far the logarithm of an attention weight may be off: [query, 1]
    """

    n_ctx: int
    visible: _Visible
    log_weight: Array
    v: Traced
    W_O: Array

    @classmethod
    def of(cls, read: Traced, visible: _Visible, W: dict[str, Array], n_ctx: int) -> _Head:
        q, k, v = (read.times(W[f"W_{kind}"], W[f"b_{kind}"]) for kind in "QKV")
        scores, error = score_error(q.of_rows(visible.itself), k)
        log_weight = exponent_error(visible.most_of_pairs(scores.magnitude), visible.most_of_pairs(error))
        return cls(n_ctx, visible, log_weight, v, W["W_O"])

    def error_of(self, M: Ball) -> Array:
        """How far what the head writes, read by M, may be off but for the rounding of the sum: [query, column].

        Writing o of a key with attention weight a, z the mean of o: where logarithms of weights change by at most
        delta, z changes at a rate of the covariance of o and the changes, which is at most delta / 2 times the range
        of o. On the way all weights add up to 1, so the same bound holds for the whole change.
        """
        read = exact(self.W_O) @ M
        written = self.v.exact @ read
        half_range = (self.visible.most(written.mid + written.rad) + self.visible.most(written.rad - written.mid)) / 2
        not_one = softmax_sum_error(self.n_ctx)
        rounded = gamma(self.n_ctx, SINGLE) * self.v.reach + self.n_ctx * TINY
        of_values = self.visible.most(self.v.error_of(read) + rounded @ read.magnitude)
        of_weights = self.log_weight * half_range
        return not_one * self.visible.most(written.magnitude) + (1 + not_one) * (of_weights + of_values)

    @property
    def size(self) -> Array:
        """No sum of magnitudes of what the head adds to a coordinate is larger: [query, d_model]."""
        rounded = 1 + softmax_sum_error(self.n_ctx) + gamma(self.n_ctx, SINGLE)
        return self.visible.most(self.v.reach @ abs(self.W_O)) * rounded**2

    @property
    def total(self) -> Array:
        """What the head adds to a coordinate is no larger, exactly: [query, d_model]."""
        return self.visible.most((self.v.exact @ exact(self.W_O)).magnitude)


@dataclass(frozen=True, eq=False)
class _Stream:
    """What is off in the stream before the final layer norm, for each query: a token at a position that counts.

    shift    how far its computed mean is off from the mean of the computed stream: [query, 1]
    rms      the root mean square of what it is off: [query, 1]
    readout  what that changes in each logit, before the division by the final scale: [query, answer]
    """

    shift: Array
    rms: Array
    readout: Array

    @classmethod
    def of(cls, cfg: SortedListConfig, W: dict[str, Array]) -> _Stream:
        positions, tokens = states(cfg)
        x = exact(W["embed.W_E"][tokens]) + exact(W["pos_embed.W_pos"][positions])
        x_error = computed(x.magnitude, SINGLE * x.magnitude).error
        read = layer_norm(x, x_error, W["blocks.0.ln1.w"], W["blocks.0.ln1.b"], EPSILON)
        (asks,) = np.nonzero((cfg.list_len <= positions) & (positions < 2 * cfg.list_len))
        visible = _Visible.to(asks, positions)
        by_kind = {name.removeprefix("blocks.0.attn."): W[name] for name in W if name.startswith("blocks.0.attn.")}
        b_O = by_kind.pop("b_O")
        heads = [
            _Head.of(read, visible, {kind: of_heads[h] for kind, of_heads in by_kind.items()}, cfg.n_ctx)
            for h in range(cfg.n_heads)
        ]
        readout = _centred_readout(W)

        def error_of(M: Ball) -> Array:
            return x_error[asks] @ M.magnitude + sum(head.error_of(M) for head in heads)

        added = abs(b_O) + x.magnitude[asks]
        off = error_of(exact(np.eye(cfg.d_model)))
        size = sum(head.size for head in heads) + added + x_error[asks]
        total = sum(head.total for head in heads) + added
        rounded = sum_error(size, total + off, cfg.n_heads * cfg.d_head + 2)
        off = off + rounded
        return cls(
            shift=mean_error(total + off),
            rms=np.sqrt((off**2).mean(-1, keepdims=True)) * SLOP,
            readout=(error_of(readout) + rounded @ readout.magnitude) * SLOP,
        )


def _readout(W: dict[str, Array]) -> Ball:
    """What a normalised vector adds to each logit."""
    return exact(W["ln_final.w"][:, None]) * exact(W["unembed.W_U"])


def _centred_readout(W: dict[str, Array]) -> Ball:
    """What the stream adds to each logit before the division by the final scale: `_readout`, less its mean."""
    return centred(_readout(W).T).T


def _after_layer_norm(off: _Stream, W: dict[str, Array], *, order: bool) -> Float32Error:
    """What reaches the logits; with `order` but for a factor that is the same for all of them.

    Exact are logits = centred / sigma @ readout + bias. Computed, the factor is that by which the scale is off.
    """
    b, W_U, b_U = W["ln_final.b"], W["unembed.W_U"], W["unembed.b_U"]
    width = len(W_U)
    least = math.sqrt(EPSILON) / SLOP
    absolute, relative = scale_error(off.rms, off.shift, least, width)
    of_scale = float(absolute.max()) / least + relative
    if not of_scale < 0.5:
        raise OverflowError("float32 says nothing of the final scale")
    readout, bias = _readout(W), exact(b) @ exact(W_U) + exact(b_U)
    # No normalised vector is longer than the root of its width.
    most = np.sqrt(width * (readout.magnitude**2).sum(0)) * SLOP
    scaled = bias.magnitude if order else np.sqrt(width * (_centred_readout(W).magnitude ** 2).sum(0)) * SLOP
    mean = (exact(np.ones(width)) @ readout).magnitude

    # A difference, a quotient, a product with the weight, the addition of the bias; then a product and a sum.
    rounded = gamma(width + 4 + 2 * QUOTIENT_ULPS, SINGLE)
    biases = gamma(width + 2, SINGLE) * (abs(b) @ abs(W_U)) + gamma(width, SINGLE) * abs(b_U)
    underflow = width * TINY * (1 + abs(W_U).sum(0))
    stream = off.readout + off.shift * mean + rounded * most * (off.rms + off.shift) + scaled * absolute
    scale = rounded * most + scaled * relative + biases + underflow
    computed(math.sqrt(width) * abs(W["ln_final.w"]) + abs(b), np.zeros(width))
    computed(most + abs(b) @ abs(W_U) + abs(b_U), stream / least + scale)
    widened = SLOP / (1 - of_scale)
    return Float32Error(float(stream.max()) * widened, float(scale.max()) * widened)
