"""What of the command line names checkpoints, and what tests: pytest itself cannot know.

In `pytest --claims-checkpoint A B claims/` the option takes all three. And before pytest has loaded any plugin it has
looked for its configuration beside everything that may be the path of a test, checkpoints among them.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from _pytest.config.findpaths import determine_setup

from pytest_claims.text import one_line

DEST = "claims_checkpoint"


def return_tests(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Give tests back that `--claims-checkpoint A claims/` would take for checkpoints.

    The first path that follows the option is a checkpoint. Of the others those are tests that pytest would look for
    tests in: a Python file, a test with "::", a folder with a conftest.py or a file of tests in it.
    """
    names = [name for name, dest in parser._opt2dest.items() if dest == DEST]
    args[:] = _apart(args, names, config)
    config.known_args_namespace.file_or_dir = parser.parse_known_args(
        args, namespace=argparse.Namespace(**vars(config.option))
    ).file_or_dir


def require_own_root(config: pytest.Config) -> None:
    """Raise pytest.UsageError if pytest took the folder of a checkpoint for one of tests, and so another root folder.

    Tests would have other names than in every other run, and the configuration of the suite may not be read.
    """
    known = config.known_args_namespace
    root, ini, *_ = determine_setup(
        inifile=known.inifilename,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=known.rootdir or None,
        invocation_dir=config.invocation_params.dir,
    )
    named = getattr(known, DEST, None)
    if named and (root, ini) != (config.rootpath, config.inipath):
        path = one_line(named[0])
        raise pytest.UsageError(
            f"--claims-checkpoint {path}: pytest took that for a test, and {config.inipath or config.rootpath} for the "
            f"configuration of this run: write --claims-checkpoint={path}"
        )


def _apart(args: list[str], names: Collection[str], config: pytest.Config) -> Iterator[str]:
    """The arguments with every checkpoint in an option of its own, which takes nothing else."""
    option, first = "", False
    for position, argument in enumerate(args):
        if argument == "--":
            yield from args[position:]
            return
        if argument in names:
            option, first = argument, True
            if position + 1 == len(args) or args[position + 1].startswith("-"):
                yield argument  # argparse says that its path is missing
        elif argument.startswith("-"):
            option = ""
            yield argument
        elif option and (first or not _is_tests(argument, config)):
            first = False
            yield f"{option}={argument}"
        else:
            yield argument


def _is_tests(argument: str, config: pytest.Config) -> bool:
    path = Path(config.invocation_params.dir, argument.partition("::")[0])
    if path.is_dir():
        return any(path.resolve() == folder for folder in config.getini("claims_paths")) or _holds_tests(path, config)
    return path.suffix == ".py" and path.is_file()


def _holds_tests(folder: Path, config: pytest.Config) -> bool:
    patterns = ["conftest.py", *(pattern.rpartition("/")[2] for pattern in config.getini("python_files"))]
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        python = [file for file in files if file.endswith(".py")]
        if any(fnmatch.fnmatch(file, pattern) for file in python for pattern in patterns):
            return True
    return False
