"""What a suite says of the model under test, for the report. The plugin itself knows nothing of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """A sentence beside the headline, such as what is proved of the model; `good` decides how it is shown."""

    text: str
    good: bool


@dataclass(frozen=True)
class Subject:
    """The model under test, in the words of the suite, as plain text.

    facts        labels and texts: sizes, recipe
    notes        sentences beside the headline
    environment  labels and texts: what it was computed with
    suite        whatever else the suite wants to find again in the report, as JSON: weights, for instance
    """

    path: str = ""
    sha256: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[Note, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    suite: dict[str, Any] = field(default_factory=dict)
