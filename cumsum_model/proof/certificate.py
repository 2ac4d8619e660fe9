"""The verdict on every sequence there is: how many are answered rightly, by what margin, and which are not.

The margin of a sequence is the right label's logit minus the best wrong one, at its last position. It is
right if its margin is positive; a tie is wrong. All sequences of one length, last token and running sum have
one label and make one class, and every class is

- right: its smallest margin is proved positive;
- wrong: its largest margin is proved not positive;
- split: neither; the sequences in it were counted, up to those too near to a tie for the budget.

Numbers of sequences are exact integers. Margins are those of real arithmetic on the stored float32 weights; what
float32 arithmetic may add is bounded in `rounding`. The method knows nothing of "QK is zero" or "OV has rank
one": those are claims, this is a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof import dynamic_program
from cumsum_model.proof.counting import count_right
from cumsum_model.proof.extremes import Cells, Position
from cumsum_model.proof.tables import Unprovable, tables
from toy_model.arithmetic.balls import Array, Ball, exact

BUDGET = 100_000_000
"""Additions that may be spent on counting inside split classes: some tenths of a second."""

THOROUGH_BUDGET = 1_000_000_000
"""The same where a person waits for one model, some seconds: of `certify`, and of every run of a sweep."""

REFINED = 64
"""At most so many classes of one length are refined for each reason: those of smallest margin, of most sequences."""

SURE = 1e-11
"""A margin computed in float64 is right to this part of the largest logit that there can be, and to spare."""

LABELS = 3
OTHERS = ((1, 2), (0, 2), (0, 1))
"""For each label, the two wrong answers."""

_DIFFERENCES = np.array(
    [
        [(logit == label) - (logit == other) for logit in range(LABELS)]
        for label in range(LABELS)
        for other in OTHERS[label]
    ]
)
"""The six logit differences: rows 2 l and 2 l + 1 belong to label l."""

_READOUTS = np.concatenate([_DIFFERENCES, -_DIFFERENCES]).astype(np.float64)
"""Their smallest values, and (as the smallest of the opposite) their largest."""


@dataclass(frozen=True, eq=False, repr=False)
class Length:
    """Everything proved of the sequences of length `n`. Arrays are [last token, sum index] unless said otherwise.

    sums: the running sum of each class. counts: how many sequences it has, per sum index. No sequence of a class has
    a margin below `smallest` or above `largest`; `least` and `most` are the margins, in floating point, of the
    sequences `least_tokens` and `most_tokens` in it, [.., position], in as few bytes as hold a token: they are most of
    a certificate. right_low and right_high: how many of its sequences are right, at least and at most.
    signs: +1 or -1 where all sequences of the class agree on the sign of a neuron, [.., neuron].
    doubt: `least` and `most` are off by less.
    """

    n: int
    sums: np.ndarray
    counts: np.ndarray
    smallest: Array
    least: Array
    least_tokens: np.ndarray
    largest: Array
    most: Array
    most_tokens: np.ndarray
    right_low: np.ndarray
    right_high: np.ndarray
    signs: np.ndarray
    doubt: float

    def __repr__(self) -> str:  # of arrays this long no failing test should print all
        return f"Length({self.n}: smallest margin {self.smallest_margin:+.4g})"

    @property
    def least_witness(self) -> np.ndarray:
        """The tokens of a sequence of each class that has the margin `least`, [.., position], to be reckoned with."""
        return self.least_tokens.astype(np.int64)

    @property
    def most_witness(self) -> np.ndarray:
        """The same for `most`."""
        return self.most_tokens.astype(np.int64)

    @property
    def shown_wrong(self) -> np.ndarray:
        """Classes of which a wrong sequence is known: `least_witness`."""
        return np.isfinite(self.least) & (self.least < -self.doubt)

    @property
    def shown_right(self) -> np.ndarray:
        """Classes of which a right sequence is known: `most_witness`."""
        return np.isfinite(self.most) & (self.most > self.doubt)

    @property
    def labels(self) -> np.ndarray:
        """The right label of each class: 0, 1, 2 for a negative, zero, positive sum."""
        return np.sign(self.sums) + 1

    @property
    def right(self) -> np.ndarray:
        """Classes in which every sequence is right."""
        return self.smallest > 0

    @property
    def wrong(self) -> np.ndarray:
        """Classes in which every sequence is wrong."""
        return self.largest <= 0

    @property
    def split(self) -> np.ndarray:
        """Classes that are neither."""
        return ~self.right & ~self.wrong

    @property
    def sequences(self) -> int:
        """All sequences of this length."""
        return int(self.counts.sum()) * len(self.sums)

    @property
    def answered_rightly(self) -> tuple[int, int]:
        """How many of them are right, at least and at most."""
        return int(self.right_low.sum()), int(self.right_high.sum())

    @property
    def accuracy(self) -> tuple[Fraction, Fraction]:
        """The share of them that is right, at least and at most."""
        low, high = self.answered_rightly
        return Fraction(low, self.sequences), Fraction(high, self.sequences)

    @property
    def smallest_margin(self) -> float:
        """Proved: no sequence of this length has a smaller margin. In logits."""
        return float(self.smallest.min())

    @property
    def hardest(self) -> tuple[float, tuple[int, ...]]:
        """The smallest margin of a sequence that was found, and the tokens of that sequence."""
        a, s = np.unravel_index(self.least.argmin(), self.least.shape)
        return float(self.least[a, s]), tuple(self.least_tokens[a, s].tolist())


@dataclass(frozen=True, repr=False)
class Certificate:
    """What is proved of a model, for every sequence of every length up to its context."""

    max_value: int
    lengths: tuple[Length, ...]
    right_at_every_position: tuple[int, int]
    """How many sequences of full length are right at every position, at least and at most."""

    def __repr__(self) -> str:
        return f"Certificate({len(self.lengths)} lengths: smallest margin {self.smallest_margin:+.4g})"

    @property
    def sequences(self) -> int:
        """All sequences of full length."""
        return self.lengths[-1].sequences

    @property
    def proved_right(self) -> bool:
        """Whether every sequence of every length is proved right."""
        return all(bool(length.right.all()) for length in self.lengths)

    @property
    def hardest(self) -> Length:
        """The length with the smallest margin."""
        return min(self.lengths, key=lambda length: length.hardest[0])

    @property
    def smallest_margin(self) -> float:
        """Proved: no sequence of any length has a smaller margin. In logits."""
        return min(length.smallest_margin for length in self.lengths)

    @property
    def simplest_wrong(self) -> list[int] | None:
        """The values of a sequence that is wrong: of the shortest length that has any, one with the smallest values.

        As far as one is known, to be wrong by more than rounding; None if none is.
        """
        for length in self.lengths:
            wrong = length.least_witness[length.shown_wrong] - self.max_value
            if len(wrong):
                simplest = wrong[np.abs(wrong).sum(1).argmin()]
                return [int(value) for value in simplest]
        return None

    def range_of(self, values: Sequence[int]) -> tuple[float, float]:
        """The smallest and largest margin that a sequence of this length, last value and sum can have: proved."""
        length, a = self.lengths[len(values) - 1], values[-1] + self.max_value
        (place,) = np.flatnonzero(length.sums[a] == sum(values))
        return float(length.smallest[a, place]), float(length.largest[a, place])

    def values(self, tokens: tuple[int, ...]) -> list[int]:
        """The integers that tokens stand for."""
        return [token - self.max_value for token in tokens]


def certify(
    model: CumsumTransformer,
    *,
    refine_all: bool = False,
    budget: int = BUDGET,
    progress: Callable[[int], None] = lambda _: None,
) -> Certificate:
    """Prove what can be proved of `model`, for every sequence.

    refine_all: close the gap between bound and witness in every class, not only in those that decide something
    (the smallest margin of each length, and whatever is undecided). budget: additions to spend on counting inside
    split classes; 0 leaves them uncounted. progress: called with each length when it is done.
    Raises Unprovable for a model that this proof does not speak of. Deterministic: the same weights and budget give
    the same certificate.
    """
    read = tables(model)
    counts = dynamic_program.count(read.n_ctx - 1, read.d_vocab)
    to_do = sum(n * n for n in range(1, read.n_ctx + 1))
    largest_logit = read.largest_logit
    lengths = []
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for query in read.queries():
                # What there is to count grows with the square of the length; so does what may be spent on it. What
                # one length leaves, the later ones share.
                share = budget * query.n**2 // to_do
                doubt = (SURE + 4 * query.score_error) * largest_logit
                length, spent = _prove(Position(read, query), counts[query.n - 1], refine_all, share, doubt)
                lengths.append(length)
                budget, to_do = budget - spent, to_do - query.n**2
                progress(query.n)
    except ArithmeticError as error:
        raise Unprovable(f"the weights are out of the range that float64 can handle: {error}") from None
    return Certificate(read.max_value, tuple(lengths), _right_throughout(lengths))


def certify_without_counting(model: CumsumTransformer) -> Certificate:
    """`certify` for who asks whether every sequence is right, and not how many are where some are not."""
    return certify(model, budget=0)


def _prove(position: Position, counts: np.ndarray, refine_all: bool, budget: int, doubt: float) -> tuple[Length, int]:
    """Everything about one length, and how much of the budget it took."""
    push = exact(_READOUTS) @ Ball(position.tables.push.mid.T, position.tables.push.rad.T)
    labels = np.sign(position.sum_of) + 1
    applies = np.stack([labels == row % len(_DIFFERENCES) // 2 for row in range(len(_READOUTS))])
    cells = position.smallest(_READOUTS, applies, push)
    differences = cells.readout < len(_DIFFERENCES)
    if refine_all:
        position.refine(cells, np.arange(len(cells.s)))
    else:
        lowest = cells.attained[differences].min()
        hardest = np.flatnonzero(differences & (cells.bound < lowest))
        by_margin = cells.attained[hardest].argsort(kind="stable")
        position.refine(cells, hardest[by_margin[:REFINED]])
        undecided = np.flatnonzero((cells.bound <= 0) & (cells.attained >= 0))
        by_size = (-counts[cells.s[undecided]].astype(np.float64)).argsort(kind="stable")
        position.refine(cells, undecided[by_size[:REFINED]])

    smallest, least, least_tokens = _least(position, cells, differences)
    # The largest margin is the largest of the smaller of two differences: no more than the smaller largest.
    largest = _grid(position, cells, ~differences, -cells.bound).min(0)
    most, most_tokens = _most(position, cells, ~differences)
    right, wrong = smallest > 0, largest <= 0
    low = np.where(right, counts, 0)
    high = np.where(wrong, 0, np.broadcast_to(counts, wrong.shape))
    split = ~right & ~wrong
    open_ = np.flatnonzero(differences & (cells.bound <= 0) & split[cells.a, cells.s])
    spent = budget if len(open_) else 0
    if spent:
        for a, s, n_right in count_right(position, cells, open_, budget):
            low[a, s], high[a, s] = n_right
    proved = Length(
        position.n,
        position.sum_of,
        counts,
        smallest,
        least,
        least_tokens,
        largest,
        most,
        most_tokens,
        low,
        high,
        position.signs,
        doubt,
    )
    # One sequence that is known is one that counts.
    np.copyto(low, np.maximum(low, 1), where=split & proved.shown_right)
    np.copyto(high, np.minimum(high, np.broadcast_to(counts, high.shape) - 1), where=split & proved.shown_wrong)
    return proved, spent


def _grid(position: Position, cells: Cells, chosen: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A number of each chosen cell, laid out as [one of the two differences, a, sum index]."""
    shape = (2, *position.sum_of.shape)
    laid_out = np.empty((*shape, *numbers.shape[1:]), dtype=numbers.dtype)
    laid_out[cells.readout[chosen] % 2, cells.a[chosen], cells.s[chosen]] = numbers[chosen]
    return laid_out


