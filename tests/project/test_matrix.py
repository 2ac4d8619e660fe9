"""The table of claims against mutants: what is saved of it, against a sample that is made anew."""

import json
import os
import re
import subprocess
import sys

import pytest
from commands import run
from declarations import declarations
from pytest_claims.report.matrix import Matrix
from pytest_claims.verdict import Verdict

from cumsum_model import mutants
from cumsum_model.__main__ import main
from toy_model.checkout import ROOT

SAVED = ROOT / "docs" / "matrix.json"


SAMPLE = [
    "test_every_answer_is_right",
    "test_loss_is_small",
    "test_architecture",
    "test_attention_is_uniform",
    "test_one_singular_value_dominates",
    "test_only_the_sum_is_stored",
    "test_u_points_from_neg_to_pos",
    "test_zero_takes_no_side",
    "test_neurons_of_a_side_are_of_one_kind",
    "test_neurons_amplify",
    "test_the_live_neurons_are_complete",
    "test_it_does_not_count_signs",
    "test_sides_as_they_are",
]
"""Claims of every kind, with few that take long: the whole table takes twenty minutes and is made by `make matrix`."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The table of some claims, made anew."""
    out = tmp_path_factory.mktemp("matrix") / "matrix.json"
    command = [sys.executable, "-m", "cumsum_model", "mutants", "-k", " or ".join(SAMPLE), "--out", str(out)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return json.loads(out.read_text()), result.stdout


@pytest.fixture(scope="module")
def saved():
    """The whole table."""
    return json.loads(SAVED.read_text())


def by_name(matrix):
    """The rows by the names of their tests."""
    return {claim.rpartition("::")[2]: row for claim, row in matrix["claims"].items()}


def test_a_sample_of_the_matrix_has_no_hole(sample):
    matrix, printed = sample
    assert matrix["holes"] == []
    assert "no holes" in printed
    assert by_name(matrix).keys() == set(SAMPLE)


def test_the_saved_matrix_has_every_claim_and_every_mutant(saved):
    """And of every claim what it depends on: the table is of the claims as they are."""
    claims = {name: claim for name, claim in declarations().items() if not claim.erratum}
    assert saved["claims"].keys() == claims.keys()
    # Every control that a claim about the model names is crossed with all claims, in the suite's list or not.
    of_architecture = ["add_a_head", "add_a_layer", "normalise_before_unembedding"]
    assert saved["mutants"] == [*[mutant.__name__ for mutant in mutants.ALL], *of_architecture]
    assert saved["holes"] == []
    for claim, row in saved["claims"].items():
        assert row.keys() == set(saved["mutants"])
        # The shipped model has one head, which cannot be renumbered.
        assert row["renumber_heads"] == "not about this model"
        # Nor are claims about a single layer about a model of two.
        apart = ("renumber_heads", "add_a_layer")
        assert {verdict for mutant, verdict in row.items() if mutant not in apart} <= {"refuted", "survived"}
        assert set(saved["depends_on"].get(claim, ())) == set(claims[claim].depends_on)


def test_every_claim_is_refuted_by_two_and_every_defect_noticed(saved):
    """The same rules, counted here rather than by the plugin."""
    claims = by_name(saved)
    for claim, row in claims.items():
        assert sum(verdict == "refuted" for verdict in row.values()) >= 2, claim
    for mutant in (*mutants.BREAKING, *mutants.HIDDEN):
        assert any(row[mutant.__name__] == "refuted" for row in claims.values()), mutant.__name__
    depends_on = {claim.rpartition("::")[2]: set(words) for claim, words in saved["depends_on"].items()}
    for mutant in (*mutants.SYMMETRIES, *mutants.IDEALS):
        noticing = [claim for claim, row in claims.items() if row[mutant.__name__] == "refuted"]
        for claim in noticing:
            assert depends_on.get(claim, set()) & set(mutant.changes), (mutant.__name__, claim)


def test_the_saved_matrix_is_up_to_date(saved, sample):
    """But for one cell in a hundred: on another processor a mutant may fall on the other side of a bound."""
    fresh = sample[0]
    assert saved["mutants"] == fresh["mutants"]
    assert saved["harmless"] == fresh["harmless"]
    differing = [
        (claim, mutant)
        for claim, row in fresh["claims"].items()
        for mutant, verdict in row.items()
        if saved["claims"][claim][mutant] != verdict
    ]
    assert len(differing) <= len(fresh["claims"]) * len(fresh["mutants"]) / 100, differing
    for claim, assertions in fresh["assertions"].items():
        assert saved["assertions"][claim].keys() == assertions.keys()


def test_the_page_shows_the_saved_matrix(saved):
    """As the plugin prints it; test_docs.py has the page made anew."""
    cells = {
        claim: {mutant: Verdict(verdict) for mutant, verdict in row.items()} for claim, row in saved["claims"].items()
    }
    shown = Matrix(saved["mutants"], list(saved["harmless"]), cells).render()
    page = (ROOT / "docs" / "matrix.md").read_text()
    rows = re.findall(r"^test_\w+ +[X. ]+ +\d+$", shown, re.MULTILINE)
    assert len(rows) == len(cells)
    for line in rows:
        assert line in page
    (counted,) = re.findall(r"^\d+ claims x .*$", shown, re.MULTILINE)
    assert counted in page.replace(",", "")


def test_the_back_door_passes_every_test_of_behaviour_and_not_those_of_the_mechanism(saved):
    claims = by_name(saved)
    for behaviour in ("test_every_answer_is_right", "test_loss_is_small", "test_near_zero_sums_are_distinguished"):
        assert claims[behaviour]["open_back_door"] == "survived"
    assert claims["test_OV_is_rank_one"]["open_back_door"] == "refuted"
    assert claims["test_no_sequence_is_misclassified"]["open_back_door"] == "refuted"


def test_a_checkpoint_that_cannot_be_read_saves_nothing(tmp_path, capfd):
    out = tmp_path / "old.json"
    out.write_text("{}")
    assert main(["mutants", "--checkpoint", str(tmp_path / "none"), "--out", str(out)]) == 4
    assert "saved" not in capfd.readouterr().out
    assert out.read_text() == "{}"


def test_an_expression_that_matches_no_claim_saves_nothing(tmp_path, capfd):
    out = tmp_path / "old.json"
    out.write_text("{}")
    assert main(["mutants", "-k", "no_such_claim", "--out", str(out)]) == 5
    output = capfd.readouterr().out
    assert "saved" not in output
    assert "deselected" in output
    assert out.read_text() == "{}"


def test_mutants_can_be_listed_without_running_anything(capsys):
    assert main(["mutants", "--list"]) == 0
    output = capsys.readouterr().out
    for mutant in mutants.ALL:
        assert f"  {mutant.__name__}" in output


def test_a_table_of_mutants_is_whole_or_as_it_was(tmp_path):
    """On a disk that is full when the table is to be written, which is after everything ran."""
    table = tmp_path / "matrix.json"
    table.write_text("as it was")
    (tmp_path / "full.py").write_text(
        "import pytest_claims.hooks.tables as tables\n"
        "def write_whole(path, content): raise OSError(28, 'No space left on device')\n"
        "tables.write_whole = write_whole\n"
    )
    words = ["verify", f"--matrix={table}", "-k", "test_architecture", "-p", "full"]
    result = run(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert "the table could not be saved to" in " ".join(result.stdout.split())
    assert "Traceback" not in result.stdout + result.stderr
    assert table.read_text() == "as it was"


def test_a_table_of_mutants_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    result = run("mutants", "-k", "test_architecture", "--out", "pipe", cwd=tmp_path, timeout=600)
    assert result.returncode == 4
    assert "pipe: is not a regular file" in result.stderr
    assert "saved" not in result.stdout
    result = run("verify", "--matrix=fresh.json", "-k", "nothing_is_called_so", cwd=tmp_path)
    assert not (tmp_path / "fresh.json").exists()
