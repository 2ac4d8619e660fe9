"""The pytest plugin: runs each claim on the checkpoint and on its controls, and turns outcomes into verdicts.

Exit codes: 0 all claims hold and all controls are refuted; 1 something is refuted, survived, failed or
did not run; 4 pytest could not start, for instance because the checkpoint cannot be read.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from cumsum_model.verification.claim import Claim, Control, declared
from cumsum_model.verification.measure import Recorder
from cumsum_model.verification.report import print_report
from cumsum_model.verification.results import CHECKPOINT, Record, gather, require_plain
from cumsum_model.verification.verdict import Verdict, judge

RECORDER = pytest.StashKey[Recorder]()
OUT_OF_SCOPE = pytest.StashKey[str]()
MUTANTS = pytest.StashKey[dict[Control, Any]]()


class Hooks:
    @pytest.hookspec(firstresult=True)
    def pytest_verification_subject(self, config: pytest.Config) -> str | None:
        """One line that says which checkpoint is under test, for the report."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verification", "verification of a checkpoint")
    group.addoption(
        "--checkpoint",
        metavar="PATH",
        type=Path,
        help="checkpoint to verify (default: the one that the suite ships)",
    )
    group.addoption(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the model runs (default: cpu)",
    )
    group.addoption(
        "--no-controls",
        action="store_true",
        help="run every claim on the checkpoint alone, without showing that it can fail",
    )
    parser.addini("claim_paths", "folders in which every test has to be a claim or a timing", type="paths")
    parser.addini("claim_order", "files of claims in reading order; others follow", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MUTANTS] = {}
    if not hasattr(config, "workerinput"):  # the one process that sees all results
        config.pluginmanager.register(Session(config), "verification-session")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    declaration = declared(metafunc.function)
    name = f"{metafunc.definition.nodeid}"
    if declaration is None:
        if any(
            folder in metafunc.definition.path.parents for folder in metafunc.config.getini("claim_paths")
        ):
            pytest.fail(f"{name} is not a claim: decorate it with @claim or @timing", pytrace=False)
        return
    if not isinstance(declaration, Claim):
        return
    problem = declaration.problem(metafunc.fixturenames)
    if problem is not None:
        pytest.fail(f"{name} {problem}", pytrace=False)
    controls = [] if metafunc.config.getoption("no_controls") else declaration.refuted_by
    metafunc.parametrize(
        "subject",
        [None, *controls],
        ids=[CHECKPOINT, *(control.__name__ for control in controls)],
        indirect=True,
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the report in reading order: files by `claim_order`, and as they stand within a file."""
    place = {file: index for index, file in enumerate(config.getini("claim_order"))}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Control | None:
    """The control that a claim runs on, None for the checkpoint itself."""
    return getattr(request, "param", None)


@pytest.fixture
def model(request: pytest.FixtureRequest, checkpoint: Any, subject: Control | None) -> Any:
    """The checkpoint under test, or the control made from it."""
    declaration = declared(request.function)
    if isinstance(declaration, Claim) and declaration.unless is not None:
        reason = declaration.unless(checkpoint)
        if reason is not None:
            request.node.stash[OUT_OF_SCOPE] = reason
            pytest.skip(reason)
    if subject is None:
        return checkpoint
    made = request.config.stash[MUTANTS]
    if subject not in made:
        made[subject] = subject(checkpoint)
    return made[subject]


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Recorder:
    """Records numbers and what they are compared with: `assert measure("gap", gap) < 1e-3`."""
    return request.node.stash.setdefault(RECORDER, Recorder())


def pytest_runtest_setup(item: pytest.Item) -> None:
    declaration = declared(getattr(item, "function", None))
    needs = getattr(declaration, "needs", None)
    missing = needs() if needs is not None else None
    if missing is not None:
        pytest.skip(missing)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    complaint = _make_properties_plain(item, report)
    if complaint is not None:
        report.outcome, report.longrepr = "failed", complaint
    if report.when == "call" or not report.passed:
        record = _record(item, call, report)
        if record is not None:
            if complaint is not None:
                record.verdict, record.reason = Verdict.ERROR, complaint
            _apply(record, report)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    plain = getattr(report, "verification", None)
    if plain is None:
        return None
    record = Record.from_plain(plain)
    if record.verdict == Verdict.REFUTED and report.passed:
        return "passed", "c", ("CONTROL REFUTED", {"green": True})
    if record.verdict == Verdict.SURVIVED:
        return "failed", "S", ("CONTROL SURVIVED", {"red": True})
    if report.passed:
        return "passed", ".", (record.verdict.upper(), {"green": True})
    if report.skipped:
        return "skipped", "s", (record.verdict.upper(), {"yellow": True})
    if report.when == "call":
        return "failed", "F", (record.verdict.upper(), {"red": True})
    return None


class Session:
    """Gathers what all processes report, and sees to it that nothing selected goes missing."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.expected: dict[str, Record | None] = {}
        """Every selected claim, with a blank record. Under pytest-xdist this process knows only ids: None."""
        self.records: dict[str, Record] = {}
        self.crashed: set[str] = set()
        self.heard_of: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            record = _blank_record(item)
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
        self.heard_of.add(report.nodeid)
        plain = getattr(report, "verification", None)
        if plain is not None:
            record = Record.from_plain(plain)
            earlier = self.records.get(report.nodeid)
            # Tearing down comes last; its error must not be lost, nor hide what was measured.
            if earlier is not None:
                record.measurements = record.measurements or earlier.measurements
            self.records[report.nodeid] = record
        elif report.when not in ("setup", "call", "teardown"):  # how pytest-xdist reports a worker's crash
            self.crashed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.config.option.collectonly or session.exitstatus != pytest.ExitCode.OK:
            return
        claims_not_run = [
            record
            for record in self._all_records()
            if record.kind == "claim" and record.verdict in (Verdict.NOT_RUN, Verdict.ERROR)
        ]
        if claims_not_run or self.expected.keys() - self.heard_of:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        records = self._all_records()
        if not records or self.config.option.collectonly:
            return
        claims, timings = gather(records, list(self.expected))
        subject = self.config.hook.pytest_verification_subject(config=self.config)
        controls_left_out = self.config.getoption("no_controls")
        print_report(terminalreporter, subject, claims, timings, controls_left_out=controls_left_out)

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
            elif test not in self.heard_of:
                records[test] = Record.of_missing(test, "selected, but no result arrived")
        return list(records.values())


def _blank_record(item: pytest.Item) -> Record | None:
    """The record of a claim or timing that has not run; None for an ordinary test."""
    function = getattr(item, "function", None)
    declaration = declared(function) if function is not None else None
    if declaration is None:
        return None
    callspec = getattr(item, "callspec", None)
    control: Control | None = callspec.params.get("subject") if callspec else None
    subject = CHECKPOINT if control is None else control.__name__
    other_parameters = callspec.id.removeprefix(subject).removeprefix("-") if callspec else ""
    claim = item.nodeid.partition("[")[0] + (f"[{other_parameters}]" if other_parameters else "")
    module_doc = inspect.getdoc(getattr(item, "module", None)) or item.path.name
    is_claim = isinstance(declaration, Claim)
    return Record(
        test=item.nodeid,
        claim=claim,
        section=module_doc.splitlines()[0],
        kind="claim" if is_claim else "timing",
        statement=declaration.statement,
        source=declaration.source if isinstance(declaration, Claim) else "",
        over=declaration.over,
        subject=subject,
        n_controls=len(declaration.refuted_by) if isinstance(declaration, Claim) else 0,
        verdict=Verdict.NOT_RUN,
        reason="selected, but no result arrived",
    )


def _record(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Record | None:
    """The record of the phase that `report` is about."""
    record = _blank_record(item)
    if record is None:
        return None
    recorder = item.stash.get(RECORDER, Recorder())
    record.measurements = recorder.summary()
    failure = call.excinfo.value if call.excinfo else None
    if report.skipped or hasattr(report, "wasxfail"):
        out_of_scope = item.stash.get(OUT_OF_SCOPE, None)
        record.verdict = Verdict.NOT_RUN if out_of_scope is None else Verdict.NOT_ABOUT
        record.reason = out_of_scope or str(getattr(failure, "msg", failure) or "skipped")
    elif report.when != "call":
        record.verdict = Verdict.ERROR
        record.reason = f"{report.when} failed: {failure}".splitlines()[0]
    elif record.kind == "timing":
        record.verdict = Verdict.TIMED if failure is None else Verdict.ERROR
        record.reason = "" if failure is None else f"{type(failure).__name__}: {failure}".splitlines()[0]
    else:
        record.verdict, record.reason = judge(
            on_control=record.subject != CHECKPOINT,
            failure=failure,
            by_own_assertion=call.excinfo is not None and call.excinfo.traceback[-1].path == item.path,
            measurements=record.measurements,
            unjudged=recorder.unjudged(),
        )
    return record


def _apply(record: Record, report: pytest.TestReport) -> None:
    """Let pytest's own outcome follow the verdict, and attach the record."""
    on_control = record.subject != CHECKPOINT
    if report.when == "call" and record.kind == "claim" and record.verdict != Verdict.NOT_RUN:
        if on_control and record.verdict == Verdict.REFUTED:
            report.outcome, report.longrepr = "passed", None
        elif record.verdict in (Verdict.SURVIVED, Verdict.ERROR) and report.passed:
            subject = f"control {record.subject}" if on_control else "checkpoint"
            report.outcome, report.longrepr = "failed", f"{subject} {record.verdict}: {record.reason}"
    report.verification = record.to_plain()  # type: ignore[attr-defined]


def _make_properties_plain(item: pytest.Item, report: pytest.TestReport) -> str | None:
    """Turn numpy and torch scalars in recorded properties into builtins; drop and name what else is none.

    pytest-xdist cannot send other types, and loses the whole run over one: "no tests ran", exit code 0.
    """
    complaint = None
    plain: list[tuple[str, object]] = []
    for name, value in report.user_properties:
        if _is_array_scalar(value):
            value = value.item()  # type: ignore[attr-defined]
        try:
            require_plain(f"recorded property {name!r}", value)
        except TypeError as error:
            complaint = str(error)
            continue
        plain.append((str(name), value))
    item.user_properties[:] = plain
    report.user_properties = list(plain)
    return complaint


def _is_array_scalar(value: Any) -> bool:
    """Whether `value` is a numpy scalar, or a numpy array or torch tensor without axes."""
    return hasattr(value, "item") and getattr(value, "ndim", None) == 0
