"""The plugin, on suites of its own: what holds, what is refuted, and every way to prove nothing."""

import json
import re

import pytest

HOLDS = """
    @stated(widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"], "m") < 1
"""


def summary(result):
    """The line that sums up the report."""
    return next(line for line in reversed(result.outlines) if re.match(r"\d+ claims?: ", line))


def test_a_claim_that_holds_is_reported_with_all_it_measured(suite):
    result = suite(HOLDS)
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


def test_ids_name_the_model(suite):
    result = suite(HOLDS, "-v")
    result.stdout.fnmatch_lines(["*test_gap?checkpoint? HOLDS*", "*test_gap?widen_gap? CONTROL REFUTED*"])


def test_a_refuted_claim_turns_the_run_red(suite):
    result = suite(HOLDS.replace("< 1", "< 0.1, 'the gap is wide'"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["REFUTED   The gap is small", "*slack -0.15", "          the gap is wide"])
    assert summary(result) == "1 claim: 0 hold, 1 refuted; controls refuted 1/1"


def test_a_surviving_control_turns_the_run_red(suite):
    result = suite(HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        ["HOLDS     The gap is small", "*controls refuted 1/2*", "*control leave_alone survived: *"]
    )


NOT_OF_THIS_MODEL = """
    class NotOfThisModel(ValueError):
        cannot_be_made = True

    def widen_a_second_gap(model):
        raise NotOfThisModel("there is no second gap")

    def widen_a_third_gap(model):
        raise NotOfThisModel("there is no third gap")
"""


def test_a_control_that_the_model_leaves_no_room_for_is_told_and_does_not_fail(suite):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_gap)")
    result = suite(body)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*controls refuted 1/1: widen_gap (4)",
            "*control widen_a_second_gap cannot be made of this model: there is no second gap",
            "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1",
        ]
    )
    assert suite(body, "-n", "2").ret == 0


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_a_claim_is_not_shown_to_fail_by_controls_that_cannot_be_made(suite, processes):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_a_third_gap)")
    result = suite(body, *processes)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*nothing shows that it can fail on this model: none of its controls can be made of it",
            "*control widen_a_second_gap cannot be made of this model: there is no second gap",
            "*control widen_a_third_gap cannot be made of this model: there is no third gap",
        ]
    )


def test_a_control_that_cannot_be_made_does_not_hide_one_that_survives(suite):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, leave_alone)")
    result = suite(body)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control leave_alone survived: *"])


def test_a_control_that_cannot_be_made_beside_others_that_were_not_selected_accuses_nobody(suite):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_gap)")
    ids = [f"test_suite.py::test_gap[{subject}]" for subject in ("checkpoint", "widen_a_second_gap")]
    result = suite(body, *ids)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*nothing shows that it can fail*")


def test_a_control_that_spoils_the_checkpoint_and_then_cannot_be_made_is_an_error(suite):
    fingerprint = """
    import pytest

    @pytest.fixture(autouse=True, scope="session")
    def see_changes(request):
        class Sees:
            def pytest_claims_fingerprint(self, model):
                return str(model)
        request.config.pluginmanager.register(Sees())
"""
    spoils = """
    def spoil(model):
        model["gap"] = 0.5
        raise NotOfThisModel("there is no second gap")
"""
    body = fingerprint + NOT_OF_THIS_MODEL + spoils + HOLDS.replace("(widen_gap)", "(spoil, widen_gap)")
    result = suite(body)
    assert result.ret == 1
    assert "it changed the checkpoint under test" in result.stdout.str()


def test_only_an_exception_that_says_so_means_that_a_control_cannot_be_made(suite):
    body = NOT_OF_THIS_MODEL.replace("cannot_be_made = True", "pass") + HOLDS.replace(
        "(widen_gap)", "(widen_a_second_gap, widen_gap)"
    )
    assert suite(body).ret == 1


def test_a_control_that_cannot_be_built_is_no_refutation(suite):
    result = suite(HOLDS.replace("(widen_gap)", "(crash)"))
    assert result.ret == 1
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*control crash error: setup failed: no such mechanism*"])


def test_an_assertion_while_building_a_control_is_no_refutation(suite):
    result = suite(
        """
    def assert_something(model):
        assert False, "not in the claim"
    """
        + HOLDS.replace("(widen_gap)", "(assert_something)")
    )
    assert result.ret == 1
    result.assert_outcomes(errors=1, passed=1)


