"""Containers: what a file is by its first bytes, and the tensors in it under the names that it gives them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from toy_model.checkpoint.foreign import what_it_is
from toy_model.checkpoint.refusal import CheckpointError, one_line
from toy_model.checkpoint.torch_file import BEFORE_1_6, read_archive, read_legacy

SAFETENSORS, TORCH_SAVE = "safetensors", "torch.save state dict"

OLD_TORCH_SAVE = "torch.save state dict from before torch 1.6"

_ZIP = b"PK\x03\x04"

MAX_HEADER = 4 * 2**20
"""Bytes of a safetensors header: some 40,000 tensors; more would take long to refuse."""


@dataclass(frozen=True)
class Source:
    """The tensors of a file by the names that they have there."""

    format: str
    state: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def parse(content: bytes) -> Source:
    """Read the bytes of a file of any kind. Raises CheckpointError, without the name of the file."""
    if content[8:9] == b"{":  # what else such a file starts with is a length, which may look like anything
        return Source(SAFETENSORS, parse_safetensors(content))
    if content.startswith(_ZIP):
        state, notes = read_archive(content)
        return Source(TORCH_SAVE, state, notes)
    if content.startswith(BEFORE_1_6):
        state, notes = read_legacy(content)
        return Source(OLD_TORCH_SAVE, state, notes)
    raise CheckpointError(what_it_is(content))


def _require_each_once(header: bytes) -> None:
    """Refuse a header that names a tensor twice: readers differ in which of the two they take."""

    def pairs(entries: list[tuple[str, object]]) -> None:
        names = Counter(name for name, _ in entries)
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice is not None:
            raise CheckpointError(f"is not a valid safetensors file: its header has {one_line(twice)} twice")

    try:
        json.loads(header, object_pairs_hook=pairs)
    except CheckpointError:
        raise
    except (ValueError, RecursionError):  # what is no JSON is refused by who reads the tensors
        return


def parse_safetensors(content: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file. Raises CheckpointError, without the name of the file."""
    if content[8:9] != b"{":
        raise CheckpointError("is not a safetensors file")
    declared = int.from_bytes(content[:8], "little")
    if declared > len(content) - 8:
        raise CheckpointError(f"is cut short: its header takes {declared:,} bytes, the file {len(content):,}")
    if declared > MAX_HEADER:
        raise CheckpointError(f"has a header of {declared:,} bytes, more than the {MAX_HEADER:,} that are read")
    _require_each_once(content[8 : 8 + declared])
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        missing = "cut short or padded" if "incomplete" in str(error).lower() else "not a valid safetensors file"
        raise CheckpointError(f"is {missing} ({one_line(error)})") from None
    except (KeyError, ValueError, RuntimeError, OverflowError, UnicodeError) as error:
        raise CheckpointError(f"is not a checkpoint that can be read ({one_line(error)})") from None
