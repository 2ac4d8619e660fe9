"""The action judges a suite of the caller's own as strictly as this project's."""

import json
import shutil

import pytest
from played import verify
from small_suite import write_suite

from toy_model.checkout import ROOT


@pytest.fixture
def own(tmp_path):
    """A caller's repository with a suite of three claims about a number, as small_suite has it, and no other file."""
    workspace = tmp_path / "the workspace"
    workspace.mkdir()
    write_suite(workspace)
    conftest = (workspace / "conftest.py").read_text().replace('pytest_plugins = ["pytest_claims.plugin"]\n', "")
    loading = 'def pytest_claims_load(path):\n    return {"gap": 0.25 if path is None else float(path.read_text())}\n'
    (workspace / "conftest.py").write_text(conftest[: conftest.index("def pytest_claims_load")] + loading)
    return workspace


def own_report(workspace):
    return json.loads((workspace / "verification-report" / "report.json").read_text())


@pytest.mark.parametrize("arguments", ["", "-n 2"])
def test_the_gate_opens_for_a_suite_with_a_model_of_its_own(own, arguments):
    hostile = {"PYTEST_ADDOPTS": "-k small", "PYTEST_PLUGINS": "no_such_plugin", "PYTHONOPTIMIZE": "2"}
    result = verify(own, "", claims="claims", arguments=arguments, environment=hostile)
    assert result.code == 0, result.told
    assert (result.outputs["verdict"], result.outputs["headline"]) == ("good", "All 3 claims hold")
    assert result.outputs["error"] == ""
    assert result.outputs["report"] == str(own / "verification-report")
    assert "All 3 claims hold" in result.summary
    assert json.loads((own / "verification-report" / "badge.json").read_text())["message"] == "All 3 claims hold"


def test_the_gate_closes_on_a_checkpoint_of_which_a_claim_is_false(own):
    (own / "large.txt").write_text("1.5")
    result = verify(own, "large.txt", claims="claims")
    assert (result.code, result.outputs["verdict"]) == (1, "bad")
    assert result.outputs["error"] == "1 claim refuted: test_small, The gap is small"


def test_the_gate_closes_on_a_part_of_a_suite(own):
    for arguments in ("-k small", "--deselect=claims/test_more.py::test_tiny", "--claims-no-controls"):
        result = verify(own, "", claims="claims", arguments=arguments)
        assert (result.code, result.outputs["verdict"]) == (1, "partial"), result.told
    (own / "claims" / "part").mkdir()
    (own / "claims" / "test_more.py").rename(own / "claims" / "part" / "test_more.py")
    result = verify(own, "", claims="claims/part")
    assert (result.code, result.outputs["verdict"]) == (1, "partial"), result.told
    assert "2 of 3 claims and errata were not selected: test_small, test_not_large" in result.outputs["error"]
    result = verify(own, "", claims="claims", arguments="--claims-allow-partial -k nothing")
    assert result.code != 0


def test_several_folders_of_a_suite_are_one_suite(own):
    (own / "more claims").mkdir()
    (own / "claims" / "test_more.py").rename(own / "more claims" / "test_more.py")
    (own / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    result = verify(own, "", claims="claims\nmore claims\n")
    assert result.code == 0, result.told
    assert result.outputs["headline"] == "All 3 claims hold"


def test_a_claim_that_the_baseline_had_is_missed(own):
    assert verify(own, "", claims="claims", report="before").code == 0
    (own / "claims" / "test_more.py").unlink()
    result = verify(own, "", claims="claims", baseline="before/report.json")
    assert (result.code, result.outputs["verdict"]) == (1, "bad")
    assert "1 claim lost against the baseline" in result.outputs["error"]


def test_no_test_and_no_configuration_beside_a_checkpoint_runs(own):
    elsewhere = own.parent / "elsewhere"
    elsewhere.mkdir()
    for name in ("conftest.py", "test_it.py", "sitecustomize.py"):
        (elsewhere / name).write_text(f"open({str(own / 'ran')!r}, 'w').close()\n")
    (elsewhere / "pytest.ini").write_text("[pytest]\naddopts = -k nothing\n")
    (elsewhere / "model.txt").write_text("0.5")
    result = verify(own, str(elsewhere / "model.txt"), claims="claims", environment={"PYTHONPATH": str(elsewhere)})
    assert result.code == 0, result.told
    assert not (own / "ran").exists()


def test_several_models_in_one_use_are_refused_with_the_remedy(own):
    (own / "models").mkdir()
    for name in ("a.json", "b.json"):
        (own / "models" / name).write_text("0.5")
    result = verify(own, "models", claims="claims")
    assert (result.code, result.outputs["verdict"]) == (1, "unfinished")
    assert result.outputs["error"].startswith("Several models or suites were judged")


@pytest.mark.parametrize(
    ("break_it", "code", "named"),
    [
        (lambda own: (own / "conftest.py").unlink(), 4, "define pytest_claims_load(path, device)"),
        (lambda own: edit(own, "refuted_by=[widen_gap]", "refuted_by=[]"), 2, "has no control"),
        (lambda own: edit(own, '"""More"""', "import no_such_module"), 2, "No module named 'no_such_module'"),
        (lambda own: shutil.rmtree(own / "claims"), 4, "claims"),
    ],
)
def test_a_suite_that_cannot_run_closes_the_gate_and_says_why(own, break_it, code, named):
    break_it(own)
    result = verify(own, "", claims="claims")
    assert result.code == code, result.told
    assert result.outputs["verdict"] != "good"
    assert named in result.outputs["error"]
    assert f"::error title=verification gate::{result.outputs['error'][:20]}" in result.told


def edit(own, old, new):
    path = own / "claims" / "test_more.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_example_of_modular_addition_passes_the_gate(tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(ROOT / "examples" / "modular_addition", workspace / "addition")
    result = verify(workspace, "", claims="addition/claims")
    assert result.code == 0, result.told
    assert result.outputs["verdict"] == "good"
    result = verify(workspace, "addition/memorised.pt", claims="addition/claims")
    assert (result.code, result.outputs["verdict"]) == (1, "bad")
