"""The least value of an additive function over the lists of a node, and what it proves. Plainly: `proof.bound`."""

from __future__ import annotations

import math

import numpy as np

from sorted_list_model.proof.compiled.tables import (
    ABOVE,
    BELOW,
    HIGH,
    LOW,
    Array,
    Keys,
    Memory,
    Node,
    Query,
    compiled,
    end,
    free,
)

TRIES = 10
"""Values of lambda that are tried for one interval of rho."""


@compiled
def fill_costs(
    advantage: Array,
    weights: Array,
    sign: float,
    lambda_0: float,
    lambda_1: float,
    low: float,
    high: float,
    first: int,
    past: int,
    costs: Array,
) -> None:
    """What each number costs in the unsorted half, at the worst of its positions, at both ends of the interval."""
    for t in range(first, past):
        costs[LOW, t] = np.inf
        costs[HIGH, t] = np.inf
    for j in range(weights.shape[1]):
        g_0, g_1, e_0, e_1 = advantage[0, j], advantage[1, j], weights[0, j], weights[1, j]
        for t in range(first, past):
            of_0 = sign * g_0[t] - lambda_0 * e_0[t]
            of_1 = sign * g_1[t] - lambda_1 * e_1[t]
            at_low, at_high = of_0 + low * of_1, of_0 + high * of_1
            costs[LOW, t] = at_low if at_low < costs[LOW, t] else costs[LOW, t]
            costs[HIGH, t] = at_high if at_high < costs[HIGH, t] else costs[HIGH, t]


@compiled
def sum_of_smallest(costs: Array, first: int, past: int, many: int, smallest: Array) -> float:
    """The sum of the `many` smallest costs of numbers in first .. past - 1."""
    n = 0
    for t in range(first, past):
        cost = costs[t]
        if n < many:
            place = n
            n += 1
        elif cost < smallest[many - 1]:
            place = many - 1
        else:
            continue
        while place > 0 and smallest[place - 1] > cost:
            smallest[place] = smallest[place - 1]
            place -= 1
        smallest[place] = cost
    total = 0.0
    for place in range(many):
        total += smallest[place]
    return total


@compiled
def least(
    query: Query,
    advantage: Keys,
    sign: float,
    node: Node,
    lambda_0: float,
    lambda_1: float,
    low: float,
    high: float,
    memory: Memory,
) -> tuple[float, float]:
    """The least sum over keys of e_0 (o_0 - lambda_0) + rho e_1 (o_1 - lambda_1) over the node: at rho low, and high.

    advantage: e_h (o_h[y] - o_h[c]) of every key, [head, ..]; `sign` -1 exchanges y and c.
    """
    weights, costs = query.weights, memory.costs
    k, d, y, n_numbers = query.k, query.d, node.y, query.n_numbers
    if k:
        fill_costs(advantage.unsorted, weights.unsorted, sign, lambda_0, lambda_1, low, high, 0, d + 1, costs)
    fill_costs(advantage.unsorted, weights.unsorted, sign, lambda_0, lambda_1, low, high, y, n_numbers, costs)

    of_0 = sign * advantage.sep[0] - lambda_0 * weights.sep[0]
    of_1 = sign * advantage.sep[1] - lambda_1 * weights.sep[1]
    at_low = of_0 + low * of_1 + costs[LOW, y]
    at_high = of_0 + high * of_1 + costs[HIGH, y]
    for i in range(node.n_forced[ABOVE]):
        t = node.forced[ABOVE, i]
        at_low += costs[LOW, t]
        at_high += costs[HIGH, t]
    many = free(query, node, ABOVE)
    if many:
        first = end(query, node, ABOVE) + 1
        at_low += sum_of_smallest(costs[LOW], first, n_numbers, many, memory.smallest)
        at_high += sum_of_smallest(costs[HIGH], first, n_numbers, many, memory.smallest)
    if not k:
        return at_low, at_high

    # A number up to d costs twice: in the unsorted half, and at the sorted position of its rank.
    g, e = advantage.ranked, weights.ranked
    for i in range(-1, node.n_forced[BELOW]):
        t = d if i < 0 else node.forced[BELOW, i]
        rank = k - 2 - i
        of_0 = sign * g[0, rank, t] - lambda_0 * e[0, rank, t]
        of_1 = sign * g[1, rank, t] - lambda_1 * e[1, rank, t]
        at_low += costs[LOW, t] + (of_0 + low * of_1)
        at_high += costs[HIGH, t] + (of_0 + high * of_1)
    many = free(query, node, BELOW)
    if many:
        bottom, sums_low, sums_high = end(query, node, BELOW), memory.sums[LOW], memory.sums[HIGH]
        sums_low[0] = 0.0
        sums_high[0] = 0.0
        for rank in range(1, many + 1):
            sums_low[rank] = np.inf
            sums_high[rank] = np.inf
        for t in range(bottom):
            for rank in range(min(many, t + 1), max(many - (bottom - t), 0), -1):
                of_0 = sign * g[0, rank - 1, t] - lambda_0 * e[0, rank - 1, t]
                of_1 = sign * g[1, rank - 1, t] - lambda_1 * e[1, rank - 1, t]
                with_t = sums_low[rank - 1] + (costs[LOW, t] + (of_0 + low * of_1))
                sums_low[rank] = with_t if with_t < sums_low[rank] else sums_low[rank]
                with_t = sums_high[rank - 1] + (costs[HIGH, t] + (of_0 + high * of_1))
                sums_high[rank] = with_t if with_t < sums_high[rank] else sums_high[rank]
        at_low += sums_low[many]
        at_high += sums_high[many]
    return at_low, at_high


