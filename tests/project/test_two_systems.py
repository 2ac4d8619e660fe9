"""`pytest claims/` runs the claims of all systems, or of the one that a checkpoint is of."""

import json
import re
import subprocess
import sys

import pytest
from verifying import summary, verify

from cumsum_model.system import SYSTEM as CUMSUM
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from sorted_list_model.system import SYSTEM as SORTED_LIST

PROCESSES = pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "two"])
EACH = pytest.mark.parametrize(
    ("system", "other"), [(CUMSUM, SORTED_LIST), (SORTED_LIST, CUMSUM)], ids=["cumsum", "sorted_list"]
)
FEW = ("-k", "test_task.py", "--no-controls")


def on_one_line(ran):
    return " ".join(ran.stdout.split())


def report_in(folder):
    return json.loads((folder / "report.json").read_text())


@PROCESSES
def test_all_suites_run_on_what_they_are_about_and_get_a_report_each(tmp_path, processes):
    ran = verify(*FEW, *processes, f"--report={tmp_path}", claims="claims/")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "left out: checkpoint" not in ran.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        *("cumsum", "cumsum_two_layers", "lengths", "sorted_list", "index.html")
    }
    index = (tmp_path / "index.html").read_text()
    assert report_in(tmp_path / "lengths")["subject"]["path"].endswith("docs/lengths.json")
    for system in (CUMSUM, TWO_LAYERS, SORTED_LIST):
        report = report_in(tmp_path / system.name)
        assert {claim["id"].split("/")[1] for claim in report["claims"]} == {system.name}
        assert report["subject"]["path"].endswith(f"fixtures/{system.name}/reference.safetensors")
        assert f'<a href="{system.name}/report.html">{system.name}</a>: {report["headline"]}' in index
        assert f"fixtures/{system.name}/reference.safetensors" in ran.stdout


@PROCESSES
@EACH
def test_the_claims_of_the_other_system_are_left_out_and_named(tmp_path, system, other, processes):
    ran = verify(*FEW, *processes, f"--checkpoint={system.reference}", f"--report={tmp_path}", claims="claims/")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(rf"^claims/{other.name} left out: checkpoint is of {system.name}$", ran.stdout, re.MULTILINE)
    assert {claim["id"].split("/")[1] for claim in report_in(tmp_path)["claims"]} == {system.name}
    assert not (tmp_path / "index.html").exists()


def test_a_run_that_leaves_the_other_system_out_is_a_whole_one(tmp_path):
    ran = verify("--no-controls", f"--checkpoint={SORTED_LIST.reference}", f"--report={tmp_path}", claims="claims/")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "not the whole suite" not in ran.stdout
    assert report_in(tmp_path)["run"]["left_out"] == []
    assert "REFUTED" not in summary(ran.stdout)


@EACH
def test_where_a_folder_is_named_a_checkpoint_of_the_other_system_is_refused_in_one_line(system, other):
    for claims in (f"claims/{system.name}", f"claims/{system.name}/test_task.py"):
        ran = verify(*FEW, f"--checkpoint={other.reference}", claims=claims)
        assert ran.returncode == 4
        (line,) = ran.stderr.strip().splitlines()
        assert line.startswith(f"ERROR: {other.reference}: has ")
        assert line.endswith(f"it is not a checkpoint of {system.title}")


@EACH
def test_one_command_finds_the_system_from_any_folder(tmp_path, system, other):
    (tmp_path / "conftest.py").write_text("raise RuntimeError('this has no part in it')")
    command = [sys.executable, "-P", "-m", "toy_model", "verify", str(system.reference), *FEW]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"claims/{other.name} left out: checkpoint is of {system.name}" in on_one_line(ran)


def test_that_command_has_help():
    command = [sys.executable, "-m", "toy_model", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python -m toy_model verify [PATH] [option of pytest ...]" in ran.stdout
