"""Extremes of the logits over every class of sequences: bounds that are proved, sequences that come near them.

A class is all sequences of one length n, last token a and running sum. Within a class:

1. the program's minimum and maximum of Z * pre_i fix the sign of neuron i, nearly always;
2. with the signs fixed, Z * readout is a sum over positions, so its minimum is exact, and attained;
3. the minimum of readout = (Z readout) / Z lies between what Z's own range makes of that and the readout of the
   sequence found; Dinkelbach's iteration, the minimum of Z (readout - mu) at mu = the best readout so
   far, closes the gap.

Where a class holds both signs of a neuron, its cases are told apart: see `firing`.

Source: Dinkelbach 1967 (fractional programming); the rest is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cumsum_model.proof import dynamic_program, mixed_signs
from cumsum_model.proof.mixed_signs import Cases, Signs, cases_of, coefficients_of
from cumsum_model.proof.tables import Query, Tables
from toy_model.arithmetic.balls import DOUBLE, Array, Ball, beside, exact, gamma, reshape

ROUNDS = 8
"""At most so many of Dinkelbach's iteration, which converges faster than linearly."""

TOGETHER = 2**23
"""Bytes, about, that the functionals may take of which a run is made: more make several runs."""

SEQUENCES = 2048
"""So many are evaluated at once: what they need stays near."""

SHARED = 16
"""Into how many steps the range of a readout is divided when classes share a run."""

CLOSE = 1e-9
"""A gap between bound and witness, in the readout's units, that is not worth another round."""


@dataclass
class Cells:
    """A selection of (readout, class) pairs and what is known of the smallest readout of each.

    readouts: what can be read, [readout, column past the neurons]. push: what each neuron adds, [readout, neuron].
    readout, a, s: which readout, last token and sum index (over the free positions).
    bound: proved; no sequence of the class has a smaller readout. attained: the readout of `witness`, the tokens of
    one sequence of the class, [.., position], in floating point. outputs: all that is read of it, [.., column].
    """

    readouts: Array
    push: Ball
    readout: np.ndarray
    a: np.ndarray
    s: np.ndarray
    bound: Array
    attained: Array
    witness: np.ndarray
    outputs: Array


