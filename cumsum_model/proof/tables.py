"""The model as sums over positions: every quantity that decides a prediction, one table entry per key token.

Fix a query: a position n and the token a that stands there. A key token t at position j gets the weight
w_j(t) = e^(score - shift), and Z = sum_j w_j(t_j) > 0. Every linear readout of resid_mid is then

    Z * readout = sum_j w_j(t_j) * (own(n, a) + moved_j(t_j)),

the query's own part plus what the head moves from the key. Sums over positions can be optimised exactly,
and since Z > 0, ReLU(Z x) = Z ReLU(x) carries the sum through the neurons once their signs are known.

With several heads there are several Z, and no common one to multiply by. Then Z is set to 1, each
head's weights are divided by the middle of the range that its Z can take, and how far a share can be off
by that goes into `slack`, which everything proved from the tables subtracts.

Semantics: the real-number function of the stored float32 weights, the division by sqrt(d_head) included.
Source: the write-up's model; the same trick proves bounds in Gross et al. 2024, arXiv 2406.11779.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from toy_model.arithmetic.balls import Array, Ball, beside, exact, gamma, reshape, square_root, stacked


class Unprovable(ValueError):
    """The model is of a kind that this proof does not speak of."""


@dataclass(frozen=True)
class Query:
    """The tables of all queries at one position.

    columns: Z times each readout, [a, position j, token t, readout]; at the query's own position only t = a occurs.
    weights: w_j(t), [a, position j, token t].
    slack: what the shares of attention may be off by, times what they share out, [a, readout]. 0 for one head.
    score_error: no score is off by more, in nats.
    own, moved, by_head: what these were made of, in floating point, to evaluate single sequences with: [readout, a],
    [head, position j, readout, token t] and the scores [head, position j, a, token t].
    """

    n: int
    columns: Ball
    weights: Ball
    slack: Array
    score_error: float
    own: Array
    moved: Array
    by_head: Array

    def readouts(self, tokens: np.ndarray) -> Array:
        """Every readout of given sequences [position, sequence], in floating point: [readout, sequence]."""
        a = tokens[-1].astype(np.int64)
        pairs = a * self.own.shape[1] + tokens  # of query and key
        columns = self.own.take(a, 1)
        for scores, moved in zip(self.by_head, self.moved, strict=True):
            weights = np.stack([met.take(pair) for met, pair in zip(scores, pairs, strict=True)])
            np.exp(weights - weights.max(0), out=weights)  # a shift of its own for each sequence: no Z comes near 0
            total, Z = np.zeros_like(columns), np.zeros(len(a))
            for w, to_move, token in zip(weights, moved, tokens, strict=True):
                met = to_move.take(token, 1)
                total += np.multiply(met, w, out=met)
                Z += w
            columns += np.divide(total, Z, out=total)
        return columns


@dataclass(frozen=True)
class Tables:
    """What a model of one block is made of, seen from a query and its keys.

    Readouts are, in this order: the pre-activation of each neuron, the three logits past the neurons,
    and any directions of resid_mid asked for.

    q, k: what a query and a key are compared by, [head, position, token, d_head]; q is divided by sqrt(d_head), so that
    their products are scores: of these there are as many as the length squared, and they are made position by position.
    own: [position, token, readout]. moved: [head, position, token, readout].
    push: what a firing neuron adds to each logit, [neuron, logit].
    """

    max_value: int
    d_mlp: int
    q: Ball
    k: Ball
    own: Ball
    moved: Ball
    push: Ball

    @property
    def n_ctx(self) -> int:
        return self.own.shape[0]

    @property
    def d_vocab(self) -> int:
        return self.own.shape[1]

    @property
    def values(self) -> np.ndarray:
        """The value of each token."""
        return np.arange(-self.max_value, self.max_value + 1)

    @property
    def largest_logit(self) -> float:
        """No logit of any sequence is larger in size: a crude bound, for tolerances."""
        columns = self.own.magnitude.max((0, 1)) + self.moved.magnitude.max((1, 2)).sum(0)
        neurons, logits = self.push.shape
        return float((columns[neurons : neurons + logits] + columns[:neurons] @ self.push.magnitude).max())

    def scores(self, n: int) -> Ball:
        """Of all queries at position n, counted from 1, with all keys up to there: [head, a, position j, token t]."""
        d_vocab = self.d_vocab
        each = [
            reshape(self.q[head, n - 1] @ reshape(self.k[head, :n], n * d_vocab, -1).T, d_vocab, n, d_vocab)
            for head in range(len(self.q.mid))
        ]
        return stacked(each)

    def query(self, n: int) -> Query:
        """The tables of all queries at position n, counted from 1."""
        scores = self.scores(n)
        # At the query's own position stands a and nothing else: what other tokens would score there never occurs.
        itself = np.arange(self.d_vocab)
        scores.mid[:, :, -1] = scores.mid[:, itself, -1, itself][..., None]
        scores.rad[:, :, -1] = scores.rad[:, itself, -1, itself][..., None]
        # The shift is a number of our choosing, the same for all keys of a query: it costs nothing but range.
        shift = exact(np.broadcast_to(scores.mid.max((2, 3), keepdims=True), scores.shape))
        weights = (scores - shift).exp()
        error = float(scores.rad.max())
        own = self.own[n - 1][None, :, None, None, :]
        moved = self.moved[:, None, :n]  # [head, 1, j, t, readout]
        plain = (
            self.own.mid[n - 1].T.copy(),
            self.moved.mid[:, :n].swapaxes(2, 3).copy(),
            scores.mid.swapaxes(1, 2).copy(),
        )
        if len(weights.mid) == 1:
            columns = weights[0][..., None] * (own[0] + moved[0])
            return Query(n, columns, weights[0], np.zeros((self.d_vocab, columns.shape[-1])), error, *plain)

        # Of a head's shares w / Z the proof uses w / middle, and middle / Z is never further from 1 than this.
        lowest, highest = _range_of_sums(weights)
        middle = (lowest + highest) / 2
        off = np.maximum(middle / lowest - 1, 1 - middle / highest) * (1 + 1e-9) + 1e-14
        shared = (weights * exact(middle[..., None, None]).inverse())[..., None] * moved
        slack = (off[..., None] * shared.magnitude.max(3).sum(2)).sum(0) * (1 + 1e-9)
        share = exact(np.full((self.d_vocab, n, self.d_vocab), float(n))).inverse()
        columns = share[..., None] * own[0]
        for head in range(len(weights.mid)):
            columns = columns + shared[head]
        return Query(n, columns, share, slack, error, *plain)

    def queries(self) -> Iterator[Query]:
        """One after the other, from the first position to the last."""
        for n in range(1, self.n_ctx + 1):
            yield self.query(n)


MOST_SCORES = 30_000_000
"""Of every query with every key, in all heads: the checker keeps them, in some hundred bytes each. At length 320 there
are 12 million."""


def require_modest(cfg: CumsumConfig) -> None:
    """Raise Unprovable where a proof or its check would take gigabytes or hours, as a file of some kB may ask for."""
    n_scores = cfg.n_heads * (cfg.n_ctx * cfg.d_vocab) ** 2
    if n_scores > MOST_SCORES:
        raise Unprovable(
            f"{cfg.n_ctx} positions of {cfg.d_vocab} values each have {n_scores:,} attention scores in {cfg.n_heads} "
            f"heads, more than the {MOST_SCORES:,} that are worked with"
        )


def tables(model: CumsumTransformer, directions: Array | None = None) -> Tables:
    """Read the tables off a model of one block.

    `directions`, [d_model, any number], are further readouts of resid_mid. Raises Unprovable for a model of
    several blocks, and where a number is too large or a score too badly known to work with.
    """
    cfg = model.cfg
    if cfg.n_layers != 1:
        raise Unprovable(f"this proof is of one block, the model has {cfg.n_layers}")
    require_modest(cfg)
    weights = {name.split(".")[-1]: exact(tensor.cpu().numpy()) for name, tensor in model.state_dict().items()}
    if not all(np.isfinite(weight.mid).all() for weight in weights.values()):
        raise Unprovable("a weight is not a finite number")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _tables(weights, cfg.max_value, directions)
    except ArithmeticError as error:
        raise Unprovable(f"the weights are out of the range that float64 can handle: {error}") from None


def _tables(W: dict[str, Ball], max_value: int, directions: Array | None) -> Tables:
    n_heads, d_model, d_head = W["W_Q"].shape
    n_ctx, d_vocab, d_mlp = len(W["W_pos"].mid), len(W["W_E"].mid), len(W["b_in"].mid)
    extra = np.zeros((d_model, 0)) if directions is None else directions
    stream = W["W_pos"][:, None] + W["W_E"][None]  # resid_pre, [position, token, d_model]

    readers = beside(W["W_in"], W["W_U"], exact(extra))
    own = (stream + W["b_O"]) @ readers
    past_neurons = W["b_out"] @ W["W_U"] + W["b_U"]
    own = own + beside(W["b_in"], past_neurons, exact(np.zeros(extra.shape[1])))

    root = square_root(d_head).inverse()
    queries, keys, moved = [], [], []
    flat = Ball(stream.mid.reshape(-1, d_model), stream.rad.reshape(-1, d_model))
    for head in range(n_heads):
        q = (flat @ W["W_Q"][head] + W["b_Q"][head]) * root
        k = flat @ W["W_K"][head] + W["b_K"][head]
        queries.append(reshape(q, n_ctx, d_vocab, -1))
        keys.append(reshape(k, n_ctx, d_vocab, -1))
        v = flat @ W["W_V"][head] + W["b_V"][head]
        moved.append(reshape(v @ (W["W_O"][head] @ readers), n_ctx, d_vocab, readers.shape[-1]))
    return Tables(max_value, d_mlp, stacked(queries), stacked(keys), own, stacked(moved), W["W_out"] @ W["W_U"])


def _range_of_sums(weights: Ball) -> tuple[Array, Array]:
    """The smallest and largest Z of each head and query, [head, a], rounded outwards."""
    low, high = weights.mid - weights.rad, weights.mid + weights.rad
    itself = np.arange(weights.shape[1])
    lowest = low[:, :, :-1].min(3).sum(2) + low[:, itself, -1, itself]
    highest = high[:, :, :-1].max(3).sum(2) + high[:, itself, -1, itself]
    if not (lowest > 1e-100).all():
        raise Unprovable("with several heads this proof needs them to attend more evenly")
    wider = gamma(weights.shape[2] + 2)
    return lowest * (1 - wider), highest * (1 + wider)
