"""Whether a run is the whole suite: what stands in the files of claims and was collected, against what was run."""

from __future__ import annotations

import ast
import os
import tokenize
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_claims.claim import Claim, declared
from pytest_claims.hooks.collection import LINES, REFUSED

MOST_NAMES = 3
NOT_CLAIMS = ("__init__.py", "conftest.py")
PACKAGE, DECLARING = "pytest_claims", ("claim", "erratum")


class Collected:
    """Remembers every claim that was collected, whatever dropped it later, and tells the process that reports."""

    KEY = "claims_collected"

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.tests: set[str] = set()
        """Every run of a claim or timing."""
        self.functions: set[str] = set()
        """Every claim of the files that were looked into, whatever was dropped of them before it was collected."""
        self.complete = config.getoption("dist", "no") == "no"
        """Whether this process knows all that was collected: under pytest-xdist others do."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> None:
        if isinstance(declared(obj), Claim):
            self.functions.add(f"{collector.nodeid}::{name}")

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        if declared(getattr(item, "function", None)) is not None:
            self.tests.add(item.nodeid)

    def pytest_sessionfinish(self) -> None:
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            lines = self.config.stash.get(LINES, {})
            output[self.KEY] = {
                "tests": sorted(self.tests),
                "functions": sorted(self.functions),
                "refused": self.config.stash.get(REFUSED, []),
                "lines": [[*key, *line] for key, line in lines.items()],
            }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        reported = getattr(node, "workeroutput", {}).get(self.KEY)
        if reported is None:  # it crashed
            return
        self.complete = True
        self.tests |= set(reported["tests"])
        self.functions |= set(reported["functions"])
        self.config.stash.setdefault(REFUSED, []).extend(reported["refused"])
        lines = {(suite, label): line for suite, label, *line in reported["lines"]}
        self.config.stash[LINES] = lines | self.config.stash.get(LINES, {})


def left_out(
    config: pytest.Config,
    selected: Collection[str],
    collected: Collection[str],
    looked_into: Collection[str],
    folder: Path | None = None,
) -> Iterator[str]:
    """Why the tests selected are not the whole suite, a sentence each; nothing if they are.

    selected     runs of claims
    collected    runs of claims, before any was dropped
    looked_into  claims of the files that pytest looked into
    folder       that of the suite; None for everything

    Two accounts of what should be there have to agree with them: what was collected before anything was dropped,
    and what stands in the source files. Each sees what the other cannot.
    """
    functions = {test.partition("[")[0] for test in selected}
    dropped = [test for test in collected if test not in selected]
    standing, missing, untouched, twice = 0, [], [], []
    for name, path in _files_of_claims(config, {test.partition("::")[0] for test in selected}):
        if folder is not None and folder not in path.parents:
            continue
        claims = [f"{name}::{test}" for test in _claims_in(path)]
        twice += [claim for claim, n in Counter(claims).items() if n > 1]
        claims += sorted(claim for claim in looked_into if claim.startswith(f"{name}::"))
        standing += len(set(claims))
        missing += [claim for claim in dict.fromkeys(claims) if claim not in functions]
        if not claims and not any(test.startswith(f"{name}::") for test in selected):
            untouched.append(name)
    if missing:
        yield f"{len(missing)} of {standing} claims and errata were not selected: {_few(missing)}"
    if untouched:
        yield f"nothing was collected from {_few(untouched)}"
    others = sorted(test for test in dropped if test.partition("[")[0] not in missing)
    if others:
        yield f"{len(others)} runs of claims on the checkpoint or a control were deselected: {_few(others)}"
    if twice:
        yield f"only the last of several tests of one name is run: {_few(twice)}"
    yield from _asked_for(config)


def _asked_for(config: pytest.Config) -> Iterator[str]:
    """Options after which nobody can say what the whole suite is."""
    single = [argument for argument in config.args if "::" in argument]
    if single:
        yield f"only some tests of a file were asked for: {_few(single)}"
    if any(option.partition("=")[0].strip() == "claims_paths" for option in config.getoption("override_ini") or ()):
        yield "the folders of claims were named on the command line, with -o claims_paths"


def _files_of_claims(config: pytest.Config, selected: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Every file in the folders of claims, and every file with claims beside those selected, by pytest's names."""
    seen = set()
    for folder in sorted(config.getini("claims_paths")):
        for path in _python_files(folder):
            if path.name not in NOT_CLAIMS:
                seen.add(path)
                yield _name(config, path), path
    patterns = [pattern.rpartition("/")[2] for pattern in config.getini("python_files")]
    for folder in sorted({Path(os.path.normpath(config.rootpath / file)).parent for file in selected}):
        for path in sorted(folder.glob("*.py")):
            if path in seen or path.name in NOT_CLAIMS or not any(path.match(pattern) for pattern in patterns):
                continue
            if any(_claims_in(path)) or may_hold_claims(path):
                yield _name(config, path), path


def may_hold_claims(path: Path) -> bool:
    """Whether a file has tests and takes what makes them claims from this package, to use it by whatever name."""
    nodes = list(ast.walk(_tree(path) or ast.Module([], [])))
    has_tests = any(isinstance(node, ast.FunctionDef) and node.name.startswith("test") for node in nodes)
    return has_tests and any(map(_takes_claims, nodes))


def _takes_claims(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name.partition(".")[0] == PACKAGE for name in node.names)
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE:
        return any(name.name in DECLARING for name in node.names)
    return False


def _tree(path: Path) -> ast.Module | None:
    """A file as Python reads it; None where pytest could not collect it either, and says so."""
    try:
        with tokenize.open(path) as file:
            return ast.parse(file.read())
    except (OSError, ValueError, SyntaxError):
        return None


def _python_files(folder: Path) -> Iterator[Path]:
    """As pytest finds them: through links to folders, each folder once."""
    visited = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        yield from (Path(place) / file for file in sorted(files) if file.endswith(".py"))


def _name(config: pytest.Config, path: Path) -> str:
    return Path(os.path.relpath(path, config.rootpath)).as_posix()


def _claims_in(path: Path) -> Iterator[str]:
    """Tests of a file that are decorated as claims or errata, as pytest names them below the file."""
    tree = _tree(path)
    if tree is not None:
        yield from _declared_below(tree, "")


def _declared_below(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_declares(decorator) for decorator in child.decorator_list):
                yield prefix + child.name
        else:  # classes have names of their own; whatever else has statements in it, such as `if`, has none
            yield from _declared_below(child, f"{prefix}{child.name}::" if isinstance(child, ast.ClassDef) else prefix)


def _declares(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in DECLARING


def _few(names: Sequence[str]) -> str:
    listed = ", ".join(name.rpartition("::")[2].rpartition("/")[2] for name in names[:MOST_NAMES])
    return listed + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
