"""How many sequences of a split class are right, within a budget.

A sequence is right if both differences between the right logit and a wrong one are positive. A difference is,
over the neurons that fire in part of the class, the largest (over those that push it up) of the smallest
(over those that push it down) of sums over positions: see `extremes`. So it is positive if for some choice all of
those sums are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cache

import numpy as np

from cumsum_model.proof import dynamic_program, splitting
from cumsum_model.proof.extremes import Cells, Position, Rows
from cumsum_model.proof.splitting import Conditions

Count = tuple[int, int]
"""At least, at most."""

Classes = dict[tuple[int, int], tuple[int, ...]]
"""For each class (a, sum index), the groups of its open cells."""


def count_right(position: Position, cells: Cells, chosen: np.ndarray, budget: int) -> Iterator[tuple[int, int, Count]]:
    """Count the right sequences of each class of which a chosen cell is open: yields (a, sum index, count).

    All classes are split by prefixes with a small limit first, and those that exceed it again with a larger one
    while half the budget of additions lasts. Those that are left are counted by the distribution of each rounded sum.
    """
    if not len(chosen):
        return
    groups = position.grouped(cells, chosen)
    rows = position.rows(cells, groups)
    classes: Classes = {}
    for cell, of in zip(chosen, groups.of, strict=True):
        place = int(cells.a[cell]), int(cells.s[cell])
        classes[place] = (*classes.get(place, ()), int(of))

    counter = _Counter(position, rows, groups.of, budget)
    missing = yield from counter.by_prefixes(classes)
    yield from counter.by_distribution(missing)


class _Counter:
    def __init__(self, position: Position, rows: Rows, group: np.ndarray, budget: int) -> None:
        self.rows, self.budget = rows, budget
        self.free, self.d_vocab = position.n - 1, position.tables.d_vocab
        self.completions = dynamic_program.count(self.free, self.d_vocab)
        self.row_starts = np.append(rows.cases.choice_starts, len(rows.own))
        self.choice_starts = np.append(rows.cases.group_starts, len(rows.cases.choice_starts))
        left_over = np.zeros(len(rows.cases.group_starts))
        np.maximum.at(left_over, group, rows.cases.left_over)
        self.error = rows.error + left_over[rows.cases.group]

    def conditions(self, groups: tuple[int, ...]) -> Conditions:
        """The rows of these groups, one condition each."""
        rows: list[int] = []
        choice_starts: list[int] = []
        condition_starts: list[int] = []
        for group in groups:
            condition_starts.append(len(choice_starts))
            for choice in range(self.choice_starts[group], self.choice_starts[group + 1]):
                choice_starts.append(len(rows))
                rows.extend(range(self.row_starts[choice], self.row_starts[choice + 1]))
        return Conditions(
            self.rows.g[:, :, rows],
            self.rows.own[rows],
            self.error[rows],
            np.array(choice_starts),
            np.array(condition_starts),
            self.rows.cases.complete[list(groups)],
        )

    def by_prefixes(self, classes: Classes) -> Generator[tuple[int, int, Count], None, Classes]:
        """Yields what could be counted, returns the classes that could not."""
        prepared = cache(lambda groups: (count := self.conditions(groups), count.extremes_ahead()))
        budget, tried = self.budget // 2, 0
        still: Classes
        while classes:
            limit = splitting.affordable_prefixes(budget, len(classes), self.free, self.d_vocab)
            if limit <= 2 * tried:
                break
            tried, still = limit, {}
            for (a, s), groups in classes.items():
                conditions, ahead = prepared(groups)
                count, prefixes = splitting.count_by_prefix(conditions, ahead, s, self.completions, limit)
                budget -= splitting.cost_of_prefixes(prefixes, self.free, self.d_vocab)
                if count is None:
                    still[a, s] = groups
                else:
                    yield a, s, count
            classes = still
        return classes

    def by_distribution(self, classes: Classes) -> Iterator[tuple[int, int, Count]]:
        """Row by row, then put together: exact where all rows but one are met by every sequence or by none."""
        wanted: dict[int, list[int]] = {}
        for (_, s), groups in classes.items():
            for group in groups:
                for row in range(*self.row_starts[self.choice_starts[[group, group + 1]]]):
                    wanted.setdefault(row, []).append(s)
        if not wanted:
            return
        resolution = splitting.affordable_resolution(self.budget // 2, len(wanted), self.free, self.d_vocab)
        if resolution < splitting.COARSEST:
            return
        counted: dict[tuple[int, int], Count] = {}
        for row, sums in wanted.items():
            count = splitting.count_positive(
                self.rows.g[:, :, row], self.rows.own[row], self.error[row], np.array(sums), resolution
            )
            counted.update(((row, s), (low, high)) for s, low, high in zip(sums, *count, strict=True))
        for (a, s), groups in classes.items():
            total = self.completions[self.free][s]
            yield a, s, _all_of([self._difference(group, s, total, counted) for group in groups], total)

    def _difference(self, group: int, s: int, total: int, counted: dict[tuple[int, int], Count]) -> Count:
        """How many sequences have a positive difference: for some choice, all of its rows."""
        choices = [
            _all_of([counted[row, s] for row in range(*self.row_starts[[choice, choice + 1]])], total)
            for choice in range(*self.choice_starts[[group, group + 1]])
        ]
        low, high = max(low for low, _ in choices), min(sum(high for _, high in choices), total)
        return low, high if self.rows.cases.complete[group] else total


def _all_of(counts: list[Count], total: int) -> Count:
    """How many of `total` are in all of several sets of known sizes."""
    return max(total - sum(total - low for low, _ in counts), 0), min(high for _, high in counts)
