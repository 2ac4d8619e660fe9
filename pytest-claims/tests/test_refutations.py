"""What counts as a refutation of a claim by a control: an assertion of the claim itself, on what it measured."""

from one_file import HOLDS


def test_a_control_that_cannot_be_built_is_no_refutation(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "(crash)"))
    assert result.ret == 1
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*control crash error: setup failed: no such mechanism*"])


def test_an_assertion_while_building_a_control_is_no_refutation(run_claims):
    result = run_claims(
        """
    def assert_something(model):
        assert False, "not in the claim"
    """
        + HOLDS.replace("(widen_gap)", "(assert_something)")
    )
    assert result.ret == 1
    result.assert_outcomes(errors=1, passed=1)


def test_a_claim_that_crashes_on_a_control_is_no_refutation(run_claims):
    result = run_claims(HOLDS.replace("(widen_gap)", "(return_garbage)"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*control return_garbage error: KeyError: 'gap'*"])


def test_failing_by_an_assertion_on_nothing_measured_is_no_refutation(run_claims):
    result = run_claims(
        """
    @stated(widen_gap)
    def test_gap(model, measure):
        measure("gap", model["gap"]) < 100
        assert model["gap"] < 1
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion that judged nothing*"])


def test_failing_by_an_assertion_in_a_helper_is_no_refutation(run_claims, pytester):
    pytester.makepyfile(helper="def check(x):\n    assert x < 1")
    result = run_claims(
        """
    from helper import check

    @stated(widen_gap)
    def test_gap(model, measure):
        gap = measure("gap", model["gap"])
        gap < 1
        check(model["gap"])
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion outside the claim*"])


def test_a_nan_bound_on_a_control_is_no_refutation(run_claims):
    result = run_claims(
        HOLDS.replace("(widen_gap)", "(lose_bound)")
        .replace("< 1", "< model.get('bound', 1)")
        .replace(
            "    @stated", "    def lose_bound(model):\n        return {**model, 'bound': math.nan}\n\n    @stated"
        )
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control lose_bound error: MeasurementError: 'gap' = 0.25 was compared with nan*"])


def test_failing_by_an_assertion_on_something_else_is_no_refutation(run_claims):
    result = run_claims(
        """
    @stated(widen_gap)
    def test_gap(model, measure):
        small = measure("gap", model["gap"]) < 1
        assert model["gap"] != 4.0
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion that judged nothing*"])


def test_an_assertion_over_several_lines_refutes(run_claims):
    result = run_claims(
        """
    @stated(widen_gap)
    def test_gap(model, measure):
        gap = measure("gap", model["gap"])
        assert (
            gap
            < 1
        ), "the gap is wide"
    """
    )
    assert result.ret == 0


def test_a_control_that_edits_the_checkpoint_is_an_error(run_claims, pytester):
    pytester.makepyfile(fingerprints="def pytest_claims_fingerprint(model):\n    return repr(model)")
    pytester.syspathinsert()
    edit = "    def forget_to_copy(model):\n        model['gap'] = 4.0\n        return MODEL\n"
    messages = {"model": "returns the model that it was given", "dict(model)": "changed the checkpoint"}
    for returned, message in messages.items():
        body = edit.replace("MODEL", returned) + HOLDS.replace("(widen_gap)", "(forget_to_copy)")
        result = run_claims(body, "-p", "fingerprints")
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"*{message}*"])
