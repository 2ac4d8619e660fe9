"""What is collected: claims, each on the checkpoint and on its controls, in reading order."""

from __future__ import annotations

import fnmatch
import inspect
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_claims import judging
from pytest_claims.claim import RUN, Claim, Control, Timing, declared
from pytest_claims.hooks.spelling import spelled
from pytest_claims.hooks.suites import Checkpoint, Models, Suites
from pytest_claims.results import CHECKPOINT, Record
from pytest_claims.text import one_line, without_commands

CHECKPOINT_FIXTURE = "_claims_checkpoint"

SUITES = pytest.StashKey[Suites]()
MODELS = pytest.StashKey[Models]()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Refuse what looks like a claim and would not run as one."""
    if not isinstance(collector, pytest.Module | pytest.Class):
        return
    if declared(obj) is not None and not collector.funcnamefilter(name):
        raise collector.CollectError(f"{name} is a claim, but pytest only runs functions named test_*")
    if not inspect.isclass(obj) or not is_among_claims(collector.path, collector.config):
        return
    if issubclass(obj, unittest.TestCase):
        raise collector.CollectError(f"{name} is a unittest.TestCase: a claim is a function")
    if any(declared(member) for member in vars(obj).values()) and not collector.classnamefilter(name):
        raise collector.CollectError(f"{name} holds claims, but pytest only looks into classes named Test*")


def is_among_claims(path: Path, config: pytest.Config) -> bool:
    """Whether a file lies in a folder in which every test has to be a claim."""
    return any(folder in path.parents for folder in config.getini("claims_paths"))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each claim on every checkpoint and, of each, on the checkpoint itself and on its controls."""
    declaration, config = declared(metafunc.function), metafunc.config
    name = f"{metafunc.definition.nodeid}"
    if declaration is None:
        if is_among_claims(metafunc.definition.path, config):
            pytest.fail(f"{name} is not a claim: decorate it with @claim or @timing", pytrace=False)
        return
    try:
        suite = config.stash[SUITES].require(metafunc.definition.path.parent, name)
    except pytest.UsageError as error:  # which ends the run, but not before pytest has collected everything
        config.stash.setdefault(REFUSED, []).append(str(error))
        return
    ids = [checkpoint.label or pytest.HIDDEN_PARAM for checkpoint in suite.checkpoints]
    hidden = _hiding(metafunc, suite.folder)
    if hidden is not None:
        pytest.fail(f"{name}: {hidden}", pytrace=False)
    if isinstance(declaration, Claim):
        problem = declaration.problem(metafunc.fixturenames)
        if problem is not None:
            pytest.fail(f"{name} {problem}", pytrace=False)
        controls = _controls(declaration, metafunc)
        metafunc.parametrize(
            RUN,
            [None, *controls],
            ids=[CHECKPOINT, *(control.__name__ for control in controls)],
            indirect=True,
        )
    metafunc.parametrize(CHECKPOINT_FIXTURE, suite.checkpoints, ids=ids, indirect=True, scope="session")


def _hiding(metafunc: pytest.Metafunc, folder: Path) -> str | None:
    """What is wrong with a fixture of the suite's that has the name of one of the plugin's; None if nothing is.

    A fixture that takes the one of the same name and returns what it makes of that is welcome.
    """
    known: dict[str, Any] = getattr(metafunc, "_arg2fixturedefs", {})
    for name in ("checkpoint", "model", "measure", "computed", "proved"):
        definitions = known.get(name, ())
        for definition in reversed(definitions):
            if getattr(definition.func, "__module__", "") == RUNNING:
                break
            if name not in definition.argnames:
                return (
                    f"its fixture {name!r} is that of {_where(definition.func, folder)}, which hides the plugin's: "
                    f"give that one another name, or let it take {name!r} and return what it makes of it"
                )
    return None


def _where(function: Any, folder: Path) -> str:
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{getattr(function, '__module__', 'a plugin')}"
    file = Path(code.co_filename)
    return f"{file.relative_to(folder) if file.is_relative_to(folder) else file.name}:{code.co_firstlineno}"


RUNNING = "pytest_claims.hooks.running"
"""The module whose fixtures a claim has to get."""


