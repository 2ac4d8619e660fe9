"""The checkpoint that claims are run on: read once, whoever asks, and the same bytes in every process.

What a folder of claims does with it (`claims/NAME/conftest.py`) are the plugin's hooks; these are the parts that do not
depend on the system.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_claims.files import shown
from pytest_claims.text import readable

from toy_model.architectures import in_words
from toy_model.checkpoint.checkpoint import Checkpoint, CheckpointError, Reading, read_stored
from toy_model.checkpoint.container import SAFETENSORS
from toy_model.checkpoint.stored import MODEL_FILES, TRAINING_FILE, Stored, load_stored
from toy_model.system import System
from toy_model.task import M

STORED = pytest.StashKey[dict[Path, Stored]]()
READ = pytest.StashKey[dict[tuple[str, Path | None], Checkpoint[Any]]]()
HANDED_OVER = "toy_model.checkpoint"


def checkpoint_of(config: pytest.Config, path: Path | None, system: System[M]) -> Checkpoint[M]:
    """A checkpoint, the shipped one if none is named. Raises pytest.UsageError in one line that names it."""
    read = config.stash.setdefault(READ, {})
    if (system.name, path) not in read:
        reading, device = reading_for(config, system), config.getoption("claims_device")
        try:
            stored = stored_of(config, system.reference if path is None else path, [system])
            read[system.name, path] = read_stored(stored, system, device, reading)
        except CheckpointError as error:
            raise pytest.UsageError(shown(error)) from None
    return read[system.name, path]


def reading_for(config: pytest.Config, system: System[Any]) -> Reading:
    """How a file of a system is to be read.

    The options of the command line are those of all systems: an order of rows is none of those that have no such.
    """
    order = config.getoption("token_order", None)
    known = any(order == each.name for each in system.token_orders)
    return Reading(order if known else None, config.getoption("n_heads"))


def checkpoints_in(folder: Path) -> list[Path] | None:
    """The folder itself where it holds one model, also in shards; None where its files are a checkpoint each."""
    return [folder] if any((folder / name).is_file() for name in (*MODEL_FILES, TRAINING_FILE)) else None


def subject_line(checkpoint: Checkpoint[Any]) -> str:
    """What names a checkpoint in a header: file, digest, how it was read, and what its card says of it.

    Where no card of ours says how it was trained, also what is taken for granted of it.
    """
    words = f"checkpoint {os.path.relpath(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}"
    if checkpoint.read_as != SAFETENSORS or checkpoint.notes:
        words += f", {'; '.join((checkpoint.read_as, *checkpoint.notes))}"
    recipe = checkpoint.card.get("recipe") if checkpoint.card else None
    if checkpoint.card and isinstance(recipe, dict):
        words += f", seed {recipe.get('seed')}, epoch {checkpoint.card.get('kept_epoch')}"
    else:
        words += f"; taken for granted: {in_words(checkpoint.model)}"
    return " ".join(readable(words).split())


def hand_over(node: Any, systems: Sequence[System[Any]]) -> None:
    """Give a process of pytest-xdist's the bytes: a file may be another one by the time that it starts."""
    handed_over = node.workerinput.setdefault(HANDED_OVER, [])
    for path in node.config.getoption("claims_checkpoint") or [system.reference for system in systems]:
        if systems and not path.is_dir():
            stored = stored_of(node.config, path, systems)
            file = os.fsencode(stored.path)
            handed_over.append((os.fsencode(path), file, stored.content, stored.card, stored.unfinished, stored.shards))


def stored_of(config: pytest.Config, path: Path, systems: Sequence[System[Any]]) -> Stored:
    """The bytes of a checkpoint of one of these systems, read once; by a process of pytest-xdist's what it was handed.

    Raises CheckpointError.
    """
    stored = config.stash.setdefault(STORED, {})
    if not stored and hasattr(config, "workerinput"):
        for named, file, content, card, unfinished, shards in config.workerinput[HANDED_OVER]:
            known = Stored(Path(os.fsdecode(file)), content, card, unfinished, tuple(map(tuple, shards)))
            stored[Path(os.fsdecode(named))] = known
    if path not in stored:
        stored[path] = load_stored(path, systems[0].package if len(systems) == 1 else "PACKAGE")
    return stored[path]
