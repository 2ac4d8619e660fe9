"""Assertions: each has to be broken by a control, and on a control all of them are evaluated."""

import pytest
from one_file import HOLE, SHOWN, summary
from pytest_claims.asserts import Place, assertions
from pytest_claims.measure import Recorder

EVERY_WAY = [[], ["-n", "2"]]


@pytest.mark.parametrize("ways", EVERY_WAY, ids=" ".join)
def test_an_assertion_that_no_control_breaks_turns_the_run_red(reported, ways):
    result, document, page, markdown = reported(HOLE, *ways)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["HOLDS     The gap is small", "*no control breaks: gap <"])
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/2"
    assert document["headline"] == "1 assertion never shown to fail"
    assert (document["tone"], document["exit_code"]) == ("bad", 1)
    (claim,) = document["claims"]
    assert (claim["good"], claim["assertions"], claim["unbroken"]) == (False, ["gap <", "second gap <"], ["gap <"])
    assert "no control breaks: gap &lt;" in page
    assert "no control breaks: gap &lt;" in markdown.replace("\\", "")


@pytest.mark.parametrize("ways", EVERY_WAY, ids=" ".join)
def test_a_control_breaks_the_assertions_after_the_first_as_well(reported, ways):
    result, document, page, _ = reported(SHOWN, *ways)
    assert result.ret == 0
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 2/2"
    (claim,) = document["claims"]
    assert claim["controls"][0]["broken"] == ["gap <", "second gap <"]
    assert claim["controls"][0]["reason"] == "gap 4 < 1"
    assert [m["comparisons"][0]["broken_by"] for m in claim["measurements"]] == [["widen_both"], ["widen_both"]]
    assert "no control breaks" not in page


