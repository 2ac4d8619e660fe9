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

TRIES = 12
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
    memory: Memory,
) -> None:
    """What each number costs in the unsorted half, at the worst of its positions, at both ends of the interval."""
    costs, slopes = memory.costs, memory.slopes
    for t in range(first, past):
        costs[LOW, t] = np.inf
        costs[HIGH, t] = np.inf
        slopes[LOW, t] = 0.0
        slopes[HIGH, t] = 0.0
    for j in range(weights.shape[1]):
        g_0, g_1, e_0, e_1 = advantage[0, j], advantage[1, j], weights[0, j], weights[1, j]
        for t in range(first, past):
            of_0 = sign * g_0[t] - lambda_0 * e_0[t]
            of_1 = sign * g_1[t] - lambda_1 * e_1[t]
            at_low, at_high = of_0 + low * of_1, of_0 + high * of_1
            slope_low, slope_high = low * e_1[t] - e_0[t], high * e_1[t] - e_0[t]
            slopes[LOW, t] = slope_low if at_low < costs[LOW, t] else slopes[LOW, t]
            costs[LOW, t] = at_low if at_low < costs[LOW, t] else costs[LOW, t]
            slopes[HIGH, t] = slope_high if at_high < costs[HIGH, t] else slopes[HIGH, t]
            costs[HIGH, t] = at_high if at_high < costs[HIGH, t] else costs[HIGH, t]


@compiled
def sum_of_smallest(
    costs: Array, slopes: Array, first: int, past: int, many: int, smallest: Array
) -> tuple[float, float]:
    """The sum of the `many` smallest costs of numbers in first .. past - 1, and of their slopes."""
    n = 0
    for t in range(first, past):
        cost = costs[t]
        if n < many:
            place = n
            n += 1
        elif cost < costs[smallest[many - 1]]:
            place = many - 1
        else:
            continue
        while place > 0 and costs[smallest[place - 1]] > cost:
            smallest[place] = smallest[place - 1]
            place -= 1
        smallest[place] = t
    total, slope = 0.0, 0.0
    for place in range(many):
        total += costs[smallest[place]]
        slope += slopes[smallest[place]]
    return total, slope