def _controls(declaration: Claim, metafunc: pytest.Metafunc) -> list[Control]:
    """The controls that a claim is to run on; for a matrix every one that is named in its folder, or by the suite."""
    config = metafunc.config
    controls = [] if config.getoption("claims_no_controls") else list(declaration.controls)
    if config.getoption("claims_matrix") is not None and not declaration.has_to_lose:
        own = {control.__name__ for control in controls}
        controls += [m for m in all_mutants(config, metafunc.definition)[0] if m.__name__ not in own]
    return controls


def all_mutants(config: pytest.Config, node: pytest.Item) -> tuple[list[Control], list[Control]]:
    """What a claim in the folder of `node` is crossed with, and those among them that break nothing.

    What the suite's hook adds comes first, in its order; then the controls that claims in the folder name.
    """
    breaking, harmless = node.ihook.pytest_claims_mutants(config=config) or ([], [])
    by_name = {mutant.__name__: mutant for mutant in [*breaking, *harmless]}
    for control in _named_in(node.path.parent, node):
        by_name.setdefault(control.__name__, control)
    return list(by_name.values()), list(harmless)


def _named_in(folder: Path, node: pytest.Item) -> Iterator[Control]:
    """The controls of all claims in a folder, file by file, that have to be refuted."""
    cache = node.config.stash.setdefault(_NAMED, {})
    if folder not in cache:
        cache[folder] = []
        for path in sorted(folder.glob("*.py")):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in _file_patterns(node.config)):
                cache[folder] += _named_by(path, node)
    yield from cache[folder]


_NAMED = pytest.StashKey[dict[Path, list[Control]]]()


def _file_patterns(config: pytest.Config) -> list[str]:
    return [pattern.rpartition("/")[2] for pattern in config.getini("python_files")]


def _named_by(path: Path, node: pytest.Item) -> list[Control]:
    module = node.getparent(pytest.Module)
    if module is None or module.parent is None:
        return []
    if module.path != path:
        module = pytest.Module.from_parent(module.parent, path=path)
    try:
        members = list(vars(module.obj).values())
    except (pytest.Collector.CollectError, pytest.skip.Exception):  # pytest says so itself when it comes to the file
        return []
    members += [test for member in members if inspect.isclass(member) for test in vars(member).values()]
    declarations = [claim for claim in map(declared, members) if isinstance(claim, Claim)]
    # What breaks an instrument is no broken model, and what a rival account is true of is none either.
    about_models = [claim for claim in declarations if not claim.has_to_lose and not claim.instrument]
    return [control for claim in about_models for control in claim.controls]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put claims in the order of `claims_order`, and drop controls that were selected by accident.

    Controls whose claim was deselected, such as `-k attention` finds by the name of a mutant, go with it: unless
    nothing else was selected, so that a control can be run by itself. What is no claim stays where it is.
    """
    config.stash[ALL_FOUND] = True
    records = {item: record for item in items if (record := blank_record(item)) is not None}
    judged = {(record.claim, record.model) for record in records.values() if record.subject == CHECKPOINT}
    stray = [item for item, record in records.items() if (record.claim, record.model) not in judged]
    if judged and stray:
        config.hook.pytest_deselected(items=stray)
        dropped = set(stray)
        items[:] = [item for item in items if item not in dropped]
    place = {file: index for index, file in enumerate(config.getini("claims_order"))}
    claims = [item for item in items if item in records]
    in_order = sorted(
        claims, key=lambda item: (_checkpoint_number(config, item), place.get(item.path.name, len(place)))
    )
    following = iter(in_order)
    items[:] = [next(following) if item in records else item for item in items]


def _checkpoint_number(config: pytest.Config, item: pytest.Item) -> int:
    """Which of the checkpoints of its suite a claim runs on: one after the other, so that one is loaded at a time."""
    checkpoint = checkpoint_of(item)
    if checkpoint is None:
        return 0
    return config.stash[SUITES].by_key[checkpoint.suite].checkpoints.index(checkpoint)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the models that the claims are about, before any claim runs: one that cannot be loaded ends the run.

    First, so that pytest can name the models, and pytest-xdist is not told of tests that will not run. Where a test
    that is named does not exist pytest calls this as well, and says so itself: but for pytest-xdist, which is silent.
    """
    config = session.config
    in_worker = hasattr(config, "workerinput")
    if config.option.collectonly or not (in_worker or ALL_FOUND in config.stash):
        return
    refused = config.stash.setdefault(REFUSED, [])
    runs = [(checkpoint, control_of(item)) for item in session.items if (checkpoint := checkpoint_of(item))]
    named = config.getoption("claims_checkpoint")
    deselected = bool(getattr(config.pluginmanager.get_plugin("claims-collected"), "tests", None))
    if named and not runs and not deselected and not session.testsfailed and not refused:
        option = spelled(config, "checkpoint")
        refused.append(f"{option} {one_line(named[0])}: no claim was collected that could be about it")
    if not refused:
        refused += _load_all(config, runs)
    if refused and in_worker:  # cannot end the run, but the process that sees all results can
        session.items.clear()
    elif refused:
        raise pytest.UsageError(refused[0])


