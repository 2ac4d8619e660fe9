"""The bytes of a checkpoint: of one file, or of shards under an index, and of the card beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_claims.files import Unreadable, read_regular

from toy_model.checkpoint.container import MAX_HEADER, Source, parse
from toy_model.checkpoint.refusal import CheckpointError, one_line

MODEL_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"
"""Where a folder keeps the state of a training run that has not finished."""

MODEL_FILES = (MODEL_FILE, f"{MODEL_FILE}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""What a folder may hold its model in, ours first; the others as Hugging Face names them."""

MAX_BYTES = 256 * 2**20
"""Larger files are refused before they are read, as are larger shards together; models here take up to 1 MB."""

MAX_CARD_BYTES = 2**20
MAX_SHARDS = 1_000

SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.(safetensors|bin)$")
"""How the name of a shard ends."""


@dataclass(frozen=True)
class Stored:
    """The bytes of a checkpoint's file and of the card beside it, None where there is none.

    unfinished  the folder holds the state of a training run, too, which would replace the file when it ends
    shards      where the file is an index: the files that it names, in the order of their names, and their bytes
    """

    path: Path
    content: bytes
    card: bytes | None
    unfinished: bool = False
    shards: tuple[tuple[str, bytes], ...] = ()

    @property
    def sha256(self) -> str:
        """Of the file; of an index and its shards, one after the other: `cat INDEX SHARD1 SHARD2 | sha256sum`."""
        digest = hashlib.sha256(self.content)
        for _, content in self.shards:
            digest.update(content)
        return digest.hexdigest()

    @cached_property
    def source(self) -> Source:
        """The tensors, of all shards together. Raises CheckpointError, without the name of the file."""
        return _of_shards(self.content, self.shards) if self.shards else parse(self.content)


def card_path(path: Path) -> Path:
    """Where the card of the checkpoint `path` lies: `x.safetensors` has `x.card.json`, `x.pt` has `x.pt.card.json`.

    So a file and what it was converted to may lie beside each other.
    """
    return path.with_suffix(".card.json") if path.suffix == ".safetensors" else path.with_name(f"{path.name}.card.json")


def load_stored(path: Path | str, package: str) -> Stored:
    """The bytes in `path`, a file, an index of shards or a folder with either, and of its card.

    package: whose `train` goes on with a run that has not finished. Raises CheckpointError.
    """
    if path == "":  # as of a variable that is not set; of `Path` it would be the folder that one happens to be in
        raise CheckpointError("the path of the checkpoint is empty")
    path = Path(path)
    if _is_folder(path):
        path = _model_in(path, package)
    beside_it = card_path(path)
    content = _read_bytes(path, MAX_BYTES)
    has_card = os.path.exists(beside_it)  # False, too, of a name that is too long for any file
    card = _read_bytes(beside_it, MAX_CARD_BYTES) if has_card else None
    unfinished = path.name == MODEL_FILE and os.path.lexists(path.with_name(TRAINING_FILE))
    return Stored(path, content, card, unfinished, _shards(path, content))


def shard_of(path: Path) -> str | None:
    """What a file is that is named like a shard of a larger checkpoint; None of any other."""
    named = SHARD.search(path.name)
    if named is None or int(named[2]) < 2:
        return None
    return f"is one of {int(named[2])} shards, by its name: name their folder, or the index beside them (*.index.json)"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise CheckpointError(f"{one_line(path)}: {error.strerror or error}") from None


def _model_in(folder: Path, package: str) -> Path:
    """The file of the model in a folder, or the index of its shards."""
    if (folder / MODEL_FILE).is_file():
        return folder / MODEL_FILE
    if (folder / TRAINING_FILE).is_file():
        raise CheckpointError(
            f"{folder}: training has not finished; run `python -m {package} train --out {folder}` "
            "with the same options to go on"
        )
    for name in MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder}: is a folder without a {MODEL_FILE}{_but_with(folder)}")


def _but_with(folder: Path) -> str:
    """Which files of a folder could have been meant."""
    endings = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(endings))
    except OSError:
        return ""
    if not names:
        return ""
    shown = ", ".join(one_line(name)[:40] for name in names[:3]) + (", .." if len(names) > 3 else "")
    return f" or pytorch_model.bin; name the file that is meant: {shown}"


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        content = read_regular(path, limit)
    except Unreadable as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not content:
        raise CheckpointError(f"{path}: is empty")
    return content


def _shards(path: Path, content: bytes) -> tuple[tuple[str, bytes], ...]:
    """The bytes of the shards that an index names, which lie beside it; none where the file is no index."""
    try:
        where = _weight_map(content)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    shards: list[tuple[str, bytes]] = []
    room = MAX_BYTES
    for name in sorted(set((where or {}).values())):
        shard = _read_bytes(path.with_name(name), room)
        room -= len(shard)
        shards.append((name, shard))
    return tuple(shards)


def _weight_map(content: bytes) -> dict[str, str] | None:
    """Which shard holds which tensor, as an index says; None where the bytes are no index."""
    if content.lstrip()[:1] != b"{" or len(content) > MAX_HEADER:
        return None
    try:
        index = json.loads(content)
    except (ValueError, RecursionError):
        return None
    where = index.get("weight_map") if isinstance(index, Mapping) else None
    if where is None:
        return None
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise CheckpointError("is an index of shards that names none")
    names = set(where.values())
    odd = next((name for name in names if not re.fullmatch(r"[\w.-]{1,200}", name, re.ASCII) or name[0] == "."), None)
    if odd is not None:
        raise CheckpointError(f"is an index of shards that names {one_line(odd)[:80]!r}, which is no file beside it")
    if len(names) > MAX_SHARDS:
        raise CheckpointError(f"is an index of {len(names):,} shards, more than the {MAX_SHARDS:,} that are read")
    return where


def _of_shards(index: bytes, shards: tuple[tuple[str, bytes], ...]) -> Source:
    where = _weight_map(index) or {}
    state: dict[str, Any] = {}
    formats, notes = [], []
    for name, content in shards:
        try:
            source = parse(content)
        except CheckpointError as error:
            raise CheckpointError(f"its shard {name} {error}") from None
        formats.append(source.format)
        notes += [note for note in source.notes if note not in notes]
        for tensor_name, tensor in source.state.items():
            if where.get(tensor_name) != name:
                raise CheckpointError(
                    f"its shard {name} holds {one_line(tensor_name)}, which the index does not place there"
                )
            state[tensor_name] = tensor
    missing = next((name for name in where if name not in state), None)
    if missing is not None:
        raise CheckpointError(f"its shard {where[missing]} lacks {one_line(missing)}, which the index places there")
    return Source(f"{formats[0]} in {len(shards)} shards", state, tuple(notes))
