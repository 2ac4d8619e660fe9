"""What becomes of a claim: it holds, it is refuted, it is in error or did not run, and the run ends accordingly."""

import pytest
from one_file import HOLDS, summary


def test_a_claim_that_holds_is_reported_with_all_it_measured(run_claims):
    result = run_claims(HOLDS)
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "HOLDS     The gap is small",
            "          over everything; us",
            "          gap * 0.25 m *< 1 *slack 0.75",
            "          controls refuted 1/1: widen_gap (4)",
            "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1",
        ]
    )


def test_ids_name_the_model(run_claims):
    result = run_claims(HOLDS, "-v")
    result.stdout.fnmatch_lines(["*test_gap?checkpoint? HOLDS*", "*test_gap?widen_gap? CONTROL REFUTED*"])


def test_a_refuted_claim_turns_the_run_red(run_claims):
    result = run_claims(HOLDS.replace("< 1", "< 0.1, 'the gap is wide'"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["REFUTED   The gap is small", "*slack -0.15", "          the gap is wide"])
    assert summary(result) == "1 claim: 0 hold, 1 refuted; controls refuted 1/1"


def test_a_surviving_control_turns_the_run_red(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        ["HOLDS     The gap is small", "*controls refuted 1/2*", "*control leave_alone survived: *"]
    )


@pytest.mark.parametrize("bound", ["< 1", "> 1", "== 1", "!= 1", "is None"])
def test_nan_never_passes(run_claims, bound):
    result = run_claims(HOLDS.replace('model["gap"]', "math.nan").replace("< 1", bound))
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*'gap' is not a number (NaN)*"])


def test_nan_does_not_pass_through_a_negation(run_claims):
    result = run_claims(HOLDS.replace("assert", "assert not").replace('model["gap"]', "math.nan"))
    assert result.ret == 1
    result.assert_outcomes(failed=2)


def test_a_measurement_that_is_never_compared_is_an_error(run_claims):
    result = run_claims(HOLDS.replace("assert", "measure('unused', 1); assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*without comparing what it measured*unused*"])


def test_measuring_nothing_is_an_error(run_claims):
    result = run_claims(HOLDS.replace('measure("gap", model["gap"], "m")', 'model["gap"]'))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*passed without measuring anything*"])


def test_passing_although_a_comparison_is_false_is_an_error(run_claims):
    result = run_claims(HOLDS.replace("assert measure(", "assert not measure(").replace("< 1", "> 1"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*passed although 'gap' > 1 is false*"])


def test_a_claim_may_say_that_it_is_not_about_this_model(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "(widen_gap, unless=lambda model: 'it has no head')"))
    assert result.ret == 1  # of this model nothing was verified
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["N/A       The gap is small", "          it has no head"])
    assert summary(result) == "1 claim: 0 hold, 1 not about this model; controls refuted 0/0"


@pytest.mark.parametrize("way_out", ["pytest.skip('no time')", "pytest.xfail('no time')"])
def test_a_claim_that_was_selected_and_did_not_run_turns_the_run_red(run_claims, way_out):
    result = run_claims(HOLDS.replace("assert", f"{way_out}; assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NOT RUN   The gap is small", "*no time*"])


def test_a_claim_marked_as_expected_to_fail_does_not_hold(run_claims):
    result = run_claims(HOLDS.replace("@stated", "@pytest.mark.xfail\n    @stated"))
    assert result.ret == 1


def test_claims_after_a_stop_are_not_run(run_claims):
    result = run_claims(HOLDS.replace("< 1", "< 0.1") + HOLDS.replace("test_gap", "test_later"), "-x")
    assert result.ret == 1
    assert summary(result) == "2 claims: 0 hold, 1 refuted, 1 not run; controls refuted 0/2"


def test_an_error_in_teardown_is_not_lost(run_claims):
    result = run_claims(
        """
    @pytest.fixture
    def leaky():
        yield
        raise OSError("left a mess")
    """
        + HOLDS.replace("measure)", "measure, leaky)")
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*teardown failed: left a mess*"])


def test_a_bound_that_is_nan_judges_nothing(run_claims):
    result = run_claims(HOLDS.replace("< 1", "< math.nan"))
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*which says nothing*"])


def test_a_broken_comparison_is_seen_beside_a_kept_one_of_the_same_slack(run_claims):
    result = run_claims(HOLDS.replace("assert", "measure('zero', 0) >= 0; measure('zero', 0) > 0; assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*passed although 'zero' > 0 is false*"])


@pytest.mark.parametrize("reason", ["''", "True", "0"])
def test_a_scope_that_gives_no_reason_is_an_error(run_claims, reason):
    result = run_claims(HOLDS.replace("(widen_gap)", f"(widen_gap, unless=lambda model: {reason})"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*`unless` has to return None or why*"])


def test_no_result_at_all_is_not_success(run_claims, pytester):
    """A run in which every report is lost on the way: pytest alone calls that exit code 0."""
    pytester.makepyfile(
        swallow="""
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item):
            return True
        """
    )
    pytester.syspathinsert()
    result = run_claims(HOLDS, "-p", "swallow")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NOT RUN   The gap is small", "*selected, but no result arrived"])
