"""The nodes of one class: they cover it, and what each is called follows from what it excludes.

A class is split on the number next above y, or on the number next below d, into one node for each value that this can
have; so the nodes that are not split are disjoint, and together they are the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from sorted_list_model.proof.check.bounds import Bounds, Node
from sorted_list_model.proof.check.circuit import Sizes
from sorted_list_model.proof.check.document import Rejected, require

OPEN, RIGHT, WRONG, ABOVE, BELOW = range(5)
"""What a node is: open, every answer of it right, every one wrong, split on the next above, on the next below."""

MAX_INTERVALS = 4096
"""Intervals into which the range of rho is divided for one answer, at most."""

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Class:
    """The lists of a class: all whose k-th smallest number is d and the next y. d is None for SEP, where k is 0."""

    sizes: Sizes
    k: int
    d: int | None
    y: int

    @property
    def place(self) -> str:
        """What the class is called in a reason."""
        return f"class ({self.k}, {'SEP' if self.d is None else self.d}, {self.y})"

    @property
    def certain(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The numbers from y on upwards, and from d on downwards, that every list of the class has."""
        return (self.y,), () if self.d is None else (self.d,)

    def sets(self, above: tuple[int, ...], below: tuple[int, ...]) -> int:
        """How many sets have these numbers from y on upwards, and these from d on downwards, with none between."""
        ways_above = math.comb(self.sizes.numbers - 1 - above[-1], self.sizes.list_len - self.k - len(above))
        return ways_above * (math.comb(below[-1], self.k - len(below)) if self.k else 1)


def classes_of(sizes: Sizes, k: int) -> Iterator[Class]:
    """The classes of rank k that have any list, ordered by d and y."""
    V, L = sizes.numbers, sizes.list_len
    highest = V - (L - k)
    if not k:
        yield from (Class(sizes, 0, None, y) for y in range(highest + 1))
        return
    yield from (Class(sizes, k, d, y) for d in range(k - 1, highest) for y in range(d + 1, highest + 1))


@dataclass(frozen=True)
class Counts:
    """Nodes, and the sets of those that are right and of those that are wrong."""

    nodes: int
    right: int
    wrong: int


def walk(of: Class, kinds: bytes, excluded: bytes, witness: bytes, bounds: Bounds) -> Counts:
    """Go through the nodes of a class in preorder, and hand what is to be verified to `bounds`. Raises Rejected."""
    place = of.place
    require(len(excluded) % 2 == 0, f'{place}: "excluded" has {len(excluded)} bytes, which is odd')
    require(len(witness) % 4 == 0, f'{place}: "witness" has {len(witness)} bytes, which is no multiple of 4')
    listed = iter(np.frombuffer(excluded, "<u2").tolist())
    with np.errstate(invalid="ignore"):
        numbers = iter(np.frombuffer(witness, "<f4").astype(np.float64).tolist())
    every = (1 << of.sizes.answers) - 1 - (1 << of.y)
    right = wrong = 0
    to_do = [(*of.certain, 0)]  # above, below, and the answers excluded so far, as bits
    for index, kind in enumerate(kinds):
        require(bool(to_do), f"{place}: {len(kinds)} nodes are listed, there are {index}")
        above, below, out = to_do.pop()
        here = f"{place}, node {index}"
        answers = _answers(of, listed, here)
        if kind == WRONG:
            require(len(answers) == 1, f"{here}: called wrong with {len(answers)} answers that beat the right one")
        if answers:
            lo, hi = _range(numbers, here)
            bounds.node(Node(here, above, below, lo, hi))
            for answer in answers:
                pair = (answer, of.y) if kind == WRONG else (of.y, answer)
                bounds.add(*pair, _intervals(numbers, lo, hi, here))
                out |= 1 << answer
        if kind == RIGHT:
            if out != every:
                first = next(answer for answer in range(of.sizes.answers) if (every & ~out) >> answer & 1)
                raise Rejected(f"{here}: called right, but the answer {_name(of, first)} is not excluded")
            right += of.sets(above, below)
        elif kind == WRONG:
            wrong += of.sets(above, below)
        elif kind == ABOVE:
            free = of.sizes.list_len - of.k - len(above)
            require(free > 0, f"{here}: split on a number above, but all are certain")
            nexts = range(of.sizes.numbers - free, above[-1], -1)
            to_do += [((*above, number), below, out) for number in nexts]
        elif kind == BELOW:
            free = of.k - len(below)
            require(free > 0, f"{here}: split on a number below, but all are certain")
            to_do += [(above, (*below, number), out) for number in range(free - 1, below[-1])]
        else:
            require(kind == OPEN, f"{here}: {kind} is no kind of node")
    require(not to_do, f"{place}: {len(kinds)} nodes are listed, at least {len(to_do)} are missing")
    require(next(listed, None) is None, f"{place}: more answers are listed than its nodes exclude")
    require(next(numbers, None) is None, f"{place}: its witness has more numbers than its nodes need")
    return Counts(len(kinds), right, wrong)


def _answers(of: Class, listed: Iterator[int], here: str) -> list[int]:
    """The answers listed at the next node."""
    n = next(listed, None)
    require(n is not None, f'{here}: "excluded" is cut short')
    if not n:
        return []
    answers = list(islice(listed, n))
    require(len(answers) == n, f'{here}: "excluded" is cut short')
    require(max(answers) < of.sizes.answers, f"{here}: {max(answers)} is no answer")
    require(of.y not in answers, f"{here}: the right answer is listed among the wrong ones")
    require(len(set(answers)) == n, f"{here}: an answer is listed twice")
    return answers


def _range(numbers: Iterator[float], here: str) -> tuple[float, float]:
    lo, hi = next(numbers, None), next(numbers, None)
    if lo is None or hi is None:
        raise Rejected(f'{here}: "witness" is cut short')
    require(0 <= lo <= hi < math.inf, f"{here}: Z_0 / Z_1 cannot lie between {lo:.9g} and {hi:.9g}")
    return lo, hi


def _intervals(numbers: Iterator[float], lo: float, hi: float, here: str) -> list[Interval]:
    """The intervals of rho of one answer, with lam_0 each: a tree in preorder, NaN for an interval that is halved."""
    intervals: list[Interval] = []
    to_do = [(lo, hi)]
    while to_do:
        lo, hi = to_do.pop()
        lam_0 = next(numbers, None)
        if lam_0 is None:
            raise Rejected(f'{here}: "witness" is cut short')
        if math.isnan(lam_0):
            middle = float(np.float32(math.sqrt(lo * hi)))
            require(lo <= middle <= hi, f"{here}: {middle:.9g} does not divide the interval {lo:.9g} to {hi:.9g}")
            to_do += [(middle, hi), (lo, middle)]
            require(len(intervals) + len(to_do) <= MAX_INTERVALS, f"{here}: more than {MAX_INTERVALS} intervals")
            continue
        require(math.isfinite(lam_0), f"{here}: its witness is not finite")
        intervals.append((lo, hi, lam_0))
    return intervals


def _name(of: Class, answer: int) -> str:
    return "SEP" if answer == of.sizes.numbers else str(answer)
