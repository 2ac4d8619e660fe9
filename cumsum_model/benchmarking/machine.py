"""What the machine could do: the rates that no forward pass on it can exceed, measured, and what it is."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from cumsum_model.benchmarking.side_by_side import seconds_of

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
        **{package: version(package) for package in packages},
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
