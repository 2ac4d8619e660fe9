"""`report.md`: the report as GitHub shows it, in a step summary or a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from pytest_claims.measure import Measurement, format_value
from pytest_claims.report.report import Report
from pytest_claims.report.summary import Tone
from pytest_claims.results import ClaimResult, Record
from pytest_claims.text import format_number
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict

LONGEST = 900_000
"""GitHub refuses step summaries of more than 1 MiB, whole."""

LONGEST_TEXT = 400
MOST_FAILURES = 50

SIGNS = {Tone.GOOD: "🟢", Tone.PARTIAL: "🟡", Tone.BAD: "🔴", Tone.UNFINISHED: "🔴"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:=^])")


def markdown(report: Report) -> str:
    """The report, without figures: the verdict first, then what needs attention, then a row a claim."""
    text = "\n".join([*_head(report), *_comparison(report), *_failures(report)])
    table = "\n".join(_table(report))
    if len((text + table).encode()) > LONGEST:
        table = "\nThe table of claims is too long to show here; it stands in report.html.\n"
    return f"{text}\n{table}\n"


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text that stays text in GitHub's Markdown, on one line: no markup, no HTML, no link, nobody mentioned."""
    line = " ".join(text.split())
    if len(line) > longest:
        line = line[: longest - 3] + "..."
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return line.replace("@", "@<!-- -->").replace("://", ":<!-- -->//").replace("www", "w<!-- -->ww")


def _head(report: Report) -> Iterator[str]:
    yield f"## {SIGNS[report.tone]} {plain(report.headline)}"
    yield ""
    if report.line:
        yield f"{plain(report.line)}"
        yield ""
    yield plain(report.summary)
    yield ""
    for note in report.subject.notes:
        yield f"- {'' if note.good else '**not so:** '}{plain(note.text)}"
    for problem in report.problems:
        yield f"- **problem:** {plain(problem)}"
    for sentence in report.left_out:
        yield f"- **not the whole suite:** {plain(sentence)}"
    yield ""


def _comparison(report: Report) -> Iterator[str]:
    if report.comparison is None:
        return
    yield "### Against the baseline"
    yield ""
    sign = "🔴" if report.comparison.fails else "🟢"
    yield f"{sign} {plain(report.comparison.baseline)}: {plain(report.comparison.summary)}"
    yield ""
    if report.comparison.differences:
        yield "| | what | claim | |"
        yield "| --- | --- | --- | --- |"
    for difference in report.comparison.differences:
        sign = "🔴" if difference.fails else "⚪"
        yield f"| {sign} | {plain(difference.kind)} | {plain(difference.statement)} | {plain(difference.text)} |"
    yield ""


def _failures(report: Report) -> Iterator[str]:
    if not report.failing:
        return
    yield "### Not as it should be"
    yield ""
    for result in report.failing[:MOST_FAILURES]:
        yield f"- **{plain(str(result.verdict).upper())}** {plain(result.statement)}"
        yield f"  - {plain(result.claim)}"
        checkpoint = result.checkpoint
        if checkpoint is not None:
            broken = [measurement for measurement in checkpoint.measurements if not measurement.holds]
            yield from (f"  - {row}" for row in _measured(broken))
            if checkpoint.reason:
                yield f"  - {plain(checkpoint.reason)}"
        if result.lacks_control:
            yield f"  - {WITHOUT_CONTROL}"
        if result.unbroken:
            yield f"  - {plain(result.told_unbroken)}"
        for control in result.failing_controls:
            yield f"  - control {plain(control.subject)} **{plain(str(control.verdict))}**: {plain(control.reason)}"
    if len(report.failing) > MOST_FAILURES:
        yield f"- and {len(report.failing) - MOST_FAILURES} more"
    yield ""


def _table(report: Report) -> Iterator[str]:
    if not report.claims:
        return
    yield f"<details><summary>{_kinds(report)}</summary>"
    yield ""
    for section, group in groupby(report.claims, key=lambda result: result.records[0].section):
        yield f"#### {plain(section)}"
        yield ""
        yield "| verdict | claim | measured, on the model under test | controls |"
        yield "| --- | --- | --- | --- |"
        for result in group:
            broken = "refuted" if result.good else "**broken**"
            measured = "<br>".join(_measured(result.checkpoint.measurements, broken)) if result.checkpoint else ""
            if result.verdict == Verdict.NOT_ABOUT and result.checkpoint:
                measured = plain(result.checkpoint.reason)
            yield f"| {plain(str(result.verdict))} | {_stated(result)} | {measured} | {_controls(result)} |"
        yield ""
    for record in report.timings:
        yield f"- {plain(record.statement)}; {plain(record.over)}: {_timed(record)}"
    yield ""
    yield "</details>"


def _kinds(report: Report) -> str:
    """How many claims of which kind the table has."""
    counts = [
        (report.plain_claims, "claim", "claims"),
        (report.errata, "erratum", "errata"),
        (report.rivals, "rival account", "rival accounts"),
        (report.stress_tests, "stress test", "stress tests"),
    ]
    return "All: " + ", ".join(f"{len(of)} {word if len(of) == 1 else many}" for of, word, many in counts if of)


def _stated(result: ClaimResult) -> str:
    """The statement; below it, where a claim says so, the evidence for it and over what it holds."""
    first = result.records[0]
    backed = f"<br>{plain(', '.join(filter(None, [first.evidence, first.over])))}" if first.evidence else ""
    return plain(result.statement) + backed


def _measured(measurements: Sequence[Measurement], broken: str = "**broken**") -> list[str]:
    """A line for each comparison; `broken` precedes how far one that does not hold is from its bound."""
    rows = []
    for measurement in measurements:
        published = "" if measurement.published is None else f" (published {format_number(measurement.published)})"
        value = plain(f"{measurement.name}{published} {format_value(measurement)}")
        if not measurement.comparisons:
            rows.append(value)
        for comparison in measurement.comparisons:
            kept = "slack" if comparison.holds else f"{broken} by"
            room = format_number(abs(comparison.slack))
            rows.append(f"{value} {plain(f'{comparison.operator} {comparison.bound}')}, {kept} {plain(room)}")
    return rows


def _controls(result: ClaimResult) -> str:
    if result.verdict == Verdict.NOT_ABOUT or not result.n_controls:
        return ""
    return f"{result.n_good_controls}/{result.n_due_controls}"


def _timed(record: Record) -> str:
    figures = ", ".join(f"{m.name} {format_value(m)}" for m in record.measurements)
    return plain(figures or f"{record.verdict}: {record.reason}")
