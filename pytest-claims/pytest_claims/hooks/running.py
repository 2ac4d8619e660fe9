"""One run of one claim: its fixtures, its verdict, and what it leaves in pytest's own reports."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_claims.claim import Control, Timing, declared
from pytest_claims.hooks.collection import LINES, MODELS, SUITES, blank_record, is_declared
from pytest_claims.hooks.suites import Checkpoint, Loaded
from pytest_claims.judging import computing, decide, lines_of_assertion, note, out_of_scope, proving, recorder
from pytest_claims.measure import Recorder
from pytest_claims.output.junit import properties
from pytest_claims.results import CHECKPOINT, Record, require_plain
from pytest_claims.text import first_line
from pytest_claims.verdict import GOOD_ON_CHECKPOINT, GOOD_ON_CONTROL, Verdict

RECORDER = pytest.StashKey[Recorder]()
OUT_OF_SCOPE = pytest.StashKey[str]()
PROPERTIES = pytest.StashKey[list[tuple[str, str]]]()
CALLING = pytest.StashKey[bool]()
SUBTEST = pytest.StashKey[pytest.CallInfo[None]]()
"""The first subtest of a claim that failed."""

RECORD = "claim"
"""The attribute of pytest's report that holds the record of a claim."""

MODEL = "claims_model"
"""That which holds suite and label of the checkpoint, the line that names the model, and its fingerprint."""


@pytest.fixture(scope="session")
def _claims_checkpoint(request: pytest.FixtureRequest) -> Loaded:
    checkpoint = getattr(request, "param", None)
    if not isinstance(checkpoint, Checkpoint):  # a test that is no claim asks for the model
        suite = request.config.stash[SUITES].require(request.config.rootpath, "the fixture 'checkpoint'")
        checkpoint = suite.checkpoints[0]
    return request.config.stash[MODELS].load(checkpoint)


@pytest.fixture(scope="session")
def checkpoint(_claims_checkpoint: Loaded) -> Any:
    """The model under test, whichever model the claim runs on."""
    return _claims_checkpoint.model


@pytest.fixture
def _claims_run(request: pytest.FixtureRequest, _claims_checkpoint: Loaded) -> Generator[Any]:
    """The model that a claim runs on and what was computed of it, for as long as the claim takes."""
    control: Control | None = getattr(request, "param", None)
    declaration, models = declared(request.function), request.config.stash[MODELS]
    under_test = _claims_checkpoint.checkpoint
    reason = out_of_scope(declaration, _claims_checkpoint.model)
    if reason is not None:
        request.node.stash[OUT_OF_SCOPE] = reason
        pytest.skip(reason)
    request.node.stash[RECORDER] = recorder(declaration, request.path, control)
    try:
        with models.run(under_test, control) as made:
            yield made
    except Exception as error:
        if not getattr(error, "cannot_be_made", False):
            raise
        request.node.stash[OUT_OF_SCOPE] = f"cannot be made of this model: {error}"
        pytest.skip(str(error))
    finally:
        _require_unchanged(request, under_test)


def _require_unchanged(request: pytest.FixtureRequest, under_test: Checkpoint) -> None:
    """End the run where the model under test was changed: every verdict that followed would be on another model."""
    try:
        request.config.stash[MODELS].require_unchanged(under_test)
    except RuntimeError as error:
        request.session.shouldfail = f"{request.node.nodeid}: {error}"
        raise


@pytest.fixture
def model(_claims_run: Any) -> Any:
    """The model under test, or the control made from it."""
    return _claims_run.model


@pytest.fixture
def measure(request: pytest.FixtureRequest, _claims_run: Any) -> Recorder:
    """Records numbers and what they are compared with: `assert measure("gap", gap) < 1e-3`.

    On a control of a claim it is lenient: a broken assertion does not end the test. What is published and
    false has to be true of its controls, so there nothing is let pass.
    """
    return request.node.stash[RECORDER]


@pytest.fixture
def computed(_claims_run: Any, _claims_checkpoint: Loaded) -> Callable[..., Any]:
    """`computed(function, model, *rest)`: what a function gives for a model, made once for all claims that ask for it.

    Once for the checkpoint, and once for each control; it is kept as long as the model is.
    """
    return computing(_claims_checkpoint, _claims_run)


