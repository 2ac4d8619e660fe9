"""What is unclear in the inputs of the action is refused at once, and the suite is installed as it should be."""

import os
import re
import subprocess
import sys

import pytest
from played import CI, play, read, steps

from toy_model.checkout import ROOT


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "'checkpoint' is empty"),
        ({"checkpoint": "x", "report": ""}, "'report' is empty"),
        ({"checkpoint": "x", "artifact": ""}, "'artifact' is empty"),
        ({"checkpoint": "x", "artifact": "  "}, "'artifact' is empty"),
        ({"checkpoint": "x", "python-version": " "}, "'python-version' is empty"),
        ({"checkpoint": "x", "report": "a\nreport=/etc"}, "'report' holds"),
        ({"checkpoint": "x", "report": "**"}, "'report' holds"),
        ({"checkpoint": "x", "report": "a\\b"}, "'report' holds"),
        ({"checkpoint": "x\n::stop-commands::mine"}, "'checkpoint' holds"),
        ({"checkpoint": "x", "artifact": "x\r::stop-commands::mine"}, "'artifact' holds"),
        ({"checkpoint": "x", "baseline": "x\n::stop-commands::mine"}, "'baseline' holds"),
        ({"checkpoint": "x", "comment": "yes"}, "'comment' is neither"),
        ({"checkpoint": "x", "fail-on-shrink": "0.5"}, "'fail-on-shrink' needs 'baseline'"),
        ({"checkpoint": "x", "baseline": "y", "fail-on-shrink": "much"}, "'fail-on-shrink' should be"),
        ({"checkpoint": "x", "baseline": "y", "fail-on-shrink": "50%"}, "'fail-on-shrink' should be"),
        ({"checkpoint": "x", "baseline": "y", "fail-on-shrink": "0.0"}, "'fail-on-shrink' should be"),
        ({"checkpoint": "x", "requirements": "requirements.txt"}, "'requirements' is for a suite of your own"),
        ({"claims": "claims/test_it.py::test_it"}, "'claims' holds"),
        ({"claims": "claims[1]"}, "'claims' holds"),
        ({"claims": "\n \n"}, "'claims' names no folder"),
        ({"claims": "claims\r"}, "'claims' holds"),
    ],
)
def test_unclear_inputs_are_refused_at_once(inputs, message, workspace):
    refused(play("inputs", workspace, inputs), message)


def refused(result, message):
    assert result.code == 1
    assert f"::error title=verification gate::The input {message}" in result.told
    assert len(result.told.splitlines()) == 1
    assert result.outputs == {}


REFUSED_BY_UPLOAD_ARTIFACT = '":<>|*?\\/\r\n'
"""In the name of an artifact, as the README of actions/upload-artifact lists them."""


@pytest.mark.parametrize("character", REFUSED_BY_UPLOAD_ARTIFACT, ids=lambda character: f"{ord(character):#x}")
@pytest.mark.parametrize("name", ["{}", "{}a", "a{}", "report of seed {}7"])
def test_a_name_that_no_artifact_may_have_is_refused_at_once(character, name, workspace):
    refused(play("inputs", workspace, {"checkpoint": "x", "artifact": name.format(character)}), "'artifact' holds")


@pytest.mark.parametrize(
    "name", ["verification-report", "report of seed 7", "épochs (8)", "a.b_c-d+e=f,g;h'i$(j)`k`[l]"]
)
def test_any_other_name_of_an_artifact_is_let_through(name, workspace):
    result = play("inputs", workspace, {"checkpoint": "x", "artifact": name})
    assert (result.code, result.told) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("-k attention", "-k"),
        ("-n 2 -kattention", "-kattention"),
        ("-n 2\n--deselect=claims/x.py::test_x", "--deselect"),
        ("--no-controls", "--no-controls"),
        ("--claims-no-controls", "--claims-no-controls"),
        ("--collect-only", "--collect-only"),
        ("-x --help", "--help"),
        ("--checkpoint=another", "--checkpoint"),
        ("--claims-report another", "--claims-report"),
    ],
)
def test_arguments_with_which_the_gate_cannot_open_are_refused_at_once(arguments, named, workspace):
    refused(play("inputs", workspace, {"checkpoint": "x", "arguments": arguments}), f"'arguments' has {named}")


@pytest.mark.parametrize("arguments", ["", "-n 2", "-n 2\n--benchmark-disable\n", "-q -x --maxfail=1 --timings all"])
def test_other_arguments_are_let_through(arguments, workspace):
    assert play("inputs", workspace, {"checkpoint": "x", "arguments": arguments}).code == 0


def look(workspace, *, environment=None, **inputs):
    plain = {name.replace("_", "-"): value for name, value in inputs.items()}
    context = {"steps.python.outputs.python-path": sys.executable}
    return play("files", workspace, plain, context=context, environment=environment)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"checkpoint": "runs/seed8"}, "'checkpoint': runs/seed8 does not exist."),
        ({"checkpoint": "100% of it"}, "'checkpoint': 100%25 of it"),
        ({"checkpoint": "good.safetensors", "baseline": "no.json"}, "'baseline': no.json does not exist."),
        (
            {"checkpoint": "good.safetensors", "report": "good.safetensors"},
            "'report': good.safetensors is not a folder.",
        ),
        ({"claims": "claims\nother"}, "'claims': claims is no folder"),
        ({"claims": "."}, None),
        ({"claims": ".", "requirements": "requirements.txt"}, "'requirements': requirements.txt is no file"),
        ({"claims": ".", "requirements": "."}, "'requirements': . is no file"),
    ],
)
def test_files_that_are_not_there_are_missed_before_anything_is_installed(inputs, message, workspace):
    result = look(workspace, **inputs)
    if message is None:
        assert result.code == 0
    else:
        refused(result, message)


