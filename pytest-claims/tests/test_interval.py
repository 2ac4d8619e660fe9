"""The exact interval of a proportion, against figures from tables and the equation that defines it."""

import math

import pytest
from pytest_claims.interval import clopper_pearson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (30, 30, 0.8843, 1.0),
        (0, 30, 0.0, 0.1157),
        (5, 9, 0.2120, 0.8630),
        (2, 3, 0.0943, 0.9916),
        (2, 2, 0.1581, 1.0),
        (1, 1, 0.025, 1.0),
        (0, 1, 0.0, 0.975),
        (10, 100, 0.0490, 0.1762),
        (500, 1000, 0.4685, 0.5315),
    ],
)
def test_it_is_what_tables_say(successes, trials, low, high):
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 2, 7, 40])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_at_either_end_what_was_seen_or_more_extreme_has_half_of_what_is_missed(trials, level):
    def chance(counts, p):
        return math.fsum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in counts)

    for successes in range(trials + 1):
        low, high = clopper_pearson(successes, trials, level)
        if successes:
            assert chance(range(successes, trials + 1), low) == pytest.approx((1 - level) / 2, rel=1e-9)
        else:
            assert low == 0.0
        if successes < trials:
            assert chance(range(successes + 1), high) == pytest.approx((1 - level) / 2, rel=1e-9)
        else:
            assert high == 1.0


@pytest.mark.parametrize(("successes", "trials"), [(3, 8), (0, 5), (17, 20)])
def test_failures_have_the_mirrored_interval(successes, trials):
    low, high = clopper_pearson(successes, trials)
    assert clopper_pearson(trials - successes, trials) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (2, 1), (-1, 3)])
def test_what_cannot_be_seen_is_refused(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes of {trials} trials say nothing"):
        clopper_pearson(successes, trials)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_is_a_probability(level):
    with pytest.raises(ValueError, match=f"a level lies between 0 and 1, got {level}"):
        clopper_pearson(1, 2, level)
