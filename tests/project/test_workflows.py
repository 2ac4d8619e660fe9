"""The action and the workflows are files that GitHub takes, and nothing that a caller passes becomes code in them."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from played import ACTION, CI, GATE, read, scripts, step_of, steps

from toy_model.checkout import ROOT

ALL = pytest.mark.parametrize("path", [ACTION, CI, GATE], ids=lambda path: path.name)


def check(path, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def schema_of(path):
    return "vendor.github-actions" if path.name == "action.yml" else "vendor.github-workflows"


@ALL
def test_github_would_take_the_file(path):
    result = check(path, schema_of(path))
    assert result.returncode == 0, result.stdout


@ALL
@pytest.mark.parametrize("break_it", ["a key that does not exist", "a step without its shell or machine"])
def test_a_file_that_github_would_not_take_is_noticed(path, break_it, tmp_path):
    document = read(path)
    if break_it == "a key that does not exist":
        document["ouputs"] = {}
    elif path == ACTION:
        del next(step for step in steps(document) if "run" in step)["shell"]
    else:
        del next(iter(document["jobs"].values()))["runs-on"]
    broken = tmp_path / path.name
    broken.write_text(json.dumps(document))  # JSON is YAML, and free of ways to write it
    result = check(broken, schema_of(path))
    assert result.returncode == 1
    assert "Schema validation errors were encountered" in result.stdout


@pytest.mark.parametrize("path", [CI, GATE], ids=lambda path: path.name)
def test_every_job_ends_some_time(path):
    result = check(path, "custom.github-workflows-require-timeout")
    assert result.returncode == 0, result.stdout


@ALL
def test_no_script_holds_an_expression(path):
    """`inputs`, `github.event`, `github.head_ref`: any of them in a script is code that somebody else writes."""
    for script in scripts(read(path)):
        assert "${{" not in script


@ALL
def test_everything_used_is_pinned_to_a_version(path):
    for step in steps(read(path)):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+|\./(\.verification)?", step["uses"]), step["uses"]


ON_NODE_24 = {
    "checkout": 5,
    "setup-python": 6,
    "cache": 5,
    "upload-artifact": 6,
    "download-artifact": 7,
    "github-script": 8,
}
"""The first major of each action whose own action.yml says `using: node24`."""


@pytest.mark.parametrize(
    "path",
    [ACTION, CI, GATE, ROOT / "docs" / "gate.md", ROOT / "README.md", *(ROOT / "pytest-claims").rglob("*.yml.txt")],
    ids=lambda path: path.name,
)
def test_no_action_needs_a_node_that_runners_have_not_got(path):
    used = re.findall(r"actions/([a-z-]+)@v(\d+)", path.read_text())
    assert used or path.name == "README.md"
    for action, major in used:
        assert int(major) >= ON_NODE_24[action], f"actions/{action}@v{major}"


@ALL
def test_every_step_that_is_referred_to_comes_before(path):
    known = set()
    for step in steps(read(path)):
        assert set(re.findall(r"steps\.(\w+)\.", json.dumps(step))) <= known
        known.add(step.get("id"))


@pytest.mark.parametrize("path", [CI, GATE], ids=lambda path: path.name)
def test_a_workflow_has_no_more_permissions_than_it_names(path):
    document = read(path)
    comments = {"pull-requests": "write"} if path == GATE else {}
    assert document["permissions"] == {"contents": "read", **comments}
    assert not any("permissions" in job for job in document["jobs"].values())
    for step in steps(document):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@ALL
def test_no_code_of_a_fork_runs_with_the_rights_of_the_project(path):
    assert "pull_request_target" not in path.read_text()
    assert "workflow_run" not in path.read_text()


def test_the_workflow_takes_what_the_action_takes():
    action, called = read(ACTION)["inputs"], read(GATE)["on"]["workflow_call"]["inputs"]
    assert set(called) - {"suite", "suite-ref", "checkpoint-artifact"} == set(action) - {"token"}
    for name in set(called) & set(action):
        assert called[name]["required"] == action[name]["required"]
        default = called[name].get("default")
        assert (str(default).lower() if isinstance(default, bool) else default) == action[name].get("default")


def test_the_workflow_passes_on_what_it_takes():
    passed = next(step["with"] for step in steps(read(GATE)) if step.get("uses") == "./.verification")
    assert passed == {name: f"${{{{ inputs.{name} }}}}" for name in set(read(ACTION)["inputs"]) - {"token"}}


def test_workflows_use_inputs_and_outputs_that_the_action_has():
    action = read(ACTION)
    for path in (CI, GATE):
        ours = {step.get("id"): step for step in steps(read(path)) if step.get("uses", "").startswith("./")}
        assert ours
        for step in ours.values():
            assert set(step["with"]) <= set(action["inputs"])
        for name, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", path.read_text()):
            if name in ours:
                assert output in action["outputs"]


def test_pytest_knows_the_options_that_the_action_passes():
    used = set(re.findall(r'"(--[a-z-]+)=\$', step_of("verify")["run"]))
    assert used == {f"--claims-{name}" for name in ("checkpoint", "report", "baseline", "fail-on-shrink")}
    command = [sys.executable, "-m", "pytest", "--help"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(re.search(rf"^\s+{option}[= ]", output, re.MULTILINE) for option in used)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@ALL
def test_shellcheck_finds_nothing(path):
    for step in steps(read(path)):
        if "run" in step:
            command = ["shellcheck", "--shell=bash", "-"]
            result = subprocess.run(command, input=step["run"], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stdout
