"""The dynamic program: exact extremes of a sum over positions, for every sum of the tokens' values.

For g = sum_j g_j(t_j) over m free positions, the smallest value among all sequences with a given sum s is
m_m(s), where m_k(s) = min_t m_{k-1}(s - t) + g_k(t). It takes as many steps as there are positions, sums and
tokens together, not sequences. In the indices used here a sum starts at 0 for the smallest one possible,
so token t (value t - max_value) adds t to it.

Everything here is float64 and knows no error bound: a sum of m numbers is off by at most
gamma_m * sum_j max_t |g_j(t)| whatever path is taken, which the callers subtract.
"""

from __future__ import annotations

import numpy as np

from cumsum_model.proof.balls import Array

Stages = list[Array]
"""m_0, m_1, .. m_m: [functional, sum], with k * (d_vocab - 1) + 1 sums after k positions."""


def smallest(g: Array) -> Stages:
    """Minimum over all sequences of each sum, after each number of positions. `g` is [functional, position, token]."""
    functionals, positions, d_vocab = g.shape
    stages = [np.zeros((functionals, 1))]
    for position in range(positions):
        before = stages[-1]
        sums = before.shape[1]
        after = np.full((functionals, sums + d_vocab - 1), np.inf)
        candidate = np.empty_like(before)
        for token in range(d_vocab):
            np.add(before, g[:, position, token, None], out=candidate)
            reached = after[:, token : token + sums]
            np.minimum(reached, candidate, out=reached)
        stages.append(after)
    return stages


def sequences_attaining(g: Array, stages: Stages, functional: Array, sums: Array) -> np.ndarray:
    """For each pair (functional, sum index), the tokens of a sequence that attains the minimum: [pair, position]."""
    _, positions, d_vocab = g.shape
    tokens = np.empty((len(sums), positions), dtype=np.int64)
    choices = np.arange(d_vocab)
    left = sums.copy()
    for position in range(positions - 1, -1, -1):
        before = stages[position]
        came_from = left[:, None] - choices
        possible = (came_from >= 0) & (came_from < before.shape[1])
        cost = before[functional[:, None], came_from.clip(0, before.shape[1] - 1)] + g[functional, position]
        tokens[:, position] = np.where(possible, cost, np.inf).argmin(1)
        left = left - tokens[:, position]
    assert not left.any()
    return tokens


def count(positions: int, d_vocab: int) -> list[np.ndarray]:
    """How many sequences have each sum after 0, 1, .. `positions` tokens, in Python integers."""
    counts = [np.array([1], dtype=object)]
    for _ in range(positions):
        before = counts[-1]
        after = np.zeros(len(before) + d_vocab - 1, dtype=object)
        for token in range(d_vocab):
            after[token : token + len(before)] += before
        counts.append(after)
    return counts
