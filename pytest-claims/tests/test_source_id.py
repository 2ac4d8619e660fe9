"""The source of a claim: what has to change for a claim to be called another."""

import re

import pytest
from pytest_claims.identity import source_id

SOURCE = '''
LIMIT = 3
BOUNDS = {"gap": LIMIT}
def helper(): return LIMIT
def decorate(text): return lambda test: test

@decorate("The gap is small")
def test_gap(model):
    """What it does."""
    return helper()  # why

@decorate("Another")
def test_other(model):
    return 1
'''


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("", "", False),
        ("return 1", "return 2", False),
        ("Another", "Yet another", False),
        ("  # why", "", False),
        ("\nLIMIT", "\n\n\nLIMIT", False),
        ("return helper()  #", "return helper() #", False),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("helper(): return LIMIT", "helper(): return LIMIT + 1", True),
        ("The gap is small", "The gap is smaller", True),
        ("return helper()", "return helper() + 1", True),
        ("def decorate(text): return", "def decorate(text, *_): return", True),
        ("\n@decorate", "\nBOUNDS['gap'] = 9\n@decorate", True),
        ("\n@decorate", "\npytestmark = []\n@decorate", True),
    ],
)
def test_the_source_of_a_claim_is_its_file_without_the_other_tests(tmp_path, old, new, differs):
    def identify(text, name):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        names = {}
        exec(compile(text, str(path), "exec"), names)
        return source_id(names["test_gap"])

    original, edited = identify(SOURCE, "one"), identify(SOURCE.replace(old, new, 1), "two")
    assert re.fullmatch(r"[0-9a-f]{16}", original)
    assert (original != edited) == differs