@dataclass(frozen=True)
class Groups:
    """Cells that share a run of the program.

    chosen: the cells. of: the group of each. first: one cell of each group. mu: what is subtracted from the readout, of
    each group.
    """

    chosen: np.ndarray
    of: np.ndarray
    first: np.ndarray
    mu: Array

    def between(self, start: int, stop: int) -> Groups:
        """The groups numbered start .. stop - 1, by themselves."""
        inside = np.flatnonzero((self.of >= start) & (self.of < stop))
        return Groups(self.chosen[inside], self.of[inside] - start, self.first[start:stop], self.mu[start:stop])


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
        low, high = self._range(
            beside(_functionals_last(self.free[..., :neurons]), _functionals_last(self.free_weights[..., None])),
            beside(reshape(self.own[:, :neurons], queries * neurons), self.own_weights),
            np.append(query.slack[:, :neurons], np.zeros(queries)),
        )
        of_neurons, of_Z = slice(queries * neurons), slice(queries * neurons, None)
        self.pre_low, self.pre_high = (
            bounds[:, of_neurons].reshape(self.sums, queries, neurons).swapaxes(0, 1) for bounds in (low, high)
        )
        self.signs = (self.pre_low >= 0).astype(np.int8) - (self.pre_high <= 0)
        self.Z_low, self.Z_high = low[:, of_Z].T, high[:, of_Z].T
        self.kinds = _kinds(self.signs)

    @property
    def sum_of(self) -> np.ndarray:
        """The running sum of each class, [a, sum index]."""
        values = self.tables.values
        return values[:, None] + np.arange(self.sums) - self.tables.max_value * (self.n - 1)

    def _range(self, g: Ball, own: Ball, slack: Array) -> tuple[Array, Array]:
        """Proved bounds of sums over positions, [sum, functional]."""
        least = dynamic_program.smallest(np.concatenate([g.mid, -g.mid], -1))
        error = _error(g, own) + slack
        half = g.shape[-1]
        low, high = least[:, :half] + own.mid, own.mid - least[:, half:]
        return _down(low - error), -_down(-(high + error))

    def smallest(self, readouts: Array, applies: np.ndarray, push: Ball, witnesses: bool = True) -> Cells:
        """Bound the smallest of each readout in each class that it applies to.

        readouts: [readout, column past the neurons]. push: what each neuron adds to each readout, [readout, neuron].
        applies: [readout, a, sum]. witnesses: whether to look for sequences that come near the bounds, which takes
        half of the time.
        """
        readout, a, s = np.nonzero(applies)
        blank = np.full(len(s), np.inf)
        witness = np.zeros((len(s), self.n), dtype=np.min_scalar_type(self.tables.d_vocab - 1))
        outputs = np.zeros((len(s), readouts.shape[1]))
        cells = Cells(readouts, push, readout, a, s, -blank, blank, witness, outputs)
        self._improve(cells, self.grouped(cells, np.arange(len(s))), witnesses)
        return cells

    def witnessed(self, cells: Cells, chosen: np.ndarray) -> None:
        """Look for sequences that come near the bounds of the `chosen` cells."""
        if len(chosen):
            self._improve(cells, self.grouped(cells, chosen))

    def sharpen(self, cells: Cells) -> None:
        """Improve the bounds of all cells at once, by sharing each run among cells with bounds nearly as large.

        A run at mu leaves a gap of |readout - mu| times how much Z varies, so few values of mu do for all.
        """
        bounded = np.flatnonzero(np.isfinite(cells.bound))
        if not len(bounded):
            return
        bound = cells.bound[bounded]
        group = self.grouped(cells, bounded).of
        span = np.ptp(bound) or 1.0
        step = np.rint((bound - bound.min()) / span * SHARED).astype(np.int64)
        _, first, group = np.unique(group * (SHARED + 1) + step, return_index=True, return_inverse=True)
        mu = np.bincount(group, bound) / np.bincount(group)
        self._improve(cells, Groups(bounded, group, bounded[first], mu), witnesses=False)

    def refine(self, cells: Cells, chosen: np.ndarray) -> None:
        """Close the gap between bound and witness of the `chosen` cells, as far as it goes."""
        for _ in range(ROUNDS):
            chosen = chosen[np.isfinite(cells.attained[chosen])]
            chosen = chosen[cells.attained[chosen] - cells.bound[chosen] > CLOSE]
            if not len(chosen):
                return
            before = cells.bound[chosen].copy()
            self._improve(cells, Groups(chosen, np.arange(len(chosen)), chosen, cells.attained[chosen]))
            chosen = chosen[cells.bound[chosen] > before]

    def _improve(self, cells: Cells, groups: Groups, witnesses: bool = True) -> None:
        """Run the program for groups of cells, as `rows` makes them; for `witnesses` too, or for the bounds alone."""
        for start, stop in self._blocks(cells, groups.first):
            some = groups.between(start, stop)
            rows = self.rows(cells, some)
            if witnesses:
                least, choices = dynamic_program.smallest_and_choices(rows.g)
                self._witness(cells, some, rows.cases, choices)
            else:
                least = dynamic_program.smallest(rows.g)
            self._bound(cells, some, rows, least)

    def _blocks(self, cells: Cells, first: np.ndarray) -> Iterator[tuple[int, int]]:
        """Ranges of groups that are run together, so that memory stays bounded."""
        positions, d_vocab = self.free.shape[1:3]
        # A dozen numbers for each entry of a table while it is made, and a byte for each choice of the program.
        each = (positions * d_vocab + 1) * (96 + positions)
        mixed = (self.signs[cells.a[first], cells.s[first]] == 0).sum(1)
        until = np.cumsum(2 ** np.minimum(mixed, mixed_signs.EXPANDED)) * each // TOGETHER
        starts = np.flatnonzero(np.diff(until, prepend=-1))
        yield from zip(starts, np.append(starts[1:], len(first)), strict=True)

    def _bound(self, cells: Cells, groups: Groups, rows: Rows, least: Array) -> None:
        """Keep the best of the bounds, given the smallest sums in the rows of each group."""
        cases, chosen, group = rows.cases, groups.chosen, groups.of
        least = _down(least + _down(rows.own - rows.error))

        # Over the choices: smallest among those where k < 0, then best among those where k > 0.
        if len(cases.group_starts) < len(rows.own):
            by_choice = np.minimum.reduceat(least, cases.choice_starts, axis=1)
            least = np.maximum.reduceat(by_choice, cases.group_starts, axis=1)
        a, s = cells.a[chosen], cells.s[chosen]
        numerator = _down(least[s, group] - cases.left_over)
        divisor = np.where(numerator >= 0, self.Z_high[a, s], self.Z_low[a, s])
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(divisor > 0, _down(groups.mu[group] + _down(numerator / divisor)), -np.inf)
        cells.bound[chosen] = np.maximum(cells.bound[chosen], bound)

    def rows(self, cells: Cells, groups: Groups) -> Rows:
        """The sums over positions that bound Z * (readout - mu) in each group."""
        chosen, first = groups.chosen, groups.first
        here, there = (cells.a[first], cells.s[first]), (cells.a[chosen], cells.s[chosen])
        signs = Signs(self.signs[here], self.pre_low[here], self.pre_high[here])
        cases = cases_of(signs, cells.push[cells.readout[first]], self.pre_high[there], groups.of)
        r, a = cells.readout[first][cases.group], cells.a[first][cases.group]
        coefficients = coefficients_of(cells.readouts[r], cells.push[r], cases.firing)
        g, own = self._functionals(coefficients, a, groups.mu[cases.group])
        slack = (coefficients.magnitude * self.query.slack[a]).sum(1) * (1 + 1e-9)
        return Rows(cases, g.mid, own.mid, (_error(g, own) + slack) * (1 + 1e-12))

    def grouped(self, cells: Cells, chosen: np.ndarray) -> Groups:
        """The chosen cells, grouped by readout, query and signs, with nothing subtracted."""
        a, s, readout = cells.a[chosen], cells.s[chosen], cells.readout[chosen]
        # The smallest l - o where l is right and the largest o - l where o is right are one readout, pushed alike. They
        # stay apart where only some neurons can be expanded, and which ones is up to the first cell.
        same = (cells.readouts[:, None] == cells.readouts).all(2).argmax(1)
        all_expanded = (self.signs == 0).sum(2) <= mixed_signs.EXPANDED
        key = self.kinds[a, s] * len(same) + np.where(all_expanded[a, s], same[readout], readout)
        occurs = np.zeros((self.kinds.max() + 1) * len(same), dtype=bool)
        occurs[key] = True
        group = (np.cumsum(occurs) - 1)[key]
        first = np.empty(np.count_nonzero(occurs), dtype=np.int64)
        first[group[::-1]] = chosen[::-1]
        return Groups(chosen, group, first, np.zeros(len(first)))

    def _functionals(self, coefficients: Ball, a: np.ndarray, mu: Array) -> tuple[Ball, Ball]:
        """The tables of Z * (readout - mu) for each row: [position, token, row], and the query's own part, [row]."""
        positions, d_vocab, columns = self.free.shape[1:]
        mid, rad = (np.empty((positions * d_vocab, len(a))) for _ in range(2))
        own_mid, own_rad = np.empty(len(a)), np.empty(len(a))
        for token in np.unique(a):
            rows = np.flatnonzero(a == token)
            across = Ball(coefficients.mid[rows].T, coefficients.rad[rows].T)
            free = reshape(self.free[token], positions * d_vocab, columns) @ across
            own = self.own[[token]] @ across
            mid[:, rows], rad[:, rows] = free.mid, free.rad
            own_mid[rows], own_rad[rows] = own.mid[0], own.rad[0]
        g, own = reshape(Ball(mid, rad), positions, d_vocab, len(a)), Ball(own_mid, own_rad)
        if mu.any():
            weights = _functionals_last(self.free_weights[a][..., None])
            g = g - exact(np.broadcast_to(mu, weights.shape)) * weights
            own = own - exact(mu) * self.own_weights[a]
        return g, own

    def _witness(self, cells: Cells, groups: Groups, cases: Cases, choices: dynamic_program.Choices) -> None:
        """Keep the best of the sequences that the program's rows point to."""
        chosen, group = groups.chosen, groups.of
        row_starts = cases.choice_starts[cases.group_starts]
        how_many = np.diff(np.append(row_starts, len(cases.group)))
        for case in range(int(how_many.max())):
            possible = np.flatnonzero(how_many[group] > case)
            for start in range(0, len(possible), SEQUENCES):
                which = possible[start : start + SEQUENCES]
                cell = chosen[which]
                tokens = np.empty((self.n, len(cell)), dtype=cells.witness.dtype)
                tokens[:-1] = dynamic_program.sequences_attaining(
                    choices, row_starts[group[which]] + case, cells.s[cell]
                )
                tokens[-1] = cells.a[cell]
                outputs = self.outputs(tokens)
                value = (outputs * cells.readouts[cells.readout[cell]].T).sum(0)
                better = np.isfinite(value) & (value < cells.attained[cell])
                cells.attained[cell[better]] = value[better]
                cells.witness[cell[better]] = tokens[:, better].T
                cells.outputs[cell[better]] = outputs[:, better].T

    def outputs(self, tokens: np.ndarray) -> Array:
        """What is read after the neurons, for given sequences [position, sequence], in floating point.

        [column, sequence]: the three logits, and the further directions as they are in resid_mid.
        """
        neurons, logits = self.tables.push.shape
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = self.query.readouts(tokens)
            columns[neurons : neurons + logits] += (columns[:neurons].clip(min=0).T @ self.tables.push.mid).T
        return columns[neurons:]


