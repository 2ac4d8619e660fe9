"""Criteria of circuits on functions of sets whose values are known by hand, and intervals on what is sampled."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from cumsum_model import criteria
from cumsum_model.criteria import NOTHING
from toy_model.uncertainty import bootstrap_mean, clopper_pearson, percentile_interval, resampled_means

M = frozenset(range(4))
A, B, AB = frozenset({0}), frozenset({1}), frozenset({0, 1})


def additive(S):
    """Each part lowers the loss by its own amount: 4, 2, 1, 0."""
    return 10.0 - sum((4, 2, 1, 0)[part] for part in S)


def redundant(S):
    """OR: either of 0 and 1 does all the work."""
    return 1.0 if S & AB else 5.0


def synergetic(S):
    """AND: 0 and 1 work together only."""
    return 1.0 if S >= AB else 5.0


def constant(_):
    return 3.0


def harmful(S):
    """0 helps by 4, 1 harms by 2."""
    return 10.0 - 4 * (0 in S) + 2 * (1 in S)


def test_faithfulness_is_the_fraction_of_what_everything_gains():
    assert criteria.faithfulness(additive, A, M) == pytest.approx(4 / 7)
    assert criteria.faithfulness(additive, NOTHING, M) == 0
    assert criteria.faithfulness(additive, M, M) == 1
    assert criteria.faithfulness(redundant, A, M) == 1
    assert criteria.faithfulness(synergetic, A, M) == 0
    assert criteria.faithfulness(synergetic, AB, M) == 1


def test_faithfulness_above_one_does_better_than_everything_and_below_zero_worse_than_nothing():
    assert criteria.faithfulness(harmful, A, M) == 2
    assert criteria.faithfulness(harmful, B, M) == -1


def test_where_nothing_is_gained_nothing_of_it_is_recovered():
    assert criteria.faithfulness(constant, A, M) == 0


def test_the_curve_adds_parts_in_the_order_given():
    assert criteria.faithfulness_curve(additive, (0, 1, 2, 3), M) == pytest.approx([0, 4 / 7, 6 / 7, 1, 1])
    assert criteria.faithfulness_curve(additive, (3, 2), M) == pytest.approx([0, 0, 1 / 7])
    assert criteria.faithfulness_curve(synergetic, (0, 1), M) == [0, 0, 1]


@pytest.mark.parametrize(("size", "best"), [(0, 10), (1, 6), (2, 4), (3, 3), (4, 3)])
def test_the_best_of_a_size_has_the_lowest_loss(size, best):
    assert criteria.of_size(additive, size, M).min() == best
    assert len(criteria.of_size(additive, size, M)) == math.comb(4, size)


def test_an_order_falls_short_by_what_its_worst_size_loses():
    assert criteria.shortfall(additive, (0, 1, 2, 3), M) == 0
    assert criteria.shortfall(additive, (2, 1, 0), M) == pytest.approx(3 / 7)  # 1 or 3 of 7 recovered, 4 or 6 possible
    assert criteria.shortfall(harmful, (1, 0), M) == 3  # -1 recovered where 2 could be
    assert criteria.shortfall(constant, (0, 1), M) == 0


def test_completeness_is_the_most_that_anything_outside_the_circuit_makes_up_for():
    assert criteria.completeness(additive, M - {3}, M) == 0  # part 3 does nothing
    assert criteria.completeness(additive, M - {2}, M) == 1  # part 2 is worth 1 whatever is removed
    # All of what is missing shows only once its stand-in is removed, too: with nothing removed, F(C) = F(M).
    assert redundant(A) == redundant(M)
    assert criteria.completeness(redundant, A, M) == 4
    assert criteria.completeness(redundant, AB, M) == 0
    assert criteria.completeness(synergetic, A, M) == 4
    assert criteria.completeness(constant, A, M) == 0


def test_completeness_counts_what_harms_as_well():
    assert criteria.completeness(harmful, A, M) == 2


def test_minimality_is_what_the_idlest_part_is_good_for():
    assert criteria.minimality(additive, M - {3}) == 1
    assert criteria.minimality(additive, M) == 0  # part 3 is idle
    # Neither of two that stand in for each other is idle: without the other it does all the work.
    assert criteria.minimality(redundant, AB) == 4
    assert criteria.minimality(synergetic, AB) == 4
    assert criteria.minimality(synergetic, A) == 0  # alone it does nothing
    assert criteria.minimality(constant, AB) == 0
    assert criteria.minimality(harmful, AB) == 2


def test_of_no_parts_none_is_idle():
    assert criteria.minimality(additive, NOTHING) == np.inf


def test_what_a_part_is_needed_for_is_asked_of_the_circuit_that_has_it():
    assert criteria.necessity(additive, 0, AB) == 4
    with pytest.raises(ValueError, match="2 is not one of"):
        criteria.necessity(additive, 2, AB)


def test_minimal_sets_of_an_or_are_two_and_of_an_and_one():
    assert criteria.minimal_sets(redundant, M, 0.1) == [A, B]
    assert criteria.minimal_sets(synergetic, M, 0.1) == [AB]
    assert criteria.minimal_sets(constant, M, 0.1) == [NOTHING]


@pytest.mark.parametrize(
    ("tolerance", "sets"), [(0, [{0, 1, 2}]), (1, [{0, 1}]), (2, [{0, 1}, {0, 2}]), (3, [{0}]), (7, [set()])]
)
def test_what_counts_as_a_minimal_set_depends_on_the_tolerance(tolerance, sets):
    assert criteria.minimal_sets(additive, M, tolerance) == [frozenset(S) for S in sets]


def test_a_set_that_does_better_than_everything_is_not_as_good_as_it():
    assert criteria.minimal_sets(harmful, M, 1) == [AB]


def test_a_minimal_set_contains_no_other_even_where_one_part_less_is_worse():
    def either_all_or_none(S):
        return 5.0 if len(S) in (1, 2) else 1.0

    assert criteria.minimal_sets(either_all_or_none, M, 0.1) == [NOTHING]


def test_the_best_of_its_size_ranks_first_and_ties_rank_before():
    assert criteria.rank_among_equals(additive, AB, M) == 1
    assert criteria.rank_among_equals(additive, frozenset({2, 3}), M) == 6
    assert criteria.rank_among_equals(additive, frozenset({0, 3}), M) == 3
    assert criteria.rank_among_equals(constant, AB, M) == 6
    assert criteria.rank_among_equals(redundant, A, M) == 2
    assert criteria.rank_among_equals(additive, M, M) == 1


def test_a_circuit_of_other_parts_than_there_are_is_refused():
    for criterion in (criteria.faithfulness, criteria.completeness, criteria.rank_among_equals):
        with pytest.raises(ValueError, match=r"\[7\]"):
            criterion(additive, frozenset({0, 7}), M)


def test_of_an_array_of_losses_each_criterion_is_an_array():
    def both(S):
        return np.array([additive(S), synergetic(S), constant(S)])

    assert criteria.faithfulness(both, A, M) == pytest.approx([4 / 7, 0, 0])
    assert criteria.completeness(both, A, M).tolist() == [3, 4, 0]
    assert criteria.minimality(both, AB).tolist() == [2, 4, 0]
    assert criteria.rank_among_equals(both, A, M).tolist() == [1, 4, 4]
    assert criteria.of_size(both, 1, M).min(0).tolist() == [6, 5, 3]
    assert criteria.shortfall(both, (1, 0), M) == pytest.approx([2 / 7, 0, 0])


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 10), (999, 1000), (1, 1), (0, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_exact_interval_is_that_of_scipy(k, n, level):
    interval = binomtest(k, n).proportion_ci(level, method="exact")
    assert clopper_pearson(k, n, level) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize(("n", "p"), [(10, 0.5), (20, 0.9), (30, 0.03)])
def test_the_exact_interval_misses_the_probability_no_more_often_than_it_may(n, p):
    from scipy.stats import binom

    missed_below = sum(binom.pmf(k, n, p) for k in range(n + 1) if p < clopper_pearson(k, n)[0])
    missed_above = sum(binom.pmf(k, n, p) for k in range(n + 1) if p > clopper_pearson(k, n)[1])
    assert missed_below <= 0.025
    assert missed_above <= 0.025


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_an_interval_of_no_trials_is_refused(k, n):
    with pytest.raises(ValueError, match="say nothing"):
        clopper_pearson(k, n)


def test_the_bootstrap_covers_a_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.normal(3, 1, size=(100, 1)), resamples=400) for _ in range(300)]
    covered = np.mean([low <= 3 <= high for low, high in intervals])
    assert 0.91 < covered < 0.98


def test_the_bootstrap_draws_sequences_and_not_positions():
    # Positions of a sequence that are all alike say no more than one of them.
    once = np.random.default_rng(1).normal(size=(200, 1))
    repeated = np.repeat(once, 50, axis=1)
    assert bootstrap_mean(repeated) == pytest.approx(bootstrap_mean(once))
    pooled = bootstrap_mean(repeated.reshape(-1, 1))
    assert np.subtract(*pooled[::-1]) < np.subtract(*bootstrap_mean(once)[::-1]) / 5


def test_a_bootstrap_is_the_same_every_time_and_another_with_another_seed():
    values = np.random.default_rng(1).normal(size=(50, 3))
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


def test_of_values_that_do_not_vary_the_interval_is_a_point():
    assert bootstrap_mean(np.full((20, 4), 2.5)) == pytest.approx((2.5, 2.5))


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(1).normal(size=50)
    (low, high), (lower, higher) = bootstrap_mean(values), bootstrap_mean(values, level=0.99)
    assert lower < low < high < higher


def test_a_percentile_interval_leaves_half_of_the_rest_on_either_side():
    assert percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    assert percentile_interval(np.arange(101.0), 0.9, around=50) == pytest.approx((5, 95))
    assert percentile_interval(np.arange(101.0), 0.9, around=3) == pytest.approx((3, 95))
    assert percentile_interval(np.arange(101.0), 0.9, around=99) == pytest.approx((5, 99))


def test_resampled_means_have_the_shape_of_what_is_resampled():
    assert resampled_means(np.zeros((5, 2, 3)), resamples=7).shape == (7, 2, 3)
    with pytest.raises(ValueError, match="1 sequences"):
        bootstrap_mean(np.zeros((1, 20)))
