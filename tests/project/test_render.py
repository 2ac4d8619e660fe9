"""`render`: the page of a saved report is drawn again, or what it stores is refused in one line."""

import json

import pytest
from commands import run
from pytest_claims.measure import Judgement, Measurement
from pytest_claims.output.json import encode, to_document
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult, Record
from pytest_claims.verdict import Verdict

from cumsum_model.__main__ import main


@pytest.fixture
def saved(tmp_path):
    """The path of a report of one claim that holds."""
    record = Record("test_gap[checkpoint]", "test_it.py::test_gap", "", "The gap is small", "checkpoint", Verdict.HOLDS)
    record.measurements.append(Measurement("gap", 0.0, comparisons=[Judgement("<", "1", holds=True, slack=1.0)]))
    path = tmp_path / "report.json"
    path.write_bytes(encode(to_document(Report([ClaimResult(record.claim, record)], exit_code=0))))
    return str(path)


def test_render_writes_where_it_is_told_and_says_what_is_wrong(saved, tmp_path, capsys):
    assert main(["render", saved]) == 0
    assert (tmp_path / "report.html").is_file()
    assert main(["render", saved, "--out", str(tmp_path / "new" / "folder")]) == 0
    assert (tmp_path / "new" / "folder" / "report.md").is_file()
    (tmp_path / "file").write_text("")
    assert main(["render", saved, "--out", str(tmp_path / "file")]) == 1
    assert main(["render", str(tmp_path / "none.json")]) == 4
    document = json.loads((tmp_path / "report.json").read_text())
    for weights in ("!", "AAAA", 7, [], None, "gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu"):
        document["suite"] = {"weights": weights}
        (tmp_path / "bad.json").write_text(json.dumps(document))
        assert main(["render", str(tmp_path / "bad.json")]) == (0 if weights is None else 4)
    error = capsys.readouterr().err
    assert error.count("\n") == error.count("error: ") == 7
    assert "the stored weights" in error


@pytest.mark.parametrize(
    "matrix",
    [
        7,
        [],
        {},
        {"claims": ["a"], "mutants": ["b"]},
        {"claims": ["a"], "mutants": ["b"], "letters": [1]},
        {"claims": ["a"], "mutants": ["b"], "letters": ["XX"]},
        {"claims": ["a"], "mutants": ["b"], "letters": ["?"]},
        {"claims": ["a", "c"], "mutants": ["b"], "letters": ["X"]},
    ],
)
def test_render_refuses_a_table_that_is_none(saved, tmp_path, capsys, matrix):
    document = json.loads((tmp_path / "report.json").read_text())
    document["suite"] = {"matrix": matrix}
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert main(["render", saved]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"error: {saved}: the stored table of claims and mutants")
    assert error.count("\n") == 1


@pytest.fixture(scope="session")
def two_claims(once):
    """The report of a run of two claims."""

    def make(folder):
        ran = run("verify", f"--report={folder}", "-k", "test_architecture or QK_is_zero", cwd=folder)
        assert ran.returncode == 0, ran.stdout

    return once("two-claims", make)


def test_no_section_of_a_page_takes_the_name_of_a_panel(two_claims, tmp_path):
    """The box finds its weights by a name, which a file of claims might have, too."""

    def renamed(document):
        for i, claim in enumerate(document["claims"]):
            name = ("panel-try-a-sequence-data", "sequence", "values")[i % 3]
            claim["id"] = f"claims/cumsum/test_{name}.py::test_{i}"

    document = json.loads((two_claims / "report.json").read_text())
    renamed(document)
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert main(["render", str(tmp_path / "report.json")]) == 0
    page = (tmp_path / "report.html").read_text()
    for name in ("panel-try-a-sequence-data", "sequence", "values"):
        assert page.count(f'id="{name}"') == 1
