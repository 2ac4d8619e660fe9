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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.length import Length, Outline
from cumsum_model.proof.proving import prove

BUDGET = 100_000_000
"""Additions that may be spent on counting inside split classes: some tenths of a second."""

THOROUGH_BUDGET = 1_000_000_000
"""The same where a person waits for one model, some seconds: of `certify`, and of every run of a sweep."""

L = TypeVar("L", Length, Outline)


@dataclass(frozen=True, repr=False)
class Verdict(Generic[L]):
    """What is proved of a model as a whole, for every sequence of every length up to its context."""

    max_value: int
    lengths: tuple[L, ...]
    right_at_every_position: tuple[int, int]
    """How many sequences of full length are right at every position, at least and at most."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.lengths)} lengths: smallest margin {self.smallest_margin:+.4g})"

    @property
    def sequences(self) -> int:
        """All sequences of full length."""
        return self.lengths[-1].sequences

    @property
    def proved_right(self) -> bool:
        """Whether every sequence of every length is proved right."""
        return all(length.all_right for length in self.lengths)

    @property
    def hardest(self) -> L:
        """The length with the smallest margin."""
        return min(self.lengths, key=lambda length: length.hardest[0])

    @property
    def smallest_margin(self) -> float:
        """Proved: no sequence of any length has a smaller margin. In logits."""
        return min(length.smallest_margin for length in self.lengths)

    def values(self, tokens: tuple[int, ...]) -> list[int]:
        """The integers that tokens stand for."""
        return [token - self.max_value for token in tokens]


@dataclass(frozen=True, repr=False)
class Certificate(Verdict[Length]):
    """The verdict with every class of every length."""

    @property
    def simplest_wrong(self) -> list[int] | None:
        """The values of a sequence that is wrong: of the shortest length that has any, one with the smallest values.

        As far as one is known, to be wrong by more than rounding; None if none is.
        """
        return simplest_wrong(self.lengths)


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
    lengths = tuple(prove(model, refine_all=refine_all, budget=budget, progress=progress))
    throughout = RightThroughout()
    for length in lengths:
        throughout.add(length)
    return Certificate(model.cfg.max_value, lengths, throughout.sequences)


def simplest_wrong(lengths: Iterable[Length]) -> list[int] | None:
    """The values of a wrong sequence of the first of these lengths of which one is known; None if none is."""
    return next(filter(None, (length.simplest_wrong for length in lengths)), None)


def outlined(lengths: Iterable[Length], max_value: int) -> Verdict[Outline]:
    """The verdict on lengths that are not kept: each is let go before the next is asked for."""
    throughout = RightThroughout()

    def outline(length: Length) -> Outline:
        throughout.add(length)
        return length.outline

    outlines = tuple(map(outline, lengths))  # a loop would hold the last length while the next is proved
    return Verdict(max_value, outlines, throughout.sequences)


class RightThroughout:
    """How many sequences are right at every position so far: the counting recursion through right classes.

    Of what enters a class, at least all but its wrong sequences stay, and at most its right ones.
    """

    def __init__(self) -> None:
        self.low = self.high = np.array([1], dtype=object)  # by running sum

    def add(self, length: Length) -> None:
        """The length that follows those so far."""
        wrong_at_most = length.counts - length.right_low
        self.low = _one_longer(np.maximum(self.low - wrong_at_most, 0))
        self.high = _one_longer(np.minimum(self.high, length.right_high))

    @property
    def sequences(self) -> tuple[int, int]:
        """At least and at most."""
        return int(self.low.sum()), int(self.high.sum())


def _one_longer(stay: np.ndarray) -> np.ndarray:
    """From numbers of sequences per [last token, sum before it] to numbers per sum after it."""
    tokens, sums = stay.shape
    after = np.zeros(sums + tokens - 1, dtype=object)
    for token in range(tokens):
        after[token : token + sums] += stay[token]
    return after
