"""The bounds that a certificate names, verified many at a time.

That an answer y beats another, c, on every list of a node means M > 0, where
    M = D + N_0 / Z_0 + N_1 / Z_1,   N_h = sum over keys of e_h (o_h[y] - o_h[c]),   Z_h = sum over keys of e_h,
and D is `scale.directs`. With rho = Z_0 / Z_1, and any two numbers lam_0 + lam_1 = -D,
    M Z_0 = sum over keys of  e_0 (o_0[y] - o_0[c] - lam_0) + rho e_1 (o_1[y] - o_1[c] - lam_1).
For one list that is linear in rho: positive at both ends of an interval it is positive between. So the witness of a
bound is a range that holds the rho of every list of the node, and lam_0 for each interval of it.

Rounding. Let O_h be at least |o_h[y] - o_h[c]| for every key, and call
    S = sum over keys of  e_0 (O_0 + |lam_0|) + rho e_1 (O_1 + |lam_1|)
the size of a sum. Raising lam_0 by ROOM (O_0 + |lam_0|), and lam_1 likewise, takes ROOM * S off every list's sum
exactly. What is computed with the raised numbers is larger than that by at most 2**-41 S, for
- weights are off by 2**-52 of themselves, readouts by 2**-53 O_h, where O_h is 2 `largest` of the readouts;
- a term takes at most eight operations, each off by 2**-53 of what is at most 4 e_0 (O_0 + |lam_0|), or 4 rho e_1
  (O_1 + |lam_1|): in all less than 2**-44 of the term's size; D - lam_0, and the raising itself, are among them;
- a list has at most 401 keys, so that a sum in any order adds 401 * 2**-53 < 2**-44 of the sizes of its terms.
As ROOM is twice that, a computed value above 0 proves a sum above 0. Underflow takes at most 2**-1074 from a number,
times a rho below 2**128, some thousand times: less than TINY, which is demanded instead of 0. (Weights are normal
numbers, see `MAX_SPREAD`.) No number overflows: readouts are below 2**61, lam_0 and rho below 2**128.

That rho lies in its range is the same: Z_0 - lo Z_1 >= 0 and hi Z_1 - Z_0 >= 0 are such sums, with readouts 0 and
lam_0 = -1, lam_1 = 1, or the contrary.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sorted_list_model.proof.check.balls import Array
from sorted_list_model.proof.check.circuit import Query, largest
from sorted_list_model.proof.check.document import Rejected
from sorted_list_model.proof.check.program import Nodes, Whole, least
from sorted_list_model.proof.check.scale import directs

ROOM = 2.0**-40
TINY = 2.0**-930

CHUNK = 256
"""How many are verified at a time: a table of 256 rows of the published sizes takes 2 MB."""


@dataclass(frozen=True)
class Node:
    """A node with witnesses: what is certain of its lists, and between which numbers rho lies, on all of them.

    above: y and the forced numbers above it, ascending; below: d and the forced numbers below it, descending.
    """

    place: str
    above: tuple[int, ...]
    below: tuple[int, ...]
    lo: float
    hi: float


@dataclass(eq=False)
class Bounds:
    """Bounds of nodes of one query: collected, and verified as soon as there are enough of them.

    stream, scale: what float32 may change, see `directs`.
    """

    query: Query
    stream: float
    scale: float
    verified: int = 0
    _nodes: list[Node] = field(default_factory=list)
    _of: list[int] = field(default_factory=list)
    _better: list[int] = field(default_factory=list)
    _worse: list[int] = field(default_factory=list)
    _intervals: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        query = self.query
        self._direct = directs(query, self.stream, self.scale)
        self._sizes = [2 * largest(moved) for moved in query.moved]
        self._products = [moved * weights for moved, weights in zip(query.moved, query.weights, strict=True)]

    def node(self, node: Node) -> None:
        """To be verified: the range of rho of this node. What is added next is of this node."""
        self._nodes.append(node)

    def add(self, better: int, worse: int, intervals: list[tuple[float, float, float]]) -> None:
        """To be verified: one answer beats the other on every list of the node. Raises Rejected for what came before.

        intervals: lo, hi and lam_0 each; they cover the range of rho of the node.
        """
        self._of += [len(self._nodes) - 1] * len(intervals)
        self._better += [better] * len(intervals)
        self._worse += [worse] * len(intervals)
        self._intervals += intervals
        if len(self._of) >= CHUNK:
            last = self._nodes[-1]
            self.verify()
            self._nodes.append(last)

    def verify(self) -> None:
        """Verify all that is still to be verified. Raises Rejected, which names the first that is not proved."""
        if not self._nodes:
            return
        nodes = self._arrays()
        for start in range(0, len(self._nodes), CHUNK):
            self._verify_ranges(nodes, np.arange(start, min(start + CHUNK, len(self._nodes))))
        for start in range(0, len(self._of), CHUNK):
            self._verify_bounds(nodes, slice(start, start + CHUNK))
        self.verified += len(self._of)
        for collected in (self._nodes, self._of, self._better, self._worse, self._intervals):
            collected.clear()

    def _verify_ranges(self, nodes: Nodes, chosen: Whole) -> None:
        e_0, e_1 = self.query.weights
        ends = np.array([(self._nodes[index].lo, self._nodes[index].hi) for index in chosen])
        of = nodes[chosen]
        above = self._least(e_0 * (1 - ROOM) - ends[:, :1] * (e_1 * (1 + ROOM)), of) > TINY
        below = self._least(ends[:, 1:] * (e_1 * (1 - ROOM)) - e_0 * (1 + ROOM), of) > TINY
        for index in np.flatnonzero(~(above & below))[:1]:
            node = self._nodes[chosen[index]]
            raise Rejected(
                f"{node.place}: Z_0 / Z_1 is not proved to lie between {node.lo:.9g} and {node.hi:.9g} on all its lists"
            )

    def _verify_bounds(self, nodes: Nodes, rows: slice) -> None:
        better, worse = np.array(self._better[rows]), np.array(self._worse[rows])
        of = nodes[np.array(self._of[rows])]
        lo, hi, lam_0 = np.array(self._intervals[rows]).T
        at_0, at_1 = self._terms(better, worse, lam_0)
        proved = np.ones(len(better), dtype=bool)
        for rho in (lo, hi):
            terms = rho[:, None] * at_1
            terms += at_0
            proved &= self._least(terms, of) > TINY
        for index in np.flatnonzero(~proved)[:1]:
            place = self._nodes[self._of[rows][index]].place
            raise Rejected(
                f"{place}: the witness does not prove that {self._name(better[index])} beats "
                f"{self._name(worse[index])} where Z_0 / Z_1 is between {lo[index]:.9g} and {hi[index]:.9g}"
            )

    def _terms(self, better: Whole, worse: Whole, lam_0: Array) -> tuple[Array, Array]:
        """What is summed over keys, for each head, with lam_0 and lam_1 raised: [row, key] each."""
        found = []
        for head, lam in enumerate((lam_0, -self._direct[better, worse] - lam_0)):
            raised = lam + ROOM * (self._sizes[head] + abs(lam))
            terms = self._products[head][better]
            terms -= self._products[head][worse]
            terms -= raised[:, None] * self.query.weights[head]
            found.append(terms)
        return found[0], found[1]

    def _least(self, terms: Array, nodes: Nodes) -> Array:
        return least(terms, self.query.sizes, self.query.k, nodes)

    def _name(self, answer: int) -> str:
        return "SEP" if answer == self.query.sizes.numbers else str(answer)

    def _arrays(self) -> Nodes:
        L, k = self.query.sizes.list_len, self.query.k
        certain = np.full((len(self._nodes), L), -1)
        below = np.full((len(self._nodes), max(k - 1, 0)), -1)
        for index, node in enumerate(self._nodes):
            numbers = node.above + node.below
            certain[index, : len(numbers)] = numbers
            if len(node.below) > 1:  # the first of them is d, of rank k, the next is of rank k - 1
                below[index, k - len(node.below) :] = node.below[:0:-1]
        return Nodes(
            certain,
            below,
            np.array([node.above[-1] for node in self._nodes]),
            np.array([L - k - len(node.above) for node in self._nodes]),
            np.array([node.below[-1] if k else 0 for node in self._nodes]),
            np.array([k - len(node.below) for node in self._nodes]),
        )
