"""What is proved of each length, each when somebody asks for it: what refutes a claim is found at short lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import numpy as np

T = TypeVar("T")


class ByLength(Sequence[T], Generic[T]):
    """What `prove` says of the lengths 1 .. `longest`, in this order: each is proved once, when it is asked for."""

    def __init__(self, longest: int, prove: Callable[[int], T]) -> None:
        self._longest, self._prove = longest, prove
        self._proved: dict[int, T] = {}

    def __len__(self) -> int:
        return self._longest

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        lengths = range(1, self._longest + 1)[index]
        return self._of(lengths) if isinstance(lengths, int) else [self._of(length) for length in lengths]

    def __iter__(self) -> Iterator[T]:
        return map(self._of, range(1, self._longest + 1))

    def _of(self, length: int) -> T:
        if length not in self._proved:
            with np.errstate(over="ignore", invalid="ignore"):
                self._proved[length] = self._prove(length)
        return self._proved[length]


def shortest(counts: Iterable[int]) -> int:
    """Of counts by length, the first that is not zero; zero if all are. What comes after it is not proved."""
    return next(filter(None, counts), 0)


def largest(numbers: Iterable[float], enough: float) -> float:
    """The largest, or the first that is larger than `enough` or no number: what refutes a bound needs nothing more."""
    found = -np.inf
    for number in numbers:
        found = max(found, number)
        if not number <= enough:
            return number
    return found


def smallest(numbers: Iterable[float], enough: float) -> float:
    """The smallest, or the first that is smaller than `enough` or no number."""
    return -largest((-number for number in numbers), -enough)