def _least(position: Position, cells: Cells, chosen: np.ndarray) -> tuple[Array, Array, np.ndarray]:
    bound, attained, witness = (
        _grid(position, cells, chosen, numbers) for numbers in (cells.bound, cells.attained, cells.witness)
    )
    worst_label = attained.argmin(0)[None]
    hardest = np.take_along_axis(witness, worst_label[..., None], 0)[0]
    return bound.min(0), attained.min(0), hardest


def _most(position: Position, cells: Cells, chosen: np.ndarray) -> tuple[Array, np.ndarray]:
    """The largest margin that was found: of the two sequences with the largest differences, the better one."""
    places = np.flatnonzero(chosen)
    outputs = cells.outputs[places]
    pair = cells.readout[places] % len(_DIFFERENCES) // 2 * 2
    differences = [(outputs * _DIFFERENCES[pair + which]).sum(1) for which in range(2)]
    margins = np.full(len(cells.s), -np.inf)
    known = np.isfinite(cells.attained[places])  # else there is no sequence to speak of
    margins[places] = np.where(known, np.nan_to_num(np.minimum(*differences), nan=-np.inf, posinf=-np.inf), -np.inf)
    laid_out, witness = (_grid(position, cells, chosen, numbers) for numbers in (margins, cells.witness))
    best = laid_out.argmax(0)[None]
    return laid_out.max(0), np.take_along_axis(witness, best[..., None], 0)[0]


def _right_throughout(lengths: list[Length]) -> tuple[int, int]:
    """How many sequences of full length are right at every position: the counting recursion through right classes.

    Of what enters a class, at least all but its wrong sequences stay, and at most its right ones.
    """
    tokens = len(lengths[0].sums)
    low = high = np.array([1], dtype=object)
    for length in lengths:
        wrong_at_most = length.counts - length.right_low
        stay_low = np.maximum(low - wrong_at_most, 0)
        stay_high = np.minimum(high, length.right_high)
        sums = len(low)
        low, high = (np.zeros(sums + tokens - 1, dtype=object) for _ in range(2))
        for token in range(tokens):
            low[token : token + sums] += stay_low[token]
            high[token : token + sums] += stay_high[token]
    return int(low.sum()), int(high.sum())
