"""The pytest plugin: runs each claim on the checkpoint and on its controls, and turns outcomes into verdicts.

Exit codes: 0 all claims hold, all controls are refuted and each assertion is broken by one of them; 1 something is
refuted, survived, failed, did not run or was never shown to fail, or most claims are not about the checkpoint;
4 pytest could not start, for instance because the checkpoint cannot be read.
"""

from __future__ import annotations

import inspect
import os
import unittest
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from cumsum_model.files import a_path, beside, shown
from cumsum_model.importing import importing
from cumsum_model.verification import hooks
from cumsum_model.verification.asserts import assertions
from cumsum_model.verification.claim import Claim, Control, declared
from cumsum_model.verification.junit import properties
from cumsum_model.verification.measure import Recorder
from cumsum_model.verification.publishing import Publisher, add_options
from cumsum_model.verification.results import CHECKPOINT, Record, require_plain
from cumsum_model.verification.second_process import SecondProcess
from cumsum_model.verification.second_process import add_options as add_process_options
from cumsum_model.verification.selection import Collected
from cumsum_model.verification.session import Session, all_mutants, blank_record
from cumsum_model.verification.verdict import (
    GOOD_ON_CHECKPOINT,
    GOOD_ON_CONTROL,
    Verdict,
    judge,
    of_erratum,
)

RECORDER = pytest.StashKey[Recorder]()
OUT_OF_SCOPE = pytest.StashKey[str]()
MUTANTS = pytest.StashKey[dict[Control, Any]]()
PROPERTIES = pytest.StashKey[list[tuple[str, str]]]()
PUBLISHER = pytest.StashKey[Publisher]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verification", "verification of a checkpoint")
    group.addoption(
        "--checkpoint",
        metavar="PATH",
        type=a_path,
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
    group.addoption(
        "--allow-partial",
        action="store_true",
        help="exit with 0 even if more claims are not about the checkpoint than hold, as for a model of another "
        "architecture, of which next to nothing is verified (default: exit with 1)",
    )
    group.addoption(
        "--matrix",
        metavar="FILE",
        type=a_path,
        help="run every claim on every mutant, print which notices which, and save the table as JSON",
    )
    add_process_options(group)
    add_options(group)
    parser.addini("claim_paths", "folders in which every test has to be a claim or a timing", type="paths")
    parser.addini("claim_order", "files of claims in reading order; others follow", type="args", default=[])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None]:
    # A claim works on arrays so small that a second thread only waits, and there may be a second process. This one
    # has to be set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with importing():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    with importing():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """See to it, before anything else can fail, that no report of an earlier run is left lying where ours will be."""
    option = config.option
    asks_for_help = option.help or option.version or option.markers or option.showfixtures
    if not hasattr(config, "workerinput") and not asks_for_help:
        config.stash[PUBLISHER] = Publisher(config)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MUTANTS] = {}
    collected = Collected(config)
    _register(config, collected, "verification-collected")
    config.pluginmanager.register(SecondProcess(config), "verification-second-process")
    if not hasattr(config, "workerinput"):  # the one process that sees all results
        _make_room_for(config.getoption("matrix"))
        publisher = config.stash.get(PUBLISHER, None)
        _register(config, Session(config, collected, publisher), "verification-session")


def _register(config: pytest.Config, plugin: object, name: str) -> None:
    if config.pluginmanager.register(plugin, name) is None:
        raise pytest.UsageError(f"-p no:{name}: without it nobody sees what was left out")


