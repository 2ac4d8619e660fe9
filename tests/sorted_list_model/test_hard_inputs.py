"""Lists that are drawn to order are those that were ordered, each as likely as it should be."""

import math
from itertools import combinations, pairwise

import pytest
import torch

from sorted_list_model.data import SortedListDataset
from sorted_list_model.hard_inputs import (
    accuracy_after_jumps,
    largest_jump,
    lists_with_jump,
    lists_with_minimum,
)

SMALL = {"max_value": 7, "list_len": 4}


def sets_of(lists):
    return [tuple(row) for row in lists.sort(-1).values.tolist()]


def every_list():
    return list(combinations(range(SMALL["max_value"] + 1), SMALL["list_len"]))


def jumps_of(numbers):
    return [after - before for before, after in pairwise(numbers)]


def assert_drawn_as_often_as(weights, drawn):
    """Within five standard deviations for each list."""
    total = sum(weights.values())
    assert set(drawn) == set(weights)
    for numbers, weight in weights.items():
        expected = len(drawn) * weight / total
        assert abs(drawn.count(numbers) - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("gap", [1, 12, 30, 42])
def test_lists_have_the_jump_that_was_asked_for(gap):
    lists = lists_with_jump(gap, 300, seed=1)
    assert lists.shape == (300, 10)
    assert lists.dtype == torch.int64
    data = SortedListDataset.of(lists)  # different numbers, in range
    assert (data.jumps == gap).any(-1).all()


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_every_pair_of_a_list_and_a_jump_is_equally_likely(gap):
    drawn = sets_of(lists_with_jump(gap, 4_000, seed=2, **SMALL))
    weights = {numbers: jumps_of(numbers).count(gap) for numbers in every_list() if gap in jumps_of(numbers)}
    assert_drawn_as_often_as(weights, drawn)


@pytest.mark.parametrize("smallest", [0, 2, 4])
def test_every_list_with_a_smallest_number_is_equally_likely(smallest):
    drawn = sets_of(lists_with_minimum(smallest, 4_000, seed=2, **SMALL))
    assert_drawn_as_often_as({numbers: 1 for numbers in every_list() if numbers[0] == smallest}, drawn)


@pytest.mark.parametrize("draw", [lists_with_jump, lists_with_minimum])
def test_they_are_unsorted_and_drawn_from_the_seed_alone(draw):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    lists = draw(5, 500, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(lists, draw(5, 500, seed=3))
    assert not torch.equal(lists, draw(5, 500, seed=4))
    where = (lists == lists.amin(-1, keepdim=True)).int().argmax(-1).bincount(minlength=10)
    assert where.min() > 20  # of 50


def test_the_largest_jump_is_the_largest_there_is():
    assert largest_jump(**SMALL) == max(max(jumps_of(numbers)) for numbers in every_list())
    assert largest_jump(1, 5) == 0


@pytest.mark.parametrize(
    ("draw", "asked"),
    [(lists_with_jump, 43), (lists_with_jump, 0), (lists_with_minimum, 42), (lists_with_minimum, -1)],
)
def test_what_no_list_has_is_refused(draw, asked):
    with pytest.raises(ValueError, match=f"no list of 10 numbers .* {asked}"):
        draw(asked, 10, seed=0)


def test_accuracy_after_jumps_counts_the_answers_after_each_jump():
    data = SortedListDataset.of(torch.tensor([[5, 3, 4], [0, 3, 1]]), max_value=7)
    right = torch.tensor([[False, True, False], [True, True, False]])  # jumps 1 1; 1 2
    accuracy, many = accuracy_after_jumps(data, right)
    assert many.tolist() == [0, 3, 1, 0, 0, 0, 0, 0]
    assert accuracy[1].item() == pytest.approx(2 / 3)
    assert accuracy[2].item() == 0
    assert accuracy[0].isnan()
