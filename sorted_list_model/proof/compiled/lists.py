"""Lists of a node: drawn from a seed, judged in floating point, and changed one number at a time to make them worse."""

from __future__ import annotations

import numpy as np

from sorted_list_model.proof.compiled.tables import ABOVE, BELOW, Array, Node, Query, compiled, end, free


@compiled
def random_bits(state: Array) -> np.uint64:
    """The next number of xorshift64*, whose state is one number, not zero."""
    bits = state[0]
    bits ^= bits >> np.uint64(12)
    bits ^= bits << np.uint64(25)
    bits ^= bits >> np.uint64(27)
    state[0] = bits
    return bits * np.uint64(2685821657736338717)


@compiled
def uniform(state: Array) -> float:
    """A number of 0 .. 1."""
    return np.float64(random_bits(state) >> np.uint64(11)) * 2.0**-53


@compiled
def below(state: Array, n: int) -> int:
    """A whole number of 0 .. n - 1."""
    return int(uniform(state) * n)


@compiled
def choose(state: Array, first: int, past: int, many: int, numbers: Array, written: int) -> int:
    """Write `many` different numbers of first .. past - 1 in order, each choice equally likely."""
    for t in range(first, past):
        if many and uniform(state) * (past - t) < many:
            numbers[written] = t
            written += 1
            many -= 1
    return written


@compiled
def draw(query: Query, node: Node, state: Array, numbers: Array, order: Array) -> None:
    """Draw a list of the node: its numbers in increasing order, and the unsorted position of each."""
    written = 0
    if query.k:
        written = choose(state, 0, end(query, node, BELOW), free(query, node, BELOW), numbers, written)
        for i in range(node.n_forced[BELOW] - 1, -1, -1):
            numbers[written] = node.forced[BELOW, i]
            written += 1
        numbers[written] = query.d
        written += 1
    numbers[written] = node.y
    written += 1
    for i in range(node.n_forced[ABOVE]):
        numbers[written] = node.forced[ABOVE, i]
        written += 1
    choose(state, end(query, node, ABOVE) + 1, query.n_numbers, free(query, node, ABOVE), numbers, written)
    for i in range(query.list_len - 1, 0, -1):
        j = below(state, i + 1)
        order[i], order[j] = order[j], order[i]


@compiled
def judge(
    query: Query, y: int, rivals: Array, n_rivals: int, numbers: Array, order: Array, parts: Array, margins: Array
) -> float:
    """Write the margin of y over each rival on a list, in units of readouts, and each head's part of it; give rho.

    parts: [head, rival]. The scale is taken to be in the middle of its range: it matters for the biases alone.
    """
    rho = 1.0
    scale = 0.5 * (query.scale_low + query.scale_high)
    for i in range(n_rivals):
        c = rivals[i]
        margins[i] = query.own[y] - query.own[c] + scale * (query.bias[y] - query.bias[c])
    for head in range(2):
        part, Z = parts[head], 0.0
        for i in range(n_rivals):
            part[i] = 0.0
        for key in range(query.list_len + query.k + 1):
            if key < query.list_len:
                weight = query.weights.unsorted[head, order[key], numbers[key]]
                readout = query.readouts.unsorted[head, order[key], numbers[key]]
            elif key < query.list_len + query.k:
                rank = key - query.list_len
                weight = query.weights.ranked[head, rank, numbers[rank]]
                readout = query.readouts.ranked[head, rank, numbers[rank]]
            else:
                weight, readout = query.weights.sep[head], query.readouts.sep[head]
            Z += weight
            for i in range(n_rivals):
                part[i] += weight * (readout[y] - readout[rivals[i]])
        for i in range(n_rivals):
            part[i] /= Z
            margins[i] += part[i]
        rho = rho * Z if head == 0 else rho / Z
    return rho


@compiled
def climb(
    query: Query,
    node: Node,
    rivals: Array,
    n_rivals: int,
    state: Array,
    numbers: Array,
    order: Array,
    steps: int,
    parts: Array,
    margins: Array,
) -> None:
    """Make a list of the node worse step by step: numbers and order have what is reached.

    A step exchanges the unsorted positions of two numbers, or a free number for another one on its side.
    """
    judge(query, node.y, rivals, n_rivals, numbers, order, parts, margins)
    least = margins[:n_rivals].min()
    n_below, n_above = free(query, node, BELOW), free(query, node, ABOVE)
    changed, changed_order = numbers.copy(), order.copy()
    for _ in range(steps):
        changed[:], changed_order[:] = numbers, order
        which = below(state, 2 * (n_below + n_above) + 1)
        if which >= n_below + n_above:
            i, j = below(state, query.list_len), below(state, query.list_len)
            changed_order[i], changed_order[j] = changed_order[j], changed_order[i]
        elif which < n_below:
            replace(changed, which, 0, n_below, below(state, end(query, node, BELOW)))
        else:
            first = end(query, node, ABOVE) + 1
            place = query.list_len - n_above + which - n_below
            other = first + below(state, query.n_numbers - first)
            replace(changed, place, query.list_len - n_above, query.list_len, other)
        judge(query, node.y, rivals, n_rivals, changed, changed_order, parts, margins)
        margin = margins[:n_rivals].min()
        if margin < least:
            least = margin
            numbers[:], order[:] = changed, changed_order


@compiled
def replace(numbers: Array, place: int, first: int, past: int, other: int) -> None:
    """Put `other` in the place of one of numbers[first:past] and keep them in order; nothing if it is there already."""
    for i in range(first, past):
        if numbers[i] == other:
            return
    numbers[place] = other
    while place > first and numbers[place - 1] > numbers[place]:
        numbers[place - 1], numbers[place] = numbers[place], numbers[place - 1]
        place -= 1
    while place < past - 1 and numbers[place + 1] < numbers[place]:
        numbers[place + 1], numbers[place] = numbers[place], numbers[place + 1]
        place += 1
