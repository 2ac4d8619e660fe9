"""Reading checkpoints of any kind, and writing ours: a safetensors file, and a card that says where it came from.

`model.safetensors` holds the float32 parameters under their classic names and nothing else;
`model.card.json` holds the recipe, the kept epoch, versions, metrics and the sha256 of the file.
What else is read, state dicts that torch.save wrote among it, is in the modules beside this one. Nothing in a
checkpoint is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import safetensors.torch
import torch
from pytest_claims.files import beside, settle, write_whole
from torch import Tensor

from toy_model.checkpoint.container import SAFETENSORS, Source, parse_safetensors
from toy_model.checkpoint.misreading import Misread, Misreading, OfAnotherModel
from toy_model.checkpoint.naming import classic, of_a_bridge
from toy_model.checkpoint.reading import PLAIN, Reading
from toy_model.checkpoint.refusal import CheckpointError, NotThisModel, one_line
from toy_model.checkpoint.sizes import MAX_STATES, infer_config, with_mlp
from toy_model.checkpoint.stored import MODEL_FILE, TRAINING_FILE, Stored, card_path, load_stored, shard_of
from toy_model.task import M, Task
from toy_model.transformer import Transformer

__all__ = [
    "MAX_STATES",
    "MODEL_FILE",
    "TRAINING_FILE",
    "Checkpoint",
    "CheckpointError",
    "Misread",
    "NotThisModel",
    "OfAnotherModel",
    "Reading",
    "build_model",
    "card_path",
    "inspect_checkpoint",
    "parse_model",
    "read_checkpoint",
    "read_stored",
    "refusal_of",
    "serialised",
    "write_checkpoint",
]
"""All that callers need, whichever module of this package it is from."""

UNFINISHED = f"beside it, {TRAINING_FILE} is of a training run that has not finished and would replace it"


@dataclass(frozen=True)
class Checkpoint(Generic[M]):
    """A model as it was read from disk; `card` is None where no card lies beside the file.

    sha256   of the file, whatever was read out of it
    format   the container, and whose names it has where they are not ours
    reading  the order of rows and number of heads that were asked for
    notes    what was left out of the file or taken for granted, for a reader to know
    order    in which the file has the rows of the embedding, where that is known to be another one than ours
    """

    model: M
    path: Path
    sha256: str
    card: Mapping[str, Any] | None
    format: str = SAFETENSORS
    reading: Reading = PLAIN
    notes: tuple[str, ...] = ()
    order: str | None = None

    @property
    def vouched_for(self) -> bool:
        """Whether the card was written with the model by training or converting: then its rows are in our order."""
        return self.card is not None and any(
            isinstance(self.card.get(name), dict) for name in ("recipe", "converted_from")
        )

    @property
    def read_as(self) -> str:
        """How the file was read, in a few words."""
        rows = f", embedding rows {self.order}" if self.order is not None else ""
        heads = f", n_heads {self.reading.n_heads} as told" if self.reading.n_heads is not None else ""
        return f"{self.format}{rows}{heads}"


def read_checkpoint(
    path: Path | str, task: Task[M], device: torch.device | str = "cpu", reading: Reading = PLAIN
) -> Checkpoint[M]:
    """Read, check and build the model of `task` in `path`, a file or a folder written by training.

    The file is ours, or any of those in docs/checkpoints.md; what such a file does not say of itself is in `reading`.
    The sizes of the model follow from the shapes. If a card lies beside the file, the file must have the sha256 that
    the card names. Raises CheckpointError; NotThisModel if tensors were read that are not those of this architecture;
    Misread or OfAnotherModel if the model is right only in another reading, or as a model that there is none of here
    (unless our own card vouches for the file, which training and converting write).
    """
    return read_stored(load_stored(path, task.package), task, device, reading)


def read_stored(
    stored: Stored, task: Task[M], device: torch.device | str = "cpu", reading: Reading = PLAIN
) -> Checkpoint[M]:
    """As `read_checkpoint`, from bytes that were loaded before: whoever has the same bytes reads the same model."""
    checkpoint, source = _read(stored, task, device, reading)
    misreading = None if checkpoint.vouched_for else _misreading(checkpoint, source, task)
    if misreading is not None and misreading.is_of_another_model:
        raise OfAnotherModel(checkpoint.path, misreading)
    if misreading is not None:
        raise Misread(checkpoint.path, misreading, task.package, task.our_order)
    return checkpoint


def inspect_checkpoint(
    path: Path | str, task: Task[M], reading: Reading = PLAIN
) -> tuple[Checkpoint[M], Misreading | None]:
    """As `read_checkpoint`, but a model that is right only as something else is returned, with what that is."""
    checkpoint, source = _read(load_stored(path, task.package), task, "cpu", reading)
    return checkpoint, _misreading(checkpoint, source, task)


def refusal_of(stored: Stored, task: Task[Any], reading: Reading = PLAIN) -> str | None:
    """Why a file is not of a model of `task`, by the names and shapes of its tensors; None if it is."""
    try:
        infer_config(_parameters_of(stored.source, task, reading)[0], task)
    except CheckpointError as error:
        return str(error)
    return None


def _parameters_of(source: Source, task: Task[Any], reading: Reading) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The parameters in a file by our names, with an MLP where the model has to have one, and notes on both."""
    parameters, notes = classic(source.state, reading, task)
    parameters, more = with_mlp(parameters, type(task.recipe.config))
    return parameters, (*notes, *more)


def _read(stored: Stored, task: Task[M], device: torch.device | str, reading: Reading) -> tuple[Checkpoint[M], Source]:
    path = stored.path
    card = None if stored.card is None else _parse_card(stored.card, card_path(path))
    sha256 = stored.sha256
    if card is not None and card["sha256"] != sha256:
        raise CheckpointError(
            f"{path}: has sha256 {sha256[:12]}.., but its card {card_path(path).name} was written for "
            f"{one_line(card['sha256'])[:12]}..; restore the file, or remove the card if you changed it on purpose"
        )
    try:
        source = stored.source
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    try:
        parameters, notes = _parameters_of(source, task, reading)
        model = build_model(parameters, task).to(device)
    except CheckpointError as error:
        because = shard_of(path) if not stored.shards else None
        message = f"{path}: {f'{because} ({error})' if because else error}"
        raise NotThisModel(message, source.format, source.state, source.notes) from None
    kind = f"{source.format} of a TransformerLens bridge" if of_a_bridge(source.state) else source.format
    unfinished = (UNFINISHED,) if stored.unfinished else ()
    notes = (*source.notes, *notes, *unfinished)
    order = reading.token_order if reading.token_order not in (None, task.our_order) else None
    return Checkpoint(model, path, sha256, card, kind, reading, notes, order), source


def _misreading(checkpoint: Checkpoint[M], source: Source, task: Task[M]) -> Misreading | None:
    def reread(reading: Reading) -> M:
        return build_model(_parameters_of(source, task, reading)[0], task).to(checkpoint.model.device)

    return task.misread(checkpoint.model, checkpoint.reading, reread, of_a_bridge(source.state))


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


def _parse_card(content: bytes, path: Path) -> Mapping[str, Any]:
    try:
        card = json.loads(content.decode())
        _as_json(card)  # as deeply nested as can be read need not be as can be written
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not a JSON card ({one_line(error)})") from None
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise CheckpointError(f'{path}: is not the card of a checkpoint: "sha256" is missing')
    return card
