"""What a suite may draw for the page of a report: figures, and panels of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class NotDrawn(Exception):
    """There is nothing to draw of this model; the message says why, in one line."""


@dataclass(frozen=True)
class Figure:
    """A figure and the words that go with it.

    name: lower-case with hyphens, unique. title: one line. caption: what one sees, over which data, and what to look
    for. alt: the same for who cannot see it, with numbers read off what is drawn. svg: to be set into a page that
    defines the colours (`canvas.PALETTE`); None if nothing could be drawn: then `missing` says why, in one
    line, and caption and alt are empty.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str | None
    missing: str | None


@dataclass(frozen=True)
class Panel:
    """A part of the page that the suite brings: trusted HTML, style and script, and data that it reads as JSON.

    The script finds the data in the element `panel-NAME-data`.
    """

    name: str
    title: str
    html: str
    style: str
    script: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Illustrations:
    """What a suite draws of a report: figures by the name of the claims' file that they belong to, and panels."""

    figures: Mapping[str, Sequence[Figure]] = field(default_factory=dict)
    panels: Sequence[Panel] = ()
