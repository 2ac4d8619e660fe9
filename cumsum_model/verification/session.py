"""The session: gathers what all processes report, and sees to it that nothing selected goes missing."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest

from cumsum_model.verification.claim import Claim, Control, declared
from cumsum_model.verification.matrix import Matrix
from cumsum_model.verification.report import print_report
from cumsum_model.verification.results import CHECKPOINT, ClaimResult, Record, gather
from cumsum_model.verification.verdict import Verdict


class Session:
    """Lives in the one process that sees all results."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.expected: dict[str, Record | None] = {}
        """Every selected claim, with a blank record. Under pytest-xdist this process knows only ids: None."""
        self.records: dict[str, Record] = {}
        self.crashed: set[str] = set()
        self.plain_tests: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            record = blank_record(item)
            if record is not None:
                self.expected[item.nodeid] = record

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        folders = self.config.getini("claim_paths")
        for test in ids:
            path = self.config.rootpath / test.partition("::")[0]
            if not folders or any(folder in path.parents for folder in folders):
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
        elif report.when == "call":  # a test that is no claim, such as one of the software's own
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
            path.write_text(json.dumps(matrix.to_plain(), indent=1) + "\n")
            if matrix.holes() and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.exitstatus != pytest.ExitCode.OK:
            return
        not_run = [
            record
            for record in self._all_records()
            if record.kind == "claim" and record.verdict in (Verdict.NOT_RUN, Verdict.ERROR)
        ]
        if not_run:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        records = self._all_records()
        if not records or self.config.option.collectonly:
            return
        claims, timings = gather(records, list(self.expected))
        self._print_matrix(terminalreporter, claims)
        subject = self.config.hook.pytest_verification_subject(config=self.config)
        controls_left_out = self.config.getoption("no_controls")
        claims = [replace(claim, controls=[c for c in claim.controls if c.own]) for claim in claims]
        print_report(terminalreporter, subject, claims, timings, controls_left_out=controls_left_out)

    def _print_matrix(self, terminal: pytest.TerminalReporter, claims: list[ClaimResult]) -> None:
        if self.config.getoption("matrix") is None:
            return
        terminal.write_line("")
        terminal.write_sep("=", "claims x mutants")
        terminal.write(self._matrix(claims).render())

    def _matrix(self, claims: list[ClaimResult]) -> Matrix:
        mutants, innocent = all_mutants(self.config)
        names = [mutant.__name__ for mutant in mutants]
        return Matrix.of(claims, names, [mutant.__name__ for mutant in innocent], whole=self._runs_every_claim())

    def _runs_every_claim(self) -> bool:
        """Whether nothing of `claim_paths` was left out by -k, -m or the paths given."""
        if self.config.option.keyword or self.config.option.markexpr or self.config.getoption("deselect"):
            return False
        given = [(self.config.invocation_params.dir / argument).resolve() for argument in self.config.args]
        return all(
            any(path in (folder, *folder.parents) for path in given) for folder in self.config.getini("claim_paths")
        )

    def _all_records(self) -> list[Record]:
        """What was reported, and a stand-in for every selected claim of which nothing was heard."""
        records = dict(self.records)
        for test, blank in self.expected.items():
            if test in records:
                continue
            if test in self.crashed:
                records[test] = Record.of_missing(test, "the process that ran it crashed", Verdict.ERROR)
            elif blank is not None:
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
        statement=declaration.statement,
        over=declaration.over,
        subject=subject,
        verdict=Verdict.NOT_RUN,
        reason="selected, but no result arrived",
    )
    if isinstance(declaration, Claim):
        record.source = declaration.source
        record.n_controls = len(declaration.controls)
        record.erratum = declaration.erratum
        record.particular = declaration.particular
        record.own = control is None or control in declaration.controls
    return record


def all_mutants(config: pytest.Config) -> tuple[list[Control], list[Control]]:
    """All mutants of the suite, and those among them that break nothing."""
    breaking, innocent = config.hook.pytest_verification_mutants(config=config) or ([], [])
    by_name = {mutant.__name__: mutant for mutant in [*breaking, *innocent]}
    return list(by_name.values()), innocent