def test_an_assertion_that_no_control_breaks_is_annotated(run_claims, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (command,) = [line for line in run_claims(HOLE).outlines if line.startswith("::error")]
    assert command.endswith("::no control breaks: gap <")


@pytest.mark.parametrize("arguments", [["--no-controls"], ["-k", "checkpoint"]], ids=" ".join)
def test_nothing_is_said_of_assertions_where_controls_did_not_run(run_claims, arguments):
    result = run_claims(HOLE, *arguments)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*no control breaks*")
    result.stdout.no_fnmatch_line("*assertions shown to fail*")


def test_nothing_is_said_of_assertions_while_a_control_is_missing(run_claims):
    both = HOLE.replace("(widen_second)", "(widen_second, widen_both)")
    assert summary(run_claims(both)).endswith("assertions shown to fail 2/2")
    result = run_claims(both, "-k", "not widen_both")
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/2"
    result.stdout.no_fnmatch_line("*no control breaks*")


def test_a_control_that_cannot_be_made_breaks_nothing(run_claims):
    impossible = """
    class NotOfThisModel(ValueError):
        cannot_be_made = True

    def widen_a_third_gap(model):
        raise NotOfThisModel("there is none")
"""
    result = run_claims(impossible + HOLE.replace("(widen_second)", "(widen_second, widen_a_third_gap)"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no control breaks: gap <"])


def test_the_same_name_under_another_operator_is_another_assertion(run_claims):
    result = run_claims(HOLE.replace("second gap", "gap").replace("0.25)) < 1", "0.25)) <= 1"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no control breaks: gap <"])


def test_what_broke_in_any_example_of_a_search_counts(run_claims):
    search = """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @stated(widen_gap)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11
        assert measure("twice the gap", model["gap"] * 2) < 3
    """
    result = run_claims(search)
    assert result.ret == 0
    assert summary(result).endswith("assertions shown to fail 2/2")
    result.stdout.fnmatch_lines(["*controls refuted 1/1: widen_gap (40)"])  # of all examples, not of the first broken


CRASHES = """
    @stated(widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) < 1
        CRASH
        assert measure("twice the gap", 2 * model["gap"]) < 2
"""


@pytest.mark.parametrize(
    ("crash", "message"),
    [
        ("assert model['gap'] < 1, 'ends here'", "then AssertionError: ends here"),
        ("[][int(model['gap'])] if model['gap'] > 1 else None", "then IndexError: list index out of range"),
        ("measure('logarithm', math.nan if model['gap'] > 1 else 0) == 0", "then MeasurementError: 'logarithm' is not"),
    ],
)
def test_a_crash_after_a_broken_assertion_is_a_refutation(reported, crash, message):
    _, document, _, _ = reported(CRASHES.replace("CRASH", crash))
    (control,) = document["claims"][0]["controls"]
    assert control["verdict"] == "refuted"
    assert control["reason"].startswith(f"gap 4 < 1, {message}")


@pytest.mark.parametrize(
    ("crash", "line"),
    [
        ("assert model['gap'] < 1", "*control widen_gap error: failed by an assertion that judged nothing measured*"),
        ("[][int(model['gap'])] if model['gap'] > 1 else None", "*control widen_gap error: IndexError*"),
    ],
)
def test_a_crash_before_any_broken_assertion_is_an_error(run_claims, crash, line):
    result = run_claims(CRASHES.replace("CRASH", crash).replace('assert measure("gap", model["gap"]) < 1', ""))
    assert result.ret == 1
    result.stdout.fnmatch_lines([line])


BRANCHES = """
    @stated(widen_gap)
    def test_gap(model, measure):
        BRANCH
        assert measure("rest", rest) < 1
"""


@pytest.mark.parametrize(
    ("branch", "verdict"),
    [
        ("rest = 0 if measure('gap', model['gap']) < 1 else 2", "refuted"),
        ("rest = 2 if measure('gap', model['gap']) < 1 else 0", "error"),  # a lie would refute it
        ("rest = 0\n        if not measure('gap', model['gap']) < 1: rest = 2", "refuted"),
        ("small = measure('gap', model['gap']) < 1\n        rest = 0 if small else 2", "refuted"),
        ("rest = 0\n        if not measure('gap', model['gap']) < 1:\n            assert False, 'the truth'", "error"),
    ],
)
def test_a_comparison_outside_an_assert_is_answered_truthfully(reported, branch, verdict):
    _, document, _, _ = reported(BRANCHES.replace("BRANCH", branch))
    (claim,) = document["claims"]
    assert claim["controls"][0]["verdict"] == verdict
    assert claim["assertions"] in (["rest <"], [])
    assert "gap <" not in claim["controls"][0]["broken"]


def test_an_assertion_that_can_pass_without_a_comparison_is_not_refuted_by_it(reported):
    either = """
    @stated(widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) < 1 or measure("half the gap", model["gap"] / 2) < BOUND
"""
    result, document, _, _ = reported(either.replace("BOUND", "3"))
    assert result.ret == 1
    assert document["claims"][0]["controls"][0]["verdict"] == "error"
    result, document, _, _ = reported(either.replace("BOUND", "1"))
    assert result.ret == 0
    assert document["claims"][0]["controls"][0]["broken"] == ["gap <", "half the gap <"]


def test_an_erratum_and_the_checkpoint_are_judged_strictly(reported):
    erratum = """
    from pytest_claims import erratum

    @erratum("The gaps are wide", source="them", over="everything", true_of=[widen_gap])
    def test_wide(model, measure):
        assert measure("gap", model["gap"]) > 1
        assert measure("square", model["gap"] ** 2) > BOUND
"""
    result, document, _, _ = reported(erratum.replace("BOUND", "1"))
    assert result.ret == 0
    assert document["claims"][0]["assertions"] == ["gap >"]  # the first that is false ends it
    result, document, _, _ = reported(erratum.replace("BOUND", "100"))
    assert result.ret == 1
    assert document["claims"][0]["controls"][0]["verdict"] == "not confirmed"


SOURCE = """
def test(measure, many):
    assert measure("a", 2) < 1
    assert (
        measure("b", 2)
        < 1
    )
    assert 0 < measure("c", 2) < 1 and measure("d", 2) < 1
    assert all(measure("e", x) < 1 for x in many)
    assert measure("f", 2, published=4).as_published(within=0.1)
    assert measure(
        "g",
        2,
        published=4,
    ).as_published(within=0.1)
    assert not measure("h", 0) > 1
    assert measure("i", 2) > 1 or many
    assert max(measure("j", 2), 1) == 2
    if measure("k", 0) < 1: assert measure("l", 2) < 1, f"{measure('m', 0) < 1}"
"""


@pytest.mark.parametrize("rewritten", [True, False])
def test_the_comparisons_of_an_assert_are_found_whoever_compiles_it(tmp_path, rewritten):
    """By pytest, which writes assertions anew, and by Python."""
    import ast

    from _pytest.assertion.rewrite import rewrite_asserts

    path = tmp_path / "claims.py"
    path.write_text(SOURCE)
    tree = ast.parse(SOURCE)
    if rewritten:
        rewrite_asserts(tree, SOURCE.encode())
    names = {}
    exec(compile(tree, str(path), "exec"), names)
    measure = Recorder(path, lenient=True)
    names["test"](measure, [2, 3])
    asserted = ["a <", "b <", "c >", "c <", "d <", "e <", "f ==", "g ==", "h >", "i >", "j ==", "l <"]
    assert measure.assertions == asserted
    assert measure.broken_assertions == ["a <", "b <", "c <", "d <", "e <", "f ==", "g ==", "h >", "l <"]
    places = [set(assertion.places.values()) for assertion in assertions(path)]
    assert [Place.OPTIONAL in of_one for of_one in places] == [False] * 6 + [True, True, False, False]


def test_assertions_of_another_file_are_not_those_of_the_claim(run_claims, pytester):
    pytester.makepyfile(helper="def check(gap):\n    assert gap < 1")
    result = run_claims(
        """
    from helper import check

    @stated(widen_gap)
    def test_gap(model, measure):
        check(measure("gap", model["gap"]))
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion outside the claim*"])
