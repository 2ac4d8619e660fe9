"""The session: gathers what all processes report, and sees to it that nothing selected goes missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.hooks.collection import LINES, REFUSED, SUITES, blank_record, is_among_claims
from pytest_claims.hooks.completeness import Collected, left_out, may_hold_claims
from pytest_claims.hooks.describing import Describer
from pytest_claims.hooks.publishing import Publisher
from pytest_claims.hooks.running import MODEL, RECORD
from pytest_claims.hooks.tables import save_matrix
from pytest_claims.report.report import Report
from pytest_claims.report.summary import mostly_not_about
from pytest_claims.results import CHECKPOINT, ClaimResult, Record, gather, in_reading_order
from pytest_claims.text import one_line
from pytest_claims.verdict import GOOD_ON_CHECKPOINT, GOOD_ON_CONTROL, Verdict

NAMELESS = (
    "nobody can say which model this is about: define pytest_claims_fingerprint(model), or "
    "pytest_claims_subject(model, path), beside pytest_claims_load"
)

Key = tuple[str, str]
"""The suite, and the label of the checkpoint, that a report is about."""


class Session:
    """Lives in the one process that sees all results."""

    def __init__(self, config: pytest.Config, collected: Collected, publisher: Publisher | None) -> None:
        self.config = config
        self.collected = collected
        self.publisher = publisher
        self.describer = Describer(config)
        self.reports: dict[Key, Report] = {}
        self.places: dict[Key, Path] = {}
        self.tables: list[str] = []
        self.warnings: list[str] = []
        self.problems: list[str] = []
        """What went wrong with the run as a whole, after its reports were made."""
        self.expected: dict[str, Record | None] = {}
        """Every selected claim, with a blank record. Under pytest-xdist this process knows only ids: None."""
        self.records: dict[str, Record] = {}
        self.overruled: dict[str, str] = {}
        """Claims that came out well, and that another plugin failed after that."""
        self.crashed: set[str] = set()
        self.plain_tests: set[str] = set()
        self.failed: dict[str, None] = {}
        """Whatever failed and is no claim: tests, and files that could not be collected."""
        self.skipped: dict[str, None] = {}
        """Files of claims that skipped themselves."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            record = blank_record(item)
            if record is not None:
                self.expected[item.nodeid] = record

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        for test in ids:
            if not self.config.getini("claims_paths") or self._is_among_claims(test):
                self.expected.setdefault(test, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome not in ("passed", "failed", "skipped"):  # of a run that is done again
            return
        plain = getattr(report, RECORD, None)
        if plain is not None:
            record = Record.from_plain(plain)
            suite, label, *line = getattr(report, MODEL)
            self.config.stash.setdefault(LINES, {}).setdefault((suite, label), line)
            earlier = self.records.get(report.nodeid)
            # Tearing down comes last; its error must not be lost, nor hide what was measured.
            if earlier is not None:
                record.measurements = record.measurements or earlier.measurements
            self.records[report.nodeid] = _failed_by_another(record, report) if _passes(record) else record
            return
        if report.when not in ("setup", "call", "teardown"):  # how pytest-xdist reports a worker's crash
            self.crashed.add(report.nodeid)
        elif (known := self.records.get(report.nodeid) or self.expected.get(report.nodeid)) is not None:
            if report.failed and report.when != "call":  # else it is a subtest of a claim
                self.records[report.nodeid] = _failed_by_another(known, report)
            return
        if report.failed:
            self.failed[report.nodeid] = None
        # A test that is no claim, such as one of the software's own. A claim that is not set up has a record.
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.plain_tests.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = None
        if report.skipped and self._is_among_claims(report.nodeid):
            self.skipped[report.nodeid] = None

    def _is_among_claims(self, test: str) -> bool:
        return is_among_claims(self.config.rootpath / test.partition("::")[0], self.config)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[Any]:
        """Sum the run up, whatever else goes wrong at its end: a cache that cannot be written costs a line."""
        try:
            outcome = yield
        except pytest.PytestCacheWarning as warning:
            self.warnings.append(f"pytest's cache could not be written: {one_line(warning)}")
            outcome = None
        except BaseException:
            self._finish(session)
            raise
        self._finish(session)
        return outcome

    def _finish(self, session: pytest.Session) -> None:
        if self.config.option.collectonly:
            return
        if self.config.stash.get(REFUSED, []):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        self._report(session)

    def _report(self, session: pytest.Session) -> None:
        """Sum the run up, compare and publish it; whatever goes wrong with that makes the run fail."""
        groups = self._groups()
        status = int(session.exitstatus)
        several = len(groups) > 1
        for key, records in groups.items():
            self.places[key] = self._place(key, groups) if several else Path()
            self.reports[key] = self._sum_up(key, records, status if not several else _common(status))
        if any(report.fails or self._says_too_little(report) for report in self.reports.values()):
            status = status or int(pytest.ExitCode.TESTS_FAILED)
        for key, records in groups.items():
            report = self.reports[key]
            fails = report.fails or self._says_too_little(report)
            own = status if not several or status not in (0, 1) else int(fails)
            report = replace(report, exit_code=own)
            if self.publisher is not None:
                illustrate = self.describer.illustrate(key[0], records)
                problems, warnings = self.publisher.publish(report, self.places[key], illustrate)
                self.warnings += warnings
                if problems:
                    status = status or int(pytest.ExitCode.TESTS_FAILED)
                    report = replace(report, exit_code=status, problems=(*report.problems, *problems))
            self.reports[key] = report
        if self.publisher is not None and several:
            self.problems += self.publisher.lead_to([(self.places[key], self.reports[key]) for key in groups])
            if self.publisher.baseline is not None and not any(report.comparison for report in self.reports.values()):
                self.problems.append(f"nothing was compared with {self.publisher.baseline}: it is of no suite that ran")
        if self.problems:
            status = status or int(pytest.ExitCode.TESTS_FAILED)
        if status != session.exitstatus:
            session.exitstatus = status

    def _sum_up(self, key: Key, records: list[Record], status: int) -> Report:
        """The report on one model, complete but for what may go wrong while it is written."""
        suite, label = key
        every, timings = gather(records)
        problems = list(self._problems(status, any_claim=bool(every)))
        problems += self._save_matrix(key, every)
        claims = [replace(claim, controls=[c for c in claim.controls if c.own]) for claim in every]
        line, fingerprint = self.config.stash.get(LINES, {}).get(key, ["", ""])
        if every and not line and not fingerprint:
            problems.append(NAMELESS)
        report = Report(
            claims=[claim for claim in claims if claim.records],
            timings=timings,
            line=line,
            suite=suite,
            model=label,
            exit_code=status,
            controls_left_out=self.config.getoption("claims_no_controls"),
            left_out=tuple(self._left_out(suite, records)),
            problems=tuple(problems),
            arguments=tuple(str(argument) for argument in self.config.invocation_params.args),
        )
        if self.publisher is None:
            return report
        if self.publisher.folder is not None or self.publisher.baseline is not None:
            subject, undescribed = self.describer.describe(key, records, fingerprint)
            report = replace(report, subject=subject, problems=(*report.problems, *undescribed))
        try:
            report = replace(report, comparison=self.publisher.compare(report, self.places[key]))
        except pytest.UsageError as error:
            return replace(report, problems=(*report.problems, str(error)))
        if report.comparison is not None and report.comparison.fails:
            lost = f"the comparison with the baseline fails: {report.comparison.summary}"
            report = replace(report, problems=(*report.problems, lost))
        return report

    def _says_too_little(self, report: Report) -> bool:
        """Whether next to nothing was verified, and that was not allowed."""
        return mostly_not_about(report.claims) and not self.config.getoption("claims_allow_partial")

    def _problems(self, status: int, *, any_claim: bool) -> Iterator[str]:
        """What went wrong beside the claims, a sentence each."""
        names = [test for test in self.failed if test not in self.crashed or not self._is_claim(test)]
        if names:
            what = "test or file that is no claim" if len(names) == 1 else "tests or files that are no claims"
            yield f"{len(names)} {what} failed: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
        if self.skipped:
            yield f"claims that skip themselves as a whole: {', '.join(self.skipped)}"
        reasons = {
            pytest.ExitCode.INTERRUPTED: "the run was interrupted, or a file could not be collected",
            pytest.ExitCode.INTERNAL_ERROR: "pytest itself failed",
            pytest.ExitCode.NO_TESTS_COLLECTED: "no test was collected",
        }
        if status in reasons:
            yield reasons[pytest.ExitCode(status)]
        elif not any_claim and self.publisher is not None and self.publisher.folder is not None:
            yield "no claim was run"

    def _left_out(self, suite: str, records: list[Record]) -> list[str]:
        """Why the claims of a suite that were selected are not all that it has, a sentence each."""
        folder = self.config.stash[SUITES].folder_of(suite) if suite else None
        selected = {record.test for record in records}
        collected = {test for test in self.collected.tests if test in selected or test not in self.expected}
        return list(left_out(self.config, selected, collected, self.collected.functions, folder))

    def _save_matrix(self, key: Key, claims: list[ClaimResult]) -> list[str]:
        path: Path | None = self.config.getoption("claims_matrix")
        if path is None:
            return []
        if self.places[key] != Path():
            path = path.with_name(f"{path.stem}-{'-'.join(self.places[key].parts)}{path.suffix}")
        whole = not self._left_out(key[0], [record for claim in claims for record in claim.records])
        line = self.config.stash.get(LINES, {}).get(key, [""])[0]
        mutants = self.describer.mutants(key[0], claims)
        table, problems = save_matrix(path, claims, mutants, whole=whole, line=line)
        self.tables.append(table)
        return problems

    def _groups(self) -> dict[Key, list[Record]]:
        """The records of each suite and checkpoint, in reading order; one group without any, if there are none."""
        order = self.config.getini("claims_order")
        groups: dict[Key, list[Record]] = {key: [] for key in self.config.stash.get(LINES, {})}
        for record in in_reading_order(self._all_records(), order):
            groups.setdefault((record.suite, record.model), []).append(record)
        ran = {key: records for key, records in groups.items() if records}
        return ran or {("", ""): []}

    def _place(self, key: Key, groups: dict[Key, list[Record]]) -> Path:
        """The folder of one of several reports, seen from that of all."""
        suites = list(dict.fromkeys(suite for suite, _ in groups))
        checkpoints = {label for _, label in groups}
        parts = [_folders(suites)[key[0]]] if len(suites) > 1 else []
        parts += [key[1] or "checkpoint"] if len(checkpoints) > 1 else []
        return Path(*parts)

    def _all_records(self) -> list[Record]:
        """What was reported, and a stand-in for every selected claim of which nothing was heard."""
        records = dict(self.records)
        for test, blank in self.expected.items():
            if blank is None and not self._is_claim(test):
                continue
            if test in self.crashed:  # even if it was judged: a look at the checkpoint comes after that
                records[test] = self._missing(test, "the process that ran it crashed", Verdict.ERROR)
            if test in records:
                continue
            if blank is not None:
                records[test] = blank
            else:
                records[test] = self._missing(test, "selected, but no result arrived", Verdict.NOT_RUN)
        return list(records.values())

    def _is_claim(self, test: str) -> bool:
        """Whether a test is a claim, as far as is known where each process that collected it has crashed."""
        if self.collected.complete or test in self.records:
            return test in self.collected.tests or test in self.records
        return test not in self.plain_tests and may_hold_claims(self.config.rootpath / test.partition("::")[0])

    def _missing(self, test: str, reason: str, verdict: Verdict) -> Record:
        """A stand-in for a claim of which this process knows nothing but its id."""
        record, known = Record.of_missing(test, reason, verdict), self.config.stash.get(LINES, {})
        blank = self.expected.get(test)
        if blank is not None:
            return replace(blank, verdict=verdict, reason=reason)
        path = test.partition("::")[0]
        suites = sorted({suite for suite, _ in known if suite == "." or f"{path}/".startswith(f"{suite}/")}, key=len)
        record.suite = suites[-1] if suites else next((suite for suite, _ in known), "")
        parts = test.partition("[")[2].rstrip("]").split("-")
        labels = [label for suite, label in known if suite == record.suite and set(label.split("-")) <= set(parts)]
        record.model = max(labels, key=len, default="")
        return record


def _folders(suites: Sequence[str]) -> dict[str, str]:
    """The name of a folder for each suite, no two alike: that of its own, or its whole path."""
    short = [suite.rpartition("/")[2].strip(".") or "claims" for suite in suites]
    if len(set(short)) < len(suites):
        short = [suite.replace("/", "-").strip("-.") or "root" for suite in suites]
    if len(set(short)) < len(suites):
        short = [f"{name}-{i}" for i, name in enumerate(short, start=1)]
    return dict(zip(suites, short, strict=True))


def _failed_by_another(record: Record, report: pytest.TestReport) -> Record:
    """The record, in error if a plugin has made a failure of the report after that was made from it."""
    if not report.failed:
        return record
    reason = f"failed by another plugin: {one_line(report.longrepr, 300) or 'it does not say why'}"
    return replace(record, verdict=Verdict.ERROR, reason=reason)


def _passes(record: Record) -> bool:
    return record.verdict in (GOOD_ON_CHECKPOINT if record.subject == CHECKPOINT else GOOD_ON_CONTROL)


def _common(status: int) -> int:
    """What of pytest's exit code says something of every one of several reports: not that a claim of one failed."""
    return 0 if status == pytest.ExitCode.TESTS_FAILED else status
