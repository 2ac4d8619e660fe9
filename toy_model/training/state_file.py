"""A training run that has not finished, kept on disk after every epoch so that it can go on.

`training.safetensors` holds the tensors of a `training.State`, and the rest of it, with the machine's part in the
result, as JSON among the file's metadata. Like a checkpoint it is data alone: nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pytest_claims.files import Unreadable, read_regular
from safetensors import SafetensorError
from torch import Tensor

from toy_model.recipe import recipe_from
from toy_model.task import Task
from toy_model.training.training import Epoch, State

MAX_BYTES = 2**30
_PARTS = ("weights", "kept_weights", "moments")


class UnfinishedError(ValueError):
    """What is kept of a run cannot be used. The message is one line that names the file."""


@dataclass(frozen=True)
class Unfinished:
    """A run between two epochs, and what beside its recipe decides the last digits of what it will give."""

    state: State
    device: str
    threads: int
    torch_version: str


def encode(unfinished: Unfinished) -> bytes:
    """The bytes of the file."""
    state = unfinished.state
    tensors = {f"{part}/{name}": tensor for part in _PARTS for name, tensor in getattr(state, part).items()}
    tensors["generator"] = state.generator
    rest = {
        "format": 1,
        "recipe": asdict(state.recipe),
        "history": [asdict(epoch) for epoch in state.history],
        "kept": state.kept.index,
        "device": unfinished.device,
        "threads": unfinished.threads,
        "torch": unfinished.torch_version,
    }
    rest["sha256"] = _digest(tensors, rest)
    return safetensors.torch.save(tensors, {"run": json.dumps(rest)})


def read_unfinished(path: Path, task: Task[Any]) -> Unfinished:
    """The run in a file. Raises UnfinishedError."""
    try:
        content = read_regular(path, MAX_BYTES)
        tensors = safetensors.torch.load(content)
        n_header = int.from_bytes(content[:8], "little")
        rest = json.loads(json.loads(content[8 : 8 + n_header])["__metadata__"]["run"])
        return _decode(tensors, rest, task)
    except (Unreadable, UnfinishedError) as error:
        problem = str(error)
    except (SafetensorError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        problem = f"is not the state of a training run ({' '.join(str(error).split())[:100]})"
    raise UnfinishedError(f"{path}: {problem}") from None


def _decode(tensors: Mapping[str, Tensor], rest: Mapping[str, Any], task: Task[Any]) -> Unfinished:
    if rest["format"] != 1:
        raise UnfinishedError(f"is of format {rest['format']}, this version reads format 1")
    if rest["sha256"] != _digest(tensors, {name: value for name, value in rest.items() if name != "sha256"}):
        raise UnfinishedError("was changed since it was written")
    recipe = recipe_from(rest["recipe"], type(task.recipe.config))
    history = tuple(Epoch(**epoch) for epoch in rest["history"])
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
    for name, tensor in tensors.items():
        part, slash, of = name.partition("/")
        if slash:
            parts[part][of] = tensor
    expected = set(task.model(recipe.config).state_dict())
    if set(parts["weights"]) != expected or set(parts["kept_weights"]) != expected or not history:
        raise UnfinishedError("lacks a part of the run")
    state = State(recipe, history, history[rest["kept"]], generator=tensors["generator"], **parts)
    return Unfinished(state, str(rest["device"]), int(rest["threads"]), str(rest["torch"]))


def _digest(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> str:
    """Of everything in the file: a history that was changed would choose another epoch without a word."""
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
