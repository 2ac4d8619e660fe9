"""The source of claims and controls on the page, with a few kinds of words set apart.

What a report holds for code may be any text: it is escaped, and never more than a class name is put around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import groupby
from typing import Any

from pytest_claims.output.html.slugs import Slugs, slug_of
from pytest_claims.results import ClaimResult

MOST_HIGHLIGHTED = 500_000
"""Characters on one page that are looked at closely, a second or so; what follows is plain text."""


@dataclass(frozen=True)
class Source:
    """The code of a control, under the id that its tables link to."""

    slug: str
    name: str
    breaks: str
    code: str


def sources(results: Iterable[ClaimResult]) -> dict[tuple[str, str], Source]:
    """The controls whose code is known, by name and code: each once, in the order of their names."""
    by_place: dict[tuple[str, str], str] = {}
    for record in (record for result in results for record in result.controls if record.code):
        key = (record.subject, record.code)
        by_place[key] = by_place.get(key) or record.breaks
    slugs = Slugs()
    return {
        (name, code): Source(slugs.unique(f"source-{slug_of(name)}"), name, breaks, code)
        for (name, code), breaks in sorted(by_place.items())
    }


class Highlighter:
    """Makes HTML of code. It stops looking closely after `MOST_HIGHLIGHTED` characters."""

    def __init__(self) -> None:
        self._left = MOST_HIGHLIGHTED

    def __call__(self, code: str) -> str:
        """The code escaped; comments, keywords, numbers and strings are in <i> with one letter as their class."""
        self._left -= len(code)
        if self._left < 0:
            return escape(code, quote=False)
        return "".join(
            f"<i class={kind}>{escape(text, quote=False)}</i>" if kind else escape(text, quote=False)
            for kind, text in _pieces(code)
        )


def _pieces(code: str) -> Iterator[tuple[str, str]]:
    """The code in pieces, with the class of each, or "": all pieces together are the code."""
    tokens = ((_class(token), text) for _, token, text in _lexer().get_tokens_unprocessed(code))
    for kind, group in groupby(tokens, key=lambda pair: pair[0]):
        yield kind, "".join(text for _, text in group)


@cache
def _lexer() -> Any:
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

    return PythonLexer()


@cache
def _class(token: Any) -> str:
    from pygments.token import Comment, Keyword, Number, Operator, String  # type: ignore[import-untyped]

    classes = {Comment: "c", String: "s", Number: "n", Keyword: "k", Operator.Word: "k"}
    return next((letter for kind, letter in classes.items() if token in kind), "")
