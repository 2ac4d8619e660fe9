"""The session: gathers what all processes report, and sees to it that nothing selected goes missing."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cumsum_model.files import shown, write_whole
from cumsum_model.verification.claim import Claim, Control, Timing, declared
from cumsum_model.verification.github import workflow_commands
from cumsum_model.verification.matrix import Matrix
from cumsum_model.verification.publishing import Publisher, illustrated
from cumsum_model.verification.report import Report
from cumsum_model.verification.results import CHECKPOINT, ClaimResult, Record, gather
from cumsum_model.verification.selection import Collected, left_out
from cumsum_model.verification.source import source_id
from cumsum_model.verification.subject import Subject
from cumsum_model.verification.summary import mostly_not_about
from cumsum_model.verification.terminal import print_report
from cumsum_model.verification.verdict import Verdict


class Session:
    """Lives in the one process that sees all results."""

    def __init__(self, config: pytest.Config, collected: Collected, publisher: Publisher | None) -> None:
        self.config = config
        self.collected = collected
        self.publisher = publisher
        self.report = Report()
        self.warnings: list[str] = []
        self.expected: dict[str, Record | None] = {}
        """Every selected claim, with a blank record. Under pytest-xdist this process knows only ids: None."""
        self.records: dict[str, Record] = {}
        self.crashed: set[str] = set()
        self.plain_tests: set[str] = set()
        self.failed: dict[str, None] = {}
        """Whatever failed and is no claim: tests, and files that could not be collected."""
        self.skipped: dict[str, None] = {}
        """Files of claims that skipped themselves."""
        self.undescribed = ""
        self.unsaved = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            record = blank_record(item)
            if record is not None:
                self.expected[item.nodeid] = record

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        for test in ids:
            if not self.config.getini("claim_paths") or self._is_among_claims(test):
                self.expected.setdefault(test, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        plain = getattr(report, "verification", None)
        if plain is not None:
            record = Record.from_plain(plain)
            earlier = self.records.get(report.nodeid)
            # Tearing down comes last; its error must not be lost, nor hide what was measured.
            if earlier is not None:
                record.measurements = record.measurements or earlier.measurements
            self.records[report.nodeid] = record
            return
        if report.failed:
            self.failed[report.nodeid] = None
        if report.when == "call":  # a test that is no claim, such as one of the software's own
            self.plain_tests.add(report.nodeid)
        elif report.when not in ("setup", "call", "teardown"):  # how pytest-xdist reports a worker's crash
            self.crashed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.config.option.collectonly:
            return
        path = self.config.getoption("matrix")
        if path is not None:
            matrix = self._matrix(gather(self._all_records(), list(self.expected))[0])
            matrix.subject = self.config.hook.pytest_verification_subject(config=self.config) or ""
            if matrix.cells:  # an empty table is no reason to lose the one that was there
                try:
                    write_whole(path, (json.dumps(matrix.to_plain(), indent=1) + "\n").encode())
                except OSError as error:
                    self.unsaved = f"the table could not be saved to {shown(path)}: {error.strerror or error}"
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED
            if matrix.holes() and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        not_run = any(
            record.kind == "claim" and record.verdict in (Verdict.NOT_RUN, Verdict.ERROR)
            for record in self._all_records()
        )
        results = [result for result in self._results()[0] if result.records]
        unshown = any(result.lacks_control or result.unbroken for result in results)
        too_few = mostly_not_about(results) and not self.config.getoption("allow_partial")
        if session.exitstatus == pytest.ExitCode.OK and (not_run or self.skipped or unshown or too_few):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._report(session)

    def _results(self) -> tuple[list[ClaimResult], list[Record]]:
        """Claims with their own controls, without those that only `--matrix` adds; and timings."""
        claims, timings = gather(self._all_records(), list(self.expected))
        return [replace(claim, controls=[c for c in claim.controls if c.own]) for claim in claims], timings

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = None
        if report.skipped and self._is_among_claims(report.nodeid):
            self.skipped[report.nodeid] = None

    def _is_among_claims(self, test: str) -> bool:
        path = self.config.rootpath / test.partition("::")[0]
        return any(folder in path.parents for folder in self.config.getini("claim_paths"))

    def _report(self, session: pytest.Session) -> None:
        """Sum the run up, compare and publish it; whatever goes wrong with that makes the run fail."""
        claims, timings = self._results()
        hook = self.config.hook
        report = Report(
            claims=[claim for claim in claims if claim.records],
            timings=timings,
            line=hook.pytest_verification_subject(config=self.config) or "",
            exit_code=int(session.exitstatus),
            controls_left_out=self.config.getoption("no_controls"),
            left_out=tuple(left_out(self.config, self.expected.keys(), self.collected.tests)),
            arguments=tuple(str(argument) for argument in self.config.invocation_params.args),
        )
        publisher = self.publisher
        if publisher is not None:
            if publisher.folder is not None or publisher.baseline is not None:
                report = replace(report, subject=self._describe())
            comparison = publisher.compare(report)
            report = replace(report, comparison=comparison)
            nothing = publisher.folder is not None and not report.claims
            lost = comparison is not None and comparison.fails
            if session.exitstatus == pytest.ExitCode.OK and (nothing or lost or self.undescribed):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        report = replace(report, exit_code=int(session.exitstatus))
        report = replace(report, problems=tuple(self._problems(report)))
        if publisher is not None and publisher.folder is not None:
            problems, self.warnings = publisher.publish(report, illustrated(self.config))
            if problems:
                report = replace(report, problems=(*report.problems, *problems))
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.report = replace(report, exit_code=int(session.exitstatus))

    def _describe(self) -> Subject:
        """What the suite says of the checkpoint. That it cannot say it must not cost the verdicts."""
        try:
            return self.config.hook.pytest_verification_details(config=self.config) or Subject()
        except Exception as error:
            self.undescribed = f"the checkpoint could not be described: {type(error).__name__}: {str(error)[:300]}"
            return Subject()

    def _problems(self, report: Report) -> Iterator[str]:
        """What went wrong beside the claims, a sentence each."""
        if self.failed:
            names = list(self.failed)
            what = "test or file that is no claim" if len(names) == 1 else "tests or files that are no claims"
            yield f"{len(names)} {what} failed: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
        if self.undescribed:
            yield self.undescribed
        if self.unsaved:
            yield self.unsaved
        if self.skipped:
            yield f"claims that skip themselves as a whole: {', '.join(self.skipped)}"
        if report.comparison is not None and report.comparison.fails:
            yield f"the comparison with the baseline fails: {report.comparison.summary}"
        reasons = {
            pytest.ExitCode.INTERRUPTED: "the run was interrupted, or a file could not be collected",
            pytest.ExitCode.INTERNAL_ERROR: "pytest itself failed",
            pytest.ExitCode.NO_TESTS_COLLECTED: "no test was collected",
        }
        if report.exit_code in reasons:
            yield reasons[pytest.ExitCode(report.exit_code)]
        elif not report.claims and report.exit_code is not None:
            yield "no claim was run"

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.config.option.collectonly:
            return
        if self.report.claims or self.report.timings:
            self._print_matrix(terminalreporter)
            print_report(terminalreporter, self.report)
        publisher = self.publisher
        if publisher is None:
            return
        for problem in self.report.problems if publisher.folder or publisher.baseline or self.unsaved else ():
            terminalreporter.write_line(f"problem: {problem}", red=True)
        for warning in self.warnings:
            terminalreporter.write_line(f"warning: {warning}", yellow=True)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for line in workflow_commands(self.report):
                terminalreporter.write_line(line)
        page = publisher.page()
        if page is not None:
            terminalreporter.write_line(f"report: {page}")

    def _print_matrix(self, terminal: pytest.TerminalReporter) -> None:
        if self.config.getoption("matrix") is None:
            return
        claims, _ = gather(self._all_records(), list(self.expected))
        terminal.write_line("")
        terminal.write_sep("=", "claims x mutants")
        terminal.write(self._matrix(claims).render())

    def _matrix(self, claims: list[ClaimResult]) -> Matrix:
        mutants, harmless = all_mutants(self.config)
        whole = not any(left_out(self.config, self.expected.keys(), self.collected.tests))
        return Matrix.of(claims, mutants, harmless, whole=whole)

    def _all_records(self) -> list[Record]:
        """What was reported, and a stand-in for every selected claim of which nothing was heard."""
        records = dict(self.records)
        for test, blank in self.expected.items():
            if (
                test in self.crashed
            ):  # even if it was judged: what comes after, such as a look at the checkpoint, was not
                records[test] = Record.of_missing(test, "the process that ran it crashed", Verdict.ERROR)
            if test in records:
                continue
            if blank is not None:
                records[test] = blank
            elif test not in self.plain_tests:
                records[test] = Record.of_missing(test, "selected, but no result arrived")
        return list(records.values())


def blank_record(item: pytest.Item) -> Record | None:
    """The record of a claim or timing that has not run; None for an ordinary test."""
    function = getattr(item, "function", None)
    declaration = declared(function) if function is not None else None
    if declaration is None:
        return None
    callspec = getattr(item, "callspec", None)
    control: Control | None = callspec.params.get("subject") if callspec else None
    subject = CHECKPOINT if control is None else control.__name__
    # The parametrization of the claim itself: its id with the subject, one of the parts, taken out.
    parts = f"-{callspec.id}-".replace(f"-{subject}-", "-", 1).strip("-") if callspec else ""
    claim = item.nodeid.partition("[")[0] + (f"[{parts}]" if parts else "")
    module_doc = inspect.getdoc(getattr(item, "module", None)) or item.path.name
    record = Record(
        test=item.nodeid,
        claim=claim,
        section=module_doc.splitlines()[0],
        kind="claim" if isinstance(declaration, Claim) else "timing",
        statement=_filled(declaration, declaration.statement, callspec),
        over=_filled(declaration, declaration.over, callspec),
        subject=subject,
        verdict=Verdict.NOT_RUN,
        reason="selected, but no result arrived",
        line=(item.location[1] or 0) + 1,
        source_id=source_id(function),
    )
    if isinstance(declaration, Claim):
        record.source = declaration.source
        record.n_controls = len(declaration.controls)
        record.erratum = declaration.erratum
        record.depends_on = list(declaration.depends_on)
        record.exhaustive = declaration.exhaustive
        record.instrument = declaration.instrument
        record.one_model_only = declaration.one_model_only
        record.own = control is None or control in declaration.controls
        record.breaks = (inspect.getdoc(control) or "").partition("\n")[0] if control is not None else ""
    return record


def _filled(declaration: Claim | Timing, sentence: str, callspec: Any) -> str:
    """The sentence itself; one of a timing may name parameters in braces, as in "{batch} sequences"."""
    return sentence.format_map(callspec.params) if isinstance(declaration, Timing) and callspec else sentence


def all_mutants(config: pytest.Config) -> tuple[list[Control], list[Control]]:
    """All mutants of the suite, and those among them that break nothing."""
    breaking, harmless = config.hook.pytest_verification_mutants(config=config) or ([], [])
    by_name = {mutant.__name__: mutant for mutant in [*breaking, *harmless]}
    return list(by_name.values()), harmless
