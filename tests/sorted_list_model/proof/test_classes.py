"""Classes and nodes hold every set once."""

import itertools
import math

import pytest

from sorted_list_model.proof.classes import ListClass, all_sets, classes, classes_of_query, queries, sets_of_node


@pytest.mark.parametrize(("list_len", "max_value"), [(1, 3), (2, 4), (3, 6), (5, 5), (4, 8)])
def test_every_answer_is_of_one_class(list_len, max_value):
    counted = dict.fromkeys(classes(list_len, max_value), 0)
    for numbers in itertools.combinations(range(max_value + 1), list_len):
        for k in range(list_len):
            counted[ListClass(k, numbers[k - 1] if k else -1, numbers[k], list_len, max_value)] += 1
    assert all(of.sets == many > 0 for of, many in counted.items())
    assert sum(counted.values()) == all_sets(list_len, max_value) * list_len


def test_the_published_sizes():
    assert len(queries(10, 50)) == 379
    assert sum(1 for _ in classes(10, 50)) == 8169
    assert all_sets(10, 50) == 12_777_711_870
    assert sum(of.sets for of in classes(10, 50)) * math.factorial(10) == 463_677_608_338_560_000


def test_children_hold_the_sets_of_their_parent():
    for of in classes(4, 9):
        below, above = of.free_below, of.free_above
        if above:
            by_next = (sets_of_node(of, of.d, below, t, above - 1) for t in range(of.y + 1, of.max_value + 2 - above))
            assert sum(by_next) == of.sets
        if below:
            by_next = (sets_of_node(of, t, below - 1, of.y, above) for t in range(of.d - 1, below - 2, -1))
            assert sum(by_next) == of.sets


def test_what_a_class_is_called_and_how_far_it_jumps():
    at_sep, after_3 = classes_of_query(0, -1, 3, 6)[2], classes_of_query(1, 3, 3, 6)[0]
    assert (str(at_sep), at_sep.jump) == ("(0, SEP, 2)", None)
    assert (str(after_3), after_3.jump) == ("(1, 3, 4)", 1)
