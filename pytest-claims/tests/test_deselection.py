"""Claims and controls that are left out: what was not run is missed, and is not counted as shown."""

from one_file import HOLDS, SEVERAL, summary


def test_controls_can_be_left_out(run_claims):
    result = run_claims(HOLDS, "--no-controls")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    assert summary(result) == "1 claim: 1 hold; controls left out"


def test_a_selected_control_alone_says_nothing_of_the_checkpoint(run_claims):
    result = run_claims(HOLDS, "-k", "widen_gap")
    result.stdout.fnmatch_lines(["CONTROLS  The gap is small", "*checkpoint itself was not selected*"])
    assert summary(result) == "1 claim: 0 hold, 1 not selected; controls refuted 1/1"


def test_controls_selected_by_accident_are_dropped(run_claims):
    result = run_claims(SEVERAL.replace("test_0", "test_the_widen_gap_claim"), "-k", "widen_gap")
    assert result.ret == 0
    result.assert_outcomes(passed=2, deselected=6)
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1"


def test_controls_that_were_deselected_are_missed(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)"), "-k", "not leave_alone")
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/2"
    alone = run_claims(HOLDS, "-k", "checkpoint")
    assert summary(alone) == "1 claim: 1 hold; 1 controls not selected"
