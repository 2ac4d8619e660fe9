"""Measurements with an interval: the end that is nearer to breaking the bound is compared."""

import math

import pytest
from pytest_claims.measure import MeasurementError, Recorder
from pytest_claims.output.json import from_document

EVERY_WAY = [[], ["-n", "2"]]


@pytest.mark.parametrize(
    ("comparison", "holds", "slack"),
    [
        ("< 0.3", False, -0.05),
        ("< 0.375", True, 0.025),
        ("<= 0.35", True, 0.0),
        ("> 0.2", False, -0.05),
        ("> 0.125", True, 0.025),
        (">= 0.15", True, 0.0),
        ("== 0.25", True, 0.0),
        ("!= 0.35", True, 0.1),
    ],
)
def test_the_end_of_an_interval_that_is_nearer_to_breaking_a_bound_is_compared(comparison, holds, slack):
    measure = Recorder()
    assert eval(f"gap {comparison}", {"gap": measure("gap", 0.25, interval=(0.15, 0.35))}) is holds
    (measured,) = measure.summary()
    assert measured.comparisons[0].slack == pytest.approx(slack)


def test_two_intervals_that_overlap_are_not_compared_by_their_middles():
    measure = Recorder()
    small, large = measure("small", 1.0, interval=(0.5, 1.5)), measure("large", 2.0, interval=(1.25, 2.75))
    assert not small < large
    assert not large > small
    assert small < measure("larger", 2.0, interval=(1.75, 2.25))
    assert measure("published", 1.0, published=1.0, interval=(0.0, 9.0)).as_published(within=0.01)


@pytest.mark.parametrize(
    "interval",
    [(0.3, 0.4), (0.1, 0.2), (0.4, 0.1), (-math.inf, 1), (0, math.inf), (0, math.nan), (0,), 0.1],
)
def test_an_interval_is_finite_and_around_the_value(interval):
    with pytest.raises(MeasurementError):
        Recorder()("gap", 0.25, interval=interval)


@pytest.mark.parametrize("ways", EVERY_WAY, ids=" ".join)
def test_an_interval_is_shown(reported, ways):
    body = """
    @stated(widen_gap)
    def test_gap(model, measure):
        gap = model["gap"]
        assert measure("gap", gap, "m", interval=(gap - 0.125, gap + 0.125)) < BOUND
"""
    result, document, page, markdown = reported(body.replace("BOUND", "0.5"), *ways)
    assert result.ret == 0
    assert document["claims"][0]["measurements"][0]["interval"] == [0.125, 0.375]
    result.stdout.fnmatch_lines(["*gap *0.25 [[]0.125, 0.375[]] m *< 0.5 *slack 0.125"])
    assert "[0.125, 0.375]" in page
    assert "[0.125, 0.375]" in markdown.replace("\\", "")
    assert from_document(document).claims[0].checkpoint.measurements[0].interval == (0.125, 0.375)
    assert suite_is_red(reported(body.replace("BOUND", "0.3"), *ways))


def suite_is_red(outcome):
    result, document, *_ = outcome
    return result.ret == 1 and document["claims"][0]["verdict"] == "refuted"
