"""On GitHub: the summary of a step, and annotations of what failed."""

from one_file import HOLDS, REFUTED
from pytest_claims.output.github import workflow_commands
from pytest_claims.output.markdown import markdown
from pytest_claims.report.baseline import Comparison, Difference, Kind
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult, Record
from pytest_claims.verdict import Verdict


def test_the_step_summary_is_appended_to(reported, pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    _, _, _, report_markdown = reported(HOLDS)
    assert summary.read_text() == "before\n" + report_markdown


def test_a_step_summary_that_cannot_be_written_is_a_warning(reported, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "no" / "such" / "folder"))
    result, document, _, _ = reported(HOLDS)
    assert (result.ret, document["tone"]) == (0, "good")
    result.stdout.fnmatch_lines(["warning: GITHUB_STEP_SUMMARY *No such file*"])


def test_failures_annotate_the_line_of_the_claim(run_claims, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run_claims(REFUTED)
    lines = (pytester.path / "test_suite.py").read_text().splitlines()
    place = 1 + next(i for i, line in enumerate(lines) if "@stated(widen_gap)" in line)
    (command,) = [line for line in result.outlines if line.startswith("::")]
    assert command.startswith(f"::error file=test_suite.py,line={place},title=refuted%3A The gap is small::")
    assert "gap = 0.25 m, should be < 0.1 | the gap is wide" in command


def test_a_step_summary_too_long_for_github_is_shortened_and_says_so():
    def report(n_claims):
        records = (
            Record(
                f"t.py::test_{i}[checkpoint]", f"t.py::test_{i}", "A section", "x" * 500, "checkpoint", Verdict.HOLDS
            )
            for i in range(n_claims)
        )
        return Report([ClaimResult(record.claim, record) for record in records], exit_code=0)

    assert "too long to show here" not in markdown(report(1000))
    long = markdown(report(3000))
    assert len(long.encode()) < 1_000_000
    assert "3000 claims" in long
    assert "too long to show here" in long


def test_what_annotations_say_cannot_end_them(run_claims, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run_claims(REFUTED.replace("the gap is wide", "100% wide, a: b,c" + "x" * 5000))
    (command,) = [line for line in result.outlines if line.startswith("::")]
    assert "100%25 wide, a: b,c" in command
    assert len(command) < 1500


def test_losses_problems_and_what_is_left_out_are_annotated():
    lost = Difference(Kind.MISSING, "claims/cumsum/test_it.py::test_a", "A, b: c", "gone", fails=True)
    noted = Difference(Kind.FIXED, "claims/cumsum/test_it.py::test_b", "B", "fixed", fails=False)
    comparison = Comparison("b", 0.5, (lost, noted), 0)
    report = Report(exit_code=1, comparison=comparison, left_out=("2 of 3",), problems=("no\nsuch",))
    assert list(workflow_commands(report)) == [
        "::error title=verification::no%0Asuch",
        "::error file=claims/cumsum/test_it.py,title=missing%3A A%2C b%3A c::gone",
        "::warning title=not the whole suite::2 of 3",
    ]
    assert "**not the whole suite:** 2 of 3" in markdown(report)
    assert "**problem:** no such" in markdown(report)


def test_nothing_is_annotated_outside_of_github(run_claims, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert not [line for line in run_claims(REFUTED).outlines if line.startswith("::")]
