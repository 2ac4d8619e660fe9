"""Extremes of the logits over every class of sequences: bounds that are proved, sequences that come near them.

A class is all sequences of one length n, last token a and running sum. Within a class:

1. the program's minimum and maximum of Z * pre_i fix the sign of neuron i, nearly always;
2. with the signs fixed, Z * readout is a sum over positions, so its minimum is exact, and attained;
3. the minimum of readout = (Z readout) / Z lies between what Z's own range makes of that and the readout of the
   sequence found; Dinkelbach's iteration, the minimum of Z (readout - mu) at mu = the best readout so
   far, closes the gap.

Where a class holds both signs of a neuron that pushes the readout by k, k ReLU(y) is the larger of 0 and
k y if k > 0 and the smaller of them if k < 0. So "for each choice among the first kind the smallest over all
choices among the second" bounds the minimum from below, and the best choice is taken. At most
EXPANDED neurons are treated so; what is left of the others is bounded by the range of y.

Source: Dinkelbach 1967 (fractional programming); the rest is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cumsum_model.proof import program
from cumsum_model.proof.balls import DOUBLE, Array, Ball, gamma
from cumsum_model.proof.tables import Query, Tables

EXPANDED = 3
"""Neurons of both signs in a class whose two cases are told apart: two to this power times the work."""

ROUNDS = 8
"""At most so many of Dinkelbach's iteration, which converges faster than linearly."""

NOTHING = 1e-250
"""A push of this size, such as that of a silenced neuron, adds less than the 1e-150 that every error allows for."""

SHARED = 16
"""Into how many steps the range of a readout is divided when classes share a run."""

CLOSE = 1e-9
"""A gap between bound and witness, in the readout's units, that is not worth another round."""


@dataclass
class Cells:
    """A selection of (readout, class) pairs and what is known of the smallest readout of each.

    readout, a, s: which readout, last token and sum index (over the free positions).
    bound: proved; no sequence of the class has a smaller readout. attained: the readout of `witness`,
    the tokens of one sequence of the class, in floating point.
    """

    readout: np.ndarray
    a: np.ndarray
    s: np.ndarray
    bound: Array
    attained: Array
    witness: np.ndarray


