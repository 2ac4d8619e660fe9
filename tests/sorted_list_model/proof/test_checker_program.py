"""The least value of a sum over the lists of a node, against every list."""

import itertools

import numpy as np
import pytest
from list_certificates import relaxed_lists, sets_of

from sorted_list_model.config import SortedListConfig
from sorted_list_model.proof.check.circuit import Sizes
from sorted_list_model.proof.check.program import Nodes, least

V, L = 7, 4
SIZES = Sizes(V, L, 2)
CFG = SortedListConfig(max_value=V - 1, n_ctx=2 * L + 1)


def keys_of(k, numbers, positions):
    """The indices of a list's keys, its numbers in ascending order."""
    found = [position * V + number for position, number in zip(positions, numbers, strict=True)]
    found += [SIZES.sep]
    found += [SIZES.sorted_keys(rank) + number for rank, number in enumerate(numbers[: max(k - 1, 0)], start=1)]
    return found + ([-1] if k else [])


def nodes_of(k):
    """Every node of every class of rank k: its certain numbers above and below, and its sets."""
    found = []
    for numbers in itertools.combinations(range(V), L):
        for above in range(1, L - k + 1):
            for below in range(1, k + 1) if k else [0]:
                found.append((numbers[k : k + above], numbers[k - below : k][::-1]))
    return [(*node, sets_of(CFG, k, *node)) for node in sorted(set(found))]


def as_arrays(k, nodes):
    certain = [[*above, *below] + [-1] * (L - len(above) - len(below)) for above, below, _ in nodes]
    below = [([-1] * (k - len(below)) + [*below[:0:-1]]) if k > 1 else [] for _, below, _ in nodes]
    return Nodes(
        np.array(certain),
        np.array(below, dtype=int).reshape(len(nodes), max(k - 1, 0)),
        np.array([above[-1] for above, _, _ in nodes]),
        np.array([L - k - len(above) for above, _, _ in nodes]),
        np.array([below[-1] if k else 0 for _, below, _ in nodes]),
        np.array([k - len(below) for _, below, _ in nodes]),
    )


@pytest.mark.parametrize("k", range(L))
def test_the_least_value_is_that_of_the_worst_list_and_below_every_order(k):
    """All nodes at once. Two numbers may be given one position; in whatever order they stand, no sum is smaller."""
    nodes = nodes_of(k)
    assert len({len(sets) for *_, sets in nodes}) > 3
    terms = np.random.default_rng(k).normal(150, 100, size=(len(nodes), len(SIZES.keys(k, 0))))
    found = least(terms, SIZES, k, as_arrays(k, nodes))
    for row, (_, _, sets) in enumerate(nodes):
        sums = {list_: terms[row, keys_of(k, *list_)].sum() for list_ in relaxed_lists(CFG, sets)}
        assert found[row] == pytest.approx(min(sums.values()), abs=1e-10)
        in_order = [total for (_, positions), total in sums.items() if len(set(positions)) == L]
        assert found[row] <= min(in_order) + 1e-10


@pytest.mark.parametrize("k", range(L))
def test_every_key_that_a_list_may_have_counts_and_no_other(k):
    """A key is in some list of a node exactly if the least value falls with its term."""
    for above, below, sets in nodes_of(k)[::5]:
        arrays = as_arrays(k, [(above, below, sets)])
        keys = len(SIZES.keys(k, 0))
        terms = np.where(np.eye(keys), -100.0, 0.0)
        rows = np.zeros(keys, dtype=int)
        fell = least(terms, SIZES, k, arrays[rows]) < -50
        possible = {key % keys for list_ in relaxed_lists(CFG, sets) for key in keys_of(k, *list_)}
        assert set(np.flatnonzero(fell)) == possible
