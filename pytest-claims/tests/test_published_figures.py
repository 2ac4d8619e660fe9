"""Published figures: each is compared within a tolerance, or the claim is in error."""

import pytest
from one_file import summary
from pytest_claims.measure import MeasurementError, Recorder

PUBLISHED = """
    @stated(widen_gap)
    def test_gap(model, measure):
        gap = measure("gap", model["gap"], "m", published=0.3)
        assert gap < 1
        JUDGED
"""


@pytest.mark.parametrize(
    ("judged", "bound", "slack"),
    [
        ("within=1 / 5", "0.3 ± 20%", 0.01),
        ("within_abs=0.0625", "0.3 ± 0.0625", 0.0125),
    ],
)
def test_a_published_figure_is_compared(reported, judged, bound, slack):
    result, document, page, _ = reported(PUBLISHED.replace("JUDGED", f"assert gap.as_published({judged})"))
    assert result.ret == 0
    _, comparison = document["claims"][0]["measurements"][0]["comparisons"]
    assert (comparison["operator"], comparison["bound"], comparison["as_published"]) == ("==", bound, True)
    assert comparison["slack"] == pytest.approx(slack)
    assert comparison["broken_by"] == ["widen_gap"]
    assert f"== {bound}" in page


def test_another_figure_than_the_published_one_refutes(run_claims):
    result = run_claims(PUBLISHED.replace("JUDGED", "assert gap.as_published(within=1 / 10)"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["REFUTED   The gap is small", "*gap (published 0.3) *0.25 m *== 0.3 ± 10% *slack -0.02"]
    )


def test_a_published_figure_that_is_never_compared_is_an_error(run_claims):
    result = run_claims(PUBLISHED.replace("JUDGED", ""))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*a published figure is shown and never compared*gap"])
    assert summary(result) == "1 claim: 0 hold, 1 in error; controls refuted 1/1"  # it is said of the checkpoint alone


@pytest.mark.parametrize(
    "tolerance", [{}, {"within": 0.1, "within_abs": 1}, {"within": 0}, {"within": -1}, {"within_abs": float("nan")}]
)
def test_a_tolerance_is_one_positive_number(tolerance):
    with pytest.raises(MeasurementError, match="takes one tolerance"):
        Recorder()("gap", 1, published=1).as_published(**tolerance)


def test_a_figure_has_to_be_published_and_a_fraction_of_zero_is_no_tolerance():
    with pytest.raises(MeasurementError, match="no published figure"):
        Recorder()("gap", 1).as_published(within=0.1)
    with pytest.raises(MeasurementError, match="use within_abs"):
        Recorder()("gap", 0, published=0).as_published(within=0.1)
    with pytest.raises(MeasurementError, match="says nothing"):
        Recorder()("gap", 0, published=float("nan")).as_published(within=0.1)
