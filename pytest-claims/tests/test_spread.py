"""How far a measurement lies from its bound, and how it spreads over many runs."""

import math
from dataclasses import replace

import pytest
from pytest_claims.measure import Judgement, Measurement, Recorder
from pytest_claims.results import Record
from pytest_claims.universality.json import number
from pytest_claims.universality.room import bound_of, room
from pytest_claims.universality.spread import spreads
from pytest_claims.verdict import Verdict


def compared(value, compare):
    """A measurement as a claim leaves it, with its one comparison."""
    recorder = Recorder()
    compare(recorder("quantity", value))
    (measurement,) = recorder.summary()
    return measurement, measurement.comparisons[0]


@pytest.mark.parametrize(
    ("value", "compare", "kept"),
    [
        (0.25, lambda m: m < 1, 0.75),
        (4.0, lambda m: m < 1, -0.75),
        (4.0, lambda m: m > 1, 0.75),
        (0.25, lambda m: m > 1, -0.75),
        (1.0, lambda m: m <= 1, 0.0),
        (-0.95, lambda m: m < -0.9, 0.05 / 0.95),
        (0.5, lambda m: m > 0, 0.5 / 2.0),
        (1.05, lambda m: m == pytest.approx(1, abs=0.1), 0.5),
        (1.2, lambda m: m == pytest.approx(1, abs=0.1), -1.0),
        (3, lambda m: m == 3, None),
        (4, lambda m: m == 3, -1.0),
        (0.0, lambda m: m <= 0, 0.0),
        (float("inf"), lambda m: m > 1, None),
        (10**400, lambda m: m > 1, None),
    ],
)
def test_room_is_the_share_of_what_there_could_be(value, compare, kept):
    measurement, comparison = compared(value, compare)
    share = room(measurement.value, comparison, largest=2.0)
    assert share == (None if kept is None else pytest.approx(kept))


def test_the_room_beside_a_published_figure_is_that_of_its_tolerance():
    measure = Recorder()
    assert measure("q", 0.07, published=0.08).as_published(within=0.25)
    assert measure("r", 0.07, published=0.08).as_published(within_abs=0.02)
    for measurement in measure.summary():
        (comparison,) = measurement.comparisons
        assert room(measurement.value, comparison, largest=2.0) == pytest.approx(0.5)
        assert bound_of(measurement.value, comparison) == 0.08


def test_a_bound_that_was_rounded_in_writing_is_found_again():
    measurement, comparison = compared(0.1, lambda m: m < 1 / 3)
    assert comparison.bound == "0.3333"
    assert bound_of(measurement.value, comparison) == pytest.approx(1 / 3)
    measurement, comparison = compared(0.1, lambda m: m < 0.001)
    assert bound_of(measurement.value, comparison) == 0.001


def record_of(value, slack, holds=True):
    comparison = Judgement("<", "1", holds, slack)
    return Record(
        "t", "t", "", "", "checkpoint", Verdict.HOLDS, measurements=[Measurement("q", value, "m", None, [comparison])]
    )


def test_a_spread_has_least_median_most_and_the_tightest_run():
    (spread,) = spreads([("a", record_of(0.25, 0.75)), ("b", record_of(0.5, 0.5)), ("c", record_of(0.75, 0.25))])
    assert (spread.values, spread.median, spread.tightest.run, spread.n_broken) == ([0.25, 0.5, 0.75], 0.5, "c", 0)
    (spread,) = spreads([("a", record_of(0.25, 0.75)), ("b", record_of(4.0, -3.0, holds=False))])
    assert (spread.median, spread.tightest.run, spread.n_broken) == (2.125, "b", 1)


def spread_of(*compared_on_runs):
    """The one quantity of runs a, b, c .., each given as its value and what it is compared with."""
    made = []
    for run, (value, compare) in zip("abc", compared_on_runs, strict=False):
        measurement, _ = compared(value, compare)
        made.append((run, replace(record_of(value, 0), measurements=[measurement])))
    (spread,) = spreads(made)
    return spread


def test_the_tightest_run_is_that_of_the_least_room_not_of_the_least_slack():
    # Bounds of their own: a keeps half of what it could, b a tenth, though twice as much in absolute terms.
    spread = spread_of((0.5, lambda m: m < 1), (9.0, lambda m: m < 10))
    assert [(point.comparison.slack, point.room) for point in spread.points] == [(0.5, 0.5), (1.0, pytest.approx(0.1))]
    assert spread.tightest.run == "b"
    # A broken bound is tighter than any that holds.
    spread = spread_of((9.0, lambda m: m < 10), (2.0, lambda m: m < 1))
    assert spread.tightest.run == "b"


def test_of_equal_room_the_least_slack_is_the_tightest():
    spread = spread_of((1.0, lambda m: m < 2), (0.5, lambda m: m < 1))
    assert [(point.comparison.slack, point.room) for point in spread.points] == [(1.0, 0.5), (0.5, 0.5)]
    assert spread.tightest.run == "b"


def test_an_equality_has_no_room_unless_it_is_broken():
    spread = spread_of((3, lambda m: m == 3), (4, lambda m: m == 3))
    assert [point.room for point in spread.points] == [None, -1.0]
    assert spread.tightest.run == "b"
    assert spread_of((3, lambda m: m == 3), (3, lambda m: m == 3)).tightest.room is None


def test_infinities_and_large_counts_spread_without_nan():
    (spread,) = spreads([("a", record_of(-math.inf, math.inf)), ("b", record_of(math.inf, -math.inf, holds=False))])
    assert spread.median == -math.inf
    (spread,) = spreads([("a", record_of(10**400, -math.inf)), ("b", record_of(10**400 + 2, -math.inf))])
    assert spread.values == [10**400, 10**400 + 2]
    assert spread.median == math.inf


def test_numbers_that_json_or_a_double_cannot_hold_are_text():
    for value, expected in (
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, None),
        (None, None),
        (0.1, 0.1),
    ):
        assert number(value) == expected