def test_a_claim_that_crashes_on_a_control_is_no_refutation(suite):
    result = suite(HOLDS.replace("(widen_gap)", "(return_garbage)"))
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*control return_garbage error: KeyError: 'gap'*"])


def test_failing_by_an_assertion_on_nothing_measured_is_no_refutation(suite):
    result = suite(
        """
    @stated(widen_gap)
    def test_gap(model, measure):
        measure("gap", model["gap"]) < 100
        assert model["gap"] < 1
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion that judged nothing*"])


def test_failing_by_an_assertion_in_a_helper_is_no_refutation(suite, pytester):
    pytester.makepyfile(helper="def check(x):\n    assert x < 1")
    result = suite(
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


@pytest.mark.parametrize("bound", ["< 1", "> 1", "== 1", "!= 1", "is None"])
def test_nan_never_passes(suite, bound):
    result = suite(HOLDS.replace('model["gap"]', "math.nan").replace("< 1", bound))
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*'gap' is not a number (NaN)*"])


def test_nan_does_not_pass_through_a_negation(suite):
    result = suite(HOLDS.replace("assert", "assert not").replace('model["gap"]', "math.nan"))
    assert result.ret == 1
    result.assert_outcomes(failed=2)


def test_a_measurement_that_is_never_compared_is_an_error(suite):
    result = suite(HOLDS.replace("assert", "measure('unused', 1); assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*without comparing what it measured*unused*"])


def test_measuring_nothing_is_an_error(suite):
    result = suite(HOLDS.replace('measure("gap", model["gap"], "m")', 'model["gap"]'))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*passed without measuring anything*"])


def test_passing_although_a_comparison_is_false_is_an_error(suite):
    result = suite(HOLDS.replace("assert measure(", "assert not measure(").replace("< 1", "> 1"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*passed although 'gap' > 1 is false*"])


def test_a_claim_without_a_control_is_refused_with_advice(suite):
    result = suite(HOLDS.replace("(widen_gap)", "()"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ["*test_gap has no control, so nothing shows that it can fail*refused_by=*".replace("refused", "refuted")]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("(widen_gap)", "(widen_gap, widen_gap)"), "names a control twice"),
        (("(widen_gap)", "(lambda model: model)"), "has a control without a name"),
        (("(model, measure)", "(checkpoint, measure)"), "does not take `model`"),
    ],
)
def test_a_claim_that_proves_nothing_is_refused(suite, change, complaint):
    result = suite(HOLDS.replace(*change))
    assert result.ret != 0
    result.stdout.fnmatch_lines([f"*{complaint}*"])


def test_a_test_among_the_claims_that_is_no_claim_is_refused(suite, pytester):
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = suite(HOLDS + "\n    def test_plain():\n        pass\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_plain is not a claim: decorate it with @claim or @timing"])


def test_a_claim_may_say_that_it_is_not_about_this_model(suite):
    result = suite(HOLDS.replace("(widen_gap)", "(widen_gap, unless=lambda model: 'it has no head')"))
    assert result.ret == 1  # of this model nothing was verified
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["N/A       The gap is small", "          it has no head"])
    assert summary(result) == "1 claim: 0 hold, 1 not about this model; controls refuted 0/0"


@pytest.mark.parametrize("way_out", ["pytest.skip('no time')", "pytest.xfail('no time')"])
def test_a_claim_that_was_selected_and_did_not_run_turns_the_run_red(suite, way_out):
    result = suite(HOLDS.replace("assert", f"{way_out}; assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NOT RUN   The gap is small", "*no time*"])


def test_a_claim_marked_as_expected_to_fail_does_not_hold(suite):
    result = suite(HOLDS.replace("@stated", "@pytest.mark.xfail\n    @stated"))
    assert result.ret == 1


def test_claims_after_a_stop_are_not_run(suite):
    result = suite(HOLDS.replace("< 1", "< 0.1") + HOLDS.replace("test_gap", "test_later"), "-x")
    assert result.ret == 1
    assert summary(result) == "2 claims: 0 hold, 1 refuted, 1 not run; controls refuted 0/2"


def test_an_error_in_teardown_is_not_lost(suite):
    result = suite(
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


def test_controls_can_be_left_out(suite):
    result = suite(HOLDS, "--no-controls")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    assert summary(result) == "1 claim: 1 hold; controls left out"


def test_a_selected_control_alone_says_nothing_of_the_checkpoint(suite):
    result = suite(HOLDS, "-k", "widen_gap")
    result.stdout.fnmatch_lines(["CONTROLS  The gap is small", "*checkpoint itself was not selected*"])
    assert summary(result) == "1 claim: 0 hold, 1 not selected; controls refuted 1/1"


def test_parametrized_claims_are_claims_of_their_own(suite):
    result = suite(
        HOLDS.replace("@stated", '@pytest.mark.parametrize("bound", [1, 2])\n    @stated')
        .replace("measure)", "measure, bound)")
        .replace("< 1", "< bound")
    )
    assert result.ret == 0
    assert summary(result) == "2 claims: 2 hold; controls refuted 2/2; assertions shown to fail 2/2"


def test_a_search_reports_the_worst_it_found(suite):
    result = suite(
        """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @stated(widen_gap)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11, f"x = {x}"
    """
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gap (worst of * 2.5 *< 11 *slack 8.5", "*widen_gap (40)*"])


def test_a_bound_that_is_nan_judges_nothing(suite):
    result = suite(HOLDS.replace("< 1", "< math.nan"))
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["ERROR     The gap is small", "*which says nothing*"])


def test_a_nan_bound_on_a_control_is_no_refutation(suite):
    result = suite(
        HOLDS.replace("(widen_gap)", "(lose_bound)")
        .replace("< 1", "< model.get('bound', 1)")
        .replace(
            "    @stated", "    def lose_bound(model):\n        return {**model, 'bound': math.nan}\n\n    @stated"
        )
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control lose_bound error: MeasurementError: 'gap' = 0.25 was compared with nan*"])


def test_failing_by_an_assertion_on_something_else_is_no_refutation(suite):
    result = suite(
        """
    @stated(widen_gap)
    def test_gap(model, measure):
        small = measure("gap", model["gap"]) < 1
        assert model["gap"] != 4.0
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion that judged nothing*"])


def test_an_assertion_over_several_lines_refutes(suite):
    result = suite(
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


def test_a_broken_comparison_is_seen_beside_a_kept_one_of_the_same_slack(suite):
    result = suite(HOLDS.replace("assert", "measure('zero', 0) >= 0; measure('zero', 0) > 0; assert"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*passed although 'zero' > 0 is false*"])


PARAMETRIZED_FIXTURE = """
    @pytest.fixture(params=["p1", "p2"])
    def bound(request):
        return {"p1": 1, "p2": 2}[request.param]
""" + HOLDS.replace("measure)", "measure, bound)").replace("< 1", "< bound")


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_parametrized_fixtures_make_claims_of_their_own(suite, processes):
    result = suite(PARAMETRIZED_FIXTURE, *processes, subprocess=True)
    assert result.ret == 0
    assert summary(result) == "2 claims: 2 hold; controls refuted 2/2; assertions shown to fail 2/2"


def test_controls_selected_by_accident_are_dropped(suite):
    result = suite(SEVERAL.replace("test_0", "test_the_widen_gap_claim"), "-k", "widen_gap")
    assert result.ret == 0
    result.assert_outcomes(passed=2, deselected=6)
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1"


def test_controls_that_were_deselected_are_missed(suite):
    result = suite(HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)"), "-k", "not leave_alone")
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/2"
    alone = suite(HOLDS, "-k", "checkpoint")
    assert summary(alone) == "1 claim: 1 hold; 1 controls not selected"


def test_a_control_that_edits_the_checkpoint_is_an_error(suite, pytester):
    pytester.makepyfile(fingerprints="def pytest_claims_fingerprint(model):\n    return repr(model)")
    pytester.syspathinsert()
    edit = "    def forget_to_copy(model):\n        model['gap'] = 4.0\n        return MODEL\n"
    messages = {"model": "returns the model that it was given", "dict(model)": "changed the checkpoint"}
    for returned, message in messages.items():
        body = edit.replace("MODEL", returned) + HOLDS.replace("(widen_gap)", "(forget_to_copy)")
        result = suite(body, "-p", "fingerprints")
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"*{message}*"])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (HOLDS.replace("test_gap", "gap_is_small"), "gap_is_small is a claim, but pytest only runs functions named"),
        (
            "\n    class Claims:" + HOLDS.replace("\n    ", "\n        ").replace("(model", "(self, model"),
            "holds claims",
        ),
        (
            "\n    import unittest\n    class TestX(unittest.TestCase):\n        def test_x(self): pass\n",
            "is a unittest",
        ),
    ],
)
def test_claims_that_pytest_would_not_run_are_refused(suite, pytester, body, complaint):
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = suite(body)
    assert result.ret != 0
    result.stdout.fnmatch_lines([f"*{complaint}*"])