@dataclass(frozen=True)
class Rows:
    """The rows themselves: `g` [position, token, row] and `own` [row] add up to what is bounded, within `error`."""

    cases: Cases
    g: Array
    own: Array
    error: Array


def _kinds(signs: np.ndarray) -> np.ndarray:
    """Number the patterns of signs of each query, [a, sum]: the same number means the same query and the same signs."""
    queries, sums, neurons = signs.shape
    kinds = np.repeat(np.arange(queries), sums)
    for start in range(0, neurons, 20):  # as many digits of base 3 as fit into an int64 beside the number so far
        digits = signs[..., start : start + 20].reshape(queries * sums, -1) + 1
        place = 3 ** np.arange(digits.shape[1])
        kinds = np.unique(kinds * 3**20 + digits @ place, return_inverse=True)[1]
    return kinds.reshape(queries, sums)


def _error(g: Ball, own: Ball) -> Array:
    """How far the program's sums may be off, for each functional: stored entries, and adding them up."""
    positions = len(g.mid)
    if not positions:
        return own.rad * (1 + 1e-9) + 1e-150
    sizes = np.abs(g.mid).max(1).sum(0) + np.abs(own.mid)
    return (g.rad.max(1).sum(0) + own.rad + gamma(positions + 2) * sizes) * (1 + 1e-9) + 1e-150


def _functionals_last(balls: Ball) -> Ball:
    """From [query, position, token, readout] to [position, token, functional]: one for each query and readout."""
    queries, positions, d_vocab, readouts = balls.shape
    shape = positions, d_vocab, queries * readouts
    return Ball(*(part.transpose(1, 2, 0, 3).reshape(shape) for part in (balls.mid, balls.rad)))


def _down(numbers: Array) -> Array:
    """Rounded towards minus infinity by more than one operation can have rounded up."""
    return numbers - 2 * DOUBLE * np.abs(numbers) - 1e-300
