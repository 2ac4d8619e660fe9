"""Reading checkpoints of any kind, and writing ours: a safetensors file, and a card that says where it came from.

`model.safetensors` holds the float32 parameters under their classic names and nothing else;
`model.card.json` holds the recipe, the kept epoch, versions, metrics and the sha256 of the file.
What else is read, state dicts that torch.save wrote among it, is in `formats`. Nothing in a checkpoint is ever
executed: there is no unpickler in this code, and what the pickle in such a file says is read as data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import safetensors.torch
import torch
from pytest_claims.files import Unreadable, beside, read_regular, settle, write_whole
from torch import Tensor

from toy_model.checkpoint.container import SAFETENSORS, Source, parse, parse_safetensors
from toy_model.checkpoint.naming import PLAIN, Misreading, classic, is_bridge
from toy_model.checkpoint.naming import Reading as Reading
from toy_model.checkpoint.refusal import CheckpointError as CheckpointError
from toy_model.checkpoint.refusal import one_line
from toy_model.config import AXES, Config, parameter_kinds
from toy_model.task import M, Task
from toy_model.transformer import Transformer

MODEL_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"
"""Where a folder keeps the state of a training run that has not finished."""

UNFINISHED = f"beside it, {TRAINING_FILE} is of a training run that has not finished and would replace it"


MAX_BYTES = 256 * 2**20
"""Larger files are refused before they are read; the published model takes 10 kB."""

MAX_CARD_BYTES = 2**20
MAX_STATES = 10_000
"""Models with more (position, token) pairs are refused: attention over all pairs of them would not fit in memory."""

MAX_HEADS = 256
"""Models with more are refused: each has an attention pattern of its own, for every sequence that is tried."""


class Misread(CheckpointError):
    """A file that answers wrongly as it was read, and rightly in another reading, which was not asked for."""

    def __init__(self, path: Path, misreading: Misreading, package: str) -> None:
        self.path, self.misreading, self.package = path, misreading, package
        as_it_is = []
        if misreading.better.token_order is not None:
            as_it_is.append("--token-order value")
        if misreading.better.n_heads is not None:
            as_it_is.append("--n-heads with the number that it has")
        super().__init__(
            f"{path}: {misreading.found}; say {misreading.options}, or {' and '.join(as_it_is)} to take it as it is"
        )

    @property
    def for_conversion(self) -> str:
        """The same line for commands that take no such option."""
        return (
            f"{self.path}: {self.misreading.found}; convert it: "
            f"python -m {self.package} convert {self.path} OUT.safetensors {self.misreading.options}"
        )


@dataclass(frozen=True)
class Checkpoint(Generic[M]):
    """A model as it was read from disk; `card` is None where no card lies beside the file.

    sha256   of the file, whatever was read out of it
    format   the container, and whose names it has where they are not ours
    reading  the order of rows and number of heads that were asked for
    notes    what was left out of the file or taken for granted, for a reader to know
    """

    model: M
    path: Path
    sha256: str
    card: Mapping[str, Any] | None
    format: str = SAFETENSORS
    reading: Reading = PLAIN
    notes: tuple[str, ...] = ()

    @property
    def read_as(self) -> str:
        """How the file was read, in a few words."""
        wrapped = ", embedding rows wrapped" if self.reading.wrapped else ""
        heads = f", n_heads {self.reading.n_heads} as told" if self.reading.n_heads is not None else ""
        return f"{self.format}{wrapped}{heads}"


def card_path(path: Path) -> Path:
    """Where the card of the checkpoint `path` lies: `x.safetensors` has `x.card.json`, `x.pt` has `x.pt.card.json`.

    So a file and what it was converted to may lie beside each other.
    """
    return path.with_suffix(".card.json") if path.suffix == ".safetensors" else path.with_name(f"{path.name}.card.json")


def read_checkpoint(
    path: Path | str, task: Task[M], device: torch.device | str = "cpu", reading: Reading = PLAIN
) -> Checkpoint[M]:
    """Read, check and build the model of `task` in `path`, a file or a folder written by training.

    The file is ours, or any that `formats` knows; what such a file does not say of itself is in `reading`. The
    sizes of the model follow from the shapes. If a card lies beside the file, the file must have the sha256 that
    the card names. Raises CheckpointError; Misread if the model is right only in another reading (unless our own
    card vouches for the file, which training and converting write).
    """
    return read_stored(load_stored(path, task), task, device, reading)


@dataclass(frozen=True)
class Stored:
    """The bytes of a checkpoint's file and of the card beside it, None where there is none.

    unfinished: the folder holds the state of a training run, too, which would replace the file when it ends.
    """

    path: Path
    content: bytes
    card: bytes | None
    unfinished: bool = False


def load_stored(path: Path | str, task: Task[Any]) -> Stored:
    """The bytes in `path`, a file or a folder written by training, and of its card. Raises CheckpointError."""
    if path == "":  # as of a variable that is not set; of `Path` it would be the folder that one happens to be in
        raise CheckpointError("the path of the checkpoint is empty")
    path = Path(path)
    if _is_folder(path):
        path = _model_in(path, task.package)
    beside_it = card_path(path)
    content = _read_bytes(path, MAX_BYTES)
    has_card = os.path.exists(beside_it)  # False, too, of a name that is too long for any file
    card = _read_bytes(beside_it, MAX_CARD_BYTES) if has_card else None
    unfinished = path.name == MODEL_FILE and os.path.lexists(path.with_name(TRAINING_FILE))
    return Stored(path, content, card, unfinished)


def read_stored(
    stored: Stored, task: Task[M], device: torch.device | str = "cpu", reading: Reading = PLAIN
) -> Checkpoint[M]:
    """As `read_checkpoint`, from bytes that were loaded before: whoever has the same bytes reads the same model."""
    checkpoint, source = _read(stored, task, device, reading)
    misreading = None if _vouches(checkpoint.card) else _misreading(checkpoint, source, task)
    if misreading is not None:
        raise Misread(checkpoint.path, misreading, task.package)
    return checkpoint


def inspect_checkpoint(
    path: Path | str, task: Task[M], reading: Reading = PLAIN
) -> tuple[Checkpoint[M], Misreading | None]:
    """As `read_checkpoint`, but a model that is right only in another reading is returned, with that reading."""
    checkpoint, source = _read(load_stored(path, task), task, "cpu", reading)
    return checkpoint, _misreading(checkpoint, source, task)


def _read(stored: Stored, task: Task[M], device: torch.device | str, reading: Reading) -> tuple[Checkpoint[M], Source]:
    path = stored.path
    card = None if stored.card is None else _parse_card(stored.card, card_path(path))
    sha256 = hashlib.sha256(stored.content).hexdigest()
    if card is not None and card["sha256"] != sha256:
        raise CheckpointError(
            f"{path}: has sha256 {sha256[:12]}.., but its card {card_path(path).name} was written for "
            f"{one_line(card['sha256'])[:12]}..; restore the file, or remove the card if you changed it on purpose"
        )
    try:
        source = parse(stored.content)
        parameters, notes = classic(source.state, reading)
        model = build_model(parameters, task).to(device)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    kind = f"{source.format} of a TransformerLens bridge" if is_bridge(source.state) else source.format
    unfinished = (UNFINISHED,) if stored.unfinished else ()
    return Checkpoint(model, path, sha256, card, kind, reading, (*source.notes, *notes, *unfinished)), source


def _misreading(checkpoint: Checkpoint[M], source: Source, task: Task[M]) -> Misreading | None:
    def reread(reading: Reading) -> M:
        return build_model(classic(source.state, reading)[0], task).to(checkpoint.model.device)

    return task.misread(checkpoint.model, checkpoint.reading, reread, is_bridge(source.state))


def _vouches(card: Mapping[str, Any] | None) -> bool:
    """Whether the card was written with the model by training or converting: then its rows are in our order."""
    return card is not None and any(isinstance(card.get(name), dict) for name in ("recipe", "converted_from"))


def parse_model(content: bytes, name: str, task: Task[M]) -> M:
    """The model in the bytes of our own safetensors file. Raises CheckpointError, which calls them `name`."""
    try:
        return build_model(parse_safetensors(content), task)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from None


def build_model(state: Mapping[str, Tensor], task: Task[M]) -> M:
    """The model of `task` with the parameters `state`, its sizes read off their shapes.

    Raises CheckpointError naming the first tensor that is missing, unexpected, of the wrong type or
    shape, or not finite.
    """
    model = task.model(infer_config(state, task))
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            index = tensor.isfinite().logical_not().nonzero()[0].tolist()
            raise CheckpointError(f"{name} is {tensor[tuple(index)].item()} at {index}; weights must be finite")
    model.load_state_dict(state, strict=True)
    return model.requires_grad_(False)


def infer_config(state: Mapping[str, Tensor], task: Task[Any]) -> Config:
    """Read the sizes of a model of `task` off the shapes of its parameters.

    Every axis that carries a size votes for it, so that a single tensor of the wrong shape is named
    for what it is, rather than every tensor that disagrees with it. Raises CheckpointError.
    """
    n_layers = 1 + max((int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,4})\.", name))), default=0)
    kinds = parameter_kinds(type(task.recipe.config), n_layers)

    for name in kinds:
        if name not in state:
            raise CheckpointError(f"{name} is missing")
    for name, tensor in state.items():
        if name not in kinds:
            raise CheckpointError(f"{one_line(name)} is not a parameter of this architecture")
        if tensor.dtype != torch.float32:
            raise CheckpointError(f"{name} is {str(tensor.dtype).removeprefix('torch.')}, expected float32")
        if tensor.dim() != len(AXES[kinds[name]]):
            axes = ", ".join(AXES[kinds[name]])
            raise CheckpointError(f"{name} has shape {tuple(tensor.shape)}, expected axes ({axes})")

    votes: dict[str, Counter[int]] = {}
    for name, kind in kinds.items():
        for axis, size in zip(AXES[kind], state[name].shape, strict=True):
            votes.setdefault(axis, Counter())[size] += 1
    sizes = {axis: counts.most_common(1)[0][0] for axis, counts in votes.items()}

    for name, kind in kinds.items():
        expected = tuple(sizes[axis] for axis in AXES[kind])
        shape = tuple(state[name].shape)
        if 0 in shape:
            raise CheckpointError(f"{name} has shape {shape}: no axis may be empty")
        if shape != expected:
            axes = ", ".join(AXES[kind])
            raise CheckpointError(f"{name} has shape {shape}, expected {expected} = ({axes})")
    cfg = task.config_of({"n_layers": n_layers, **sizes})
    if sizes["n_heads"] > MAX_HEADS:
        raise CheckpointError(
            f"blocks.0.attn.W_Q has {sizes['n_heads']:,} heads, more than the {MAX_HEADS} that can be checked"
        )
    if sizes["n_ctx"] * sizes["d_vocab"] > MAX_STATES:
        raise CheckpointError(
            f"pos_embed.W_pos has {sizes['n_ctx']} rows and embed.W_E {sizes['d_vocab']}: together more than the "
            f"{MAX_STATES:,} (position, token) pairs that can be checked"
        )
    return cfg


def write_checkpoint(path: Path, model: M, card: Mapping[str, Any]) -> Checkpoint[M]:
    """Write `model` to `path` and its card, with the sha256 added, beside it. Raises OSError.

    Each file appears whole or not at all. If writing fails, as on a full disk, what was there before stays;
    whatever happens in between, the folder never holds a card that belongs to another model.
    """
    content = serialised(model)
    full_card = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # Both files are safely on disk before the first is replaced; the old card goes before the new model comes.
    with beside(path, content) as new_model, beside(card_path(path), _as_json(full_card)) as new_card:
        old_card = card_path(path).read_bytes() if card_path(path).is_file() else None
        card_path(path).unlink(missing_ok=True)
        try:
            os.replace(new_model, path)
        except OSError:
            if old_card is not None:
                write_whole(card_path(path), old_card)
            raise
        os.replace(new_card, card_path(path))
        settle(path.parent)
    return Checkpoint(model, path, full_card["sha256"], full_card)


def serialised(model: Transformer) -> bytes:
    """The bytes of the safetensors file that holds `model`."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return safetensors.torch.save(state)


def _as_json(card: Mapping[str, Any]) -> bytes:
    return (json.dumps(card, indent=2) + "\n").encode()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise CheckpointError(f"{one_line(path)}: {error.strerror or error}") from None


def _model_in(folder: Path, package: str) -> Path:
    """The file of the model in a folder that training wrote."""
    if (folder / MODEL_FILE).is_file():
        return folder / MODEL_FILE
    if (folder / TRAINING_FILE).is_file():
        raise CheckpointError(
            f"{folder}: training has not finished; run `python -m {package} train --out {folder}` "
            "with the same options to go on"
        )
    raise CheckpointError(f"{folder}: is a folder without a {MODEL_FILE}")


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        content = read_regular(path, limit)
    except Unreadable as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not content:
        raise CheckpointError(f"{path}: is empty")
    return content


def _parse_card(content: bytes, path: Path) -> Mapping[str, Any]:
    try:
        card = json.loads(content.decode())
        _as_json(card)  # as deeply nested as can be read need not be as can be written
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not a JSON card ({one_line(error)})") from None
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise CheckpointError(f'{path}: is not the card of a checkpoint: "sha256" is missing')
    return card
