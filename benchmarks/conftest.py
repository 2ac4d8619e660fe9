"""What every benchmark is given: `versus` for two ways side by side, `figure` for a number that is not a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from toy_model.timing import Pair, RatioClock, described, in_turns, spread

CLOCK = RatioClock()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.benchmark(timer=CLOCK))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What was timed on what, in place of all that can be said of a machine, its name included."""
    machine_info.clear()
    machine_info["suite"] = described()


@pytest.fixture
def figure(request: pytest.FixtureRequest, benchmark: Any) -> Callable[..., None]:
    """`figure(what, numbers, ..)`: hand measured numbers to pytest-benchmark, where smaller is better."""

    def figure(what: str, numbers: Sequence[float], *, unit: str = "x", goal: float | None = None, **more: Any) -> None:
        remaining: Iterator[float] = iter(numbers)

        def next_one() -> None:
            CLOCK.shows += next(remaining)

        CLOCK.shows = 0.0
        benchmark.pedantic(next_one, rounds=len(numbers), iterations=1)
        file = (request.module.__doc__ or request.path.name).splitlines()[0]
        benchmark.extra_info.update(figure=what, unit=unit, goal=goal, file=file, **more)

    return figure


@pytest.fixture
def versus(figure: Callable[..., None]) -> Callable[..., Pair]:
    """`versus(what, ours, theirs, rounds=..)`: time both in turns; the figure is ours in units of theirs.

    scale: what the seconds that are told beside it are multiplied with, where a part stands for a whole.
    """

    def versus(
        what: str,
        ours: Callable[[], object],
        theirs: Callable[[], object],
        *,
        rounds: int,
        warm_up: int = 1,
        goal: float | None = None,
        scale: float = 1,
        **more: Any,
    ) -> Pair:
        pair = in_turns(ours, theirs, rounds=rounds, warm_up=warm_up)
        seconds = {"ours": spread(pair.ours * scale), "theirs": spread(pair.theirs * scale)}
        figure(what, pair.ratios.tolist(), goal=goal, seconds=seconds, **more)
        return pair

    return versus
