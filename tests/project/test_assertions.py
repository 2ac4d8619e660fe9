"""Assertions: each has to be broken by a control, and on a control all of them are evaluated."""

import json
import math
import re

import pytest
from pytest_claims.asserts import Place, assertions
from pytest_claims.claim import claim
from pytest_claims.measure import MeasurementError, Recorder
from pytest_claims.output.json import ReportError, from_document, schema

TWO_GAPS = """
    def widen_both(model):
        return {"gap": 4.0, "second": 4.0}

    def widen_second(model):
        return {"gap": 0.25, "second": 4.0}

    @stated(CONTROLS)
    def test_gaps(model, measure):
        assert measure("gap", model["gap"]) < 1
        assert measure("second gap", model.get("second", 0.25)) < 1
"""
HOLE = TWO_GAPS.replace("CONTROLS", "widen_second")
SHOWN = TWO_GAPS.replace("CONTROLS", "widen_both")

EVERY_WAY = [[], ["-n", "2"]]


def summary(result):
    return next(line for line in reversed(result.outlines) if re.match(r"\d+ claims?: ", line))


@pytest.fixture
def reported(suite, pytester):
    """Run a suite with `--report`: its result, report.json, and page and Markdown as one text."""

    def run(body, *arguments):
        result = suite(body, "--report", "out", *arguments)
        folder = pytester.path / "out"
        document = json.loads((folder / "report.json").read_text())
        return result, document, (folder / "report.html").read_text(), (folder / "report.md").read_text()

    return run


@pytest.mark.parametrize("ways", EVERY_WAY, ids=" ".join)
def test_an_assertion_that_no_control_breaks_turns_the_run_red(reported, ways):
    result, document, page, markdown = reported(HOLE, *ways)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["HOLDS     The gap is small", "*no control breaks: gap <"])
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/2"
    assert document["headline"] == "1 assertion never shown to fail"
    assert (document["tone"], document["exit_code"]) == ("bad", 1)
    (told,) = document["claims"]
    assert (told["good"], told["assertions"], told["unbroken"]) == (False, ["gap <", "second gap <"], ["gap <"])
    assert "no control breaks: gap &lt;" in page
    assert "no control breaks: gap &lt;" in markdown.replace("\\", "")


@pytest.mark.parametrize("ways", EVERY_WAY, ids=" ".join)
def test_a_control_breaks_the_assertions_after_the_first_as_well(reported, ways):
    result, document, page, _ = reported(SHOWN, *ways)
    assert result.ret == 0
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 2/2"
    (told,) = document["claims"]
    assert told["controls"][0]["broken"] == ["gap <", "second gap <"]
    assert told["controls"][0]["reason"] == "gap 4 < 1"
    assert [m["comparisons"][0]["broken_by"] for m in told["measurements"]] == [["widen_both"], ["widen_both"]]
    assert "no control breaks" not in page


