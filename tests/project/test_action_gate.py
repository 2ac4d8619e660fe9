"""The gate of the action opens for a whole suite whose claims are as they should be, and for nothing else."""

import json
import re
import sys

import pytest
import torch
from played import ONE_CLAIM, REFUTED, play, verify

from cumsum_model import mutants
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint


def test_what_is_refuted_is_the_mutant_that_its_card_names():
    refuted, reference = read_checkpoint(REFUTED, SYSTEM), read_checkpoint(REFERENCE, SYSTEM)
    made_of = refuted.card["made_of"]
    assert made_of["sha256"] == reference.sha256
    mutant = getattr(mutants, made_of["by"].removeprefix("cumsum_model.mutants."))(reference.model)
    for name, weights in mutant.state_dict().items():
        torch.testing.assert_close(refuted.model.state_dict()[name], weights)


def test_the_gate_opens_for_a_good_checkpoint(workspace):
    """Whatever the caller has set for tests of their own."""
    own = {"PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "no_such_plugin", "PYTHONPATH": str(workspace)}
    result = verify(workspace, "good.safetensors", arguments="-n 2\n--benchmark-disable\n", environment=own)
    assert result.code == 0, result.told
    assert result.outputs["verdict"] == "good"
    assert re.fullmatch(r"All \d+ claims hold \(.*\)", result.outputs["headline"])
    assert result.outputs["report"] == str(workspace / "verification-report")
    assert {file.name for file in (workspace / "verification-report").iterdir()} == {
        "badge.json",
        "report.html",
        "report.json",
        "report.md",
    }
    assert result.outputs["error"] == ""
    badge = json.loads((workspace / "verification-report" / "badge.json").read_text())
    assert badge == {
        "schemaVersion": 1,
        "label": "claims",
        "message": result.outputs["headline"].partition(" (")[0],
        "color": "brightgreen",
    }
    assert result.outputs["headline"] in result.summary.replace("\\", "")  # as Markdown shows it
    assert "::error" not in result.told
    report = json.loads((workspace / "verification-report" / "report.json").read_text())
    assert report["run"]["arguments"][:4] == ["-n", "2", "--benchmark-disable", "claims/"]


def test_the_gate_closes_on_a_refuted_claim(workspace):
    result = verify(workspace, str(workspace / "refuted.safetensors"), arguments=ONE_CLAIM)
    assert result.code == 1
    assert result.outputs["verdict"] == "bad"
    assert result.outputs["headline"] == "1 claim refuted"
    error = "1 claim refuted: test_uniform_attention_answers_alike, Exactly uniform attention changes no answer"
    assert f"::error title=verification gate::{error}" in result.told
    assert result.outputs["error"].startswith(error)
    assert json.loads((workspace / "verification-report" / "badge.json").read_text())["color"] == "red"
    assert "::error file=claims/cumsum/test_attention.py" in result.told


def test_the_gate_closes_on_half_a_suite_though_pytest_is_content(workspace):
    result = verify(workspace, "good.safetensors", arguments=ONE_CLAIM)
    assert json.loads((workspace / "verification-report" / "report.json").read_text())["exit_code"] == 0
    assert result.code == 1
    assert result.outputs["verdict"] == "partial"
    assert "::error title=verification gate::Not the whole suite" in result.told


def test_the_gate_closes_on_a_claim_that_the_baseline_had(workspace):
    earlier = verify(workspace, "good.safetensors", arguments=ONE_CLAIM, report="earlier report")
    assert earlier.outputs["verdict"] == "partial"
    result = verify(
        workspace,
        "refuted.safetensors",
        arguments=ONE_CLAIM,
        baseline="earlier report/report.json",
        fail_on_shrink="0.5",
    )
    assert (result.code, result.outputs["verdict"]) == (1, "bad")
    report = json.loads((workspace / "verification-report" / "report.json").read_text())
    assert report["comparison"]["shrink"] == 0.5
    assert "newly refuted" in [difference["kind"] for difference in report["comparison"]["differences"]]


@pytest.mark.parametrize(
    ("checkpoint", "inputs", "named"),
    [
        ("no such file", {}, "no such file: No such file or directory"),
        ("broken.safetensors", {}, "broken.safetensors: "),
        ("good.safetensors", {"baseline": "no such report.json"}, "no such report.json: No such file"),
        ("good.safetensors", {"fail_on_shrink": "0.5"}, "--claims-fail-on-shrink needs --claims-baseline"),
        ("good.safetensors", {"baseline": "good.safetensors", "fail_on_shrink": "much"}, "--fail-on-shrink much: "),
        ("good.safetensors", {"arguments": "--no-such-option"}, "unrecognized arguments: --no-such-option"),
        ("good.safetensors", {"arguments": "-p no_such_plugin"}, 'No module named "no_such_plugin"'),
    ],
)
def test_the_gate_closes_on_what_cannot_be_read_and_says_what_that_is(checkpoint, inputs, named, workspace):
    (workspace / "broken.safetensors").write_bytes(b"no tensors")
    result = verify(workspace, checkpoint, **inputs)
    assert (result.code, result.outputs["verdict"]) == (4, "unfinished")
    (annotation,) = [line for line in result.told.splitlines() if line.startswith("::error title=verification gate::")]
    assert named in annotation.replace("'", '"')
    assert "exit code" not in annotation
    assert annotation.partition("gate::")[2] == result.outputs["error"].replace("%", "%25")


def test_what_turns_pytest_red_beside_the_claims_is_named(workspace):
    """A file that cannot be collected, and colours that the caller has asked for."""
    claims = workspace / "broken_claims"
    claims.mkdir()
    (claims / "test_it.py").write_text("import no_such_module\n")
    result = verify(workspace, "", claims="broken_claims", environment={"FORCE_COLOR": "1"})
    assert result.code == 2
    assert result.outputs["error"] == "ModuleNotFoundError: No module named 'no_such_module'"


@pytest.mark.parametrize("arguments", ["--help", "--version", "-h -n 2"])
def test_the_gate_closes_if_nothing_ran(arguments, workspace):
    result = verify(workspace, "good.safetensors", arguments=arguments)
    assert result.code == 1
    assert result.outputs["verdict"] == "unfinished"
    assert "No report was written" in result.told


def test_no_earlier_report_is_taken_for_the_one_of_this_run(workspace):
    folder = workspace / "verification-report"
    folder.mkdir()
    (folder / "report.json").write_text('{"tone": "good", "headline": "All hold", "exit_code": 0}')
    (folder / "report.md").write_text("All hold")
    (folder / "badge.json").write_text('{"message": "All hold"}')
    result = verify(workspace, "good.safetensors", arguments="--help")
    assert (result.code, result.outputs["verdict"]) == (1, "unfinished")
    assert [file.name for file in folder.iterdir()] == ["badge.json"]
    assert "hold" not in (folder / "badge.json").read_text()


def test_a_baseline_is_not_replaced_by_the_report(workspace):
    folder = workspace / "verification-report"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    result = verify(workspace, "good.safetensors", baseline="verification-report/../verification-report/report.json")
    assert result.code == 1
    assert "verdict" not in result.outputs
    assert (folder / "report.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("tone", "told_code", "ended_with", "verdict"),
    [
        ("good", 0, 1, "unfinished"),  # the report contradicts the run
        ("bad", 1, 0, "unfinished"),
        ("splendid", 0, 0, "unfinished"),
        ("bad", 0, 0, "bad"),
        ("unfinished", None, 0, "unfinished"),
    ],
)
def test_the_gate_opens_only_if_pytest_and_the_report_agree(tone, told_code, ended_with, verdict, workspace):
    document = json.dumps({"tone": tone, "headline": "All\nverdict=good", "exit_code": told_code})
    python = workspace / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, sys\n"
        f"if '-m' not in sys.argv: os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
        "folder = next(a for a in sys.argv if a.startswith('--claims-report=')).partition('=')[2]\n"
        "pathlib.Path(folder).mkdir()\n"
        f"pathlib.Path(folder, 'report.json').write_text({document!r})\n"
        f"sys.exit({ended_with})\n"
    )
    python.chmod(0o755)
    result = play("verify", workspace, {"checkpoint": "any"}, context={"steps.install.outputs.python": str(python)})
    assert result.code == 1
    assert result.outputs["verdict"] == verdict
    assert set(result.outputs) == {"report", "verdict", "headline", "error"}
    assert result.outputs["error"]


