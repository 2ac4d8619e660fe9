"""`--report` and `--baseline`: what is made sure of before a run, and what is written after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cumsum_model.files import a_path, shown, write_whole
from cumsum_model.verification.baseline import SHRINK, Comparison, fraction
from cumsum_model.verification.document import ReportError, encode, from_document, read_report, readable, to_document
from cumsum_model.verification.github import append_summary
from cumsum_model.verification.markdown import markdown
from cumsum_model.verification.page import Illustrations, render_page
from cumsum_model.verification.report import NOT_FINISHED, Report

PAGE, DOCUMENT, MARKDOWN = "report.html", "report.json", "report.md"

Illustrate = Callable[[Report], Illustrations]


def add_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--report",
        metavar="DIR",
        type=a_path,
        help=f"write {PAGE}, {DOCUMENT} and {MARKDOWN} to DIR, whatever the verdict",
    )
    group.addoption(
        "--baseline",
        metavar="FILE",
        type=a_path,
        help=f"compare with the {DOCUMENT} of an earlier run; fail if a claim of it was lost",
    )
    group.addoption(
        "--fail-on-shrink",
        metavar="FRACTION",
        type=_fraction,
        help="with --baseline: fail if a slack shrank by more than this share of what it was "
        f"(default: say so from {SHRINK} on, and do not fail)",
    )


def _fraction(text: str) -> float:
    try:
        return fraction(text)
    except ValueError as error:
        raise pytest.UsageError(f"--fail-on-shrink {readable(text)[:100]}: {error}") from None


class Publisher:
    """Knows where the report goes and what it is compared with.

    Raises pytest.UsageError before anything runs if the folder cannot be written or the baseline not be read.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.folder: Path | None = config.getoption("report")
        self.shrink: float | None = config.getoption("fail_on_shrink")
        path: Path | None = config.getoption("baseline")
        self.baseline_name = "" if path is None else path.as_posix()
        if self.shrink is not None and path is None:
            raise pytest.UsageError("--fail-on-shrink needs --baseline: there is nothing else to shrink from")
        if config.option.collectonly and (self.folder is not None or path is not None):
            raise pytest.UsageError("--collect-only runs nothing that --report or --baseline could speak of")
        self.baseline = None if path is None else _read_baseline(path)
        if self.folder is not None:
            if path is not None and _same_file(path, self.folder / DOCUMENT):
                raise pytest.UsageError(
                    f"--baseline {_name(path)}: is the file that --report replaces, so a claim that is lost once "
                    "would be lost without a word from then on; keep the baseline elsewhere"
                )
            self._begin(self.folder)

    def _begin(self, folder: Path) -> None:
        """Put a report that says "not finished" where the report will be: no earlier one can be taken for it."""
        try:
            _write(folder, Report(problems=(NOT_FINISHED,)), Illustrations())
        except OSError as error:
            raise pytest.UsageError(f"--report {_name(folder)}: {error.strerror or error}") from None

    def compare(self, report: Report) -> Comparison | None:
        """The report against the baseline, with its texts as the baseline has them: readable. None without one."""
        if self.baseline is None:
            return None
        return from_document(to_document(report)).against(self.baseline, self.baseline_name, self.shrink)

    def publish(self, report: Report, illustrate: Illustrate) -> tuple[list[str], list[str]]:
        """Write the report. Returns problems, over which the run must not end well, and mere warnings."""
        if self.folder is None:
            return [], []
        problems, illustrations = [], Illustrations()
        try:
            illustrations = illustrate(report)
        except Exception as error:  # a picture that fails must not cost the verdicts
            problems.append(f"the figures could not be drawn: {type(error).__name__}: {str(error)[:300]}")
        try:
            _write(self.folder, _with(report, problems), illustrations)
        except (OSError, ReportError) as error:
            problems.append(f"the report could not be written to {_name(self.folder)}: {error}")
            self._withdraw()
        warning = append_summary(markdown(from_document(to_document(_with(report, problems)))))
        return problems, [warning] if warning else []

    def page(self) -> str | None:
        """Where the page is and how large; None if there is none."""
        path = self.folder / PAGE if self.folder is not None else None
        if path is None or not path.is_file():
            return None
        return f"{shown(path)} ({path.stat().st_size / 1024:.0f} kB)"

    def _withdraw(self) -> None:
        """Leave no part of a report that says more than was written."""
        assert self.folder is not None
        for name in (PAGE, DOCUMENT, MARKDOWN):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError:  # it says "not finished", or could not be replaced in the first place
                continue


def rebuild(report: Report, folder: Path, illustrations: Illustrations) -> None:
    """Write the page and the Markdown of a report that was read from its document. Raises OSError."""
    write_whole(folder / PAGE, render_page(report, illustrations).encode())
    write_whole(folder / MARKDOWN, markdown(report).encode())


def _write(folder: Path, report: Report, illustrations: Illustrations) -> None:
    document = to_document(report)
    rebuild(from_document(document), folder, illustrations)
    write_whole(folder / DOCUMENT, encode(document))


def _with(report: Report, problems: list[str]) -> Report:
    """The report with problems that came up while it was written."""
    if not problems:
        return report
    exit_code = report.exit_code or int(pytest.ExitCode.TESTS_FAILED)
    return replace(report, exit_code=exit_code, problems=(*report.problems, *problems))


def _read_baseline(path: Path) -> Report:
    try:
        report = read_report(path)
    except ReportError as error:
        raise pytest.UsageError(f"--baseline {error}") from None
    if report.exit_code is None:
        raise pytest.UsageError(f"--baseline {_name(path)}: the run that was to write it has not finished")
    if not any(result.checkpoint for result in report.claims):
        raise pytest.UsageError(f"--baseline {_name(path)}: holds no claim to compare with")
    return report


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _name(path: Path) -> str:
    return readable(str(path))[:300]


def illustrated(config: pytest.Config) -> Illustrate:
    """What the suite draws of a report."""

    def illustrate(report: Report) -> Illustrations:
        drawn: Any = config.hook.pytest_verification_illustrate(config=config, report=report)
        return drawn or Illustrations()

    return illustrate
