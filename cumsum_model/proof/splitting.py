"""Counting inside a class that holds right and wrong sequences.

Two ways. Split it by prefixes, as far as the program over the remaining positions leaves anything open: exact, and
quick where few sequences are the exception. Or count all at once how many have a positive sum: there is no formula
for that, but there is one once the sum is of whole numbers, since the distribution of (sum of values, sum of g)
can be built position by position. So each g is rounded to a multiple of a step, and the sequences within
the rounding error of 0 stay uncounted. Either way the answer is a lower and an upper count, in exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cumsum_model.proof import dynamic_program
from toy_model.arithmetic.balls import Array

DIGIT_BITS = 40
DIGIT = 2**DIGIT_BITS
"""Counts that may exceed an int64 are kept as digits in this base: 2**22 of them can be added without a carry."""

COARSEST = 16
"""Fewer steps than this say nothing that is worth the work."""

MOST_NUMBERS = 20_000_000
"""Of a distribution, kept at once: a few hundred megabytes, whatever the budget."""

OVERHEAD = 2_000
"""What calling numpy costs, in additions."""


def affordable_resolution(budget: int, rows: int, positions: int, d_vocab: int) -> int:
    """Into how many steps the range of each of `rows` sums can be divided if they share `budget` additions."""
    sums = (positions * (d_vocab - 1)) // 2 + 1
    steps = budget // (rows * max(positions, 1) * d_vocab) - OVERHEAD
    return max(min(steps, MOST_NUMBERS) // sums, 0)


def affordable_prefixes(budget: int, trees: int, positions: int, d_vocab: int) -> int:
    """How many prefixes of one length each of `trees` classes may be split into if they share `budget` additions."""
    additions = budget // (trees * max(positions, 1)) - OVERHEAD
    return max(additions // (8 * d_vocab), 0)


def cost_of_prefixes(prefixes: int, positions: int, d_vocab: int) -> int:
    """What splitting so many prefixes cost, in additions."""
    return 8 * d_vocab * prefixes + OVERHEAD * max(positions, 1)


@dataclass(frozen=True)
class Conditions:
    """Sums over positions, and what has to be positive for a sequence to count.

    Row r of `g` [position, token, row] and `own` [row] is one sum, known within `error` [row]. Rows lie together
    in choices (choice_starts), choices in conditions (condition_starts). A condition is met if in some choice all
    sums are positive; a sequence counts if all conditions are met. Where a condition is not `complete`, this is
    enough to meet it but may not be needed.
    """

    g: Array
    own: Array
    error: Array
    choice_starts: np.ndarray
    condition_starts: np.ndarray
    complete: np.ndarray

    def least(self, sums: Array) -> Array:
        """Whether all conditions are met, as a sign: positive only if they are. `sums` is [row, ..]."""
        return self._met(sums - self.error[:, None]).min(0)

    def most(self, sums: Array) -> Array:
        """Whether some condition is not met, as a sign: positive unless that is certain."""
        return self._met(sums + self.error[:, None]).min(0, where=self.complete[:, None], initial=np.inf)

    def _met(self, sums: Array) -> Array:
        """Of each condition the largest over its choices of the smallest sum."""
        if len(self.choice_starts) < len(sums):
            sums = np.minimum.reduceat(sums, self.choice_starts, axis=0)
        if len(self.condition_starts) < len(sums):
            sums = np.maximum.reduceat(sums, self.condition_starts, axis=0)
        return sums

    def extremes_ahead(self) -> list[tuple[Array, Array]]:
        """For 0, 1, .. positions still to come: smallest and largest contribution of each row, [row, sum index]."""
        backwards = self.g[::-1]
        stages = dynamic_program.stages(np.concatenate([backwards, -backwards], -1))
        rows = len(self.own)
        return [(stage[:, :rows].T, -stage[:, rows:].T) for stage in stages]


def count_by_prefix(
    conditions: Conditions,
    ahead: list[tuple[Array, Array]],
    total: int,
    completions: list[np.ndarray],
    limit: int,
) -> tuple[tuple[int, int] | None, int]:
    """How many sequences of sum index `total` meet all conditions, at least and at most, by splitting them.

    A prefix is split by its next token only while its completions neither all meet the conditions nor all fail them,
    as far as the program over the remaining positions can tell; a whole sequence is always told, except within
    `error` of 0. Returns the answer and how many prefixes were split. The answer is None if more than `limit`
    prefixes of one length would have to be. ahead: `conditions.extremes_ahead()`. completions: `dynamic_program.count`.
    """
    positions, d_vocab, _ = conditions.g.shape
    remaining, reached = np.array([total]), conditions.own[:, None].copy()
    certain = unclear = prefixes = 0
    for position in range(positions + 1):
        lowest, highest = ahead[positions - position]
        sure = conditions.least(reached + lowest[:, remaining]) > 0
        hopeless = conditions.most(reached + highest[:, remaining]) <= 0
        certain += _sequences(remaining[sure], completions[positions - position])
        remaining, reached = remaining[~sure & ~hopeless], reached[:, ~sure & ~hopeless]
        if position == positions:
            unclear = len(remaining)
        elif len(remaining) > limit:
            return None, prefixes
        else:
            prefixes += len(remaining)
            remaining = (remaining - np.arange(d_vocab)[:, None]).ravel()
            reached = (reached[:, None] + conditions.g[position].T[:, :, None]).reshape(len(reached), -1)
            possible = (remaining >= 0) & (remaining < len(completions[positions - position - 1]))
            remaining, reached = remaining[possible], reached[:, possible]
    return (certain, certain + unclear), prefixes


def _sequences(remaining: np.ndarray, ways: np.ndarray) -> int:
    if not len(remaining):
        return 0
    occurs = np.bincount(remaining, minlength=len(ways))
    return sum(int(occurs[sum_]) * ways[sum_] for sum_ in np.flatnonzero(occurs))


def count_positive(
    g: Array, own: float, error: float, sums: np.ndarray, resolution: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each sum index in `sums`, how many sequences have own + sum_j g_j(t_j) > 0: at least, and at most.

    g: [position, token]. error: how far that number may be off for any sequence. resolution: into how
    many steps its range over a class is divided.
    """
    positions, d_vocab = g.shape
    if not positions:
        certain, possible = own > error, own > -error
        return np.full(len(sums), int(certain), dtype=object), np.full(len(sums), int(possible), dtype=object)
    slope = np.polynomial.polynomial.polyfit(np.arange(d_vocab), g.mean(0), 1)[1]
    line = slope * np.arange(d_vocab)
    rest = g - line
    floor = rest.min(1)
    rest = rest - floor[:, None]
    span = rest.max(1).sum()
    step = span / resolution if span > 1e-200 else 1.0
    steps = np.rint(rest / step).astype(np.int64)
    # What is left of each entry, taken from the entry itself, so that no rounding in between escapes it.
    largest = np.abs(g).max(1).sum() + abs(own) + np.abs(line).max() * positions + np.abs(floor).sum()
    lost = np.abs(rest - steps * step).max(1).sum() + error + 64 * positions * 2.0**-53 * largest
    reached = own + floor.sum() + slope * sums
    width = int(steps.max(1).sum()) + 1

    counts = np.zeros((1, 1, width), dtype=np.int64)
    counts[0, 0, 0] = 1
    lowest = 0  # the sum index of row 0: rows from which no wanted sum can be reached are left out
    filled = 1
    for position in range(positions):
        most_remaining = (positions - position - 1) * (d_vocab - 1)
        new_lowest = max(0, int(sums.min()) - most_remaining)
        new_highest = min((position + 1) * (d_vocab - 1), int(sums.max()))
        digits = _digits(d_vocab ** (position + 1))
        if digits > len(counts):
            counts = np.concatenate([counts, np.zeros((digits - len(counts), *counts.shape[1:]), dtype=np.int64)])
            _carry(counts)
        after = np.zeros((digits, new_highest - new_lowest + 1, width), dtype=np.int64)
        for token in range(d_vocab):
            first, last = max(lowest + token, new_lowest), min(lowest + counts.shape[1] - 1 + token, new_highest)
            if last < first:
                continue
            moved = steps[position, token]
            source = counts[:, first - token - lowest : last - token - lowest + 1, :filled]
            after[:, first - new_lowest : last - new_lowest + 1, moved : moved + filled] += source
        _carry(after)
        counts, lowest = after, new_lowest
        filled += int(steps[position].max())

    at = reached[:, None] + step * np.arange(width)
    of_sum = counts[:, sums - lowest]
    certain, possible = (
        sum(np.where(kept, of_sum[digit], 0).astype(object).sum(1) * DIGIT**digit for digit in range(len(counts)))
        for kept in (at > lost, at > -lost)
    )
    return certain, possible


def _digits(largest: int) -> int:
    """How many digits counts up to `largest` are kept in: one as long as an int64 holds them."""
    return 1 if largest < 2**63 else -(-largest.bit_length() // DIGIT_BITS)


def _carry(counts: np.ndarray) -> None:
    """Leave less than DIGIT in all digits but the last, [digit, ..]."""
    for digit in range(len(counts) - 1):
        counts[digit + 1] += counts[digit] // DIGIT
        counts[digit] %= DIGIT