@pytest.mark.parametrize(
    "name",
    [
        """it's "mine" $(touch pwned) `touch pwned`; touch pwned; #.safetensors""",
        "-k --help.safetensors",
        "*.safetensors",
        "first\nverdict=good\n::warning::second.safetensors",
        "claims::test_task.py[x].safetensors",
    ],
)
def test_the_name_of_a_checkpoint_is_a_name_and_never_code(name, workspace):
    (workspace / "good.safetensors").rename(workspace / name)
    (workspace / "refuted.safetensors").unlink()
    baseline = f"no {name}"
    result = verify(workspace, name, arguments=ONE_CLAIM)
    assert (result.code, result.outputs["verdict"]) == (1, "partial"), result.told
    assert verify(workspace, name, baseline=baseline).code == 4
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]


@pytest.mark.parametrize("arguments", ["$(touch pwned)", "`touch pwned`", "; touch pwned", "-k x && touch pwned"])
def test_arguments_are_words_and_never_code(arguments, workspace):
    assert verify(workspace, "good.safetensors", arguments=arguments).code != 0
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]


def test_the_report_may_lie_in_a_folder_with_any_name(workspace):
    report = 'it\'s $(touch pwned); & "here"'
    result = verify(workspace, "good.safetensors", arguments=ONE_CLAIM, report=report)
    assert result.outputs["report"] == str(workspace / report)
    assert (workspace / report / "report.html").is_file()
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]
