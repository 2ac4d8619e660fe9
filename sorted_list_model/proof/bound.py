"""The bound of a node, plainly: what is proved, and the test of the compiled version.

For a wrong answer c, let D be what the query itself adds to the margin of y over c, and o_h the difference of the
readouts that head h has of a key. With rho = Z_0 / Z_1 and any lambda_0 + lambda_1 = -D, the margin

    M = D + N_0 / Z_0 + N_1 / Z_1    has    M Z_0 = sum over keys of e_0 (o_0 - lambda_0) + rho e_1 (o_1 - lambda_1),

a sum over keys. Its least value over the lists of a node is found by a program over numbers and ranks: a number above y
is a key once, at whichever unsorted position is worst; d and each one below it once more, at the sorted position of its
rank. That the unsorted positions differ is not used. For one list the sum is linear in rho, so the least over a node is
concave in it: positive at both ends of an interval of rho, it is positive for every list whose rho lies there.

Rounding. Weights are positive, and tables, products and sums are off by no more than a small part of what is added up:
of the sum over keys of e_0 (O_0 + |lambda_0|) + rho e_1 (O_1 + |lambda_1|), where no |o_h| exceeds O_h. That part is
tables.KNOWN and some hundred roundings of float64 together, less than tables.RAISED. Raising lambda_h by RAISED times
(O_h + |lambda_h|) takes exactly so much off every list's sum. Minima are exact and rounded addition is monotone, so
what the program computes is no larger than any list's sum as added up in its order: if it is positive, so are they.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sorted_list_model.proof.tables import RAISED, Keys, Query


@dataclass(frozen=True)
class Node:
    """The lists of a class with right answer `y` that have these next numbers above y, and below d going down."""

    y: int
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()


def costs(query: Query, y: int, c: int, lambdas: tuple[float, float], rho: float) -> Keys:
    """What each key adds to M Z_0 at one rho: unsorted [position, number], ranked [rank - 1, number]."""
    raised = [of_head + RAISED * (size + abs(of_head)) for of_head, size in zip(lambdas, query.sizes, strict=True)]

    def of(weights: np.ndarray, readouts: np.ndarray) -> np.ndarray:
        parts = [
            e * (o[..., y] - o[..., c]) - raised_by * e
            for e, o, raised_by in zip(weights, readouts, raised, strict=True)
        ]
        return np.asarray(parts[0] + rho * parts[1])

    weights, readouts = query.weights, query.readouts
    return Keys(
        of(weights.unsorted, readouts.unsorted), of(weights.ranked, readouts.ranked), of(weights.sep, readouts.sep)
    )


def least(query: Query, node: Node, of_keys: Keys) -> float:
    """The least sum of costs over the lists of a node, each number at the worst of the unsorted positions."""
    once = of_keys.unsorted.min(0)
    top = node.above[-1] if node.above else node.y
    free = query.list_len - 1 - query.k - len(node.above)
    total = of_keys.sep + once[[node.y, *node.above]].sum() + np.sort(once[top + 1 :])[:free].sum()
    if not query.k:
        return float(total)
    for rank, t in zip(range(query.k, 0, -1), (query.d, *node.below), strict=False):
        total += once[t] + of_keys.ranked[rank - 1, t]
    bottom = node.below[-1] if node.below else query.d
    free = query.k - 1 - len(node.below)
    sums = np.array([0.0] + [np.inf] * free)  # the least with so many numbers so far
    for t in range(bottom):
        sums[1:] = np.minimum(sums[1:], sums[:-1] + once[t] + of_keys.ranked[:free, t])
    return float(total + sums[free])


def direct(query: Query, y: int, c: int, room: float = 0.0) -> float:
    """D: what the query itself adds to the margin of y over c, at the worst final scale, less `room`."""
    bias = query.bias[y] - query.bias[c]
    worst = min(query.scale_low * bias, query.scale_high * bias)
    return float(query.own[y] - query.own[c] + worst - query.slack - room)


def proves(query: Query, node: Node, c: int, lambda_0: float, interval: tuple[float, float], room: float = 0.0) -> bool:
    """Whether this lambda_0 shows that y beats c on every list of the node whose rho lies in the interval."""
    lambdas = lambda_0, -direct(query, node.y, c, room) - lambda_0
    return all(least(query, node, costs(query, node.y, c, lambdas, rho)) > 0 for rho in interval)
