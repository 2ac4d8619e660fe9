"""The tables of statements are true: every statement is there, and what it names as its test is one, of its kind."""

import ast
import re
from dataclasses import dataclass
from functools import cache

import pytest
from declarations import declarations

from toy_model.checkout import ROOT

STATED, AS_A_WHOLE, MEASURED = "What is stated", "The analysis as a whole", "What was measured afterwards"


@dataclass(frozen=True)
class Document:
    """A table of statements.

    name      of the file in docs/
    suite     whose claims judge them
    numbered  "S" for S1, S2, ..; n is how many there are
    sections  what a section is called in the table, and in the source of a claim
    cites     words in the source of a claim that show that it judges a statement
    besides   further suites whose claims do
    """

    name: str
    suite: str
    numbered: str
    n: int
    sections: dict[str, str]
    cites: tuple[str, ...]
    besides: tuple[str, ...] = ()

    @property
    def text(self):
        return (ROOT / "docs" / self.name).read_text()

    @property
    def rows(self):
        return [row for heading in (STATED, AS_A_WHOLE, MEASURED) for row in rows(heading, self.text)]

    @property
    def declared(self):
        """All that is declared by the suites that the analysis is judged by, by id."""
        return {name: claim for suite in (self.suite, *self.besides) for name, claim in declarations(suite).items()}

    def citing(self, source):
        return any(words in source for words in self.cites)


CUMSUM = Document(
    "statements.md",
    "cumsum",
    "S",
    56,
    {
        "Challenge post": "challenge post",
        "Task": "write-up, Task",
        "Setup": "write-up, Setup",
        "Summary": "write-up, Summary",
        "First pass": "write-up, First pass",
        "Finding u in resid mid": "write-up, Finding u in resid mid",
        "Analysing neurons": "write-up, Analysing neurons",
        "End": "write-up, end",
    },
    ("write-up", "challenge post"),
    ("cumsum_two_layers", "lengths"),
)
SORTED_LIST = Document(
    "statements-sorted-list.md",
    "sorted_list",
    "O",
    35,
    {
        "Challenge post": "challenge post",
        "Task": "solution, Task",
        "Looking at the model": "solution, Looking at the model",
        "Attention patterns": "solution, Attention patterns",
        "Head ablation": "solution, Head ablation",
        "OV circuits": "solution, OV circuits",
        "QK circuits": "solution, QK circuits",
        "Adversarial examples": "solution, Adversarial examples",
        "Why d, d+1, d+2 is not adversarial": "solution, Why d, d+1, d+2",
        "Direct path": "solution, Direct path",
    },
    ("solution,", "challenge post"),
)
DOCUMENTS = (CUMSUM, SORTED_LIST)
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.suite)

JUDGE = re.compile(r"(claim|erratum|test) `((?:claims|tests)/[\w/]*test_\w+\.py::test_\w+)`")
NONE = re.compile(r"none: \w.{10,}")  # a reason has more than a word


def rows(heading, document):
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
    declared = declaration(name)
    return declared is not None and declared.erratum == (kind == "erratum")


def declaration(name):
    """What is declared under an id; None where nothing is."""
    folder, suite, *_ = name.split("/")
    return declarations(suite).get(name) if folder == "claims" else None


@every_document
def test_every_statement_is_there_once_and_in_order(document):
    stated, measured = rows(STATED, document.text), rows(MEASURED, document.text)
    assert [row[0] for row in stated] == [f"{document.numbered}{number}" for number in range(1, document.n + 1)]
    assert [row[0] for row in measured] == [f"A{number}" for number in range(1, len(measured) + 1)]
    assert {len(row) for row in stated} == {4}
    assert len({row[2] for row in stated}) == document.n
    assert {row[1] for row in stated} == set(document.sections)


@pytest.mark.parametrize("row", [row for document in DOCUMENTS for row in document.rows], ids=lambda row: row[0][:30])
def test_what_a_row_names_exists_and_is_of_its_kind(row):
    named = judges(row[-1])
    assert len(set(named)) == len(named)
    for kind, name in named:
        assert is_of_its_kind(kind, name), f"no {kind} {name}"


@pytest.mark.parametrize(
    ("document", "row"),
    [(document, row) for document in DOCUMENTS for row in rows(STATED, document.text)],
    ids=lambda part: part[0] if isinstance(part, list) else part.suite,
)
def test_a_statement_is_judged_by_what_cites_its_section(document, row):
    """By at least one; the others may come from a section that says the same, or be ours."""
    cited = [declaration(name).source for kind, name in judges(row[-1]) if kind != "test"]
    assert not cited or any(document.sections[row[1]] in source for source in cited), cited


@every_document
def test_every_claim_that_cites_the_analysis_is_in_a_table(document):
    named = {name for row in document.rows for _, name in judges(row[-1])}
    citing = {name for name, claim in document.declared.items() if document.citing(claim.source)}
    assert len(citing) > 30
    assert citing <= named, f"in no table: {', '.join(sorted(citing - named))}"


@every_document
def test_every_erratum_is_in_the_table_of_statements(document):
    named = {name for row in rows(STATED, document.text) for kind, name in judges(row[-1]) if kind == "erratum"}
    declared = document.declared.items()
    assert named == {name for name, claim in declared if claim.erratum and document.citing(claim.source)}


@every_document
def test_the_counts_are_those_of_the_claims(document):
    declared = declarations(document.suite).values()
    claims = [claim for claim in declared if not claim.erratum and claim.role == "primary"]
    errata = sum(claim.erratum for claim in declared)
    exhaustive, instruments = (sum(getattr(claim, kind) for claim in claims) for kind in ("exhaustive", "instrument"))
    counted = (
        f"Of {len(claims)} claims, {exhaustive} hold over every input that there is, proved or exact from the weights, "
        f"and {instruments} judge the software that the others measure with. There are {errata} errata."
    )
    lines = " ".join(document.text.split())
    assert counted in lines, f"docs/{document.name} should say: {counted}"


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
