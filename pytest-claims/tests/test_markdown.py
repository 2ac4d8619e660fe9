"""Markdown in which a text can neither format anything nor mention anybody."""

import re

import pytest
from pytest_claims.output.markdown import plain


@pytest.mark.parametrize("special", list("\\`*_{}[]()#+-.!|~$:=^<>&@"))
def test_what_is_special_in_markdown_is_escaped(special):
    escaped = plain(f"a{special}b")
    assert re.fullmatch(r"a(\\.|&\w+;|@<!-- -->)b", escaped), escaped


def test_nothing_becomes_a_link_or_mentions_anybody():
    escaped = plain("https://x.org www.x.org @someone #1")
    assert not re.search(r"://|www|@\w|(?<!\\)#", escaped)
    assert plain("x" * 1000) == "x" * 397 + r"\.\.\."
