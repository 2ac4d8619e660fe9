"""Whether a run is the whole suite: what stands in the files of claims, against what was collected."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

MOST_NAMES = 3
NOT_CLAIMS = ("__init__.py", "conftest.py")


class Deselected:
    """Remembers which claims were deselected, in whatever process collects, and tells the process that reports."""

    KEY = "verification_deselected"

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.claims: set[str] = set()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        from cumsum_model.verification.session import blank_record

        self.claims |= {record.test for item in items if (record := blank_record(item)) and record.kind == "claim"}

    def pytest_sessionfinish(self) -> None:
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[self.KEY] = sorted(self.claims)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self.claims |= set(getattr(node, "workeroutput", {}).get(self.KEY, ()))


def left_out(config: pytest.Config, collected: Collection[str], deselected: Collection[str]) -> Iterator[str]:
    """Why these tests are not the whole suite, a sentence each; nothing if they are.

    What should be there is read off the source files, so that no way of leaving a test out goes unnoticed.
    """
    functions = {test.partition("[")[0] for test in collected}
    files = {test.partition("::")[0] for test in collected}
    standing, missing, untouched = 0, [], []
    for path in _files_of_claims(config, files):
        name = Path(os.path.relpath(path, config.rootpath)).as_posix()
        claims = [f"{name}::{test}" for test in _claims_in(path)]
        standing += len(claims)
        missing += [claim for claim in claims if claim not in functions]
        if name not in files and not claims:
            untouched.append(name)
    if missing:
        yield f"{len(missing)} of {standing} claims and errata were not selected: {_few(missing)}"
    if untouched:
        yield f"nothing was collected from {_few(untouched)}"
    variants = sorted(test for test in deselected if test.partition("[")[0] in functions)
    if variants:
        yield f"{len(variants)} controls or variants of selected claims were deselected: {_few(variants)}"


def _files_of_claims(config: pytest.Config, collected: Collection[str]) -> Iterator[Path]:
    """Every file in the folders of claims; where none are named, every file with claims beside those collected."""
    folders = config.getini("claim_paths")
    for folder in sorted(folders):
        yield from (path for path in sorted(folder.rglob("*.py")) if path.name not in NOT_CLAIMS)
    if not folders:
        beside = {(config.rootpath / file).resolve().parent for file in collected}
        yield from (path for folder in sorted(beside) for path in sorted(folder.glob("*.py")) if any(_claims_in(path)))


def _claims_in(path: Path) -> Iterator[str]:
    """Tests of a file that are decorated as claims or errata, as pytest names them below the file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return  # pytest could not collect it either, and says so
    for statement in tree.body:
        inside = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        for node in inside:
            if isinstance(node, ast.FunctionDef) and any(_declares(one) for one in node.decorator_list):
                yield f"{statement.name}::{node.name}" if isinstance(statement, ast.ClassDef) else node.name


def _declares(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("claim", "erratum")


def _few(names: Sequence[str]) -> str:
    told = ", ".join(name.rpartition("::")[2].rpartition("/")[2] for name in names[:MOST_NAMES])
    return told + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