def _make_room_for(matrix: Path | None) -> None:
    """Find out before minutes of work whether the table can be saved."""
    if matrix is None:
        return
    try:
        matrix.parent.mkdir(parents=True, exist_ok=True)
        if matrix.exists() and not matrix.is_file():
            raise pytest.UsageError(f"--matrix {shown(matrix)}: is not a regular file")
        with beside(matrix, b""):
            pass
    except OSError as error:
        raise pytest.UsageError(f"--matrix {shown(matrix)}: {error.strerror}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Refuse what looks like a claim and would not run as one."""
    if not isinstance(collector, pytest.Module | pytest.Class):
        return
    if declared(obj) is not None and not collector.funcnamefilter(name):
        raise collector.CollectError(f"{name} is a claim, but pytest only runs functions named test_*")
    if not inspect.isclass(obj) or not _is_among_claims(collector.path, collector.config):
        return
    if issubclass(obj, unittest.TestCase):
        raise collector.CollectError(f"{name} is a unittest.TestCase: a claim is a function")
    if any(declared(member) for member in vars(obj).values()) and not collector.classnamefilter(name):
        raise collector.CollectError(f"{name} holds claims, but pytest only looks into classes named Test*")


def _is_among_claims(path: Path, config: pytest.Config) -> bool:
    return any(folder in path.parents for folder in config.getini("claim_paths"))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    declaration = declared(metafunc.function)
    name = f"{metafunc.definition.nodeid}"
    if declaration is None:
        if _is_among_claims(metafunc.definition.path, metafunc.config):
            pytest.fail(f"{name} is not a claim: decorate it with @claim or @timing", pytrace=False)
        return
    if not isinstance(declaration, Claim):
        return
    problem = declaration.problem(metafunc.fixturenames)
    if problem is not None:
        pytest.fail(f"{name} {problem}", pytrace=False)
    controls = [] if metafunc.config.getoption("no_controls") else list(declaration.controls)
    if metafunc.config.getoption("matrix") is not None and not declaration.erratum:
        own = {control.__name__ for control in controls}
        controls += [mutant for mutant in all_mutants(metafunc.config)[0] if mutant.__name__ not in own]
    metafunc.parametrize(
        "subject",
        [None, *controls],
        ids=[CHECKPOINT, *(control.__name__ for control in controls)],
        indirect=True,
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the report in reading order, and drop controls that were selected by accident.

    The order is that of `claim_order`, and within a file as it stands. Controls whose claim was
    deselected, such as `-k attention` finds by the name of a mutant, go with it: unless nothing else was
    selected, so that a control can be run by itself.
    """
    place = {file: index for index, file in enumerate(config.getini("claim_order"))}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))
    records = [blank_record(item) for item in items]
    judged = {record.claim for record in records if record and record.subject == CHECKPOINT}
    stray = [item for item, record in zip(items, records, strict=True) if record and record.claim not in judged]
    if judged and stray:
        config.hook.pytest_deselected(items=stray)
        items[:] = [item for item in items if item not in stray]


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Control | None:
    """The control that a claim runs on, None for the checkpoint itself."""
    return getattr(request, "param", None)


@pytest.fixture
def model(request: pytest.FixtureRequest, checkpoint: Any, subject: Control | None) -> Generator[Any]:
    """The checkpoint under test, or the control made from it."""
    declaration = declared(request.function)
    if isinstance(declaration, Claim) and declaration.unless is not None:
        reason = declaration.unless(checkpoint)
        if reason is not None:
            if not isinstance(reason, str) or not reason:
                raise TypeError(f"`unless` has to return None or why the claim does not apply, got {reason!r}")
            request.node.stash[OUT_OF_SCOPE] = reason
            pytest.skip(reason)
    before = _fingerprint(request.config, checkpoint)
    made = request.config.stash[MUTANTS]
    if subject is not None and subject not in made:
        try:
            made[subject] = subject(checkpoint)
        except Exception as error:
            if not getattr(error, "cannot_be_made", False):
                raise
            _require_unchanged(request.config, checkpoint, before)
            request.node.stash[OUT_OF_SCOPE] = f"cannot be made of this model: {error}"
            pytest.skip(str(error))
        if made[subject] is checkpoint:
            raise ValueError(f"{subject.__name__} returns the model that it was given: a control is a new one")
    yield checkpoint if subject is None else made[subject]
    _require_unchanged(request.config, checkpoint, before)


def _require_unchanged(config: pytest.Config, model: Any, before: str | None) -> None:
    if _fingerprint(config, model) != before:
        raise RuntimeError("it changed the checkpoint under test: nothing that runs after it means anything")


def _fingerprint(config: pytest.Config, model: Any) -> str | None:
    return config.hook.pytest_verification_fingerprint(config=config, model=model)


@pytest.fixture
def measure(request: pytest.FixtureRequest, subject: Control | None) -> Recorder:
    """Records numbers and what they are compared with: `assert measure("gap", gap) < 1e-3`.

    On a control of a claim it is lenient: a broken assertion does not end the test. What is published and
    false has to be true of its controls, so there nothing is let pass.
    """
    declaration = declared(request.function)
    lenient = subject is not None and isinstance(declaration, Claim) and not declaration.erratum
    return request.node.stash.setdefault(RECORDER, Recorder(request.path, lenient=lenient))


def pytest_runtest_setup(item: pytest.Item) -> None:
    declaration = declared(getattr(item, "function", None))
    needs = getattr(declaration, "needs", None)
    missing = needs() if needs is not None else None
    if missing is not None:
        pytest.skip(missing)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `--matrix -n N`, one process runs all claims on a mutant, so that what they share of it is made once."""
    if config.getoption("matrix") is None:
        return None
    from xdist.scheduler import LoadScopeScheduling

    class BySubject(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.rpartition("[")[2]

    return BySubject(config, log)


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
            _apply(record, report, judged=record.own or complaint is not None)
            item.stash[PROPERTIES] = list(properties(record))
    if report.when == "teardown":  # the report from which --junitxml takes them
        report.user_properties = [*report.user_properties, *item.stash.get(PROPERTIES, [])]
    return report


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    plain = getattr(report, "verification", None)
    if plain is None:
        return None
    record = Record.from_plain(plain)
    if record.subject != CHECKPOINT and record.kind == "claim":
        word = f"CONTROL {record.verdict.upper()}"
        if report.passed:
            return "passed", "c", (word, {"green": True})
        if record.verdict in (Verdict.SURVIVED, Verdict.UNCONFIRMED):
            return "failed", "S", (word, {"red": True})
    if report.passed:
        return "passed", ".", (record.verdict.upper(), {"green": True})
    if report.skipped:
        return "skipped", "s", (record.verdict.upper(), {"yellow": True})
    if report.when == "call":
        return "failed", "F", (record.verdict.upper(), {"red": True})
    return None


def _record(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Record | None:
    """The record of the phase that `report` is about."""
    record = blank_record(item)
    if record is None:
        return None
    recorder = item.stash.get(RECORDER, Recorder())
    record.measurements = recorder.summary()
    record.assertions, record.broken = recorder.assertions, recorder.broken_assertions
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
        on_control = record.subject != CHECKPOINT
        record.verdict, record.reason = judge(
            on_control=on_control,
            failure=failure,
            assertion_lines=_assertion_lines(item, call),
            measured=recorder,
        )
        if record.erratum:
            record.verdict, record.reason = of_erratum(record.verdict, record.reason, on_control=on_control)
    return record


def _assertion_lines(item: pytest.Item, call: pytest.CallInfo[None]) -> range | None:
    """The lines of the assert statement that failed, if it stands in the claim's own file."""
    if call.excinfo is None or call.excinfo.traceback[-1].path != item.path:
        return None
    failed = call.excinfo.traceback[-1].lineno + 1
    return next((span.lines for span in assertions(item.path) if failed in span.lines), range(0))


def _apply(record: Record, report: pytest.TestReport, *, judged: bool) -> None:
    """Let pytest's own outcome follow the verdict if it is `judged`, and attach the record."""
    on_control = record.subject != CHECKPOINT
    if report.when == "call" and record.kind == "claim" and not report.skipped:
        good = record.verdict in (GOOD_ON_CONTROL if on_control else GOOD_ON_CHECKPOINT)
        if good or not judged:
            report.outcome, report.longrepr = "passed", None
        elif report.passed:
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