def test_an_assertion_that_no_control_breaks_is_annotated(suite, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (command,) = [line for line in suite(HOLE).outlines if line.startswith("::error")]
    assert command.endswith("::no control breaks: gap <")


@pytest.mark.parametrize("arguments", [["--no-controls"], ["-k", "checkpoint"]], ids=" ".join)
def test_nothing_is_said_of_assertions_where_controls_did_not_run(suite, arguments):
    result = suite(HOLE, *arguments)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*no control breaks*")
    result.stdout.no_fnmatch_line("*assertions shown to fail*")


def test_nothing_is_said_of_assertions_while_a_control_is_missing(suite):
    both = HOLE.replace("(widen_second)", "(widen_second, widen_both)")
    assert summary(suite(both)).endswith("assertions shown to fail 2/2")
    result = suite(both, "-k", "not widen_both")
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/2"
    result.stdout.no_fnmatch_line("*no control breaks*")


def test_a_control_that_cannot_be_made_breaks_nothing(suite):
    impossible = """
    class NotOfThisModel(ValueError):
        cannot_be_made = True

    def widen_a_third_gap(model):
        raise NotOfThisModel("there is none")
"""
    result = suite(impossible + HOLE.replace("(widen_second)", "(widen_second, widen_a_third_gap)"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no control breaks: gap <"])


def test_the_same_name_under_another_operator_is_another_assertion(suite):
    result = suite(HOLE.replace("second gap", "gap").replace("0.25)) < 1", "0.25)) <= 1"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no control breaks: gap <"])


def test_what_broke_in_any_example_of_a_search_counts(suite):
    search = """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @stated(widen_gap)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11
        assert measure("twice the gap", model["gap"] * 2) < 3
    """
    result = suite(search)
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
    ("crash", "told"),
    [
        ("assert model['gap'] < 1, 'ends here'", "then AssertionError: ends here"),
        ("[][int(model['gap'])] if model['gap'] > 1 else None", "then IndexError: list index out of range"),
        ("measure('logarithm', math.nan if model['gap'] > 1 else 0) == 0", "then MeasurementError: 'logarithm' is not"),
    ],
)
def test_a_crash_after_a_broken_assertion_is_a_refutation(reported, crash, told):
    _, document, _, _ = reported(CRASHES.replace("CRASH", crash))
    (control,) = document["claims"][0]["controls"]
    assert control["verdict"] == "refuted"
    assert control["reason"].startswith(f"gap 4 < 1, {told}")


@pytest.mark.parametrize(
    ("crash", "told"),
    [
        ("assert model['gap'] < 1", "*control widen_gap error: failed by an assertion that judged nothing measured*"),
        ("[][int(model['gap'])] if model['gap'] > 1 else None", "*control widen_gap error: IndexError*"),
    ],
)
def test_a_crash_before_any_broken_assertion_is_an_error(suite, crash, told):
    result = suite(CRASHES.replace("CRASH", crash).replace('assert measure("gap", model["gap"]) < 1', ""))
    assert result.ret == 1
    result.stdout.fnmatch_lines([told])


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
    (told,) = document["claims"]
    assert told["controls"][0]["verdict"] == verdict
    assert told["assertions"] in (["rest <"], [])
    assert "gap <" not in told["controls"][0]["broken"]


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


def test_assertions_of_another_file_are_not_those_of_the_claim(suite, pytester):
    pytester.makepyfile(helper="def check(gap):\n    assert gap < 1")
    result = suite(
        """
    from helper import check

    @stated(widen_gap)
    def test_gap(model, measure):
        check(measure("gap", model["gap"]))
    """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap error: failed by an assertion outside the claim*"])


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


def test_another_figure_than_the_published_one_refutes(suite):
    result = suite(PUBLISHED.replace("JUDGED", "assert gap.as_published(within=1 / 10)"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["REFUTED   The gap is small", "*gap (published 0.3) *0.25 m *== 0.3 ± 10% *slack -0.02"]
    )


def test_a_published_figure_that_is_never_compared_is_an_error(suite):
    result = suite(PUBLISHED.replace("JUDGED", ""))
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


def suite_is_red(told):
    result, document, *_ = told
    return result.ret == 1 and document["claims"][0]["verdict"] == "refuted"


def test_what_a_claim_depends_on_is_shown(reported):
    body = SHOWN.replace("@stated(widen_both)", '@stated(widen_both, depends_on=("neuron numbers", "basis"))')
    result, document, page, _ = reported(body)
    result.stdout.fnmatch_lines(["*over everything; us; depends on: neuron numbers, basis"])
    assert document["claims"][0]["depends_on"] == ["neuron numbers", "basis"]
    assert "Depends on: neuron numbers, basis." in page
    assert "Depends on" not in reported(SHOWN)[2]


def test_what_a_claim_depends_on_has_a_name(suite):
    result = suite(SHOWN.replace("@stated(widen_both)", "@stated(widen_both, depends_on=(7,))"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gaps depends on what is no text: 7*"])
    assert claim("a", source="b", over="c", depends_on="neurons")(lambda: 0).__claims__.depends_on == ("neurons",)


def test_exhaustive_claims_and_instruments_are_counted(suite):
    several = SHOWN + "".join(
        SHOWN.replace("test_gaps", f"test_{i}").replace("(widen_both)", f"(widen_both, {what})")
        for i, what in enumerate(["exhaustive=True", "exhaustive=True", "instrument=True"])
    )
    assert summary(suite(several)).startswith("4 claims: 4 hold (2 over every input), of them 1 of the instruments; ")
    refuted = several.replace('model["gap"]) < 1', 'model["gap"]) < 0.1')
    assert summary(suite(refuted)).startswith("4 claims: 0 hold, 4 refuted, of them 1 of the instruments; ")


def test_what_a_claim_is_survives_the_way_through_json(reported):
    options = 'depends_on=("neuron numbers",), exhaustive=True, instrument=True'
    _, document, _, _ = reported(SHOWN.replace("(widen_both)", f"(widen_both, {options})"))
    (told,) = from_document(document).claims
    for record in told.records:
        assert (record.depends_on, record.exhaustive, record.instrument) == (["neuron numbers"], True, True)
    assert told.controls[0].broken == told.checkpoint.assertions == ["gap <", "second gap <"]


def test_a_report_of_an_unknown_format_is_refused_in_one_line(reported):
    _, document, _, _ = reported(SHOWN)
    assert schema()["properties"]["format"]["const"] == document["format"] == 3
    with pytest.raises(ReportError, match="is a report of format 1; this version reads formats 2 to 3"):
        from_document({**document, "format": 1})
