"""Which answers a model can give to the sequences of a class: over every sequence, whatever the right label is.

The certificate asks whether an answer is right. Claims about models with a part removed ask what is answered instead,
such as "zero" wherever it is not right; for that every difference of two logits is bounded in every class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof import dynamic_program
from cumsum_model.proof.by_length import ByLength
from cumsum_model.proof.extremes import Position
from cumsum_model.proof.tables import tables
from toy_model.arithmetic.balls import Array, Ball, exact

MOST = 64
"""At most so many classes of one length are looked at more closely for each difference."""

PAIRS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
"""Every ordered pair of labels: the difference of the first logit and the second."""

_DIFFERENCES = np.array([[(logit == a) - (logit == b) for logit in range(3)] for a, b in PAIRS], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to all sequences of one length. Arrays are [label, last token, sum index] unless said otherwise.

    sums: the running sum of each class, [last token, sum index]. counts: how many sequences it has, [sum index].
    lead: proved, no sequence of the class has a smaller difference of two logits, [pair, last token, sum index], pairs
    as in PAIRS.
    """

    n: int
    sums: np.ndarray
    counts: np.ndarray
    lead: Array

    @property
    def ahead(self) -> Array:
        """No sequence of the class has a smaller lead of this label's logit over the larger of the two others."""
        return np.stack([self.lead[_pairs(first=label)].min(0) for label in range(3)])

    @property
    def behind(self) -> Array:
        """No sequence of the class has a larger one."""
        return np.stack([(-self.lead[_pairs(second=label)]).min(0) for label in range(3)])

    def log_odds(self, label: int) -> tuple[Array, Array]:
        """The least and the largest log-odds, in nats, that a sequence of the class can give to `label`: proved."""
        least = -np.logaddexp.reduce(-self.lead[_pairs(first=label)], axis=0)
        return least, -np.logaddexp.reduce(self.lead[_pairs(second=label)], axis=0)

    def probabilities(self, label: int) -> tuple[Array, Array]:
        """The same as probabilities."""
        with np.errstate(over="ignore"):
            least, most = (1 / (1 + np.exp(-odds)) for odds in self.log_odds(label))
        return least, most

    @property
    def always(self) -> np.ndarray:
        """Whether every sequence of the class gets this answer."""
        return self.ahead > 0

    @property
    def never(self) -> np.ndarray:
        """Whether no sequence of the class gets this answer: a tie with another counts as no answer."""
        return self.behind <= 0

    @property
    def labels(self) -> np.ndarray:
        """The right label of each class, [last token, sum index]."""
        return np.sign(self.sums) + 1

    @property
    def margin(self) -> Array:
        """No sequence of the class has a smaller lead of its right label, [last token, sum index], in logits."""
        return np.take_along_axis(self.ahead, self.labels[None], 0)[0]

    @property
    def smallest_margin(self) -> float:
        """No sequence has a smaller one."""
        return float(self.margin.min())

    def sequences(self, classes: np.ndarray) -> int:
        """How many sequences are in these classes, a mask [last token, sum index]: exact."""
        return int((self.counts * classes).sum())


def answers(model: CumsumTransformer) -> ByLength[Answers]:
    """Bound every label's lead in every class of every length: proved. Raises Unprovable.

    Deterministic. Exact where the signs of all neurons are fixed within a class, as they are nearly everywhere.
    """
    read = tables(model)
    push = exact(_DIFFERENCES) @ Ball(read.push.mid.T, read.push.rad.T)
    counts = dynamic_program.count(read.n_ctx - 1, read.d_vocab)

    def prove(n: int) -> Answers:
        position = Position(read, read.query(n))
        everywhere = np.ones((len(PAIRS), *position.sum_of.shape), dtype=bool)
        cells = position.smallest(_DIFFERENCES, everywhere, push, witnesses=False)
        # Where the signs are fixed a bound is positive if and only if the smallest difference is. Elsewhere one that is
        # not positive, while a witness is, leaves something open.
        mixed = (position.signs == 0).any(2)
        doubtful = np.flatnonzero((cells.bound <= 0) & mixed[cells.a, cells.s])
        position.witnessed(cells, doubtful)
        open_ = doubtful[(cells.bound[doubtful] <= 0) & (cells.attained[doubtful] > 0)]
        position.refine(cells, open_[:MOST])
        return Answers(n, position.sum_of, counts[n - 1], cells.bound.reshape(everywhere.shape))

    return ByLength(read.n_ctx, prove)


# Counts are those of one length after the other, so that whoever wants to refute something can stop at the first.


def wrong_answers(lengths: Iterable[Answers], label: int) -> Iterator[int]:
    """Of each length, in how many classes of another label some sequence may get this answer."""
    return (int((~length.never[label] & (length.labels != label)).sum()) for length in lengths)


def missed(lengths: Iterable[Answers], label: int) -> Iterator[int]:
    """Of each length, in how many classes of this label some sequence may get another answer."""
    return (int((~length.always[label] & (length.labels == label)).sum()) for length in lengths)


def may_be_wrong(lengths: Iterable[Answers]) -> Iterator[int]:
    """Of each length, in how many classes some sequence may get another answer than the right one."""
    return (int((~(length.margin > 0)).sum()) for length in lengths)


def may_differ(lengths: Iterable[Answers], others: Iterable[Answers]) -> Iterator[int]:
    """Of each length, in how many classes some sequence may get different answers from two models of the same sizes."""
    pairs = zip(lengths, others, strict=True)
    return (int((~(mine.always & theirs.always).any(0)).sum()) for mine, theirs in pairs)


def spreads_within_last_token(lengths: Iterable[Answers]) -> Iterator[float]:
    """How far a label's lead can differ between sequences of one length and last token, whatever their sum: in logits.

    Of each length. Proved: no two such sequences differ by more.
    """
    return (float((length.behind.max(2) - length.ahead.min(2)).max()) for length in lengths)


def _pairs(first: int | None = None, second: int | None = None) -> list[int]:
    """The pairs with this label in this place."""
    return [index for index, (a, b) in enumerate(PAIRS) if first in (None, a) and second in (None, b)]
