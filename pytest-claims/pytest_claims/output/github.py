"""What GitHub Actions is told: annotations at the lines of claims, and the step summary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_claims.measure import format_value
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult
from pytest_claims.text import readable
from pytest_claims.verdict import WITHOUT_CONTROL

LONGEST = 1000


def workflow_commands(report: Report) -> Iterator[str]:
    """A workflow command for every claim that turns the run red, and for everything else that does."""
    for result in report.failing:
        first = result.records[0]
        file = result.claim.partition("::")[0]
        title = f"{result.verdict}: {result.statement}" if result.checkpoint else result.statement
        yield _command("error", " | ".join(_told(result)), file=file, line=max(first.line, 1), title=title)
    for problem in report.problems:
        yield _command("error", problem, title="verification")
    for difference in report.comparison.differences if report.comparison else ():
        if difference.fails:
            title = f"{difference.kind}: {difference.statement}"
            yield _command("error", difference.text, file=difference.claim.partition("::")[0], title=title)
    for sentence in report.left_out:
        yield _command("warning", sentence, title="not the whole suite")


def append_summary(markdown: str) -> str | None:
    """Append to the file that GITHUB_STEP_SUMMARY names, if it names one. Returns what went wrong, if anything did."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return None
    try:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(markdown)
    except OSError as error:
        return f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}"
    return None


def _told(result: ClaimResult) -> Iterator[str]:
    checkpoint = result.checkpoint
    if checkpoint is not None:
        for measurement in checkpoint.measurements:
            for comparison in measurement.comparisons:
                if not comparison.holds:
                    should_be = f"{comparison.operator} {comparison.bound}"
                    yield f"{measurement.name} = {format_value(measurement)}, should be {should_be}"
        if checkpoint.reason:
            yield checkpoint.reason
    if result.lacks_control:
        yield WITHOUT_CONTROL
    if result.unbroken:
        yield result.told_unbroken
    for control in result.failing_controls:
        yield f"control {control.subject} {control.verdict}: {control.reason}"


def _command(name: str, message: str, **properties: object) -> str:
    """`::error file=..,line=..,title=..::message`, with everything that could end it early escaped."""
    listed = ",".join(f"{key}={_escape(str(value), ':,')}" for key, value in properties.items())
    return f"::{name} {listed}::{_escape(message)}"


def _escape(text: str, more: str = "") -> str:
    text = readable(text)[:LONGEST]
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)
