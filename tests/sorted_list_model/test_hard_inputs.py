"""Lists that are drawn to order are those that were ordered, each as likely as it should be."""

import math
from itertools import combinations, pairwise

import pytest
import torch

from sorted_list_model import hard_inputs
from sorted_list_model.data import SortedListDataset
from sorted_list_model.hard_inputs import (
    accuracy_after_jumps,
    accuracy_at_SEP,
    accuracy_by_jump,
    drawn_from,
    largest_jump,
    list_with_large_jump,
    lists_above,
    lists_with_close_triple,
    lists_with_jump,
    lists_with_minimum,
    right,
)
from sorted_list_model.model import answers_to

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


def test_every_set_of_others_beside_a_close_triple_is_equally_likely():
    """So a list with two triples is drawn twice as often as one with one."""
    drawn = sets_of(lists_with_close_triple(4_000, seed=2, **SMALL))
    triples = {numbers: sum(pair == (1, 1) for pair in pairwise(jumps_of(numbers))) for numbers in every_list()}
    assert_drawn_as_often_as({numbers: n for numbers, n in triples.items() if n}, drawn)


@pytest.mark.parametrize("bound", [-1, 1, 3])
def test_every_list_above_a_bound_is_equally_likely(bound):
    drawn = sets_of(lists_above(bound, 4_000, seed=2, **SMALL))
    assert_drawn_as_often_as({numbers: 1 for numbers in every_list() if numbers[0] > bound}, drawn)


@pytest.mark.parametrize("sizes", [{"list_len": 2}, {"list_len": 4, "max_value": 2}])
def test_lists_too_short_for_a_triple_are_refused(sizes):
    with pytest.raises(ValueError, match="no list of"):
        lists_with_close_triple(5, 0, **sizes)


def test_different_numbers_are_drawn_from_those_that_are_given():
    given = torch.tensor([3, 20, 7, 11])
    drawn = drawn_from(given, 500, 2, torch.Generator().manual_seed(0))
    orders = {tuple(row) for row in drawn.tolist()}
    assert orders == {(a, b) for a in given.tolist() for b in given.tolist() if a != b}


@pytest.mark.parametrize(("max_value", "list_len"), [(50, 10), (9, 4), (5, 3)])
def test_the_printed_kind_of_list_has_a_large_jump_after_0(max_value, list_len):
    numbers = list_with_large_jump(list_len, max_value)
    data = SortedListDataset.of(numbers[None], max_value)
    assert data.targets[0].tolist() == [0, *range(max_value - list_len, max_value - 1)]
    assert data.jumps[0, 0] == data.jumps.max() == max_value - list_len
    assert data.jumps[0, 1:].max() == 1


@pytest.mark.parametrize(("max_value", "list_len"), [(50, 2), (10, 9), (5, 4)])
def test_where_there_is_no_room_for_a_large_jump_there_is_none(max_value, list_len):
    assert list_with_large_jump(list_len, max_value) is None


@pytest.mark.parametrize("draw", [lists_with_jump, lists_with_minimum, lists_above])
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


def test_numbers_above_a_bound_that_are_too_few_are_refused():
    assert len(lists_above(40, 3, seed=0)) == 3
    with pytest.raises(ValueError, match=r"no 10 numbers above 41 in 0 \.\. 50"):
        lists_above(41, 3, seed=0)


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


def test_right_answers_are_those_of_the_list_in_order(trained):
    data = SortedListDataset(20, seed=1)
    for numbers, marks in zip(data.lists.tolist(), right(trained, data).tolist(), strict=True):
        expected = [
            answer == number for answer, number in zip(answers_to(trained, numbers), sorted(numbers), strict=True)
        ]
        assert marks == expected


def test_accuracy_by_jump_is_of_the_answers_after_these_jumps_alone(trained, monkeypatch):
    """Whatever the others are: here every answer is wrong but those after a jump of 3."""

    def right_after_3(_model, data):
        return torch.cat([torch.zeros(len(data), 1, dtype=torch.bool), data.jumps == 3], -1)

    monkeypatch.setattr(hard_inputs, "right", right_after_3)
    assert accuracy_by_jump(trained, range(1, 6), 30, seed=0).tolist() == [0, 0, 1, 0, 0]


def test_accuracy_by_jump_counts_answers_one_by_one(trained):
    gaps = range(24, 27)
    found = accuracy_by_jump(trained, gaps, 20, seed=4)
    for gap, accuracy in zip(gaps, found.tolist(), strict=True):
        marks = []
        for numbers in lists_with_jump(gap, 20, seed=4).tolist():
            answered, ordered = answers_to(trained, numbers), sorted(numbers)
            marks += [answered[i + 1] == ordered[i + 1] for i in range(9) if ordered[i + 1] - ordered[i] == gap]
        assert accuracy == pytest.approx(sum(marks) / len(marks))
    assert 0 < found.min() < 1


def test_accuracy_at_SEP_is_how_often_the_smallest_number_is_answered(trained):
    minima = range(23, 27)
    found = accuracy_at_SEP(trained, minima, 20, seed=4)
    for minimum, accuracy in zip(minima, found.tolist(), strict=True):
        lists = lists_with_minimum(minimum, 20, seed=4).tolist()
        assert accuracy == pytest.approx(sum(answers_to(trained, numbers)[0] == minimum for numbers in lists) / 20)
    assert len(found.unique()) > 1
