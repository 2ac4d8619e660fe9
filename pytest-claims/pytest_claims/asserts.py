"""The assert statements of a file: which comparisons belong to one, and which it cannot pass without."""

from __future__ import annotations

import ast
import linecache
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

Position = tuple[int | None, int | None, int | None, int | None]
"""First line, first column, last line and last column, as `ast` counts them; None where Python runs without columns."""

METHODS = ("as_published",)
"""Methods of a measured number that compare it."""


class Place(Enum):
    """What a comparison means to the assert statement that it belongs to.

    OUTSIDE   it belongs to none, such as one in an `if`
    OPTIONAL  the statement can pass although the comparison is false, as under `or` and `not`
    REQUIRED  it cannot
    """

    OUTSIDE = "outside"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True)
class Assertion:
    """An assert statement, and the place of every expression in it by its position."""

    position: tuple[int, int, int, int]
    places: Mapping[Position, Place]

    @property
    def lines(self) -> range:
        return range(self.position[0], self.position[2] + 1)

    def contains(self, position: Position, line: int) -> bool:
        first_line, first_column, last_line, last_column = position
        if first_line is None or first_column is None or last_line is None or last_column is None:
            return line in self.lines
        first, last = self.position[:2], self.position[2:]
        return first <= (first_line, first_column) and (last_line, last_column) <= last

    def place_of(self, position: Position) -> Place:
        """Where the position is no expression's, a comparison counts as required if all of the statement are.

        Python may run without columns, and gives a method that is called on a later line the position of its name.
        """
        whole = Place.OPTIONAL if Place.OPTIONAL in self.places.values() else Place.REQUIRED
        return self.places.get(position, whole)


def place_of(path: Path, frame: FrameType) -> Place:
    """The place of the comparison that `frame` is about to make, in the assert statements of the file `path`."""
    return _place_of(path, frame.f_code.co_filename, frame.f_code, frame.f_lasti, frame.f_lineno)


@cache
def _place_of(path: Path, filename: str, code: CodeType, instruction: int, line: int) -> Place:
    if Path(filename) != path:
        return Place.OUTSIDE
    first_line, last_line, first_column, last_column = next(islice(code.co_positions(), instruction // 2, None))
    position = (first_line, first_column, last_line, last_column)
    around = [assertion for assertion in assertions(path) if assertion.contains(position, line)]
    return around[0].place_of(position) if around else Place.OUTSIDE


def read_source(path: Path) -> str:
    """The source of a file, or of a cell of a notebook, which lies in no file. Raises OSError if there is neither."""
    try:
        with tokenize.open(path) as file:  # as Python reads it: with a byte order mark, or in another encoding
            return file.read()
    except OSError:
        lines = linecache.getlines(str(path))  # where IPython keeps the source of a cell
        if not lines:
            raise
        return "".join(lines)


def read_again() -> None:
    """Forget what was read: a file may have been edited since, and its module reloaded."""
    linecache.checkcache()
    assertions.cache_clear()
    _place_of.cache_clear()


@cache
def assertions(path: Path) -> list[Assertion]:
    """Every assert statement of a file. Raises OSError if its source cannot be read."""
    tree = ast.parse(read_source(path))
    return [_assertion(node) for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def _assertion(statement: ast.Assert) -> Assertion:
    places: dict[Position, Place] = {}
    required = set(_required(statement.test))
    for node in ast.walk(statement.test):
        if isinstance(node, ast.expr):
            compares = isinstance(node, ast.Compare) or _is_method(node)
            asserted = Place.REQUIRED if node in required else Place.OPTIONAL
            places[_position(node)] = asserted if compares else Place.OUTSIDE
    return Assertion(_position(statement), places)


def _required(test: ast.expr) -> Iterator[ast.expr]:
    """The comparisons that have to be true for `test` to be."""
    if isinstance(test, ast.Compare) or _is_method(test):
        yield test
    elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _required(value)
    elif isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "all":
        for argument in test.args:
            if isinstance(argument, ast.GeneratorExp | ast.ListComp):
                yield from _required(argument.elt)


def _is_method(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS


def _position(node: ast.expr | ast.stmt) -> tuple[int, int, int, int]:
    end_line = node.lineno if node.end_lineno is None else node.end_lineno
    end_column = node.col_offset if node.end_col_offset is None else node.end_col_offset
    return node.lineno, node.col_offset, end_line, end_column
