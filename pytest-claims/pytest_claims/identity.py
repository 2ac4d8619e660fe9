"""What a claim's source code is, so that two reports can tell whether they speak of the same claim."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from pytest_claims.asserts import read_source

LONGEST_CODE = 10_000
"""Characters of a test's or a control's source that a report shows."""


@cache
def source_id(test: Callable[..., Any]) -> str:
    """Sixteen hexadecimal digits that differ when the claim does; "" where its source cannot be read.

    They cover the whole file but for its other tests: helpers, constants, fixtures, imports, and the test itself
    with its decorators. Comments and layout do not count. What other files define is not covered.
    """
    inner = inspect.unwrap(getattr(getattr(test, "hypothesis", None), "inner_test", test))
    try:
        tree = ast.parse(read_source(Path(inspect.getsourcefile(inner) or "")))
        pruned = _Others(inner.__name__, inner.__code__.co_firstlineno)
        text = ast.unparse(pruned.visit(tree))
    except (OSError, TypeError, SyntaxError, ValueError, AttributeError):
        return ""
    if not pruned.found:
        return ""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


@cache
def source_code(function: Callable[..., Any]) -> str:
    """The source of a test with its decorators, or of a control; "" where it cannot be read."""
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    inner = inspect.unwrap(getattr(inner, "func", inner))  # of a partial: what it calls
    try:
        return textwrap.dedent(inspect.getsource(inner)).rstrip()[:LONGEST_CODE]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return ""


class _Others(ast.NodeTransformer):
    """Takes every test out of a file but the one that is meant."""

    def __init__(self, name: str, line: int) -> None:
        self.name, self.line = name, line
        self.found = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if (node.name, first) == (self.name, self.line):
            self.found = True
            return node
        return ast.Pass() if node.name.startswith("test") else node