def test_files_that_are_there_are_found_and_packages_remembered_by_what_is_installed(workspace):
    (workspace / "requirements.txt").write_text("torch\n")
    keys = [look(workspace, checkpoint=name).outputs["packages"] for name in ("good.safetensors", str(workspace))]
    assert keys[0] == keys[1]
    keys = {keys[0], look(workspace, claims=".").outputs["packages"]}
    keys.add(look(workspace, claims=".", requirements="requirements.txt").outputs["packages"])
    (workspace / "requirements.txt").write_text("torch==2.13.0\n")
    keys.add(look(workspace, claims=".", requirements="requirements.txt").outputs["packages"])
    assert len(keys) == 4
    assert all(re.fullmatch(r"(own-)?\d+-\d+", key) for key in keys)


def test_a_python_that_is_too_old_is_refused_before_anything_is_installed(workspace):
    (workspace / "python").write_text("#!/bin/sh\nexit 1\n")
    (workspace / "python").chmod(0o755)
    context = {"steps.python.outputs.python-path": str(workspace / "python")}
    refused(
        play("files", workspace, {"checkpoint": "good.safetensors"}, context=context), "'python-version' is of a Pyt"
    )


def test_windows_is_refused(workspace):
    assert play("inputs", workspace, {"checkpoint": "x"}, environment={"RUNNER_OS": "Windows"}).code == 1


def test_clear_inputs_are_let_through(workspace):
    result = play("inputs", workspace, {"checkpoint": "$(touch pwned)", "comment": "true", "report": "a b"})
    assert result.code == 0, result.told
    assert not [*workspace.rglob("pwned")]


def test_the_suite_is_installed_with_its_constraints_beside_its_claims(workspace):
    """With a pip that only writes down what it is asked for."""
    log = workspace / "log"
    python = workspace / "python"
    python.write_text(
        "#!/usr/bin/env bash\n"
        f'echo "$PWD: $*" >>"{log}"\n'
        'if [ "$3" = venv ]; then mkdir -p "$5/bin" && cp "$0" "$5/bin/python"; fi\n'
    )
    python.chmod(0o755)
    context = {"steps.python.outputs.python-path": str(python), "steps.python.outputs.python-version": "3.11.7"}
    result = play("install", workspace, {}, context=context)
    assert result.code == 0, result.told
    environment = workspace.parent / "verification-python-3.11.7"
    assert result.outputs == {"python": str(environment / "bin" / "python")}
    assert log.read_text().splitlines() == [
        f"{ROOT}: -I -m venv --clear {environment}",
        f"{ROOT}: -I -m pip install --quiet --constraint constraints.txt --editable . pytest-xdist",
        f"{ROOT}: -I -m pip install --quiet --no-deps --editable ./pytest-claims",
    ]


def test_an_own_suite_gets_the_plugin_and_its_requirements_in_one_go(workspace):
    log = workspace / "log"
    python = workspace / "python"
    python.write_text(
        "#!/usr/bin/env bash\n"
        f'echo "$PWD: $*" >>"{log}"\n'
        'if [ "$3" = venv ]; then mkdir -p "$5/bin" && cp "$0" "$5/bin/python"; fi\n'
    )
    python.chmod(0o755)
    context = {"steps.python.outputs.python-path": str(python), "steps.python.outputs.python-version": "3.11.7"}
    for requirements, options in {
        "": "",
        "requirements.txt": " --requirement=requirements.txt",
        "my requirements.txt\n\n-e.txt\n": " --requirement=my requirements.txt --requirement=-e.txt",
    }.items():
        log.unlink(missing_ok=True)
        result = play("install", workspace, {"claims": "claims", "requirements": requirements}, context=context)
        assert result.code == 0, result.told
        (_, ran) = log.read_text().splitlines()
        assert ran == f"{workspace}: -I -m pip install --quiet {ROOT}/pytest-claims pytest-xdist{options}"


def test_nothing_of_the_callers_runs_while_the_suite_is_installed(workspace):
    """With the real Python and the real pip, which finds nothing to install where it may not look anywhere."""
    ran = workspace.parent / "ran"
    leaves_a_mark = f"open({str(ran)!r}, 'w').close()\n"
    (workspace / "sitecustomize.py").write_text(leaves_a_mark)
    (workspace / "startup.py").write_text(leaves_a_mark)
    planted = workspace.parent / "verification-python-3.11.7"
    (planted / "bin").mkdir(parents=True)
    (planted / "bin" / "python").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (planted / "bin" / "python").chmod(0o755)
    (planted / "planted").touch()
    hostile = {"PYTHONPATH": str(workspace), "PYTHONSTARTUP": str(workspace / "startup.py"), "PIP_NO_INDEX": "1"}
    context = {"steps.python.outputs.python-path": sys.executable, "steps.python.outputs.python-version": "3.11.7"}
    result = play("install", workspace, {}, context=context, environment=hostile)
    assert result.code != 0
    assert "No matching distribution found" in result.told
    assert not (planted / "planted").exists()
    assert (planted / "pyvenv.cfg").is_file()
    assert not ran.exists()


def test_ci_notices_if_the_gate_opens_for_what_is_refuted(workspace):
    script = next(step["run"] for step in steps(read(CI)) if step.get("name") == "The gate has closed on it")
    for outcome, verdict, code in [("failure", "bad", 0), ("success", "good", 1), ("failure", "", 1)]:
        env = {"PATH": os.environ["PATH"], "OUTCOME": outcome, "VERDICT": verdict}
        assert subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=env, check=False).returncode == code
