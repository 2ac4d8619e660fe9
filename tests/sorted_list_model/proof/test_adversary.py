"""What searches find and what is proved never disagree: lists that are drawn, climbed to, or known to be wrong."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sorted_list_model.data import SortedListDataset
from sorted_list_model.hard_inputs import lists_with_jump, lists_with_minimum, right
from sorted_list_model.proof.certificate import proofs_of_query
from sorted_list_model.proof.classes import OPEN, RIGHT, SPLIT_ABOVE, SPLIT_BELOW, WRONG, classes_of_query
from sorted_list_model.proof.known import certificate_of
from sorted_list_model.proof.proving import Prover
from sorted_list_model.proof.rounding import order_error
from sorted_list_model.proof.tables import tables

QUERIES = [(0, -1), (1, 0), (2, 14), (4, 9), (5, 20), (8, 33)]
"""Of these every class is divided."""


def kind_of_list(proof, numbers):
    """What the proof says of the node that a list is of."""
    kinds, of = iter(proof.nodes.tolist()), proof.of

    def walk(bottom, below, top, above, holds):
        kind, found = next(kinds), None
        if kind == SPLIT_ABOVE:
            for t in range(top + 1, of.max_value + 2 - above):
                here = holds and numbers[of.list_len - above] == t
                found = first(walk(bottom, below, t, above - 1, here), found)
        elif kind == SPLIT_BELOW:
            for t in range(bottom - 1, below - 2, -1):
                here = holds and numbers[below - 1] == t
                found = first(walk(t, below - 1, top, above, here), found)
        elif holds:
            found = kind
        return found

    return walk(of.d, of.free_below, of.y, of.free_above, True)


def first(*kinds):
    return next((kind for kind in kinds if kind is not None), None)


@pytest.fixture(scope="module")
def by_class(trained):
    return {(p.of.k, p.of.d, p.of.y): p for p in certificate_of(trained).proved}


@pytest.fixture(scope="module")
def divided(trained):
    read, error = tables(trained), order_error(trained)
    proofs = [proof for k, d in QUERIES for proof in proofs_of_query(read, k, d, 10**6, error)]
    return {(proof.of.k, proof.of.d, proof.of.y): proof for proof in proofs}


def against(proved, answered):
    """Whether an answer contradicts what is proved of its class."""
    return (proved.wrong if answered else proved.right) == proved.of.sets


def compared(model, lists, by_class, divided):
    """How many answers of lists lie in divided classes; fails on the first that contradicts what is proved."""
    data, met = SortedListDataset.of(lists), 0
    for numbers, order, of_list in zip(data.targets.tolist(), lists.tolist(), right(model, data).tolist(), strict=True):
        for k, answered in enumerate(of_list):
            of = k, numbers[k - 1] if k else -1, numbers[k]
            assert not against(by_class[of], answered), f"{order} at {k}"
            if of in divided:
                kind = kind_of_list(divided[of], numbers)
                assert kind in ((OPEN, RIGHT) if answered else (OPEN, WRONG)), f"{order} at {k}"
                met += 1
    return met


def test_random_lists(trained, by_class, divided):
    assert compared(trained, SortedListDataset(3_000, seed=1).lists, by_class, divided) > 3_000


def test_lists_with_every_jump_and_every_smallest_number(trained, by_class, divided):
    jumps = torch.cat([lists_with_jump(gap, 40, seed=2) for gap in range(1, 43)])
    minima = torch.cat([lists_with_minimum(least, 40, seed=3) for least in range(42)])
    assert compared(trained, torch.cat([jumps, minima]), by_class, divided) > 1_680


@settings(max_examples=300)
@given(drawn=st.data())
def test_lists_that_hypothesis_draws(trained, by_class, divided, drawn):
    numbers = drawn.draw(st.lists(st.integers(0, 50), min_size=10, max_size=10, unique=True))
    compared(trained, torch.tensor([numbers]), by_class, divided)


def test_known_wrong_lists_are_wrong_or_open_all_the_way_down(trained, by_class, divided):
    found = [proved.found for proved in by_class.values() if proved.found is not None]
    assert len(found) > 3_000
    for of, proof in divided.items():
        if by_class[of].found is not None:
            assert kind_of_list(proof, sorted(by_class[of].found)) in (OPEN, WRONG)
    lists = torch.tensor(found)
    compared(trained, lists, by_class, divided)


def test_no_climb_leads_out_of_a_class_that_is_proved_right(trained, by_class):
    """From a list of the class, step by step to the smallest margin that is met."""
    from sorted_list_model.proof.compiled.search import worst_list

    read, climbed = tables(trained), []
    for k, d in [(0, -1), (1, 5), (3, 20), (5, 30), (7, 12), (9, 40)]:
        prover = Prover(read.query(k, d), np.inf, 0.0)
        for of in classes_of_query(k, d, 10, 50):
            proved = by_class[of.k, of.d, of.y]
            if proved.right == of.sets:
                below, above = range(of.free_below), range(of.y + 1, of.y + 1 + of.free_above)
                numbers = np.array([*below, *([of.d] if k else []), of.y, *above])
                margin = worst_list(prover.compiled, of.y, numbers, np.arange(10), 2_000, np.uint64(of.y + 1))
                climbed.append(margin)
                assert not against(proved, right(trained, SortedListDataset.of(torch.from_numpy(numbers[None])))[0, k])
    assert len(climbed) > 60
    assert min(climbed) > 0
