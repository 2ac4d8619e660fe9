"""The least value that a sum over keys takes on the lists of a node: the dynamic program.

A list is a set of L numbers and the order in which they stand before SEP. To a query of rank k and number d belongs
the right answer y: the set has k - 1 numbers below d, then d and y, and none between (rank 0: y is the smallest). A
node of such a class is what its lists have in common: some of the numbers next above y and next below d are certain,
the others are free. Of a sum of terms, one for each key of the query,
- SEP, and the query itself, are in every list;
- a number of the list stands at one unsorted position, and the least term over all of them is taken, whatever the
  others have: a bound from below, since two numbers may be given the same position;
- a number below d stands at its sorted position as well, which is its rank;
- of the free numbers above, the terms do not depend on rank, and the smallest are taken;
- of the free numbers below, every choice is compared, rank by rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sorted_list_model.proof.check.balls import Array
from sorted_list_model.proof.check.circuit import Sizes

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nodes:
    """What is certain of the lists of some nodes, of classes of one query.

    certain: the numbers that are in every list, d and y among them, filled up with -1, [node, L]. below: of these,
    the ones below d by their rank from 1 to k - 1, -1 for a free one, [node, k - 1]. top: free numbers above are
    larger; above: how many there are. bottom: free numbers below are smaller; free_below: how many there are, which
    have the ranks from 1 on. [node] each.
    """

    certain: Whole
    below: Whole
    top: Whole
    above: Whole
    bottom: Whole
    free_below: Whole

    def __getitem__(self, index: Whole) -> Nodes:
        return Nodes(
            self.certain[index],
            self.below[index],
            self.top[index],
            self.above[index],
            self.bottom[index],
            self.free_below[index],
        )


def least(terms: Array, sizes: Sizes, k: int, nodes: Nodes) -> Array:
    """The least sum of terms over the lists of each node: [row], from terms [row, key] and as many nodes.

    terms: of the keys of a query of rank k, in the order of `Sizes.keys`.

    Guarantee: result[row] <= the sum over the keys of any list of nodes[row], in whatever order the numbers stand, as
    floating point computes that sum in some order. Minima are exact and rounded addition is monotone, so to replace a
    term by a smaller one, or the list's free numbers in order of size by the smallest in order of size, makes no sum
    larger. That sum has at most 2 L + 1 terms.
    """
    rows, V, L = len(terms), sizes.numbers, sizes.list_len
    unsorted = terms[:, : sizes.sep].reshape(rows, L, V).min(1)
    total = terms[:, sizes.sep] + _taken(unsorted, nodes.certain).sum(1)
    if k:
        total += terms[:, -1]
    if nodes.above.any():
        total += _smallest(unsorted, nodes)
    if k > 1:
        at_ranks = terms[:, sizes.sorted_keys(1) : sizes.sorted_keys(k)].reshape(rows, k - 1, V)
        total += _taken(at_ranks, nodes.below[..., None])[..., 0].sum(1)
        total += _lowest(unsorted, at_ranks, nodes)
    return total


def _taken(table: Array, chosen: Whole) -> Array:
    """The entries of these indices along the last axis, and 0 for an index of -1."""
    return np.where(chosen >= 0, np.take_along_axis(table, np.maximum(chosen, 0), -1), 0.0)


def _smallest(unsorted: Array, nodes: Nodes) -> Array:
    """The sum of as many terms as are free above, the smallest of the numbers above the top: [row]."""
    V = unsorted.shape[1]
    above = np.where(np.arange(V) > nodes.top[:, None], unsorted, np.inf)
    above.sort(1)
    most = int(nodes.above.max())
    return np.where(np.arange(most) < nodes.above[:, None], above[:, :most], 0.0).sum(1)


def _lowest(unsorted: Array, at_ranks: Array, nodes: Nodes) -> Array:
    """The least sum over the free numbers below, each with its unsorted and its sorted position: [row]."""
    rows, V = unsorted.shape
    found = np.zeros(rows)
    reached = np.zeros((rows, V + 1))  # the least with as many numbers as ranks so far, all below the column's
    for rank in range(1, int(nodes.free_below.max()) + 1):
        with_one_more = reached[:, :V] + (unsorted + at_ranks[:, rank - 1])
        reached[:, 0] = np.inf
        np.minimum.accumulate(with_one_more, 1, out=reached[:, 1:])
        ends = np.flatnonzero(nodes.free_below == rank)
        found[ends] = reached[ends, nodes.bottom[ends]]
    return found
