"""`--claims-report` and `--claims-baseline`: what is made sure of before a run, and what is written after it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_claims.files import a_path, shown
from pytest_claims.hooks.spelling import spelled
from pytest_claims.output import DOCUMENT, MARKDOWN, PAGE
from pytest_claims.text import one_line, readable

if TYPE_CHECKING:
    from pytest_claims.drawing.figure import Illustrations
    from pytest_claims.report.baseline import Comparison
    from pytest_claims.report.report import Report

Illustrate = Callable[["Report"], "Illustrations"]


def add_options(addoption: Callable[..., None], prefix: str = "--claims-") -> None:
    """Add the options by which a run is published and compared."""
    addoption(
        f"{prefix}report",
        dest="claims_report",
        metavar="DIR",
        type=a_path,
        help=f"write {PAGE}, {DOCUMENT} and {MARKDOWN} to DIR, whatever the verdict; several suites or checkpoints get "
        "a folder each, and an index.html",
    )
    addoption(
        f"{prefix}baseline",
        dest="claims_baseline",
        metavar="FILE",
        type=a_path,
        help=f"compare with the {DOCUMENT} of an earlier run, or the folder of one; fail if a claim of it was lost",
    )
    addoption(
        f"{prefix}fail-on-shrink",
        dest="claims_fail_on_shrink",
        metavar="FRACTION",
        type=_fraction,
        help="with a baseline: fail if a slack shrank by more than this share of what it was "
        "(default: say so from 0.5 on, and do not fail)",
    )


def _fraction(text: str) -> float:
    from pytest_claims.report.baseline import fraction

    try:
        return fraction(text)
    except ValueError as error:
        raise pytest.UsageError(f"--fail-on-shrink {one_line(text, 100)}: {error}") from None


class Publisher:
    """Knows where the reports go and what they are compared with.

    Raises pytest.UsageError before anything runs if the folder cannot be written or the baseline not be read.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._spelled = functools.partial(spelled, config)
        report, baseline = self._spelled("report"), self._spelled("baseline")
        self.folder: Path | None = config.getoption("claims_report")
        self.shrink: float | None = config.getoption("claims_fail_on_shrink")
        self.baseline: Path | None = config.getoption("claims_baseline")
        if self.shrink is not None and self.baseline is None:
            raise pytest.UsageError(
                f"{self._spelled('fail-on-shrink')} needs {baseline}: there is nothing else to shrink from"
            )
        if config.option.collectonly and (self.folder is not None or self.baseline is not None):
            raise pytest.UsageError(f"--collect-only runs nothing that {report} or {baseline} could speak of")
        self._baselines: dict[Path, Report] = {}
        for path in self._named():
            self._read(path)
        if self.folder is not None:
            self._require_apart(self.folder)
            self.begin(self.folder)

    def _named(self) -> list[Path]:
        """The reports to compare with: the baseline itself, or those in the folder that it is."""
        if self.baseline is None or not self.baseline.is_dir():
            return [] if self.baseline is None else [self.baseline]
        reports = sorted(self.baseline.glob(f"**/{DOCUMENT}"))
        if not any(path.is_file() for path in reports):
            raise pytest.UsageError(f"{self._spelled('baseline')} {_name(self.baseline)}: holds no {DOCUMENT}")
        return reports

    def _require_apart(self, folder: Path) -> None:
        """See to it that no baseline is replaced by the report that is compared with it."""
        if self.baseline is None:
            return
        replaced = [folder / DOCUMENT] if not self.baseline.is_dir() else [folder]
        if any(_same_file(self.baseline, path) for path in replaced):
            raise pytest.UsageError(
                f"{self._spelled('baseline')} {_name(self.baseline)}: is the file that {self._spelled('report')} "
                "replaces, so a claim that is lost once would be lost without a word from then on; keep the baseline "
                "elsewhere"
            )

    def begin(self, folder: Path) -> None:
        """Put a report that says "not finished" where the report will be: no earlier one can be taken for it."""
        from pytest_claims.drawing.figure import Illustrations
        from pytest_claims.output.folder import write_report
        from pytest_claims.report.report import NOT_FINISHED, Report

        try:
            write_report(Report(problems=(NOT_FINISHED,)), folder, Illustrations())
        except OSError as error:
            raise pytest.UsageError(f"{self._spelled('report')} {_name(folder)}: {error.strerror or error}") from None

    def compare(self, report: Report, place: Path) -> Comparison | None:
        """The report against its baseline, with its texts as the baseline has them: readable. None without one.

        Raises pytest.UsageError if the baseline is a folder that has none at `place`.
        """
        from pytest_claims.output.json import ReportError, from_document, to_document

        path = self._baseline_of(report, place)
        if path is None:
            return None
        baseline = self._read(path)
        try:
            readable_report = from_document(to_document(report))
        except ReportError as error:
            raise pytest.UsageError(f"the report cannot be compared with the baseline: it {error}") from None
        return readable_report.against(baseline, path.as_posix(), self.shrink)

    def _baseline_of(self, report: Report, place: Path) -> Path | None:
        """The file to compare a report with. None without one, or where it is of another of several suites.

        A folder has it where the report will lie in its own, or as its only one of that suite.
        """
        if self.baseline is None:
            return None
        if not self.baseline.is_dir():
            return self.baseline if place == Path() or _is_of(report.suite, self._read(self.baseline)) else None
        path = self.baseline / place / DOCUMENT
        if path.is_file() or report.model:
            return path
        own = [each for each in self._named() if _is_of(report.suite, self._read(each))]
        return own[0] if len(own) == 1 else path

    def _read(self, path: Path) -> Report:
        from pytest_claims.output.json import ReportError, read_report

        if path in self._baselines:
            return self._baselines[path]
        option = self._spelled("baseline")
        try:
            report = read_report(path)
        except ReportError as error:
            raise pytest.UsageError(f"{option} {error}") from None
        if report.exit_code is None:
            raise pytest.UsageError(f"{option} {_name(path)}: the run that was to write it has not finished")
        if not any(result.checkpoint for result in report.claims):
            raise pytest.UsageError(f"{option} {_name(path)}: holds no claim to compare with")
        return self._baselines.setdefault(path, report)

    def publish(self, report: Report, place: Path, illustrate: Illustrate) -> tuple[list[str], list[str]]:
        """Write a report. Returns problems, over which the run must not end well, and mere warnings."""
        from pytest_claims.drawing.figure import Illustrations
        from pytest_claims.output.folder import with_problems, withdraw, write_report
        from pytest_claims.output.github import append_summary
        from pytest_claims.output.json import ReportError, from_document, to_document
        from pytest_claims.output.markdown import markdown

        if self.folder is None:
            return [], []
        folder, problems, illustrations = self.folder / place, [], Illustrations()
        if any(_same_file(folder / DOCUMENT, path) for path in self._baselines):
            return [f"{_name(folder / DOCUMENT)} is the baseline, and was not replaced: keep that elsewhere"], []
        try:
            illustrations = illustrate(report)
        except Exception as error:  # a picture that fails must not cost the verdicts
            problems.append(f"the figures could not be drawn: {type(error).__name__}: {str(error)[:300]}")
        try:
            write_report(with_problems(report, problems), folder, illustrations)
        except (OSError, ReportError) as error:
            problems.append(f"the report could not be written to {_name(folder)}: {error}")
            withdraw(folder)
        try:
            warning = append_summary(markdown(from_document(to_document(with_problems(report, problems)))))
        except ReportError:  # which is among the problems
            return problems, []
        return problems, [warning] if warning else []

    def lead_to(self, reports: Sequence[tuple[Path, Report]]) -> list[str]:
        """Write the page that leads to several reports, in place of the one that was begun. Returns problems."""
        from pytest_claims.output.folder import withdraw, write_index

        if self.folder is None:
            return []
        try:
            write_index(list(reports), self.folder)
        except OSError as error:
            return [f"the index could not be written to {_name(self.folder)}: {error}"]
        withdraw(self.folder)
        return []

    def pages(self, places: Sequence[Path]) -> list[str]:
        """Where the pages are and how large."""
        if self.folder is None:
            return []
        pages = [self.folder / place / PAGE for place in places]
        return [f"{shown(path)} ({path.stat().st_size / 1024:.0f} kB)" for path in pages if path.is_file()]


def _is_of(suite: str, report: Report) -> bool:
    """Whether the claims of a report lie in the folder of a suite."""
    return suite in ("", ".") or any(result.claim.startswith(f"{suite}/") for result in report.claims)


def _same_file(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.samefile(b)


def _name(path: Path) -> str:
    return readable(str(path))[:300]