@pytest.fixture
def proved(request: pytest.FixtureRequest, _claims_run: Any, _claims_checkpoint: Loaded) -> Callable[..., Any]:
    """`proved(prove, model)`: what a proof says of a model, made once for all claims that ask for it.

    Of a model that a claim makes itself, such as the one under test without a part, it is made once for all models
    that have its fingerprint and are made from the same checkpoint or control.
    """
    models = request.config.stash[MODELS]
    suite = request.config.stash[SUITES].by_key[_claims_checkpoint.checkpoint.suite]

    return proving(_claims_checkpoint, _claims_run, lambda model: models.fingerprint(suite, model))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let fixtures of every other plugin come before those here: its tests have long had a `model`, say.

    A claim that would get one of them is told so, see `collection`. Pytest has no way to ask for this.
    """
    manager = session._fixturemanager
    for name in ("checkpoint", "model", "measure", "computed", "proved"):
        nearest_first = getattr(manager, "_arg2node2fixturedefs", {}).get(name, {}).get(session, [])  # pytest 9.1 on
        nearest_first.sort(key=_is_of_this_plugin)
        nearest_last = getattr(manager, "_arg2fixturedefs", {}).get(name, [])  # pytest 9.0
        nearest_last.sort(key=_is_of_this_plugin, reverse=True)


def _is_of_this_plugin(definition: Any) -> bool:
    return getattr(definition.func, "__module__", "") == __name__


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin anew, as where a claim is run again; skip a timing that the machine has not what it takes for."""
    keys: tuple[pytest.StashKey[Any], ...] = (RECORDER, OUT_OF_SCOPE, PROPERTIES, SUBTEST)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
    declaration = declared(getattr(item, "function", None))
    needs = declaration.needs if isinstance(declaration, Timing) else None
    missing = needs() if needs is not None else None
    if missing is not None:
        pytest.skip(missing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    if not is_declared(item):
        return (yield)
    item.stash[CALLING] = True
    try:
        return (yield)
    finally:
        del item.stash[CALLING]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not is_declared(item):
        return report
    if CALLING in item.stash:  # a subtest of the claim, which goes on
        if report.failed and SUBTEST not in item.stash:
            item.stash[SUBTEST] = call
        return report
    complaint = _make_properties_plain(item, report)
    if complaint is not None:
        report.outcome, report.longrepr = "failed", complaint
    if report.when == "call" or not report.passed:
        record = _record(item, call, report, complaint)
        _apply(record, report, judged=record.own or complaint is not None)
        model = record.suite, record.model
        setattr(report, MODEL, [*model, *item.config.stash.get(LINES, {}).get(model, ["", ""])])
        item.stash[PROPERTIES] = list(properties(record))
    if report.when == "teardown":  # the report from which --junitxml takes them
        report.user_properties = [*report.user_properties, *item.stash.get(PROPERTIES, [])]
    return report


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    plain = getattr(report, RECORD, None)
    if plain is None or report.outcome not in ("passed", "skipped", "failed"):
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


def _record(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, complaint: str | None) -> Record:
    """The record of the phase that `report` is about."""
    record = blank_record(item)
    assert record is not None
    measured = item.stash.get(RECORDER, Recorder())
    note(record, measured)
    subtest = item.stash.get(SUBTEST, None)
    if call.excinfo is None and subtest is not None:  # the claim went on, but it did not pass
        call = subtest
    failure = call.excinfo.value if call.excinfo else None
    if complaint is not None:
        record.verdict, record.reason = Verdict.ERROR, complaint
    elif report.skipped or hasattr(report, "wasxfail"):
        out_of_scope = item.stash.get(OUT_OF_SCOPE, None)
        record.verdict = Verdict.NOT_RUN if out_of_scope is None else Verdict.NOT_ABOUT
        record.reason = out_of_scope or str(getattr(failure, "msg", failure) or "skipped")
    elif report.when != "call":
        record.verdict = Verdict.ERROR
        record.reason = f"{report.when} failed: {first_line(failure) if failure else _said(report)}"
    elif failure is None and report.failed:
        record.verdict, record.reason = Verdict.ERROR, f"failed by another plugin: {_said(report)}"
    elif record.kind == "timing":
        record.verdict = Verdict.TIMED if failure is None else Verdict.ERROR
        record.reason = "" if failure is None else f"{type(failure).__name__}: {first_line(failure)}"
    else:
        decide(record, measured, failure, _assertion_lines(item, call))
        if record.verdict == Verdict.ERROR and not record.own:
            _excuse(record, item)
    return record


def _excuse(record: Record, item: pytest.Item) -> None:
    """Of a claim that fails on a model that only `--claims-matrix` has it run on: it may not be about such a model."""
    function, funcargs = getattr(item, "function", None), getattr(item, "funcargs", {})
    reason = out_of_scope(declared(function), funcargs["model"]) if "model" in funcargs else None
    if reason is not None:
        record.verdict, record.reason = Verdict.NOT_ABOUT, reason


def _said(report: pytest.TestReport) -> str:
    """What a failure says that no exception of the claim's stands behind."""
    lines = str(report.longrepr or "").strip().splitlines()
    return lines[-1][:300] if lines else "it does not say why"


def _assertion_lines(item: pytest.Item, call: pytest.CallInfo[None]) -> range | None:
    """The lines of the assert statement that failed, if it stands in the claim's own file."""
    if call.excinfo is None or call.excinfo.traceback[-1].path != item.path:
        return None
    failed = call.excinfo.traceback[-1].lineno + 1
    return lines_of_assertion(item.path, failed)


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
    setattr(report, RECORD, record.to_plain())


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
