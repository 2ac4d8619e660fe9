"""What `inspect` says of every checkpoint, whatever its system: what is in it, and whether it looks misread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_claims.files import shown

from toy_model.architectures import in_words, taken_for_granted
from toy_model.checkpoint.card import provenance
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.refusal import one_line

Measured = float | int | str
"""A number, or why there is none."""

TOO_LARGE = "not measured: the model is too large for a first look"


def contents(checkpoint: Checkpoint[Any]) -> list[str]:
    """File, format, sizes, every tensor, in lines for people."""
    state = checkpoint.model.state_dict()
    return [
        f"checkpoint {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}",
        f"read as    {checkpoint.read_as}",
        *(f"           {note}" for note in checkpoint.notes),
        f"as         {in_words(checkpoint.model)}: no file says so, it is taken for granted",
        f"sizes      {', '.join(f'{name} {size}' for name, size in asdict(checkpoint.model.cfg).items())}",
        f"trained by {one_line(provenance(checkpoint.card))}",
        "",
        f"{sum(tensor.numel() for tensor in state.values()):,} parameters",
        *(f"  {name:<22} {list(tensor.shape)}" for name, tensor in state.items()),
    ]


def warning(misreading: Misreading | None) -> list[str]:
    """That a file looks misread, in lines for people; none where it does not."""
    if misreading is None:
        return []
    say = f"; say {misreading.options}" if misreading.options else ""
    return ["", f"LOOKS MISREAD: {misreading.found}{say}"]


def as_plain(
    checkpoint: Checkpoint[Any],
    misreading: Misreading | None,
    evaluated_on: str,
    diagnosis: Mapping[str, Measured],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything, for other programs. A measurement that is no number is null, with the reason beside it.

    more: what there is to say of the models of one system alone.
    """
    return {
        "file": str(checkpoint.path),
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        "notes": list(checkpoint.notes),
        "taken_for_granted": taken_for_granted(checkpoint.model),
        "config": asdict(checkpoint.model.cfg),
        **more,
        "parameters": {name: list(tensor.shape) for name, tensor in checkpoint.model.state_dict().items()},
        "card": _finite(checkpoint.card),
        "evaluated_on": evaluated_on,
        "diagnosis": {name: None if isinstance(value, str) else value for name, value in diagnosis.items()},
        "not_measured": {name: value for name, value in diagnosis.items() if isinstance(value, str)},
        "looks_misread": None
        if misreading is None
        else {
            "found": misreading.found,
            "options": misreading.options,
            "of_another_model": misreading.is_of_another_model,
        },
    }


def _finite(card: object) -> Any:
    """What a card says, without the NaN and Infinity that JSON has no numbers for."""
    return json.loads(json.dumps(card), parse_constant=lambda _: None)
