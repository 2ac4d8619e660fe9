"""What the marks of a test say, where no session of pytest's reads them: its parameters, and whether it is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Any

import pytest


@dataclass(frozen=True)
class Parameters:
    """One case of a parametrised test.

    id       as pytest shows it in brackets; empty for a test without parameters
    names    of its parameters, where there are no values for them
    missing  why there is no case of it; empty if there is one
    """

    id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[pytest.Mark, ...] = ()
    names: tuple[str, ...] = ()
    missing: str = ""


def marks_of(*marked: object) -> list[pytest.Mark]:
    """All marks of a test, its class and its module, in this order."""
    found: list[Any] = []
    for one in marked:
        marks = getattr(one, "pytestmark", [])
        found += marks if isinstance(marks, list | tuple) else [marks]
    return [getattr(mark, "mark", mark) for mark in found]


def why_left_out(marks: Iterable[pytest.Mark]) -> str:
    """Why a test is not run, by `skip`, `skipif` or `xfail`; empty if it is.

    A condition that is a text is not worked out: the test is left out, which turns nothing green.
    """
    for mark in marks:
        if mark.name not in ("skip", "skipif", "xfail"):
            continue
        conditions = [*mark.args, *([mark.kwargs["condition"]] if "condition" in mark.kwargs else [])]
        reason = mark.kwargs.get("reason", "")
        if mark.name == "skip":
            reason, conditions = reason or next(iter(mark.args), ""), [True]
        if any(conditions) or (mark.name == "xfail" and not conditions):
            return str(reason or f"marked {mark.name}")
    return ""


def each_of(marks: Iterable[pytest.Mark]) -> Iterator[Parameters]:
    """Every combination of the parameters, in pytest's order. One without any for a test that is not parametrised.

    Raises ValueError for parameters that are passed through fixtures, which nobody makes here.
    """
    several = [list(_cases(mark)) for mark in marks if mark.name == "parametrize"]
    for combination in product(*several):
        values: dict[str, Any] = {}
        for case in combination:
            values |= case.values
        yield Parameters(
            "-".join(case.id for case in combination if not case.missing),
            values,
            tuple(mark for case in combination for mark in case.marks),
            tuple(name for case in combination for name in case.names),
            next((case.missing for case in combination if case.missing), ""),
        )


def _cases(mark: pytest.Mark) -> Iterator[Parameters]:
    arguments = dict(zip(("argnames", "argvalues", "indirect", "ids"), mark.args, strict=False)) | dict(mark.kwargs)
    names, ids = arguments["argnames"], arguments.get("ids")
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if arguments.get("indirect"):
        raise ValueError(f"{', '.join(names)}: parameters of fixtures (indirect) take a run of pytest's")
    values = list(arguments["argvalues"])
    if not values:
        yield Parameters(names=tuple(names), missing=f"there is no value for {', '.join(names)}")
    words = [_id(names, value, number, ids) for number, value in enumerate(values)]
    for number, value in enumerate(values):
        unique = words[number] if words.count(words[number]) == 1 else f"{words[number]}{number}"
        yield Parameters(unique, dict(zip(names, _plain(names, value), strict=True)), _marks(value))


def _plain(names: Sequence[str], value: Any) -> Sequence[Any]:
    if _is_param(value):
        return list(value.values)
    return [value] if len(names) == 1 else list(value)


def _is_param(value: Any) -> bool:
    """Whether it is made by `pytest.param`."""
    return type(value) is type(pytest.param())


def _marks(value: Any) -> tuple[pytest.Mark, ...]:
    return tuple(getattr(mark, "mark", mark) for mark in value.marks) if _is_param(value) else ()


def _id(names: Sequence[str], value: Any, number: int, ids: Any) -> str:
    if _is_param(value) and isinstance(value.id, str):
        return value.id
    if ids is not None and not callable(ids):
        given = list(ids)[number]
        if given is not None:
            return str(given)
    parts = zip(names, _plain(names, value), strict=True)
    return "-".join(_word(name, part, number, ids if callable(ids) else None) for name, part in parts)


def _word(name: str, value: Any, number: int, say: Any) -> str:
    word = say(value) if say is not None else None
    value = value if word is None else word
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, int | float | complex | Enum):
        return str(value)
    return getattr(value, "__name__", None) or f"{name}{number}"
