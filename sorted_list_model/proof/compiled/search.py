"""The search through one class: nodes are proved right or wrong, divided, or left open where they are small."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sorted_list_model.proof.classes import OPEN, RIGHT, SPLIT_ABOVE, SPLIT_BELOW, WRONG
from sorted_list_model.proof.compiled.bound import crude_range, narrow, proves
from sorted_list_model.proof.compiled.lists import climb, draw, judge
from sorted_list_model.proof.compiled.tables import (
    ABOVE,
    BELOW,
    Array,
    Keys,
    Memory,
    Node,
    Query,
    compiled,
    end,
    free,
    memory_for,
    size,
)

DRAWN = 12
"""Lists of a node that are drawn to see what is likely true of it."""

SEVERAL = 4
"""Of a node that will not be divided, so many are drawn first: where they disagree, it stays open."""


class Drawn(NamedTuple):
    """Lists drawn of a node: margins over the rivals, the least of them, each head's part of them, and rho."""

    numbers: Array
    order: Array
    margins: Array
    least: Array
    parts: Array
    rho: Array


@compiled
def room_to_draw(list_len: int, n_answers: int) -> Drawn:
    drawn = Drawn(
        np.zeros((DRAWN, list_len), np.int64),
        np.empty((DRAWN, list_len), np.int64),
        np.empty((DRAWN, n_answers)),
        np.empty(DRAWN),
        np.empty((DRAWN, 2, n_answers)),
        np.empty(DRAWN),
    )
    for i in range(DRAWN):
        drawn.order[i] = np.arange(list_len)
    return drawn


class Path(NamedTuple):
    """What is on the path from the class to a node, by level: rivals that are left, and the range of rho; on which side
    each is divided, the next number there of the child that is on the path, and that of the last child.
    """

    rivals: Array
    n_rivals: Array
    ranges: Array
    side: Array
    child: Array
    last: Array


@compiled
def room_for(array: Array, needed: int) -> Array:
    """The array, or a longer copy that has room for what is needed."""
    if needed <= len(array):
        return array
    longer = np.empty(2 * needed, array.dtype)
    longer[: len(array)] = array
    return longer


class Advantages(NamedTuple):
    """e (o[y] - o[c]) of every key for every answer c, [c, head, ..], of those that were asked for."""

    of: Keys
    known: Array


@compiled
def room_for_advantages(query: Query) -> Advantages:
    n, weights = len(query.own), query.weights
    of = Keys(
        np.empty((n, *weights.unsorted.shape)), np.empty((n, *weights.ranked.shape)), np.empty((n, *weights.sep.shape))
    )
    return Advantages(of, np.zeros(n, np.bool_))


@compiled
def advantage_over(query: Query, y: int, c: int, advantages: Advantages) -> Keys:
    """Weight times o[y] - o[c], of every key."""
    unsorted, ranked, sep = advantages.of.unsorted[c], advantages.of.ranked[c], advantages.of.sep[c]
    if not advantages.known[c]:
        weights, readouts = query.weights, query.by_answer
        for head in range(2):
            unsorted[head] = weights.unsorted[head] * (readouts.unsorted[head, y] - readouts.unsorted[head, c])
            ranked[head] = weights.ranked[head] * (readouts.ranked[head, y] - readouts.ranked[head, c])
            sep[head] = weights.sep[head] * (readouts.sep[head, y] - readouts.sep[head, c])
        advantages.known[c] = True
    return Keys(unsorted, ranked, sep)


@compiled
def draw_lists(
    query: Query, node: Node, rivals: Array, n_rivals: int, state: Array, small: bool, drawn: Drawn
) -> tuple[int, int]:
    """Draw lists of the node: how many, and how many are answered rightly. Fewer where it is small and mixed."""
    right = 0
    for i in range(DRAWN):
        draw(query, node, state, drawn.numbers[i], drawn.order[i])
        drawn.rho[i] = judge(
            query, node.y, rivals, n_rivals, drawn.numbers[i], drawn.order[i], drawn.parts[i], drawn.margins[i]
        )
        drawn.least[i] = drawn.margins[i, :n_rivals].min()
        right += 1 if drawn.least[i] > 0 else 0
        if small and i + 1 >= SEVERAL and 0 < right <= i:
            return i + 1, right
    return DRAWN, right


@compiled
def least_direct(query: Query, y: int, c: int) -> float:
    """D: what the query itself adds to the margin of y over c, less what float32 and the biases may take."""
    bias = query.bias[y] - query.bias[c]
    return query.own[y] - query.own[c] + min(query.scale_low * bias, query.scale_high * bias) - query.room