class Position:
    """Everything about the sequences of one length.

    signs: [a, sum, neuron], +1 or -1 where every sequence of the class has this sign (0 counts as either), 0 where
    the class holds both, or too little is known.
    """

    def __init__(self, tables: Tables, query: Query) -> None:
        self.tables, self.query, self.n = tables, query, query.n
        tokens = np.arange(tables.d_vocab)
        free = slice(0, self.n - 1)
        self.free, self.free_weights = query.columns[:, free], query.weights[:, free]
        self.own, self.own_weights = query.columns[tokens, -1, tokens], query.weights[tokens, -1, tokens]
        self.sums = (self.n - 1) * (tables.d_vocab - 1) + 1

        queries, neurons = tables.d_vocab, tables.d_mlp
        every_a, every_i = np.repeat(tokens, neurons), np.tile(np.arange(neurons), queries)
        pre = self.free[every_a, :, :, every_i], self.own[every_a, every_i], query.slack[every_a, every_i]
        low, high = self._range(*pre)
        self.pre_low = low.reshape(queries, neurons, self.sums).transpose(0, 2, 1)
        self.pre_high = high.reshape(queries, neurons, self.sums).transpose(0, 2, 1)
        self.signs = (self.pre_low >= 0).astype(np.int8) - (self.pre_high <= 0)
        self.Z_low, self.Z_high = self._range(self.free_weights, self.own_weights, np.zeros(queries))

    @property
    def sum_of(self) -> np.ndarray:
        """The running sum of each class, [a, sum index]."""
        values = self.tables.values
        return values[:, None] + np.arange(self.sums) - self.tables.max_value * (self.n - 1)

    def _range(self, g: Ball, own: Ball, slack: Array) -> tuple[Array, Array]:
        """Proved bounds of sums over positions, [functional, sum]."""
        both = np.concatenate([g.mid, -g.mid])
        least = program.smallest(both)[-1]
        error = _error(g, own) + slack
        half = len(g.mid)
        low, high = least[:half] + own.mid[:, None], own.mid[:, None] - least[half:]
        return _down(low - error[:, None]), -_down(-(high + error[:, None]))

    def smallest(self, readouts: Array, applies: np.ndarray, push: Ball) -> Cells:
        """Bound the smallest of each readout in each class that it applies to.

        readouts: [readout, column past the neurons]. push: what each neuron adds to each readout, [readout, neuron].
        applies: [readout, a, sum].
        """
        readout, a, s = np.nonzero(applies)
        blank = np.full(len(s), np.inf)
        cells = Cells(readout, a, s, -blank, blank, np.zeros((len(s), self.n), dtype=np.int64))
        every = np.arange(len(s))
        group, first = self.grouped(cells, every)
        self._improve(cells, every, group, first, np.zeros(len(first)), readouts, push)
        return cells

    def sharpen(self, cells: Cells, readouts: Array, push: Ball) -> None:
        """Improve the bounds of all cells at once, by sharing each run among cells with witnesses nearly as good.

        A run at mu leaves a gap of |readout - mu| times how much Z varies, so few values of mu do for all.
        """
        found = np.flatnonzero(np.isfinite(cells.attained))
        group, _ = self.grouped(cells, found)
        span = np.ptp(cells.attained[found]) or 1.0
        step = np.rint((cells.attained[found] - cells.attained[found].min()) / span * SHARED).astype(np.int64)
        _, first, group = np.unique(group * (SHARED + 1) + step, return_index=True, return_inverse=True)
        mu = np.bincount(group, cells.attained[found]) / np.bincount(group)
        self._improve(cells, found, group, found[first], mu, readouts, push)

    def refine(self, cells: Cells, chosen: np.ndarray, readouts: Array, push: Ball) -> None:
        """Close the gap between bound and witness of the `chosen` cells, as far as it goes."""
        for _ in range(ROUNDS):
            chosen = chosen[np.isfinite(cells.attained[chosen])]
            chosen = chosen[cells.attained[chosen] - cells.bound[chosen] > CLOSE]
            if not len(chosen):
                return
            before = cells.bound[chosen].copy()
            each = np.arange(len(chosen))
            self._improve(cells, chosen, each, chosen, cells.attained[chosen], readouts, push)
            chosen = chosen[cells.bound[chosen] > before]

    def _improve(
        self,
        cells: Cells,
        chosen: np.ndarray,
        group: np.ndarray,
        first: np.ndarray,
        mu: Array,
        readouts: Array,
        push: Ball,
    ) -> None:
        """One run of the program for groups of cells, as `rows` makes them."""
        rows = self.rows(cells, chosen, group, first, mu, readouts, push)
        cases = rows.cases
        stages = program.smallest(rows.g)
        least = _down(stages[-1] + _down(rows.own - rows.error)[:, None])

        # Over the choices: smallest among those where k < 0, then best among those where k > 0.
        by_choice = np.minimum.reduceat(least, cases.choice_starts, axis=0)
        by_group = np.maximum.reduceat(by_choice, cases.group_starts, axis=0)
        a, s = cells.a[chosen], cells.s[chosen]
        numerator = _down(by_group[group, s] - cases.left_over)
        divisor = np.where(numerator >= 0, self.Z_high[a, s], self.Z_low[a, s])
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(divisor > 0, _down(mu[group] + _down(numerator / divisor)), -np.inf)
        cells.bound[chosen] = np.maximum(cells.bound[chosen], bound)
        self._witness(cells, chosen, group, cases, rows.g, stages, readouts)

    def rows(
        self,
        cells: Cells,
        chosen: np.ndarray,
        group: np.ndarray,
        first: np.ndarray,
        mu: Array,
        readouts: Array,
        push: Ball,
    ) -> Rows:
        """The sums over positions that bound Z * (readout - mu) in each group of chosen cells.

        group: of each chosen cell. first: one cell of each group. mu: of each group.
        """
        cases = _cases(self, cells, chosen, group, first, push)
        r, a = cells.readout[first][cases.group], cells.a[first][cases.group]
        coefficients = _coefficients(readouts, push, r, cases.firing, self.query.columns.shape[-1])
        g, own = self._functionals(coefficients, a, mu[cases.group])
        slack = (coefficients.magnitude * self.query.slack[a]).sum(1) * (1 + 1e-9)
        return Rows(cases, g.mid, own.mid, (_error(g, own) + slack) * (1 + 1e-12))

    def grouped(self, cells: Cells, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Group cells that share readout, query and signs: the group of each, and one cell of each group."""
        patterns, kind = np.unique(self.signs.reshape(-1, self.tables.d_mlp), axis=0, return_inverse=True)
        kind = kind.reshape(self.signs.shape[:2])
        a, s = cells.a[chosen], cells.s[chosen]
        key = (cells.readout[chosen] * self.tables.d_vocab + a) * len(patterns) + kind[a, s]
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        return group, chosen[first]

    def _functionals(self, coefficients: Ball, a: np.ndarray, mu: Array) -> tuple[Ball, Ball]:
        """The tables of Z * (readout - mu) for each row: [row, position, token], and the query's own part, [row]."""
        positions, d_vocab = self.free.shape[1:3]
        columns = self.free.shape[-1]
        mid, rad = (np.empty((len(a), positions, d_vocab)) for _ in range(2))
        own_mid, own_rad = np.empty(len(a)), np.empty(len(a))
        for token in np.unique(a):
            rows = np.flatnonzero(a == token)
            across = Ball(coefficients.mid[rows].T, coefficients.rad[rows].T)
            free = (
                Ball(
                    self.free.mid[token].reshape(positions * d_vocab, columns),
                    self.free.rad[token].reshape(positions * d_vocab, columns),
                )
                @ across
            )
            own = self.own[[token]] @ across
            mid[rows], rad[rows] = (part.T.reshape(len(rows), positions, d_vocab) for part in (free.mid, free.rad))
            own_mid[rows], own_rad[rows] = own.mid[0], own.rad[0]
        g, own = Ball(mid, rad), Ball(own_mid, own_rad)
        if mu.any():
            zero = np.zeros_like(mu)
            g = g - Ball(mu[:, None, None] + np.zeros_like(mid), np.zeros_like(mid)) * self.free_weights[a]
            own = own - Ball(mu, zero) * self.own_weights[a]
        return g, own

    def _witness(
        self,
        cells: Cells,
        chosen: np.ndarray,
        group: np.ndarray,
        cases: Cases,
        g: Array,
        stages: program.Stages,
        readouts: Array,
    ) -> None:
        """Keep the best of the sequences that the program's rows point to."""
        row_starts = cases.choice_starts[cases.group_starts]
        how_many = np.diff(np.append(row_starts, len(g)))
        for case in range(int(how_many.max())):
            which = np.flatnonzero(how_many[group] > case)
            cell = chosen[which]
            row = row_starts[group[which]] + case
            tokens = program.sequences_attaining(g, stages, row, cells.s[cell])
            tokens = np.concatenate([tokens, cells.a[cell, None]], axis=1)
            value = (self.outputs(tokens) * readouts[cells.readout[cell]]).sum(1)
            value[~np.isfinite(value)] = np.inf
            better = value < cells.attained[cell]
            cells.attained[cell[better]] = value[better]
            cells.witness[cell[better]] = tokens[better]

    def outputs(self, tokens: np.ndarray) -> Array:
        """What is read after the neurons, for given sequences [sequence, position], in floating point.

        [sequence, column]: the three logits, and the further directions as they are in resid_mid.
        """
        neurons, logits = self.tables.push.shape
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = self.query.readouts(tokens)
            out = columns[:, neurons:].copy()
            out[:, :logits] += columns[:, :neurons].clip(min=0) @ self.tables.push.mid
        return out


@dataclass(frozen=True)
class Cases:
    """The rows of one run: for each group, the choices of firing neurons that have to be told apart.

    Rows of a group lie together, in blocks of one choice among the neurons with k > 0 and all among those with
    k < 0. left_over: what the neurons that were not expanded may take away, for each chosen cell. complete: whether
    there are none in a group, so that max over the first kind of min over the second *is* the readout.
    """

    group: np.ndarray
    firing: np.ndarray
    choice_starts: np.ndarray
    group_starts: np.ndarray
    left_over: Array
    complete: np.ndarray


@dataclass(frozen=True)
class Rows:
    """The rows themselves: `g` [row, position, token] and `own` [row] add up to what is bounded, within `error`."""

    cases: Cases
    g: Array
    own: Array
    error: Array


def _cases(
    position: Position, cells: Cells, chosen: np.ndarray, group: np.ndarray, first: np.ndarray, push: Ball
) -> Cases:
    a, s, readout = cells.a[first], cells.s[first], cells.readout[first]
    signs = position.signs[a, s]
    k = push[readout]
    mixed = (signs == 0) & (k.magnitude > NOTHING)
    # A push of unknown sign, as by cancellation, is nearly nothing: it is bounded like one that was not expanded.
    rises, falls = mixed & (k.mid > k.rad), mixed & ~(k.mid > k.rad)
    high = position.pre_high[cells.a[chosen], cells.s[chosen]]
    low = position.pre_low[cells.a[chosen], cells.s[chosen]]

    expanded = mixed & (np.abs(k.mid) > k.rad)
    if expanded.sum(1).max() > EXPANDED:
        swing = np.minimum(position.pre_high[a, s], -position.pre_low[a, s]) * np.abs(k.mid) * expanded
        rank = (-swing).argsort(1, kind="stable").argsort(1, kind="stable")
        expanded &= rank < EXPANDED
    on_by_choice = rises & ~expanded & (position.pre_high[a, s] > -position.pre_low[a, s])
    kept_out = falls & ~expanded

    rows_group: list[int] = []
    rows_firing: list[np.ndarray] = []
    choice_starts: list[int] = []
    group_starts: list[int] = []
    always = (signs > 0) | on_by_choice
    plain = ~expanded.any(1)
    row = 0
    for index in range(len(first)):
        group_starts.append(len(choice_starts))
        if plain[index]:
            choice_starts.append(row)
            rows_group.append(index)
            rows_firing.append(always[index])
            row += 1
            continue
        up, down = np.flatnonzero(expanded[index] & rises[index]), np.flatnonzero(expanded[index] & falls[index])
        for upper in range(2 ** len(up)):
            choice_starts.append(row)
            for lower in range(2 ** len(down)):
                firing = always[index].copy()
                firing[up] = (upper >> np.arange(len(up))) & 1
                firing[down] = (lower >> np.arange(len(down))) & 1
                rows_group.append(index)
                rows_firing.append(firing)
                row += 1
    # min(0, k y) >= -|k| max(y, 0); a push of unknown sign is covered by the same with its magnitude.
    taken = k.magnitude[group] * high.clip(min=0) * kept_out[group]
    assert (low[kept_out[group]] <= 0).all()
    left_over = taken.sum(1) * (1 + 1e-12)
    return Cases(
        np.array(rows_group),
        np.array(rows_firing),
        np.array(choice_starts),
        np.array(group_starts),
        left_over,
        ~(mixed & ~expanded).any(1),
    )


def _coefficients(readouts: Array, push: Ball, r: np.ndarray, firing: np.ndarray, columns: int) -> Ball:
    """What each column counts in each row: the push of the neurons that fire, and the readout itself."""
    mid, rad = np.zeros((len(r), columns)), np.zeros((len(r), columns))
    neurons = push.shape[1]
    mid[:, :neurons], rad[:, :neurons] = push.mid[r] * firing, push.rad[r] * firing
    mid[:, neurons:] = readouts[r]
    return Ball(mid, rad)


def _error(g: Ball, own: Ball) -> Array:
    """How far the program's sums may be off, for each functional: stored entries, and adding them up."""
    positions = g.shape[1]
    if not positions:
        return own.rad * (1 + 1e-9) + 1e-150
    sizes = np.abs(g.mid).max(2).sum(1) + np.abs(own.mid)
    return (g.rad.max(2).sum(1) + own.rad + gamma(positions + 2) * sizes) * (1 + 1e-9) + 1e-150


def _down(numbers: Array) -> Array:
    """Rounded towards minus infinity by more than one operation can have rounded up."""
    return numbers - 2 * DOUBLE * np.abs(numbers) - 1e-300
