"""Which systems a run of the claims is about: those that were asked for and that can read the checkpoint.

`pytest claims/` asks for all of them. A checkpoint that is named is of one: the claims of the others are left out, and
the run is a whole one of that system. Where a folder of claims is named (`pytest claims/cumsum`), so is the system.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_claims.files import shown
from pytest_claims.hooks.suites import ENDINGS

from toy_model.checkpoint.checkpoint import CheckpointError, refusal_of
from toy_model.system import System
from toy_model.under_test import checkpoints_in, reading_for, stored_of


@dataclass(frozen=True)
class Chosen:
    """The systems whose claims run, and the folders of claims that were asked for and are left out, by name.

    All lie in `claims`. A folder may be of no system: its claims are about something else than a checkpoint.
    """

    claims: Path
    systems: tuple[System[Any], ...]
    left_out: tuple[str, ...] = ()

    @property
    def header(self) -> list[str]:
        """What is left out and why, in lines."""
        of = " and ".join(system.name for system in self.systems)
        return [f"claims/{name} left out: checkpoint is of {of}" for name in self.left_out]

    def leaves_out(self, path: Path) -> bool:
        """Whether a folder is that of claims that are left out."""
        return any(path.resolve() == self.claims / name for name in self.left_out)


def choose(config: pytest.Config, systems: Sequence[System[Any]]) -> Chosen:
    """The systems of a run, of all that there are. Raises pytest.UsageError where a checkpoint is of none or several.

    Where the command line names a folder of claims, or a file in it, whatever is wrong with the checkpoint is left to
    who reads it.
    """
    claims = (config.rootpath / "claims").resolve()
    paths = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    if not any(claims.is_relative_to(path) for path in paths):
        return Chosen(claims, tuple(s for s in systems if any(path.is_relative_to(claims / s.name) for path in paths)))
    named = config.getoption("claims_checkpoint")
    if not named or len(systems) < 2:
        return Chosen(claims, tuple(systems))
    of = {path: _readers(config, path, systems) for file in named for path in _files_in(file)}
    readers = _narrowest([system for system in systems if all(system in found for found in of.values())])
    if len(readers) != 1:
        each = "; ".join(f"{path} is of {' and '.join(system.name for system in found)}" for path, found in of.items())
        how = (
            f"name the folder of claims, {_folders(readers)}" if readers else "name checkpoints of one system at a time"
        )
        raise pytest.UsageError(shown(f"{how}: {each}"))
    folders = sorted(path.parent.name for path in claims.glob("*/conftest.py"))
    return Chosen(claims, (readers[0],), tuple(name for name in folders if name != readers[0].name))


def _files_in(path: Path) -> Iterator[Path]:
    """The checkpoints in what is named, as the plugin finds them: a file, a folder of one, or one of several."""
    inside = sorted(path.iterdir()) if path.is_dir() and checkpoints_in(path) is None else []
    files = [file for file in inside if file.suffix in ENDINGS and file.suffix != ".json" and file.is_file()]
    yield from files or [path]


def _readers(config: pytest.Config, path: Path, systems: Sequence[System[Any]]) -> list[System[Any]]:
    """The systems whose names and shapes a file has: at least one. Raises pytest.UsageError where there is none."""
    try:
        stored = stored_of(config, path, systems)
    except CheckpointError as error:
        raise pytest.UsageError(shown(error)) from None
    refusals = {system.name: refusal_of(stored, system, reading_for(config, system)) for system in systems}
    if all(refusals.values()):
        reasons = set(refusals.values())
        if len(reasons) == 1:  # of whatever the file is
            raise pytest.UsageError(shown(f"{path}: {reasons.pop()}"))
        each = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
        raise pytest.UsageError(
            shown(f"{path}: of none of the systems; name the one that is meant, {_folders(systems)} ({each})")
        )
    return [system for system in systems if refusals[system.name] is None]


def _narrowest(systems: Sequence[System[Any]]) -> list[System[Any]]:
    """Without those of which another one is a special case."""
    widened = {system.narrows for system in systems}
    return [system for system in systems if system.name not in widened]


def _folders(systems: Sequence[System[Any]]) -> str:
    return " or ".join(f"pytest claims/{system.name}" for system in systems)