@compiled
def neighbour_that_explains(query: Query, node: Node, drawn: Drawn) -> int:
    """On which side to divide: where the next number goes further with the margin, by the lists that were drawn."""
    if not free(query, node, BELOW):
        return SPLIT_ABOVE
    if not free(query, node, ABOVE):
        return SPLIT_BELOW
    margins, above, under = drawn.least - drawn.least.mean(), np.empty(DRAWN), np.empty(DRAWN)
    for i in range(DRAWN):
        next_above = drawn.numbers[i, query.k + 1 + node.n_forced[ABOVE]]
        next_below = drawn.numbers[i, query.k - 2 - node.n_forced[BELOW]]
        above[i] = math.log(float(next_above - end(query, node, ABOVE)))
        under[i] = math.log(float(end(query, node, BELOW) - next_below))
    above -= above.mean()
    under -= under.mean()
    by_above = (margins * above).sum() ** 2 / ((above * above).sum() + 1e-12)
    by_below = (margins * under).sum() ** 2 / ((under * under).sum() + 1e-12)
    return SPLIT_ABOVE if by_above >= by_below else SPLIT_BELOW


@compiled
def beaten(
    query: Query,
    node: Node,
    advantages: Advantages,
    drawn: Drawn,
    many: int,
    right: int,
    small: bool,
    rivals: Array,
    n_rivals: int,
    interval: Array,
    halvings: int,
    memory: Memory,
    names: Array,
    trees: Array,
) -> tuple[int, int]:
    """Which rivals y is proved to beat on every list of the node; or, if all lists drawn are wrong, one that beats y.

    The most dangerous first: of a node that is not divided nothing else matters once one is not beaten. Writes their
    names and the witnesses one after another; gives how many there are, and the length of the witnesses.
    """
    n_proved = written = 0
    sign = 1.0 if right else -1.0
    least = np.empty(n_rivals)
    for place in range(n_rivals):
        least[place] = (sign * drawn.margins[:many, place]).min()
    order = np.argsort(least) if right else np.argsort(-least)
    for place in order:
        c = rivals[place]
        i = (sign * drawn.margins[:many, place]).argmin()
        length = -1
        if least[place] > 0:
            advantage = advantage_over(query, node.y, c, advantages)
            D = least_direct(query, node.y, c) if right else least_direct(query, c, node.y)
            half = least[place] / 2
            guess = sign * drawn.parts[i, 0, place] - half
            length = proves(query, advantage, sign, node, D, guess, half, interval, halvings, trees[written:], memory)
        if length >= 0:
            names[n_proved] = c
            n_proved += 1
            written += length
            if not right:
                break
        elif small:
            return 0, 0
    return n_proved, written


@compiled
def without(rivals: Array, n_rivals: int, names: Array, n_names: int) -> int:
    """Take `names` out of the rivals; give how many are left."""
    left = 0
    for place in range(n_rivals):
        if not (names[:n_names] == rivals[place]).any():
            rivals[left] = rivals[place]
            left += 1
    return left


@compiled
def new_path(depth: int, n_answers: int, y: int) -> Path:
    """The path of the whole class, whose rivals are all answers but y."""
    path = Path(
        np.zeros((depth, n_answers), np.int64),
        np.zeros(depth, np.int64),
        np.zeros((depth, 2)),
        np.zeros(depth, np.int64),
        np.zeros(depth, np.int64),
        np.zeros(depth, np.int64),
    )
    for c in range(n_answers):
        if c != y:
            path.rivals[0, path.n_rivals[0]] = c
            path.n_rivals[0] += 1
    return path


@compiled
def go_on(query: Query, node: Node, path: Path, level: int, kind: int) -> int:
    """Make `node` the next one in preorder, after one of this kind; give its level, -1 after the last."""
    if kind == SPLIT_ABOVE:
        path.side[level], path.child[level] = ABOVE, end(query, node, ABOVE)
        path.last[level] = query.n_numbers - free(query, node, ABOVE)
    elif kind == SPLIT_BELOW:
        path.side[level], path.child[level] = BELOW, end(query, node, BELOW)
        path.last[level] = free(query, node, BELOW) - 1
    else:
        path.child[level] = path.last[level]
    while path.child[level] == path.last[level]:  # it has no further children
        level -= 1
        if level < 0:
            return level
        node.n_forced[path.side[level]] -= 1
    side = path.side[level]
    path.child[level] += 1 if side == ABOVE else -1
    node.forced[side, node.n_forced[side]] = path.child[level]
    node.n_forced[side] += 1
    path.rivals[level + 1], path.n_rivals[level + 1] = path.rivals[level], path.n_rivals[level]
    path.ranges[level + 1] = path.ranges[level]
    return level + 1


