"""What a package says of its task and of its model, so that sweeps, commands and claims can serve it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toy_model.task import M, Task

if TYPE_CHECKING:
    from pytest_claims import Control, Illustrations, Report, Subject
    from pytest_claims.universality.outcome import Proved

    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.misreading import Misreading


@dataclass(frozen=True, kw_only=True)
class System(Task[M]):
    """A task, and all that this project has to say of the model that is trained on it.

    inspected   the first look at a checkpoint: as text and as plain data, with its accuracy at diagnosis.accuracy
    details     what a report says of a checkpoint beside the verdicts
    illustrate  figures of a report
    mutants     the broken models, by kind
    prove       what is proved over every sequence, or why nothing is
    narrows     the name of a system of which this is a special case, if it is one: a checkpoint of both is of this one
    """

    inspected: Callable[[Checkpoint[M], Misreading | None], tuple[list[str], dict[str, Any]]]
    details: Callable[[Checkpoint[M], str], Subject]
    illustrate: Callable[[Report], Illustrations]
    mutants: Callable[[], Mapping[str, tuple[Control, ...]]]
    prove: Callable[[M], Proved | str]
    narrows: str | None = None


def system_of(package: str) -> System[Any]:
    """The system that a package is about: `SYSTEM` in its module `system`."""
    system: System[Any] = importlib.import_module(f"{package}.system").SYSTEM
    return system
