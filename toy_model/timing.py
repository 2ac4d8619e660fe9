"""What the machine could do: the rates that no forward pass on it can exceed, measured, and what it is."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

MATRIX = 1536
"""Rows and columns of the matrices whose product is timed: large enough to be all arithmetic."""

COPIED = 2**28
"""Bytes that are copied: far more than caches hold."""

TRIES = 7
"""The best of so many counts: what the machine could do, not what it happened to do."""


@dataclass(frozen=True)
class Limits:
    """Operations (a multiplication and an addition are two) and bytes (read and written) in a second, float32."""

    operations: float
    bytes: float

    def seconds(self, operations: float, moved: float) -> float:
        """No way of doing so many operations and moving so many bytes takes less."""
        return max(operations / self.operations, moved / self.bytes)


def limits(device: torch.device | str = "cpu") -> Limits:
    """Measure the machine, with as many threads as torch is set to use."""
    left = torch.full((MATRIX, MATRIX), 0.5, device=device)
    product = torch.empty_like(left)
    multiply = _best(lambda: torch.mm(left, left, out=product), device)
    source = torch.zeros(COPIED // 4, device=device)
    target = torch.empty_like(source)
    copy = _best(lambda: target.copy_(source), device)
    return Limits(2 * MATRIX**3 / multiply, 2 * COPIED / copy)


def _best(run: Callable[[], object], device: torch.device | str) -> float:
    def finished() -> None:
        run()
        finish(device)

    return min(seconds_of(finished) for _ in range(TRIES))


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def finish(device: torch.device | str) -> None:
    """Wait until everything that was asked of a device is done."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def described() -> dict[str, str]:
    """The machine and the versions of what was timed, one line each."""
    packages = ("torch", "transformer-lens", "numpy", "pytest", "hypothesis")
    return {
        "processor": f"{_processor()}, {_cores()} cores",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "no device",
        "python": platform.python_version(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Pair:
    """Seconds of every round, of the one that is timed and of what it is held against."""

    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Of each round: below 1, ours is faster."""
        return self.ours / self.theirs


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, warm_up: int = 1) -> Pair:
    """Time both `rounds` times, in turns, after `warm_up` rounds that do not count."""
    seconds = np.empty((2, rounds))
    for round_ in range(-warm_up, rounds):
        for which in (0, 1) if round_ % 2 else (1, 0):
            elapsed = seconds_of((ours, theirs)[which])
            if round_ >= 0:
                seconds[which, round_] = elapsed
    return Pair(seconds[0], seconds[1])


def seconds_of(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def spread(numbers: NDArray[np.float64]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    return {"median": float(median), "low": float(low), "high": float(high)}


class RatioClock:
    """A clock for pytest-benchmark that shows whatever it is told: what was measured passes as its time.

    So the saved runs of pytest-benchmark and its comparison speak of ratios.
    """

    def __init__(self) -> None:
        self.shows = 0.0

    def __call__(self) -> float:
        return self.shows

    def __repr__(self) -> str:
        return "RatioClock"