def _load_all(config: pytest.Config, runs: list[tuple[Checkpoint, Control | None]]) -> list[str]:
    """Load every model that is asked for, the first one last, which then stays loaded. Returns why one cannot be."""
    models, lines = config.stash[MODELS], {}
    models.expect(runs)
    for checkpoint in reversed(dict.fromkeys(checkpoint for checkpoint, _ in runs)):
        try:
            loaded = models.load(checkpoint)
        except pytest.UsageError as error:
            return [str(error)]
        lines[(checkpoint.suite, checkpoint.label)] = [loaded.line, loaded.fingerprint or ""]
        del loaded  # the next one may need the room
    config.stash[LINES] = dict(reversed(lines.items()))
    return []


REFUSED = pytest.StashKey[list[str]]()
ALL_FOUND = pytest.StashKey[bool]()
LINES = pytest.StashKey[dict[tuple[str, str], list[str]]]()
"""By suite and label of a checkpoint, in the order of running: the line that names the model, and its fingerprint."""


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """The models under test, below the number of tests collected."""
    lines = [line for line, _ in config.stash.get(LINES, {}).values() if line]
    if not lines:
        return []
    return [without_commands(line) for line in lines]


def checkpoint_of(item: pytest.Item) -> Checkpoint | None:
    """The checkpoint that a claim runs on, or of which its control is made; None for an ordinary test."""
    callspec = getattr(item, "callspec", None)
    checkpoint = callspec.params.get(CHECKPOINT_FIXTURE) if callspec else None
    return checkpoint if isinstance(checkpoint, Checkpoint) else None


def control_of(item: pytest.Item) -> Control | None:
    """The control that a claim runs on; None for the checkpoint itself."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(RUN) if callspec else None


def blank_record(item: pytest.Item) -> Record | None:
    """The record of a claim or timing that has not run; None for an ordinary test."""
    function = getattr(item, "function", None)
    declaration = declared(function) if function is not None else None
    if function is None or declaration is None:
        return None
    checkpoint, control = checkpoint_of(item), control_of(item)
    record = judging.blank_record(
        declaration,
        function,
        control,
        _own_parameters(item),
        test=item.nodeid,
        claim=_claim_id(item),
        section=_heading(item),
        line=(item.location[1] or 0) + 1,
    )
    record.suite = checkpoint.suite if checkpoint else ""
    record.model = checkpoint.label if checkpoint else ""
    record.place = _place(item)
    return record


def _heading(item: pytest.Item) -> str:
    doc = inspect.getdoc(getattr(item, "module", None)) or item.path.name
    return doc.splitlines()[0]


def _own_parameters(item: pytest.Item) -> dict[str, Any]:
    """The parameters of the claim itself, without those that the plugin adds."""
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return {name: value for name, value in params.items() if name not in (RUN, CHECKPOINT_FIXTURE)}


def _claim_id(item: pytest.Item) -> str:
    """The test's id, with the checkpoint and the control taken out of its parameters."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return item.nodeid.partition("[")[0]
    checkpoint, control = checkpoint_of(item), control_of(item)
    parts = f"-{callspec.id}-"
    for name in (checkpoint.label if checkpoint else "", CHECKPOINT if control is None else control.__name__):
        if name:
            parts = parts.replace(f"-{name}-", "-", 1)
    parts = parts.strip("-")
    return item.nodeid.partition("[")[0] + (f"[{parts}]" if parts else "")


def _place(item: pytest.Item) -> list[int]:
    callspec = getattr(item, "callspec", None)
    indices: dict[str, int] = dict(callspec.indices) if callspec else {}
    run = indices.pop(RUN, 0)
    indices.pop(CHECKPOINT_FIXTURE, None)
    return [*indices.values(), run]


def is_declared(item: pytest.Item) -> bool:
    """Whether an item is a claim or a timing."""
    return isinstance(declared(getattr(item, "function", None)), Claim | Timing)
