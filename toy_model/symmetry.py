"""Symmetries: the same probabilities on every input in other weights, and what it is of these that differs.

Every system names what its symmetries can change. A claim that is about one of these words declares so with
`depends_on`; one that does not and yet notices a symmetry is about the way the weights happen to be written down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from toy_model.task import M


class Symmetry(Protocol[M]):
    """Makes a model of the same probabilities; `changes` says what it is that differs."""

    __name__: str
    changes: tuple[str, ...]

    def __call__(self, model: M, /) -> M: ...


class Changes:
    """Declares what a symmetry alters: `changes = Changes(EVERYTHING)`, then `@changes(HEAD_NUMBERS)`.

    everything  all that the symmetries of a system can change
    besides     what other functions that are declared so can change, such as an ideal
    """

    def __init__(self, everything: tuple[str, ...], *, besides: tuple[str, ...] = ()) -> None:
        self.everything = everything
        self._known = {*everything, *besides}

    def __call__(self, *words: str) -> Callable[[Callable[[M], M]], Symmetry[M]]:
        """Raises ValueError for a word that the system does not know, since no claim could declare it."""
        if set(words) - self._known or not words:
            raise ValueError(f"a symmetry changes some of {self.everything}, got {words}")

        def mark(function: Callable[[M], M]) -> Symmetry[M]:
            symmetry = cast("Symmetry[Any]", function)
            symmetry.changes = words
            return symmetry

        return mark
