"""What the report of a model that sorts lists has beside the verdicts: facts, weights, figures and a box."""

import pytest
from pytest_claims.output.folder import write_report
from pytest_claims.report.report import Report

from sorted_list_model import mutants, scope
from sorted_list_model.__main__ import main
from sorted_list_model.config import SortedListConfig
from sorted_list_model.figures import BELONGS_TO
from sorted_list_model.proof.certificate import rounded_down, rounded_up
from sorted_list_model.proof.known import certificate_of
from sorted_list_model.report import KEPT, details, illustrate, proved
from sorted_list_model.system import SYSTEM
from sorted_list_model.task import REFERENCE, untrained
from toy_model.checkout import CLAIMS
from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from toy_model.reporting import MATRIX_TITLE
from toy_model.surgery import louder


@pytest.fixture(scope="module")
def shipped():
    return details(read_checkpoint(REFERENCE, SYSTEM), "cpu")


@pytest.fixture
def described(tmp_path):
    def described(model):
        return details(write_checkpoint(tmp_path / "model.safetensors", model, {}), "cpu")

    return described


def test_facts_of_the_shipped_checkpoint(shipped):
    facts = dict(shipped.facts)
    assert facts["file"] == "safetensors"
    assert facts["taken for granted"].startswith("no neurons, layer norm, scores / sqrt(d_head), causal")
    assert facts["sizes"] == "n_layers 1, n_heads 2, d_model 96, d_head 48, n_ctx 21, max_value 50"
    assert facts["parameters"] == "49,684"
    assert facts["trained by"] == "seed 42, epochs 25, train size 150000, kept epoch 24"
    assert "figures" not in facts


def test_what_is_proved_over_every_list_is_reported(shipped, trained):
    (note,) = shipped.notes
    low, high = certificate_of(trained).accuracy
    assert note.text.startswith("Proved of all 463,677,608,338,560,000 answers on all 46,367,760,833,856,000 lists: ")
    assert note.text.endswith(f"between {rounded_down(low, 4)} and {rounded_up(high, 4)} are right")
    assert note.good
    in_words = f"accuracy over every list is proved to lie in [{rounded_down(low, 4)}, {rounded_up(high, 4)}]"
    assert SYSTEM.prove(trained) == proved(trained) == in_words


def test_why_nothing_is_proved_is_reported(described):
    (note,) = described(untrained(SortedListConfig(n_layers=2), 0)).notes
    assert note.text == "Nothing is proved of every list: this proof is about one layer, the model has 2"
    assert not note.good


def test_what_is_proved_of_real_arithmetic_alone_says_so(described, trained):
    (note,) = described(louder(trained, 1e38)).notes
    assert note.text.endswith("are right, in real arithmetic; float32 may overflow")
    assert not note.good


def test_weights_are_stored_to_the_bit(shipped, trained):
    model = KEPT.model(shipped.suite)
    assert all(tensor.equal(trained.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert KEPT.model(shipped.suite) is model


def test_a_page_is_made_again_from_the_report(tmp_path, shipped, capsys):
    """Although a report cuts every text that is longer than a tenth of the weights."""
    report = Report(subject=shipped)
    write_report(report, tmp_path, illustrate(report))
    page = (tmp_path / "report.html").read_bytes()
    (tmp_path / "report.html").unlink()
    assert main(["render", str(tmp_path / "report.json")]) == 0
    assert (tmp_path / "report.html").read_bytes() == page
    assert b"Sort a list" in page


def test_every_figure_stands_beside_claims_that_there_are(shipped):
    drawn = illustrate(Report(subject=shipped))
    names = [figure.name for title, some in drawn.figures.items() if title != MATRIX_TITLE for figure in some]
    assert sorted(names) == sorted(BELONGS_TO)
    assert all((CLAIMS / "sorted_list" / file).is_file() for file in drawn.figures if file != MATRIX_TITLE)
    assert [panel.title for panel in drawn.panels] == ["Sort a list"]


@pytest.mark.parametrize("sizes", [{"n_ctx": 101, "max_value": 60}, {"d_model": 500}], ids=["long", "wide"])
def test_models_too_large_for_a_page_are_left_out(described, sizes):
    subject = described(untrained(SortedListConfig(**sizes), seed=3))
    assert "weights" not in subject.suite
    assert dict(subject.facts)["figures"] == "left out: the model is too large for a page"
    assert list(illustrate(Report(subject=subject)).panels) == []


def test_stored_weights_of_another_system_are_refused(shipped):
    from cumsum_model.report import KEPT as OF_CUMSUM

    with pytest.raises(CheckpointError, match="the stored weights"):
        OF_CUMSUM.model(shipped.suite)
    with pytest.raises(CheckpointError, match="the stored weights are not base64"):
        KEPT.model({"weights": "no base64"})
    with pytest.raises(CheckpointError, match="the stored weights are not base64"):
        KEPT.model({"weights": ["AAAA", 7]})


def test_mutants_are_of_four_kinds():
    assert SYSTEM.mutants() == {
        "BREAKING": mutants.BREAKING,
        "HIDDEN": mutants.HIDDEN,
        "SYMMETRIES": mutants.SYMMETRIES,
        "IDEALS": mutants.IDEALS,
    }


def test_the_shipped_model_is_the_one_that_claims_of_it_are_about(trained):
    assert scope.not_the_reference(trained) is None
    another = read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM)
    assert "about the shipped checkpoint alone" in scope.not_the_reference(another.model)
    assert another.card["kept_epoch"] == 18