@compiled
def search(
    query: Query, y: int, smallest: float, halvings: int, seed: np.uint64, advantages: Advantages
) -> tuple[Array, Array, Array, Array, Array]:
    """All nodes of a class, as `proving.ClassProof` has them, and the worst list that was drawn.

    smallest: a node of fewer sets is not divided. halvings: how often an interval of rho may be halved. advantages: of
    any class; room for them is made once.
    """
    list_len, n_answers, weights = query.list_len, len(query.own), query.weights
    memory, state = memory_for(query), np.array([seed], np.uint64)
    advantages.known[:] = False
    zero = Keys(np.zeros_like(weights.unsorted), np.zeros_like(weights.ranked), np.zeros_like(weights.sep))
    node = Node(y, np.zeros((2, list_len), np.int64), np.zeros(2, np.int64))
    path, drawn = new_path(list_len + 1, n_answers, y), room_to_draw(list_len, n_answers)
    nodes, n_nodes = np.empty(64, np.uint8), 0
    excluded, n_excluded = np.empty(256, np.uint16), 0
    witness, n_witness = np.empty(256, np.float32), 0
    names, trees = np.empty(n_answers, np.int64), np.empty(n_answers * 2 ** (halvings + 1))
    worst_numbers, worst_order, worst_margin = drawn.numbers[0].copy(), drawn.order[0].copy(), np.inf

    level = 0
    while level >= 0:
        small = size(query, node) < smallest
        rivals, n_rivals = path.rivals[level], path.n_rivals[level]
        many, right = draw_lists(query, node, rivals, n_rivals, state, small, drawn)
        for i in range(many):
            if drawn.least[i] < worst_margin:
                worst_numbers[:], worst_order[:], worst_margin = drawn.numbers[i], drawn.order[i], drawn.least[i]
        kind, n_proved, length = OPEN, 0, 0
        if not (small and 0 < right < many):
            interval = path.ranges[level]
            if level == 0:
                interval[0], interval[1] = crude_range(query, zero, node, memory)
            narrow(query, zero, node, interval, drawn.rho[:many].min(), drawn.rho[:many].max(), memory)
            if interval[1] < np.inf:
                n_proved, length = beaten(
                    query,
                    node,
                    advantages,
                    drawn,
                    many,
                    right,
                    small,
                    rivals,
                    n_rivals,
                    interval,
                    halvings,
                    memory,
                    names,
                    trees,
                )
            if right:
                path.n_rivals[level] = without(rivals, n_rivals, names, n_proved)
                kind = OPEN if path.n_rivals[level] else RIGHT
            else:
                kind = WRONG if n_proved else OPEN
        if kind == OPEN and not small and (free(query, node, ABOVE) or free(query, node, BELOW)):
            kind = neighbour_that_explains(query, node, drawn)

        nodes = room_for(nodes, n_nodes + 1)
        nodes[n_nodes] = kind
        n_nodes += 1
        excluded = room_for(excluded, n_excluded + 1 + n_proved)
        excluded[n_excluded] = n_proved
        excluded[n_excluded + 1 : n_excluded + 1 + n_proved] = names[:n_proved]
        n_excluded += 1 + n_proved
        if n_proved:
            witness = room_for(witness, n_witness + 2 + length)
            witness[n_witness : n_witness + 2] = path.ranges[level]
            witness[n_witness + 2 : n_witness + 2 + length] = trees[:length]
            n_witness += 2 + length
        level = go_on(query, node, path, level, kind)
    return nodes[:n_nodes], excluded[:n_excluded], witness[:n_witness], worst_numbers, worst_order


@compiled
def worst_list(query: Query, y: int, numbers: Array, order: Array, steps: int, seed: np.uint64) -> float:
    """Climb from a list of a class towards a wrong one: numbers and order have what is reached.

    Gives what the smallest margin over a rival is there at most, whatever the final scale makes of the biases.
    """
    n_answers = len(query.own)
    node = Node(y, np.zeros((2, query.list_len), np.int64), np.zeros(2, np.int64))
    rivals = new_path(1, n_answers, y).rivals[0]
    parts, margins = np.empty((2, n_answers)), np.empty(n_answers)
    state = np.array([seed], np.uint64)
    climb(query, node, rivals, n_answers - 1, state, numbers, order, steps, parts, margins)
    judge(query, y, rivals, n_answers - 1, numbers, order, parts, margins)
    half_range = 0.5 * (query.scale_high - query.scale_low)
    for i in range(n_answers - 1):
        margins[i] += half_range * abs(query.bias[y] - query.bias[rivals[i]])
    return margins[: n_answers - 1].min()
