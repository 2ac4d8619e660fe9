"""Ids of a page: made of names, so that a link goes on working from run to run."""

from __future__ import annotations

import re


def slug_of(text: str) -> str:
    """The text in lower-case letters, digits and hyphens, at most a hundred."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:100].strip("-")


class Slugs:
    """Ids that differ: who asks for one that is taken gets it with a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        slug, n = wanted, 1
        while slug in self._taken:
            n += 1
            slug = f"{wanted}-{n}"
        self._taken.add(slug)
        return slug
