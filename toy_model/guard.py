"""A pytest plugin that pytest loads by itself, before any conftest: it refuses to run this suite as something else.

In `pytest claims/ --checkpoint PATH` pytest takes PATH for a test at first, and a `pytest.ini` near PATH for the
configuration of the run; it would go on to run the `conftest.py` beside it, which could print any verdict. Here such a
run ends with exit code 4. Tests that have nothing to do with this suite are none of its business.

A `pytest.ini` may name plugins that are loaded even earlier. So this is for those who forget the "=" of
`--checkpoint=PATH`, with which pytest never looks there; the `verify` of a system's package does not, either.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from toy_model.checkout import ROOT

SYSTEMS = ("cumsum_model", "cumsum_model.two_layers", "sorted_list_model")
"""The packages that have claims, and a `verify` of their own."""

PARTS = ("claims", "tests", "benchmarks", *{system.partition(".")[0]: None for system in SYSTEMS}, "toy_model")
"""The folders of the suite in which pytest may run what it finds."""

OTHERS = ("pytest-claims", "examples")
"""What has tests and a configuration of its own: no verdict of this suite comes from there."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    refuse_foreign(early_config)
    return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of the project's folder collect what is the suite's: a checkpoint may lie in any other, with tests beside it."""
    foreign = collection_path.parent == ROOT and collection_path.name not in PARTS and collection_path.is_dir()
    return True if config.rootpath == ROOT and foreign else None


def refuse_foreign(config: pytest.Config, root: Path = ROOT) -> None:
    """Raise pytest.UsageError if the suite in `root` is about to run with configuration or tests not its own."""
    named = _named(config)
    if any(all(_lies_in(root / folder, path) for path in named) for folder in OTHERS):
        return
    if not any(_lies_in(root, path) for path in (*named, config.invocation_params.dir, config.rootpath)):
        return
    own = root / "pyproject.toml"
    if config.inipath is None or config.inipath.resolve() != own or config.rootpath.resolve() != root:
        configuration = str(config.inipath or "no configuration")
        if config.rootpath.resolve() != root:
            configuration += f", and {config.rootpath} for the project's folder"
        raise _refusal(f"pytest took {configuration}, and not {own}")
    for path in named:
        if path != root and not any(_lies_in(root / part, path) for part in PARTS):
            raise _refusal(f"{path} is no part of this suite, and pytest would run the code that lies there")


def _named(config: pytest.Config) -> list[Path]:
    """The paths that pytest takes for tests; where none is named, the folder that it is called in.

    What does not exist is the value of an option that pytest learns of later, such as "wrapped" of --token-order.
    """
    folder = config.invocation_params.dir
    arguments = config.known_args_namespace.file_or_dir or [""]
    paths = [Path(folder, str(argument).partition("::")[0]) for argument in arguments]
    return [path.resolve() for path in paths if os.path.exists(path)] or [folder.resolve()]


def _lies_in(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder)


def _refusal(problem: str) -> pytest.UsageError:
    reason = " ".join(problem.split())[:500]
    verify = " or ".join(f"python -m {package} verify PATH" for package in SYSTEMS)
    return pytest.UsageError(f"{reason}; write options with a path as --checkpoint=PATH, or use: {verify}")
