"""docs/statements.md is true: every statement is there, and what it names as its test is one, of the kind it says."""

import ast
import re
from functools import cache

import pytest
from declarations import declarations

from toy_model.checkout import ROOT

DOCUMENT = (ROOT / "docs" / "statements.md").read_text()

STATED, AS_A_WHOLE, MEASURED = "What is stated", "The analysis as a whole", "What was measured afterwards"
SECTIONS = {
    "Challenge post": "challenge post",
    "Task": "write-up, Task",
    "Setup": "write-up, Setup",
    "Summary": "write-up, Summary",
    "First pass": "write-up, First pass",
    "Finding u in resid mid": "write-up, Finding u in resid mid",
    "Analysing neurons": "write-up, Analysing neurons",
    "End": "write-up, end",
}
"""What a section is called in the table, and in the source of a claim."""

JUDGE = re.compile(r"(claim|erratum|test) `((?:claims|tests)/[\w/]*test_\w+\.py::test_\w+)`")
NONE = re.compile(r"none: \w.{10,}")  # a reason has more than a word


def rows(heading, document=DOCUMENT):
    """The cells of every row of the table under a heading, without the table's head."""
    text = document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@cache
def functions_in(path):
    """The names of a file's test functions."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def judges(cell):
    """The (kind, id) of all that a cell names; none where it gives a reason why there is none."""
    if NONE.fullmatch(cell):
        return []
    named = [JUDGE.fullmatch(part) for part in cell.split("<br>")]
    assert all(named), f"neither a test nor `none: reason`: {cell}"
    return [match.groups() for match in named]


def is_of_its_kind(kind, name):
    path, _, function = name.partition("::")
    if kind == "test":
        return path.startswith("tests/") and (ROOT / path).exists() and function in functions_in(path)
    return name in declarations() and declarations()[name].erratum == (kind == "erratum")


ALL_ROWS = [row for heading in (STATED, AS_A_WHOLE, MEASURED) for row in rows(heading)]


def test_every_statement_is_there_once_and_in_order():
    assert [row[0] for row in rows(STATED)] == [f"S{number}" for number in range(1, 57)]
    assert [row[0] for row in rows(MEASURED)] == [f"A{number}" for number in range(1, len(rows(MEASURED)) + 1)]
    assert {len(row) for row in rows(STATED)} == {4}
    assert len({row[2] for row in rows(STATED)}) == 56
    assert {row[1] for row in rows(STATED)} == set(SECTIONS)


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row[0][:30])
def test_what_a_row_names_exists_and_is_of_its_kind(row):
    named = judges(row[-1])
    assert len(set(named)) == len(named)
    for kind, name in named:
        assert is_of_its_kind(kind, name), f"no {kind} {name}"


@pytest.mark.parametrize("row", rows(STATED), ids=lambda row: row[0])
def test_a_statement_is_judged_by_what_cites_its_section(row):
    """By at least one; the others may come from a section that says the same, or be ours."""
    cited = [declarations()[name].source for kind, name in judges(row[-1]) if kind != "test"]
    assert not cited or any(SECTIONS[row[1]] in source for source in cited), cited


def test_every_claim_that_cites_the_analysis_is_in_a_table():
    named = {name for row in ALL_ROWS for _, name in judges(row[-1])}
    citing = {
        name for name, claim in declarations().items() if "write-up" in claim.source or "challenge post" in claim.source
    }
    assert len(citing) > 50
    assert citing <= named, f"in no table: {', '.join(sorted(citing - named))}"


def test_every_erratum_is_in_the_table_of_statements():
    named = {name for row in rows(STATED) for kind, name in judges(row[-1]) if kind == "erratum"}
    published = {name for name, claim in declarations().items() if claim.erratum and "write-up" in claim.source}
    assert named == published


def test_the_counts_are_those_of_the_claims():
    claims = [claim for claim in declarations().values() if not claim.erratum]
    exhaustive, instruments = (sum(getattr(claim, kind) for claim in claims) for kind in ("exhaustive", "instrument"))
    counted = (
        f"Of {len(claims)} claims, {exhaustive} hold over every input that there is, proved or exact from the weights, "
        f"and {instruments} judge the software that the others measure with. "
        f"There are {len(declarations()) - len(claims)} errata."
    )
    lines = " ".join(DOCUMENT.split())
    assert counted in lines, f"docs/statements.md should say: {counted}"


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("claim `claims/cumsum/test_attention.py::test_attention_is_not_there`", "exist"),
        ("erratum `claims/cumsum/test_attention.py::test_attention_is_uniform`", "kind"),
        ("claim `claims/cumsum/test_errata.py::test_an_mlp_is_required`", "kind"),
        ("test `tests/test_data.py::test_that_there_is_not`", "exist"),
        ("test `tests/test_not_there.py::test_one`", "exist"),
        ("test `claims/cumsum/test_attention.py::test_attention_is_uniform`", "kind"),
        ("claim `claims/cumsum/test_speed.py::test_forward_pass`", "kind"),
    ],
)
def test_a_false_row_is_noticed(cell, problem):
    assert not all(is_of_its_kind(kind, name) for kind, name in judges(cell)), problem


@pytest.mark.parametrize(
    "cell", ["", "none", "none:", "see above", "claims/cumsum/test_attention.py::test_attention_is_uniform"]
)
def test_a_row_without_test_or_reason_is_noticed(cell):
    with pytest.raises(AssertionError, match="neither a test nor"):
        judges(cell)
