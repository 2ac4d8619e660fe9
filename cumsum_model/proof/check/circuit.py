"""Exact numbers for the checker: arrays of whole numbers over a common power of two.

A float32 is one, and so are sums and products of them. Only e^score is not: it gets a lower and an
upper whole number, from the ball arithmetic of python-flint, over a power of two of its own, so that small
weights are known as well as large ones. Nothing here is shared with the search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx, fmpz
from numpy.typing import NDArray

Integers = NDArray[np.object_]

WEIGHT_BITS = 512
"""Significant binary digits of every weight e^(score - largest score), however small it is."""

MAX_SPREAD = 100_000
"""Scores of one query may differ by this much. A sum that holds the smallest and the largest weight exactly takes a
digit for each 0.7 of it: 18 kB at the limit, and a class of twenty positions has tens of thousands of such sums."""

ROWS_AT_ONCE = 128
"""A row takes some hundred bytes for each token at each position, several times over while it is worked on."""


class OutOfRange(ValueError):
    """The scores of a query differ by more than MAX_SPREAD."""


@dataclass(frozen=True, eq=False)
class Exact:
    """The numbers `whole` * 2**-`digits`."""

    whole: Integers
    digits: int

    @classmethod
    def of(cls, numbers: Any) -> Exact:
        """Floating-point numbers as what they are. Raises ValueError if one is not finite."""
        numbers = np.asarray(numbers, dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
        fractions = [number.as_integer_ratio() for number in numbers.ravel().tolist()]
        digits = max((below.bit_length() - 1 for _, below in fractions), default=0)
        whole = np.empty(len(fractions), dtype=object)
        whole[:] = [above * (2**digits // below) for above, below in fractions]
        return cls(whole.reshape(numbers.shape), digits)

    def __getitem__(self, index: Any) -> Exact:
        return Exact(self.whole[index], self.digits)

    def __add__(self, other: Exact) -> Exact:
        digits = max(self.digits, other.digits)
        return Exact(self.to(digits) + other.to(digits), digits)

    def __neg__(self) -> Exact:
        return Exact(-self.whole, self.digits)

    def __sub__(self, other: Exact) -> Exact:
        return self + -other

    def __matmul__(self, other: Exact) -> Exact:
        return Exact(self.whole @ other.whole, self.digits + other.digits)

    def to(self, digits: int) -> Integers:
        """The whole numbers over a larger power of two."""
        return self.whole * 2 ** (digits - self.digits)


def beside(*parts: Exact) -> Exact:
    """Put arrays side by side along the last axis."""
    digits = max(part.digits for part in parts)
    return Exact(np.concatenate([part.to(digits) for part in parts], axis=-1), digits)


@dataclass(frozen=True)
class Circuit:
    """A model of one block and one head, exactly.

    columns: what each readout (neurons, then logits past them) gets from the query's own token and position
    [position, token, readout], and what the head moves to it from a key. scores: query times key, not yet divided by
    sqrt(d_head), [query position, token, key position, token]. push: [neuron, logit].
    """

    own: Exact
    moved: Exact
    scores: Exact
    d_head: int
    push: Exact

    @property
    def max_value(self) -> int:
        """Values lie in -max_value .. max_value."""
        return self.own.whole.shape[1] // 2

    @classmethod
    def of(cls, weights: Mapping[str, NDArray[np.float32]]) -> Circuit:
        """From the parameters by their short names, such as "W_E"."""
        W = {name: Exact.of(weight) for name, weight in weights.items()}
        n_ctx, d_model = W["W_pos"].whole.shape
        d_vocab, d_head = len(W["W_E"].whole), W["W_Q"].whole.shape[-1]
        stream = W["W_pos"][:, None] + W["W_E"][None]
        stream = Exact(stream.whole.reshape(n_ctx * d_vocab, d_model), stream.digits)
        readers = beside(W["W_in"], W["W_U"])
        constant = beside(W["b_in"], W["b_out"] @ W["W_U"] + W["b_U"])
        own = (stream + W["b_O"]) @ readers + constant
        q, k, v = (stream @ W[f"W_{name}"][0] + W[f"b_{name}"][0] for name in "QKV")
        moved = v @ W["W_O"][0] @ readers
        scores = q @ Exact(k.whole.T, k.digits)
        readouts = own.whole.shape[-1]
        return cls(
            Exact(own.whole.reshape(n_ctx, d_vocab, readouts), own.digits),
            Exact(moved.whole.reshape(n_ctx, d_vocab, readouts), moved.digits),
            Exact(scores.whole.reshape(n_ctx, d_vocab, n_ctx, d_vocab), scores.digits),
            d_head,
            W["W_out"] @ W["W_U"],
        )

    def weights(self, n: int, a: int) -> Weights:
        """The weight of every key for the query `a` at position n. Raises OutOfRange.

        At the query's own position, where only `a` can stand, the weights of other tokens are left at 0.
        """
        scores = self.scores.whole[n - 1, a, :n]
        occurs = np.ones(scores.shape, dtype=bool)
        occurs[-1] = np.arange(scores.shape[1]) == a
        ctx.prec = 2 * WEIGHT_BITS
        unit = arb(fmpz(2)) ** -self.scores.digits / arb(self.d_head).sqrt()
        top, bottom = int(scores[occurs].max()), int(scores[occurs].min())
        spread = arb(fmpz(top - bottom)) * unit
        if not spread <= MAX_SPREAD:
            raise OutOfRange(
                f"out of range: its attention scores differ by up to {float(spread):.6g}, this checker handles "
                f"differences of up to {MAX_SPREAD:,}"
            )
        low, high, digits = np.zeros_like(scores), np.zeros_like(scores), np.zeros(scores.shape, dtype=np.int64)
        for index, score in np.ndenumerate(scores):
            if not occurs[index]:
                continue
            exponent = arb(fmpz(int(score) - top)) * unit  # between -MAX_SPREAD and 0, and off by 2**-1000 at most
            digits[index] = WEIGHT_BITS + math.ceil(-float(exponent) / math.log(2))
            weight = exponent.exp() * arb(2) ** int(digits[index])
            low[index], high[index] = _whole(weight.lower().floor()), _whole(weight.upper().ceil())
        return Weights(low, high, digits)


@dataclass(frozen=True, eq=False)
class Weights:
    """e^(score - largest score) of each key: from `low` to `high` times 2**-`digits`, [position, token] each."""

    low: Integers
    high: Integers
    digits: NDArray[np.int64]

    def times(self, columns: Exact) -> Integers:
        """No weight times column is smaller, in units of 2**-(digits + columns.digits): [.., position, token]."""
        return np.where(columns.whole >= 0, self.low, self.high) * columns.whole

    def aligned(self, products: Integers) -> Integers:
        """The same products in the unit of the smallest weight, which takes as many digits as the scores spread."""
        return products << (self.digits.max() - self.digits).astype(object)

    def of(self, sequences: NDArray[np.int64]) -> tuple[Integers, Integers]:
        """The weights in each sequence, in a unit of its own: lower and upper bounds, [sequence, position].

        The unit has WEIGHT_BITS digits of the largest of them.
        """
        positions = np.arange(sequences.shape[1])
        low, high, digits = (of[positions, sequences] for of in (self.low, self.high, self.digits))
        coarser = (digits - digits.min(1, keepdims=True)).astype(object)
        return low >> coarser, -(-high >> coarser)


@dataclass(frozen=True)
class Row:
    """To be verified: over the class of sum index `s`, sum_i push_i [fires] pre_i + direct part - bound >= 0.

    plus, minus: the difference of logits meant. firing: which neurons count. bound: a floating-point number.
    """

    s: int
    plus: int
    minus: int
    firing: tuple[bool, ...]
    bound: float


class Query:
    """All sequences of length n that end in token a."""

    def __init__(self, circuit: Circuit, n: int, a: int) -> None:
        self.n, self.a, self.push = n, a, circuit.push
        self.neurons = len(circuit.push.whole)
        self.columns = circuit.own[n - 1, a][None, None] + circuit.moved[:n]
        self.weights = circuit.weights(n, a)

    def signs(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of which classes and neurons Z * pre >= 0, and of which <= 0, is certain: [sum index, neuron] each."""
        pre = Exact(np.moveaxis(self.columns.whole[..., : self.neurons], -1, 0), self.columns.digits)
        never_negative, never_positive = self._minima(pre) >= 0, self._minima(-pre) >= 0
        return never_negative.T, never_positive.T

    def has_sign(self, s: int, neuron: int, sign: str) -> bool:
        """Whether a neuron is never negative ("+") or never positive ("-") in class `s`: slow, without rounding."""
        pre = Exact(self.columns.whole[None, ..., neuron], self.columns.digits)
        return self._least(pre if sign == "+" else -pre, s) >= 0

    def proves(self, rows: list[Row]) -> list[bool]:
        """Which rows hold for every sequence of their class, as far as sums of 64 bits show it."""
        proved = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            minima = self._minima(self._columns(some))
            proved += [bool(minima[index, row.s] >= 0) for index, row in enumerate(some)]
        return proved

    def proves_one(self, row: Row) -> bool:
        """Whether a row holds for every sequence of its class: slow, without rounding."""
        return self._least(self._columns([row]), row.s) >= 0

    def terms(self, rows: list[Row]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The terms of each row's sum, [row, position, token], rounded down and rounded up to units of its own."""
        columns = self._columns(rows)
        return self._rounded_down(columns), -self._rounded_down(-columns)

    def _columns(self, rows: list[Row]) -> Exact:
        """What the weights are multiplied with in each row: [row, position, token]."""
        kinds = {(row.plus, row.minus, row.firing): row for row in rows}
        differences = {kind: self._difference(row) for kind, row in kinds.items()}
        bounds = Exact.of([row.bound for row in rows])
        digits = max(bounds.digits, next(iter(differences.values())).digits)
        stacked = np.stack([differences[row.plus, row.minus, row.firing].to(digits) for row in rows])
        return Exact(stacked - bounds.to(digits)[:, None, None], digits)

    def _difference(self, row: Row) -> Exact:
        coefficients = np.zeros(self.neurons + 3, dtype=object)
        coefficients[: self.neurons] = self.push_on(row.plus, row.minus) * np.array(row.firing, dtype=object)
        coefficients[self.neurons + row.plus] += 2**self.push.digits
        coefficients[self.neurons + row.minus] -= 2**self.push.digits
        return Exact(self.columns.whole @ coefficients, self.columns.digits + self.push.digits)

    def push_on(self, plus: int, minus: int) -> Integers:
        """What each neuron adds to a difference of logits, in units of 2**-push.digits."""
        return self.push.whole[:, plus] - self.push.whole[:, minus]

    def _minima(self, columns: Exact) -> NDArray[np.int64]:
        """No sequence has a smaller sum of weights times columns: [row, sum index], in a unit of their own."""
        terms = self._rounded_down(columns)
        reached = terms[:, -1, self.a][:, None]
        for position in range(self.n - 1):
            reached = one_more(reached, terms[:, position])
        return reached

    def _least(self, columns: Exact, s: int) -> int:
        """No sequence of class `s` has a smaller sum of weights times columns, [1, position, token].

        The weights are all that is rounded, to WEIGHT_BITS digits each.
        """
        terms = self.weights.aligned(self.weights.times(columns))
        reached = terms[:, -1, self.a][:, None]
        for position in range(self.n - 1):
            reached = one_more(reached, terms[:, position])[:, : s + 1]  # a sum index never falls
        return int(reached[0, s])

    def _rounded_down(self, columns: Exact) -> NDArray[np.int64]:
        """Weights times columns, down to whole multiples of a unit of each row: as small as 64-bit sums allow."""
        products, digits = self.weights.times(columns), self.weights.digits
        lengths = np.asarray(_bit_length(products), dtype=np.int64)
        sizes = np.where(lengths > 0, lengths - digits, -digits.max()).max((1, 2), keepdims=True)
        bits = 61 - self.n.bit_length() - sizes  # of a row's n terms none exceeds 2**sizes: sums stay below 2**61
        # Positive unless a product is 0: it has at least as many digits as its weight, which has hundreds.
        surplus = np.maximum(digits - bits, 0)
        return (products >> surplus.astype(object)).astype(np.int64)

    def differences(self, sequences: NDArray[np.int64], plus: int, minus: int) -> tuple[Integers, Integers]:
        """Z times a difference of logits for each of some sequences [sequence, position]: lower and upper bound.

        Each in a unit of its own, which is that of `Z`.
        """
        low, high = self._sums(sequences, self.columns.whole)
        neurons = self.neurons
        push = self.push_on(plus, minus)
        post_low, post_high = (np.where(pre > 0, pre, 0) for pre in (low[:, :neurons], high[:, :neurons]))
        least = np.where(push >= 0, post_low, post_high) @ push
        most = np.where(push >= 0, post_high, post_low) @ push
        unit = 2**self.push.digits
        return (
            least + (low[:, neurons + plus] - high[:, neurons + minus]) * unit,
            most + (high[:, neurons + plus] - low[:, neurons + minus]) * unit,
        )

    def Z(self, sequences: NDArray[np.int64]) -> tuple[Integers, Integers]:
        """Z of each sequence in its unit: lower and upper bound."""
        unit = 2 ** (self.columns.digits + self.push.digits)
        low, high = self._sums(sequences, np.full((self.n, self.columns.whole.shape[1], 1), unit, dtype=object))
        return low[:, 0], high[:, 0]

    def _sums(self, sequences: NDArray[np.int64], columns: Integers) -> tuple[Integers, Integers]:
        positions = np.arange(self.n)
        chosen = np.broadcast_to(columns, (self.n, *columns.shape[1:]))[
            positions, sequences
        ]  # [sequence, position, ..]
        low, high = (bound[..., None] for bound in self.weights.of(sequences))
        up = chosen >= 0
        return (chosen * np.where(up, low, high)).sum(1), (chosen * np.where(up, high, low)).sum(1)


def _whole(number: arb) -> int:
    whole = number.unique_fmpz()
    assert whole is not None, number
    return int(whole)


_bit_length = np.frompyfunc(int.bit_length, 1, 1)


def one_more(least: Any, terms: Any) -> Any:
    """The least sums [row, sum index] after one more position with these terms [row, token]: 64 bits or Python's."""
    rows, tokens = terms.shape
    largest = math.inf if terms.dtype == object else np.iinfo(np.int64).max
    after = np.full((rows, least.shape[1] + tokens - 1), largest, dtype=terms.dtype)
    for token in range(tokens):
        part = after[:, token : token + least.shape[1]]
        np.minimum(part, least + terms[:, token, None], out=part)
    return after