@compiled
def narrow(
    query: Query, zero: Keys, node: Node, interval: Array, seen_low: float, seen_high: float, memory: Memory
) -> None:
    """Narrow an interval that holds rho = Z_0 / Z_1 of every list of the node, so that it still does.

    seen_low, seen_high: the smallest and largest rho of any list that was drawn. The least value of Z_0 - rho Z_1 is
    concave in rho, so where its chord from `low` to `seen_low` is zero it is not negative; likewise from above.
    The ends are numbers of float32.
    """
    low, high = interval
    more, less = 1 + 4 * query.raised, 1 - 4 * query.raised
    at_low, at_seen = least(query, zero, 1.0, node, -less, more, low, seen_low, memory)
    if at_low > 0 and at_seen < at_low:
        nearer = downwards(low + min(at_low / (at_low - at_seen), 1.0) * (seen_low - low) * less)
        if nearer > low and least(query, zero, 1.0, node, -less, more, nearer, nearer, memory)[0] > 0:
            low = nearer
    at_seen, at_high = least(query, zero, 1.0, node, more, -less, seen_high, high, memory)
    if at_high > 0 and at_seen < at_high:
        nearer = upwards(high - min(at_high / (at_high - at_seen), 1.0) * (high - seen_high) * less)
        if nearer < high and least(query, zero, 1.0, node, more, -less, nearer, nearer, memory)[0] > 0:
            high = nearer
    interval[0], interval[1] = low, high


@compiled
def crude_range(query: Query, zero: Keys, node: Node, memory: Memory) -> tuple[float, float]:
    """An interval that holds rho of every list of the node, from the extremes of Z_0 and Z_1."""
    least_0, _ = least(query, zero, 1.0, node, -1.0, 0.0, 0.0, 0.0, memory)
    least_1, _ = least(query, zero, 1.0, node, 0.0, -1.0, 1.0, 1.0, memory)
    most_0, _ = least(query, zero, 1.0, node, 1.0, 0.0, 0.0, 0.0, memory)
    most_1, _ = least(query, zero, 1.0, node, 0.0, 1.0, 1.0, 1.0, memory)
    slack = 1 + 8 * query.raised
    return downwards(least_0 / (-most_1 * slack)), upwards(-most_0 * slack / least_1)


@compiled
def downwards(number: float) -> float:
    """The largest number of float32 that is not larger."""
    rounded = np.float32(number)
    if np.float64(rounded) > number:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return np.float64(rounded)


@compiled
def upwards(number: float) -> float:
    """The smallest number of float32 that is not smaller."""
    rounded = np.float32(number)
    if np.float64(rounded) < number:
        rounded = np.nextafter(rounded, np.float32(np.inf))
    return np.float64(rounded)


@compiled
def lambda_for(
    query: Query,
    advantage: Keys,
    sign: float,
    node: Node,
    D: float,
    guess: float,
    step: float,
    low: float,
    high: float,
    memory: Memory,
) -> float:
    """A lambda_0 that proves the interval of rho, a number of float32, or nan.

    The least value falls with lambda_0 at rho = low and rises at rho = high: where both are positive, it is proved;
    where neither is, nothing proves it; else what has to change is known, and a chord says by how much.
    """
    too_small, too_large = -np.inf, np.inf
    gap_small = gap_large = 0.0
    at = guess
    for attempt in range(TRIES):
        at = np.float64(np.float32(at))
        other = -D - at
        raised_0 = at + query.raised * (query.sizes[0] + abs(at))
        raised_1 = other + query.raised * (query.sizes[1] + abs(other))
        at_low, at_high = least(query, advantage, sign, node, raised_0, raised_1, low, high, memory)
        if at_low > 0 and at_high > 0:
            return at
        if not (at_low > 0 or at_high > 0):
            return np.nan
        if at_low > 0:
            too_small, gap_small = at, at_high - at_low
        else:
            too_large, gap_large = at, at_high - at_low
        if too_small > -np.inf and too_large < np.inf:
            if too_large - too_small < 1e-7 * (abs(too_small) + abs(too_large)):
                return np.nan
            part = gap_small / (gap_small - gap_large) if attempt < 5 else 0.5
            at = too_small + min(max(part, 0.02), 0.98) * (too_large - too_small)
        else:
            at += step if at_low > 0 else -step
            step *= 3
    return np.nan


@compiled
def proves(
    query: Query,
    advantage: Keys,
    sign: float,
    node: Node,
    D: float,
    guess: float,
    step: float,
    interval: Array,
    halvings: int,
    witness: Array,
    memory: Memory,
) -> int:
    """Whether one answer is shown to beat the other on every list of the node; the witness's length, or -1.

    The witness is a binary tree in preorder: nan where an interval is halved, otherwise its lambda_0.
    """
    ends = np.empty((halvings + 2, 2))
    depth = np.zeros(halvings + 2, np.int64)
    ends[0, 0], ends[0, 1] = interval[0], interval[1]
    waiting, written = 1, 0
    while waiting:
        waiting -= 1
        low, high, halved = ends[waiting, 0], ends[waiting, 1], depth[waiting]
        found = lambda_for(query, advantage, sign, node, D, guess, step, low, high, memory)
        witness[written] = found
        written += 1
        if found == found:
            guess = found
        elif halved == halvings:
            return -1
        else:
            middle = np.float64(np.float32(math.sqrt(low * high)))
            ends[waiting, 0], ends[waiting, 1], depth[waiting] = middle, high, halved + 1
            ends[waiting + 1, 0], ends[waiting + 1, 1], depth[waiting + 1] = low, middle, halved + 1
            waiting += 2
    return written
