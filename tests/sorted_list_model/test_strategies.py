"""Every list that is drawn is one, has what was asked for, and shrinks to something simple."""

from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from sorted_list_model.data import SortedListDataset
from sorted_list_model.strategies import lists_with_close_triple, lists_with_large_jump, lists_within

SIZES = [(50, 10), (7, 4), (9, 3), (3, 3)]

QUICKLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def jumps(numbers):
    return [after - before for before, after in pairwise(numbers)]


def assert_is_a_list(numbers, max_value, list_len):
    assert len(numbers) == list_len
    assert numbers == sorted(numbers)
    SortedListDataset.of(torch.tensor([numbers]), max_value)  # different numbers, in range


@QUICKLY
@given(search=st.data())
def test_a_large_jump_is_there(search):
    max_value, list_len = search.draw(st.sampled_from(SIZES))
    least = search.draw(st.integers(1, max_value + 2 - list_len))
    numbers = search.draw(lists_with_large_jump(least, max_value, list_len))
    assert_is_a_list(numbers, max_value, list_len)
    assert max(jumps(numbers)) >= least


@QUICKLY
@given(search=st.data())
def test_a_close_triple_is_there(search):
    max_value, list_len = search.draw(st.sampled_from(SIZES))
    numbers = search.draw(lists_with_close_triple(max_value, list_len))
    assert_is_a_list(numbers, max_value, list_len)
    assert any(jumps(numbers)[i : i + 2] == [1, 1] for i in range(list_len - 2))


@QUICKLY
@given(search=st.data())
def test_numbers_are_within_the_bounds(search):
    low = search.draw(st.integers(0, 30))
    high = search.draw(st.integers(low + 9, 50))
    numbers = search.draw(lists_within(low, high))
    assert_is_a_list(numbers, 50, 10)
    assert low <= numbers[0]
    assert numbers[-1] <= high


@pytest.mark.parametrize(
    ("strategy", "condition", "simplest"),
    [
        (lists_within(0, 50, 4), lambda numbers: True, [0, 1, 2, 3]),
        (lists_with_close_triple(50, 4), lambda numbers: True, [0, 1, 2, 3]),
        (lists_with_large_jump(20, 50, 4), lambda numbers: True, [0, 20, 21, 22]),
        (lists_with_large_jump(20, 50, 4), lambda numbers: max(jumps(numbers)) >= 23, [0, 23, 24, 25]),
    ],
)
def test_what_is_found_shrinks_to_the_simplest(strategy, condition, simplest):
    found = find(strategy, condition, settings=settings(QUICKLY, max_examples=1_000, derandomize=True, database=None))
    assert found == simplest
    assert all(type(number) is int for number in found)


@pytest.mark.parametrize("least", [17, 40, 42])
def test_jumps_of_all_sizes_from_the_least_on_are_drawn(least):
    seen = set()

    @settings(QUICKLY, max_examples=200, derandomize=True, database=None)
    @given(lists_with_large_jump(least))
    def draw(numbers):
        seen.add(max(jumps(numbers)))

    draw()
    assert min(seen) == least
    assert len(seen) > 2 / 3 * (43 - least)
