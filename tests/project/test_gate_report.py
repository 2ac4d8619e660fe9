"""No run leaves a report greener than itself, whatever becomes of its folder, its checkpoint or its figures."""

import json
import subprocess
import sys

import pytest
from small_suite import green, tell


def test_a_checkpoint_that_cannot_be_described_costs_the_exit_code_but_not_the_report(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_claims_details():\n    raise ZeroDivisionError('no')\n")
    ran = gate()
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert len(ran.document["claims"]) == 3
    assert ran.document["run"]["problems"] == ["the checkpoint could not be described: ZeroDivisionError: no"]


def test_a_run_of_other_tests_leaves_no_green_report(gate):
    (gate.path / "test_other.py").write_text("def test_other():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "test_other.py", "--report=told"]
    ran = subprocess.run(command, cwd=gate.path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    document = json.loads((gate.path / "told" / "report.json").read_text())
    assert (document["tone"], document["headline"]) == ("bad", "No claim was run")
    assert "problem: no claim was run" in ran.stdout


def test_a_failing_test_that_is_no_claim_turns_the_report_red(gate):
    (gate.path / "test_other.py").write_text("def test_other():\n    assert 0\n")
    ran = gate("claims/", "test_other.py")
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert ran.document["run"]["problems"] == ["1 test or file that is no claim failed: test_other.py::test_other"]


def test_collecting_alone_makes_no_report(gate):
    ran = gate("--collect-only")
    assert ran.returncode == 4
    assert "--collect-only runs nothing that --report" in ran.stderr
    assert ran.document is None


def test_a_report_of_an_earlier_run_does_not_outlive_a_run_that_fails_to_start(gate):
    assert green(gate())
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_configure():\n    raise pytest.UsageError('the checkpoint cannot be read')\n")
    ran = gate()
    assert ran.returncode == 4
    assert ran.document["tone"] == "unfinished"
    assert "has not finished" in ran.page


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/none", "a" * 300, "fine/" + "b" * 300])
def test_a_folder_that_cannot_be_written_stops_the_run_at_once(gate, name):
    (gate.path / "file").write_text("in the way")
    ran = gate(report=name)
    assert ran.returncode == 4, tell(ran)
    assert "--report" in ran.stderr
    assert "passed" not in ran.stdout
    assert len((ran.stdout + ran.stderr).strip().splitlines()) == 1


def test_a_folder_that_vanishes_while_the_suite_runs_makes_it_fail(gate):
    body = 'assert measure("gap", model["gap"]) < 1'
    spoil = "import shutil; shutil.rmtree('told', ignore_errors=True); open('told', 'w').close()"
    gate.edit(body, f"{spoil}\n    {body}")
    ran = gate()
    assert ran.returncode == 1, tell(ran)
    assert "problem: the report could not be written to told" in ran.stdout


def test_figures_that_cannot_be_drawn_cost_the_exit_code_but_not_the_report(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_claims_illustrate():\n    raise ZeroDivisionError('<no such line>')\n")
    ran = gate()
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert len(ran.document["claims"]) == 3
    assert "the figures could not be drawn: ZeroDivisionError: &lt;no such line&gt;" in ran.page
