"""What decides an answer, as sums over keys: one table entry for each token that can stand at each position.

The layer norm before attention sees one token at one position, so scores and what a head moves are tables over (token,
position). Before the division by the final scale, sigma, the margin of one answer over another is

    M = own + N_0 / Z_0 + N_1 / Z_1 + sigma * difference of biases,   N_h = sum over keys of e_h o_h,  Z_h of e_h,

where e_h = e^(score - the largest score of the query) > 0, and o_h is the difference of the readouts that head h has of
the key. sigma lies between the root of epsilon and the largest that two single keys make, as it is convex in either
pattern.

Entries are off by no more than RAISED says: relative to itself a weight, relative to the largest a readout.
Semantics: the real-number function of the stored float32 weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sorted_list_model.model import SortedListTransformer
from toy_model.arithmetic.balls import (
    Array,
    Ball,
    centred,
    centred_and_scale,
    exact,
    gamma,
    reshape,
    square_root,
    stacked,
)
from toy_model.transformer import EPSILON

RAISED = 2.0**-28
"""Room for rounding. Weights are positive, so an error that is no larger than this part of weight times size, for every
key, is covered by raising lambda_h by RAISED times (size of readouts + |lambda_h|): see `bound`."""

KNOWN = 2.0**-32
"""Every weight is known to this part of itself, every readout to this part of the largest: else nothing is proved."""

MOST_SPREAD = 600.0
"""Scores of one query may differ by so much: no weight comes near the smallest numbers of float64."""

MOST_NUMBERS, MOST_STATES = 256, 2**23
"""Sizes that are handled: numbers, and entries of the readouts of one query."""


class Unprovable(ValueError):
    """The model is of a kind that this proof does not speak of."""


@dataclass(frozen=True)
class Keys:
    """A number for every key that a query can attend to; readouts have another axis, the answers, at the end.

    unsorted: [head, position, number]. ranked: [head, rank - 1, number], at the sorted positions up to the query's.
    sep: [head].
    """

    unsorted: Array
    ranked: Array
    sep: Array


@dataclass(frozen=True)
class Query:
    """The tables of one query: of rank `k` and number `d`, or SEP, where both are 0.

    weights: e_h. readouts: o_h of each answer. own: what the query itself adds to each, with b_O, [answer]. bias:
    [answer]. scale_low, scale_high: sigma of every list lies in between. slack: what `own` and `bias` may be off by, of
    a difference. sizes: no difference of readouts of a head is larger, [head].
    """

    list_len: int
    n_numbers: int
    k: int
    d: int
    weights: Keys
    readouts: Keys
    own: Array
    bias: Array
    scale_low: float
    scale_high: float
    slack: float
    sizes: Array


@dataclass(frozen=True)
class Tables:
    """What the queries of a model are made of.

    scores: [head, rank of query, query, key position, key]. readouts: [head, position, token, answer]. written: what a
    head writes, centred, [head, position, token, d_model]. own: [rank, token, answer], and own_written what the direct
    path and b_O write, centred, [rank, token, d_model].
    """

    list_len: int
    max_value: int
    scores: Ball
    readouts: Ball
    written: Ball
    own: Ball
    own_written: Ball
    bias: Ball

    def query(self, k: int, d: int) -> Query:
        """The tables of one query; d is -1 for SEP. Raises Unprovable where its weights are out of range."""
        n, past = self.list_len, self.max_value + 1
        token = d if k else past
        occurs = keys_of_query(k, d, n, past)
        weights, sep_only = [], np.zeros_like(self.scores.mid[0, 0, 0])
        sep_only[n, past] = 1.0
        for head in range(len(self.scores.mid)):
            scores = self.scores[head, k, token]
            weights.append(_weights(scores, occurs))
        readouts = [self.readouts.mid[head] for head in range(len(weights))]
        if len(weights) == 1:
            weights, readouts = [*weights, sep_only], [*readouts, np.zeros_like(readouts[0])]
        sizes = np.array([2 * np.abs(of_head).max() for of_head in readouts])
        own = self.own[k, token]
        slack = 2 * float(own.rad.max()) + 1e-14 * float(own.magnitude.max())
        high = self._largest_scale(k, token)
        slack += 2 * high * (float(self.bias.rad.max()) + 1e-14 * float(self.bias.magnitude.max()))
        return Query(
            n,
            past,
            k,
            max(d, 0),
            _keys(np.stack(weights), k, n, past),
            _keys(np.stack(readouts), k, n, past),
            own.mid,
            self.bias.mid,
            math.sqrt(EPSILON) * (1 - 1e-12),
            high,
            slack,
            sizes,
        )

    def _largest_scale(self, k: int, token: int) -> float:
        """No list has a larger final scale at this query: what it has itself, and the largest that two keys make."""
        own = self.own_written[k, token]
        norm = (math.sqrt(np.sum(own.magnitude**2)) + self._largest_of_pairs[k]) * (1 + 1e-12)
        return math.sqrt(norm**2 / len(own.mid) + EPSILON) * (1 + 1e-12)

    @cached_property
    def _largest_of_pairs(self) -> list[float]:
        """What two heads write from one key each has no larger norm: [rank of the query]."""
        n, past, d_model = self.list_len, self.max_value + 1, self.written.shape[-1]
        least = []
        for k in range(n):
            occurs = keys_of_query(k, None, n, past).reshape(-1)
            parts = self.written.mid.reshape(len(self.written.mid), -1, d_model)[:, occurs]
            of_each = np.sum(parts**2, -1)
            squares = of_each[0] if len(parts) == 1 else of_each[0][:, None] + of_each[1] + 2 * parts[0] @ parts[1].T
            size = math.sqrt(of_each.max()) + d_model * float(self.written.rad.max())
            error = 8 * gamma(d_model + 8) * size**2 + 8 * size * d_model * float(self.written.rad.max())
            least.append(math.sqrt(squares.max() + error))
        return least


def keys_of_query(k: int, d: int | None, list_len: int, n_numbers: int) -> np.ndarray:
    """Which tokens can stand where a query of rank k can attend, or where any of that rank can: [position, token]."""
    occurs = np.zeros((2 * list_len + 1, n_numbers + 1), dtype=bool)
    occurs[:list_len, :n_numbers] = True
    occurs[list_len, n_numbers] = True
    occurs[list_len + 1 : list_len + k, :n_numbers] = True
    if k:
        occurs[list_len + k, d if d is not None else slice(n_numbers)] = True
    return occurs


def _keys(of_states: Array, k: int, n: int, past: int) -> Keys:
    """Divide a table of states, [head, position, token, ..]."""
    return Keys(
        np.ascontiguousarray(of_states[:, :n, :past]),
        np.ascontiguousarray(of_states[:, n + 1 : n + 1 + k, :past]),
        np.ascontiguousarray(of_states[:, n, past]),
    )


def _weights(scores: Ball, occurs: np.ndarray) -> Array:
    """e^(score - the largest) of every key that occurs, 0 elsewhere."""
    largest = scores.mid[occurs].max()
    if not np.ptp(scores.mid[occurs]) < MOST_SPREAD:
        raise Unprovable(f"its attention scores differ by more than {MOST_SPREAD:.0f}")
    shifted = Ball(np.where(occurs, scores.mid - largest, 0.0), np.where(occurs, scores.rad, 0.0))
    weights = shifted.exp()
    if not (weights.rad <= weights.mid * (KNOWN / 2)).all():
        raise Unprovable("its attention scores are so large that float64 does not determine the weights")
    return np.where(occurs, weights.mid, 0.0)


def tables(model: SortedListTransformer) -> Tables:
    """The tables of a model of one layer and at most two heads, by its weights. Raises Unprovable for others.

    What alters the model on its runs has no part in them.
    """
    cfg = model.cfg
    require_handled(model)
    W = {name: tensor.detach().cpu().double().numpy() for name, tensor in model.state_dict().items()}
    if not all(np.isfinite(weights).all() for weights in W.values()):
        raise Unprovable("a weight is not finite")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _tables(W, cfg.list_len, cfg.max_value)
    except ArithmeticError as error:
        raise Unprovable(f"the weights are out of the range that float64 can handle: {error}") from None


def require_handled(model: SortedListTransformer) -> None:
    """Raises Unprovable for a model of sizes that are not handled."""
    cfg = model.cfg
    if cfg.n_layers != 1:
        raise Unprovable(f"this proof is about one layer, the model has {cfg.n_layers}")
    if cfg.n_heads > 2:
        raise Unprovable(f"this proof is about one or two heads, the model has {cfg.n_heads}")
    if cfg.max_value + 1 > MOST_NUMBERS or 2 * cfg.n_ctx * cfg.d_vocab**2 > MOST_STATES:
        raise Unprovable(f"lists of {cfg.list_len} numbers of 0 .. {cfg.max_value} are more than is handled")


def _tables(W: dict[str, Array], n: int, max_value: int) -> Tables:
    block = "blocks.0"
    pre = exact(W["pos_embed.W_pos"][:, None]) + exact(W["embed.W_E"])  # [position, token, d_model]
    read = layer_norm(pre, W[f"{block}.ln1.w"], W[f"{block}.ln1.b"])
    part = {name: exact(W[f"{block}.attn.{name}"]) for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")}
    heads = range(len(part["W_Q"].mid))
    queries = read[n : 2 * n]
    scores, written = [], []
    inverse_root = square_root(part["W_Q"].shape[-1]).inverse()
    for head in heads:
        q = queries @ part["W_Q"][head] + part["b_Q"][head]
        k = read @ part["W_K"][head] + part["b_K"][head]
        products = reshape(q, -1, q.shape[-1]) @ reshape(k, -1, k.shape[-1]).T
        scores.append(reshape(products * inverse_root, *queries.shape[:2], *read.shape[:2]))
        v = read @ part["W_V"][head] + part["b_V"][head]
        written.append(centred(v @ part["W_O"][head]))
    W_U = exact(W["unembed.W_U"])
    unembedding = exact(W["ln_final.w"][:, None]) * W_U
    own_written = centred(pre[n : 2 * n] + part["b_O"])
    bias = (exact(W["ln_final.b"][None]) @ W_U)[0] + exact(W["unembed.b_U"])
    all_written = stacked(written)
    readouts = all_written @ unembedding
    size = np.abs(readouts.mid).max((1, 2, 3), keepdims=True)
    if not (readouts.rad <= np.maximum(size, 2.0**-900) * (KNOWN / 2)).all():
        raise Unprovable("its values are so large that float64 does not determine what the heads write")
    return Tables(n, max_value, stacked(scores), readouts, all_written, own_written @ unembedding, own_written, bias)


def layer_norm(resid: Ball, w: Array, b: Array) -> Ball:
    """Layer norm of each vector, epsilon inside the root."""
    without_mean, scale = centred_and_scale(resid, EPSILON)
    return without_mean * scale.inverse() * exact(w) + exact(b)
