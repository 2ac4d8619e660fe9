"""What a claim's source code is, so that two reports can tell whether they speak of the same claim."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any


@cache
def source_id(test: Callable[..., Any]) -> str:
    """Sixteen hexadecimal digits that differ when the claim does; "" where its source cannot be read.

    They cover the test with its decorators, and whatever at the top level of its file it names, directly or
    through others: a bound that is a constant, a helper, an import. What other files define is not covered.
    """
    inner = inspect.unwrap(getattr(getattr(test, "hypothesis", None), "inner_test", test))
    try:
        path = inspect.getsourcefile(inner)
        lines, definitions, tests = _read(Path(path or ""))
        own = tests[inner.__name__, inner.__code__.co_firstlineno]
    except (OSError, TypeError, KeyError, SyntaxError, ValueError):
        return ""
    needed, waiting = {own}, [own]
    while waiting:
        for name in _names(waiting.pop()):
            for definition in definitions.get(name, ()):
                if definition not in needed:
                    needed.add(definition)
                    waiting.append(definition)
    spans = sorted((_first_line(node), node.end_lineno or 0) for node in needed)
    text = "\n".join("\n".join(line.rstrip() for line in lines[start - 1 : end]) for start, end in spans)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


@cache
def _read(path: Path) -> tuple[list[str], dict[str, list[ast.stmt]], dict[tuple[str, int], ast.stmt]]:
    """The lines of a file, what its top level defines under which name, and its functions by name and first line."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _defined(statement):
            definitions.setdefault(name, []).append(statement)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return text.splitlines(), definitions, {(node.name, _first_line(node)): node for node in functions}


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    else:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _names(statement: ast.stmt) -> Iterator[str]:
    """Everything that a statement names; the arguments of a test count, since they may be fixtures of its file."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
