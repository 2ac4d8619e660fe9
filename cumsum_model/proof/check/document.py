"""A certificate as JSON, parsed one length at a time: all of them take several times the memory of the text.

Only the outermost object and its array of lengths are taken apart here; every part of them is left to `json`. Of no
part is more text looked at than it may have, so that a hostile file does not ask for much more memory than a true one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cumsum_model.proof.check.classes import require

MOST_CHARACTERS = 2**16
"""Of a name, or of anything beside the lengths."""

MOST_NAMES = 100

_DECODER = json.JSONDecoder()
_BLANK = " \t\n\r"


@dataclass(frozen=True)
class Parts:
    """The elements of an array in `text`, each parsed when it is asked for. starts: where they are."""

    text: str
    starts: list[int]
    most_characters: int

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Any:
        return _parsed(self.text, self.starts[index], self.most_characters)[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


def taken_apart(text: str, name: str, most: int, most_characters: int) -> dict[str, Any]:
    """The JSON object that `text` is, with `Parts` for the array by this name: each is parsed, and not kept.

    Raises ValueError where it is no such object, has a name twice, or more than `most_characters` in an element;
    RecursionError where a part is nested too deeply; Rejected where there are more than `most` elements.
    """
    document: dict[str, Any] = {}
    at, more = _past(text, 0, "{"), ","
    while more == ",":
        key, at = _parsed(text, at, MOST_CHARACTERS)
        if not isinstance(key, str) or key in document or len(document) == MOST_NAMES:
            raise ValueError(f"{str(key)[:20]!r} is no name, or there twice, or one too many")
        at = _past(text, at, ":")
        if key == name:
            starts, at = _starts(text, at, most, most_characters)
            document[key] = Parts(text, starts, most_characters)
        else:
            document[key], at = _parsed(text, at, MOST_CHARACTERS)
        more, at = _next(text, at, ",}")
    if text[at:].strip(_BLANK):
        raise ValueError("something follows its end")
    return document


def _starts(text: str, at: int, most: int, most_characters: int) -> tuple[list[int], int]:
    """Where the elements of an array begin, and where it ends."""
    starts: list[int] = []
    at, more = _past(text, at, "["), ","
    while more == ",":
        require(len(starts) < most, f"it has more lengths than the {most} of the checkpoint")
        starts.append(at)
        _, at = _parsed(text, at, most_characters)
        more, at = _next(text, at, ",]")
    return starts, at


def _parsed(text: str, at: int, most_characters: int) -> tuple[Any, int]:
    """What begins at this place, after blanks, and where it ends."""
    at = _past_blanks(text, at)
    part, length = _DECODER.raw_decode(text[at : at + most_characters])
    return part, at + length


def _past(text: str, at: int, expected: str) -> int:
    return _next(text, at, expected)[1]


def _next(text: str, at: int, expected: str) -> tuple[str, int]:
    """The next character that is not blank, one of those expected, and the place after it."""
    at = _past_blanks(text, at)
    found = text[at : at + 1]
    if not found or found not in expected:
        raise ValueError(f"character {at} is {found!r}, not one of {expected!r}")
    return found, at + 1


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at
