"""What a count of runs says of all seeds: exact intervals, rounded outwards."""

import math

import pytest
from pytest_claims.universality.interval import ENOUGH, at_least, clopper_pearson, percent


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 32, 100, 1000])
def test_all_of_n_has_the_interval_that_its_closed_form_gives(n):
    assert clopper_pearson(n, 0, n) == pytest.approx((0.025 ** (1 / n), 1))
    assert clopper_pearson(0, 0, n) == pytest.approx((0, 1 - 0.025 ** (1 / n)))


@pytest.mark.parametrize(("k", "n"), [(1, 2), (31, 32), (3, 7), (98, 100), (1, 100)])
def test_at_the_ends_of_an_interval_what_was_seen_is_as_unlikely_as_is_said(k, n):
    """By the definition of Clopper and Pearson, with binomial probabilities summed one by one."""
    low, high = clopper_pearson(k, 0, n)

    def probability(p, counts):
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in counts)

    assert probability(low, range(k, n + 1)) == pytest.approx(0.025)
    assert probability(high, range(k + 1)) == pytest.approx(0.025)


def test_what_is_not_decided_could_have_come_out_either_way():
    low, high = clopper_pearson(30, 2, 32)
    assert low == clopper_pearson(30, 0, 32)[0]
    assert high == clopper_pearson(32, 0, 32)[1] == 1


def test_intervals_are_rounded_outwards():
    assert at_least(clopper_pearson(32, 0, 32)[0]) == "89%"
    assert percent((0.8999, 0.9901)) == "89% to 100%"
    assert percent((0.0, 0.451)) == "0% to 46%"


def test_thirty_of_thirty_show_that_it_is_so_on_most_seeds():
    assert at_least(clopper_pearson(ENOUGH, 0, ENOUGH)[0]) == "88%"