@pytest.mark.parametrize("reason", ["''", "True", "0"])
def test_a_scope_that_gives_no_reason_is_an_error(suite, reason):
    result = suite(HOLDS.replace("(widen_gap)", f"(widen_gap, unless=lambda model: {reason})"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*`unless` has to return None or why*"])


@pytest.mark.parametrize("statement", ["''", "None", "3"])
def test_a_claim_without_words_is_refused(suite, statement):
    result = suite(
        f"""
    @claim({statement}, source="us", over="everything", refuted_by=widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) < 1
    """
    )
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gap has a statement that is no text*"])


def test_given_may_stand_above_the_claim(suite):
    result = suite(
        """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    @stated(widen_gap)
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11
    """
    )
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1"


ERRATUM = """
    from pytest_claims import erratum

    @erratum("The gap is 4", source="them", over="everything", true_of=[widen_gap])
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) == 4
"""


def test_an_erratum_is_refuted_here_and_true_elsewhere(suite):
    result = suite(ERRATUM)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["ERRATUM   Published, in our words: The gap is 4", "*holds where it should 1/1: widen_gap*"]
    )
    assert summary(result).endswith("errata refuted as published 1/1")


def test_an_erratum_that_is_true_after_all_turns_the_run_red(suite):
    result = suite(ERRATUM.replace("== 4", "> 0"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["STANDS    *", "*the published statement is true of this model*"])


def test_an_erratum_that_is_true_of_nothing_turns_the_run_red(suite):
    result = suite(ERRATUM.replace("== 4", "< 0"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap not confirmed: the statement fails even where*"])


def test_an_erratum_needs_a_model_of_which_it_is_true(suite):
    result = suite(ERRATUM.replace("[widen_gap]", "[]"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gap names no model of which it is true*"])


MUTANTS = """
def widen_gap(model):
    return {"gap": 4.0}

def widen_further(model):
    return {"gap": 8.0}

def leave_alone(model):
    return dict(model)

def renumber(model):
    return {"gap": 3.0}
renumber.changes = ("numbers",)

def pytest_claims_mutants():
    return MUTANTS
"""


@pytest.mark.parametrize(
    ("mutants", "holes"),
    [
        ("[widen_gap, widen_further], [leave_alone]", []),
        ("[widen_gap], [leave_alone]", ["test_gap is refuted by 1 of 2 mutants, at least 2 are needed"]),
        ("[widen_gap, widen_further, leave_alone], []", ["no claim notices leave_alone"]),
        (
            "[widen_gap, widen_further], [widen_gap]",
            ["test_gap notices widen_gap, which breaks nothing and changes nothing that it depends on"],
        ),
    ],
)
def test_the_matrix_names_its_holes(suite, pytester, mutants, holes):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", mutants))
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = suite(HOLDS, "--matrix", "out/matrix.json")
    saved = json.loads((pytester.path / "out" / "matrix.json").read_text())
    assert saved["holes"] == holes
    assert result.ret == (1 if holes else 0)
    for hole in holes:
        result.stdout.fnmatch_lines([f"hole: {hole}"])
    if not holes:
        result.stdout.fnmatch_lines(["test_gap  XX.    2", "no holes"])


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=" ".join)
@pytest.mark.parametrize(("depends_on", "notices"), [(("numbers",), True), (("scales",), False), ((), False)])
def test_only_a_claim_that_depends_on_it_may_notice_what_a_harmless_mutant_changes(
    suite, pytester, depends_on, notices, processes
):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", "[widen_gap, widen_further], [renumber, leave_alone]"))
    pytester.makeini("[pytest]\nclaims_paths = .")
    body = HOLDS.replace("(widen_gap)", f"(widen_gap, depends_on={depends_on})")
    result = suite(body, "--matrix", "matrix.json", *processes)
    saved = json.loads((pytester.path / "matrix.json").read_text())
    hole = "test_gap notices renumber, which breaks nothing and changes nothing that it depends on"
    assert saved["holes"] == ([] if notices else [hole])
    assert result.ret == (0 if notices else 1)
    assert saved["harmless"] == {"renumber": ["numbers"], "leave_alone": []}
    result.stdout.fnmatch_lines(
        ["*renumber * 1  (breaks nothing, changes numbers)", "*leave_alone * 0  (breaks nothing)"]
    )


def test_the_matrix_counts_the_mutants_that_break_each_assertion(suite, pytester):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", "[widen_gap, widen_further], [leave_alone]"))
    pytester.makeini("[pytest]\nclaims_paths = .")
    body = HOLDS + '        assert measure("square", model["gap"] ** 2) < 50\n'
    result = suite(body, "--matrix", "matrix.json")
    saved = json.loads((pytester.path / "matrix.json").read_text())
    assert saved["assertions"] == {"test_suite.py::test_gap": {"gap <": 2, "square <": 1}}
    assert saved["holes"] == []
    assert result.ret == 1  # it is none of the claim's own controls that breaks the second
    result.stdout.fnmatch_lines(["*no control breaks: square <"])
    result = suite(body.replace("50", "5000"), "--matrix", "matrix.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["hole: test_gap: no mutant breaks square <"])


def test_a_matrix_that_cannot_be_saved_stops_the_run_at_once(suite, pytester):
    result = suite(HOLDS, "--matrix", str(pytester.path))
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --matrix {pytester.path}: is not a regular file"])


SEVERAL = HOLDS + "".join(
    HOLDS.replace("test_gap", f"test_{i}").replace('"gap", model', f'"gap {i}", model') for i in range(3)
)


def test_xdist_gives_the_same_report(suite):
    def report(result):
        text = result.stdout.str()
        start = text.index("verification report")
        return text[start : text.index("controls refuted 4/4", start)]

    # The first claim ends last when there are two workers; it must still come first in the report.
    slow_first = SEVERAL.replace("assert", "import time; time.sleep(0.5); assert", 1)
    alone = suite(slow_first, subprocess=True)
    parallel = suite(slow_first, "-n", "2", "--dist", "worksteal", subprocess=True)
    assert alone.ret == parallel.ret == 0
    parallel.assert_outcomes(passed=8)
    assert report(alone) == report(parallel)


@pytest.mark.parametrize("scalar", ["numpy.float64(1.5)", "torch.tensor(1.5)", "numpy.arange(3).sum()"])
def test_scalars_of_other_libraries_travel_between_processes(suite, scalar):
    body = HOLDS.replace("measure)", "measure, record_property)").replace(
        "assert", f"import numpy, torch; record_property('p', {scalar}); assert"
    )
    result = suite(body, "-n", "2", subprocess=True)
    assert result.ret == 0
    result.assert_outcomes(passed=2)


def test_a_property_that_cannot_travel_fails_its_test_and_no_other(suite):
    body = SEVERAL.replace("test_0(model, measure)", "test_0(model, measure, record_property)").replace(
        "    assert", "    'record_property' in locals() and record_property('p', object()); assert"
    )
    result = suite(body, "-n", "2", subprocess=True)
    assert result.ret == 1
    result.assert_outcomes(passed=6, failed=2)
    assert summary(result) == "4 claims: 3 hold, 1 in error; controls refuted 3/4; assertions shown to fail 3/3"
    result.stdout.fnmatch_lines(["*recorded property 'p': a builtins.object cannot travel*"])


def test_a_worker_that_dies_leaves_its_claim_in_error(suite):
    body = SEVERAL.replace("def test_1(model, measure):", "def test_1(model, measure):\n        import os; os._exit(3)")
    result = suite(body, "-n", "2", subprocess=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     test_1", "*the process that ran it crashed*"])


def test_no_result_at_all_is_not_success(suite, pytester):
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
    result = suite(HOLDS, "-p", "swallow")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NOT RUN   The gap is small", "*selected, but no result arrived"])


def test_collecting_runs_nothing_and_reports_nothing(suite):
    result = suite(HOLDS, "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*verification report*")


def test_colour_is_used_only_where_pytest_uses_it(suite):
    assert "\x1b[" not in suite(HOLDS, "--color=no").stdout.str()
    assert "\x1b[1;32mHOLDS" in suite(HOLDS, "--color=yes").stdout.str()


def test_no_line_of_the_report_is_wider_than_100_columns(suite):
    long = HOLDS.replace('"gap"', '"the gap between one thing and another, measured in a roundabout way"')
    lines = suite(long).outlines
    start = next(i for i, line in enumerate(lines) if "verification report" in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("1 claim:"))
    assert max(len(line) for line in lines[start : end + 1]) <= 100
