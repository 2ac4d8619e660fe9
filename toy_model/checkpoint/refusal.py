"""How a checkpoint is refused: in one line."""

from __future__ import annotations

from pytest_claims.files import shown


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message is one line that names the file, and the tensor if any."""


def one_line(text: object) -> str:
    """The text on one line, at a bearable length, without control characters."""
    return shown(text)[:200]
