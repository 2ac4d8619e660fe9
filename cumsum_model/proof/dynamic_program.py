"""The dynamic program: exact extremes of a sum over positions, for every sum of the tokens' values.

For g = sum_j g_j(t_j) over m free positions, the smallest value among all sequences with a given sum s is
m_m(s), where m_k(s) = min_t m_{k-1}(s - t) + g_k(t). It takes as many steps as there are positions, sums and
tokens together, not sequences. In the indices used here a sum starts at 0 for the smallest one possible,
so token t (value t - max_value) adds t to it.

Everything here is float64 and knows no error bound: a sum of m numbers is off by at most
gamma_m * sum_j max_t |g_j(t)| whatever path is taken, which the callers subtract.

Many functionals are worked on at once, and they are the last axis of every array: `g` is [position, token, functional],
m_k is [sum, functional].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np

from toy_model.arithmetic.balls import Array

NEAR = 50_000
"""Numbers of one stage that are worked on at once: what a core's own cache holds a few times over."""

FEW = 32
"""With fewer functionals than these, numpy's inner loop is better over the sums."""

Choices = list[np.ndarray]
"""For the 1st, 2nd, .. position: the token by which each sum is reached at the least, [sum, functional]."""


def smallest(g: Array) -> Array:
    """Minimum over all sequences of each sum: [sum, functional]."""
    positions, d_vocab, functionals = g.shape
    sums = positions * (d_vocab - 1) + 1
    least = np.empty((sums, functionals))
    at_once = max(NEAR // sums, FEW)
    for start in range(0, functionals, at_once):
        some = slice(start, start + at_once)
        for stage in _stages(g[:, :, some]):
            last = stage
        least[:, some] = last
    return least


def stages(g: Array) -> list[Array]:
    """Minimum over all sequences of each sum, after 0, 1, .. all positions: m_0, m_1, .. m_m."""
    return [stage.copy() for stage in _stages(g)]


def smallest_and_choices(g: Array) -> tuple[Array, Choices]:
    """The minimum of each sum, [sum, functional], and the choices that lead to it: a byte each, if that will do."""
    choices: Choices = []
    for stage in _stages(g, choices):
        least = stage
    return least, choices


def sequences_attaining(choices: Choices, functional: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """For each pair (functional, sum index), the tokens of a sequence that attains the minimum: [position, pair].

    Of several, the one whose last token is smallest, then the one before it, and so on.
    """
    tokens = np.empty((len(choices), len(sums)), dtype=choices[0].dtype if choices else np.uint8)
    step = choices[0].shape[1] if choices else 1
    at = sums * step + functional
    for position in reversed(range(len(choices))):
        tokens[position] = choices[position].take(at)
        at -= np.multiply(tokens[position], step, dtype=np.int64)
    assert (at == functional).all()
    return tokens


def _stages(g: Array, choices: Choices | None = None) -> Iterator[Array]:
    """m_0, m_1, .. m_m, each until the next but one is asked for. Their choices are added to `choices`, if given."""
    positions, d_vocab, functionals = g.shape
    shape = positions * (d_vocab - 1) + 1, functionals
    layout: Literal["C", "F"] = "C" if functionals >= FEW else "F"
    whole = np.min_scalar_type(d_vocab - 1)
    before, after, candidates = (np.empty(shape, order=layout) for _ in range(3))
    better, marks = (np.empty(shape, dtype=kind, order=layout) for kind in (bool, whole))
    before[:1] = 0.0
    yield before[:1]
    for position, steps in enumerate(g):
        sums = position * (d_vocab - 1) + 1
        reached = after[: sums + d_vocab - 1]
        np.add(before[:sums], steps[0], out=reached[:sums])
        reached[sums:] = np.inf
        chosen = np.zeros(reached.shape, dtype=whole, order=layout) if choices is not None else marks
        for token in range(1, d_vocab):
            candidate, by_token = candidates[:sums], slice(token, token + sums)
            np.add(before[:sums], steps[token], out=candidate)
            if choices is not None:
                # The token is the last one that was better than all before it: the largest of those that ever were.
                np.less(candidate, reached[by_token], out=better[:sums])
                np.multiply(better[:sums].view(np.uint8), whole.type(token), out=marks[:sums])
                np.maximum(chosen[by_token], marks[:sums], out=chosen[by_token])
            np.minimum(reached[by_token], candidate, out=reached[by_token])
        if choices is not None:
            choices.append(np.ascontiguousarray(chosen))
        yield reached
        before, after = after, before


def counts(d_vocab: int) -> Iterator[np.ndarray]:
    """How many sequences have each sum after 0, 1, .. tokens, in Python integers, without end."""
    reached = np.array([1], dtype=object)
    while True:
        yield reached
        after = np.zeros(len(reached) + d_vocab - 1, dtype=object)
        for token in range(d_vocab):
            after[token : token + len(reached)] += reached
        reached = after


def count(positions: int, d_vocab: int) -> list[np.ndarray]:
    """The same after 0, 1, .. `positions` tokens, all at once."""
    return list(itertools.islice(counts(d_vocab), positions + 1))