@compiled
def least_below(
    query: Query,
    advantage: Keys,
    sign: float,
    lambda_0: float,
    lambda_1: float,
    rho: float,
    bottom: int,
    many: int,
    which: int,
    memory: Memory,
) -> tuple[float, float]:
    """The least sum of `many` numbers below `bottom`, in the unsorted half and at their ranks, and its slope."""
    g, e = advantage.ranked, query.weights.ranked
    costs, slopes, sums, slopes_of = memory.costs[which], memory.slopes[which], memory.sums, memory.slopes_of_sums
    sums[0], slopes_of[0] = 0.0, 0.0
    for rank in range(1, many + 1):
        sums[rank] = np.inf
    for t in range(bottom):
        for rank in range(min(many, t + 1), max(many - (bottom - t), 0), -1):
            of_0 = sign * g[0, rank - 1, t] - lambda_0 * e[0, rank - 1, t]
            of_1 = sign * g[1, rank - 1, t] - lambda_1 * e[1, rank - 1, t]
            with_t = sums[rank - 1] + (costs[t] + (of_0 + rho * of_1))
            if with_t < sums[rank]:
                sums[rank] = with_t
                slopes_of[rank] = slopes_of[rank - 1] + slopes[t] + (rho * e[1, rank - 1, t] - e[0, rank - 1, t])
    return sums[many], slopes_of[many]


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
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least sum over keys of e_0 (o_0 - lambda_0) + rho e_1 (o_1 - lambda_1) over the node: at rho low, and high.

    Each with its slope, rho Z_1 - Z_0: how it changes where lambda_0 rises and lambda_1 falls by as much.
    advantage: e_h (o_h[y] - o_h[c]) of every key, [head, ..]; `sign` -1 exchanges y and c.
    """
    k, d, y, n_numbers = query.k, query.d, node.y, query.n_numbers
    of_keys = advantage.unsorted, query.weights.unsorted
    if k:
        fill_costs(*of_keys, sign, lambda_0, lambda_1, low, high, 0, d + 1, memory)
    fill_costs(*of_keys, sign, lambda_0, lambda_1, low, high, y, n_numbers, memory)
    at_low = least_at(query, advantage, sign, node, lambda_0, lambda_1, low, LOW, memory)
    return at_low, least_at(query, advantage, sign, node, lambda_0, lambda_1, high, HIGH, memory)


@compiled
def least_at(
    query: Query,
    advantage: Keys,
    sign: float,
    node: Node,
    lambda_0: float,
    lambda_1: float,
    rho: float,
    which: int,
    memory: Memory,
) -> tuple[float, float]:
    """The same at one end of the interval, once the costs of the unsorted half are filled in."""
    costs, slopes, e = memory.costs[which], memory.slopes[which], query.weights
    k = query.k
    of_0 = sign * advantage.sep[0] - lambda_0 * e.sep[0]
    of_1 = sign * advantage.sep[1] - lambda_1 * e.sep[1]
    total = of_0 + rho * of_1 + costs[node.y]
    slope = rho * e.sep[1] - e.sep[0] + slopes[node.y]
    for i in range(node.n_forced[ABOVE]):
        total += costs[node.forced[ABOVE, i]]
        slope += slopes[node.forced[ABOVE, i]]
    many = free(query, node, ABOVE)
    if many:
        first = end(query, node, ABOVE) + 1
        added = sum_of_smallest(costs, slopes, first, query.n_numbers, many, memory.smallest)
        total += added[0]
        slope += added[1]
    if not k:
        return total, slope

    # A number up to d costs twice: in the unsorted half, and at the sorted position of its rank.
    for i in range(-1, node.n_forced[BELOW]):
        t, rank = query.d if i < 0 else node.forced[BELOW, i], k - 2 - i
        of_0 = sign * advantage.ranked[0, rank, t] - lambda_0 * e.ranked[0, rank, t]
        of_1 = sign * advantage.ranked[1, rank, t] - lambda_1 * e.ranked[1, rank, t]
        total += costs[t] + (of_0 + rho * of_1)
        slope += slopes[t] + (rho * e.ranked[1, rank, t] - e.ranked[0, rank, t])
    many = free(query, node, BELOW)
    if many:
        bottom = end(query, node, BELOW)
        added = least_below(query, advantage, sign, lambda_0, lambda_1, rho, bottom, many, which, memory)
        total += added[0]
        slope += added[1]
    return total, slope


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
    (at_low, _), (at_seen, _) = least(query, zero, 1.0, node, -less, more, low, seen_low, memory)
    if at_low > 0 and at_seen < at_low:
        nearer = downwards(low + min(at_low / (at_low - at_seen), 1.0) * (seen_low - low) * less)
        if nearer > low and least(query, zero, 1.0, node, -less, more, nearer, nearer, memory)[0][0] > 0:
            low = nearer
    (at_seen, _), (at_high, _) = least(query, zero, 1.0, node, more, -less, seen_high, high, memory)
    if at_high > 0 and at_seen < at_high:
        nearer = upwards(high - min(at_high / (at_high - at_seen), 1.0) * (high - seen_high) * less)
        if nearer < high and least(query, zero, 1.0, node, more, -less, nearer, nearer, memory)[0][0] > 0:
            high = nearer
    interval[0], interval[1] = low, high


@compiled
def crude_range(query: Query, zero: Keys, node: Node, memory: Memory) -> tuple[float, float]:
    """An interval that holds rho of every list of the node, from the extremes of Z_0 and Z_1."""
    (least_0, _), _ = least(query, zero, 1.0, node, -1.0, 0.0, 0.0, 0.0, memory)
    (least_1, _), _ = least(query, zero, 1.0, node, 0.0, -1.0, 1.0, 1.0, memory)
    (most_0, _), _ = least(query, zero, 1.0, node, 1.0, 0.0, 0.0, 0.0, memory)
    (most_1, _), _ = least(query, zero, 1.0, node, 0.0, 1.0, 1.0, 1.0, memory)
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

    The least value at either end is concave in lambda_0, and a line through it with its slope lies nowhere below. So
    where two lines meet, one rising and one falling, no lambda_0 does better: that one is tried next, and if they meet
    at 0 or below there is none.
    """
    at = guess
    rises_at, rises_by, falls_at, falls_by = 0.0, 0.0, 0.0, 0.0  # lines: the value at lambda_0 = 0, and the slope
    for _ in range(TRIES):
        at = np.float64(np.float32(at))
        other = -D - at
        raised_0 = at + query.raised * (query.sizes[0] + abs(at))
        raised_1 = other + query.raised * (query.sizes[1] + abs(other))
        ends = least(query, advantage, sign, node, raised_0, raised_1, low, high, memory)
        if ends[0][0] > 0 and ends[1][0] > 0:
            return at
        for value, slope in ends:
            if value > 0:
                continue
            at_0 = value - slope * at
            if slope > 0:  # the line that is lower from here on is kept
                if rises_by == 0 or at_0 + slope * at < rises_at + rises_by * at:
                    rises_at, rises_by = at_0, slope
            elif slope < 0:
                if falls_by == 0 or at_0 + slope * at < falls_at + falls_by * at:
                    falls_at, falls_by = at_0, slope
            else:
                return np.nan
        if rises_by > 0 and falls_by < 0:
            meet = (falls_at - rises_at) / (rises_by - falls_by)
            if rises_at + rises_by * meet <= 0:
                return np.nan
            at = meet
        elif rises_by > 0:
            at = -rises_at / rises_by + step
            step *= 2
        else:
            at = -falls_at / falls_by - step
            step *= 2
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
