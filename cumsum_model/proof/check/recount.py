"""The checker's own count of the right sequences in a class that holds both kinds: exact, while it stays small.

A class is split token by token. A prefix is settled when all its completions are right or all are wrong, which a
program over the remaining positions tells, in whole numbers; what is not settled is split further. Whole sequences
that 64-bit sums leave open, as where hardly anything is attended to, are settled one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cumsum_model.proof.check.circuit import Integers, Query, Row, one_more

Whole = NDArray[np.int64]

LIMIT = 1_000
"""A class is given up when more prefixes than this, of one length, are not settled."""

Plan = list[list[list[int]]]
"""What has to be positive for a sequence to be right: for each difference of logits, in some choice, all rows."""


class Recount:
    """Counts among the sequences of one query."""

    def __init__(self, query: Query, rows: list[Row], ways: list[Integers]) -> None:
        self.low, self.high = query.terms(rows)  # [row, position, token]
        self.query, self.rows = query, rows
        self.a, self.ways = query.a, ways
        self.least_ahead = _ahead(self.low)
        self.most_ahead = [-most for most in _ahead(-self.high)]

    def __call__(self, s: int, plan: Plan) -> int | None:
        """How many sequences of sum index `s` are right, or None if that would take too long or is too close."""
        used = np.array(sorted({row for difference in plan for choice in difference for row in choice}))
        differences = {(self.rows[row].plus, self.rows[row].minus) for row in used}
        place = {row: index for index, row in enumerate(used.tolist())}
        plan = [[[place[row] for row in choice] for choice in difference] for difference in plan]
        positions, tokens = self.low.shape[1] - 1, self.low.shape[2]
        remaining, begun = np.array([s]), np.zeros((1, 0), dtype=np.int64)  # begun: tokens, [prefix, position]
        low, high = self.low[used, -1, self.a][:, None], self.high[used, -1, self.a][:, None]
        right = 0
        for position in range(positions + 1):
            to_come = positions - position
            least = low + self.least_ahead[to_come][used[:, None], remaining]
            most = high + self.most_ahead[to_come][used[:, None], remaining]
            surely = _all_met(least > 0, plan)
            settled = surely | ~_all_met(most > 0, plan)
            sums, occur = np.unique(remaining[surely], return_counts=True)
            right += sum(int(many) * self.ways[to_come][sum_] for sum_, many in zip(sums, occur, strict=True))
            remaining, low, high, begun = remaining[~settled], low[:, ~settled], high[:, ~settled], begun[~settled]
            if not len(remaining):
                return right
            if len(remaining) > LIMIT:
                return None
            if not to_come:
                several = self._right(begun, differences)
                return None if several is None else right + several
            remaining = (remaining[:, None] - np.arange(tokens)).ravel()
            begun = np.column_stack([begun.repeat(tokens, 0), np.tile(np.arange(tokens), len(begun))])
            low = (low[:, :, None] + self.low[used, position][:, None]).reshape(len(used), -1)
            high = (high[:, :, None] + self.high[used, position][:, None]).reshape(len(used), -1)
            possible = (remaining >= 0) & (remaining < len(self.ways[to_come - 1]))
            remaining, low, high, begun = remaining[possible], low[:, possible], high[:, possible], begun[possible]
        raise AssertionError("a whole sequence has nothing to come")

    def _right(self, begun: Whole, differences: set[tuple[int, int]]) -> int | None:
        """How many are right of these sequences, given without their last token; None if one is too near a tie."""
        sequences = np.column_stack([begun, np.full(len(begun), self.a)])
        ends = [self.query.differences(sequences, *difference) for difference in differences]
        right = np.logical_and.reduce([low > 0 for low, _ in ends])
        wrong = np.logical_or.reduce([high <= 0 for _, high in ends])
        return int(right.sum()) if (right | wrong).all() else None


def _all_met(positive: NDArray[np.bool_], plan: Plan) -> NDArray[np.bool_]:
    met = np.ones(positive.shape[1], dtype=bool)
    for difference in plan:
        met &= np.logical_or.reduce([positive[choice].all(0) for choice in difference])
    return met


def _ahead(terms: Whole) -> list[Whole]:
    """The least that the last 0, 1, .. free positions can add, by their sum: [row, sum index] each."""
    stages = [np.zeros((len(terms), 1), dtype=np.int64)]
    for position in range(terms.shape[1] - 2, -1, -1):
        stages.append(one_more(stages[-1], terms[:, position]))
    return stages
