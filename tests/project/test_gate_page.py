"""What docs/gate.md shows is what the action takes."""

import json
import re
import subprocess
import sys

import pytest
from played import ACTION, GATE, read
from ruamel.yaml import YAML

from toy_model.checkout import ROOT

PAGE = (ROOT / "docs" / "gate.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (.*?) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL))


def rows(heading):
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w-]+)` \| ?(.*?) ?\|", section, re.MULTILINE))


def example(name):
    return YAML(typ="safe").load(EXAMPLES[name])


def steps_of(document):
    if isinstance(document, list):
        return document
    jobs = document.get("jobs", document)
    return [step for job in jobs.values() for step in job.get("steps", [])]


def test_the_tables_have_every_input_and_output():
    action = read(ACTION)
    inputs = rows("Inputs")
    assert list(rows("Outputs")) == list(action["outputs"])
    assert set(inputs) == set(action["inputs"])
    for name, default in inputs.items():
        known = action["inputs"][name]["default"].removeprefix("${{ ").removesuffix(" }}")
        assert default.strip("`") == known, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_uses_inputs_that_there_are(name):
    document = example(name)
    ours = [step for step in steps_of(document) if step.get("uses") == "OWNER/REPOSITORY@REF"]
    for step in ours:
        assert set(step["with"]) <= set(read(ACTION)["inputs"])
    for step in steps_of(document):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")
    called = [job for job in dict(document).get("jobs", {}).values() if "uses" in job] if name == "workflow" else []
    for job in called:
        assert set(job["with"]) <= set(read(GATE)["on"]["workflow_call"]["inputs"])
    assert ours or called or name == "badge"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_part_of_a_workflow_that_github_would_take(name, tmp_path):
    document = example(name)
    if isinstance(document, list):
        document = {"jobs": {"verify": {"runs-on": "ubuntu-latest", "steps": document}}}
    elif "jobs" not in document:
        document = {"jobs": {"verify": {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}, **document}}
    (tmp_path / "gate.yml").write_text(json.dumps({"on": ["push"], **document}))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    result = subprocess.run([*command, str(tmp_path / "gate.yml")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_a_matrix_has_a_name_of_its_own_for_every_artifact():
    (job,) = example("matrix")["jobs"].values()
    (names,) = job["strategy"]["matrix"].items()
    step = job["steps"][-1]
    assert f"${{{{ matrix.{names[0]} }}}}" in step["with"]["artifact"]
    assert f"${{{{ matrix.{names[0]} }}}}" in step["with"]["checkpoint"]


PLAYED_GH = """#!/bin/sh
echo "$@" >>"$LOG"
case "$2" in
  list) printf '%s' "$FOUND" ;;
  download) mkdir -p baseline && echo '{}' >baseline/report.json ;;
esac
"""


@pytest.mark.parametrize("run_id", ["", "17"])
def test_the_baseline_is_that_of_a_push_to_main_and_there_may_be_none(run_id, tmp_path):
    (tmp_path / "gh").write_text(PLAYED_GH)
    (tmp_path / "gh").chmod(0o755)
    script = example("baseline from an artifact")[0]["run"]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log"), "FOUND": run_id}
    env["GITHUB_OUTPUT"] = str(tmp_path / "output")
    (tmp_path / "output").touch()
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=env, check=True)
    asked = (tmp_path / "log").read_text().splitlines()
    assert "--branch main --event push --status success" in asked[0]
    assert (tmp_path / "output").read_text() == ("file=baseline/report.json\n" if run_id else "")
    assert len(asked) == (2 if run_id else 1)


def test_the_badge_is_pushed_alone_to_a_branch_of_its_own(tmp_path):
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "badge.json").write_text("{}")
    (tmp_path / "report" / "report.json").write_text("{}")
    script = example("badge")["badge"]["steps"][1]["run"]
    address = '"https://x-access-token:$TOKEN@github.com/$REPOSITORY.git"'
    assert address in script
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TOKEN": "t", "REPOSITORY": "NAME/PROJECT"}
    command = ["bash", "-eo", "pipefail", "-c", script.replace(address, f'"{remote}"')]
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    listed = ["git", "--git-dir", str(remote), "ls-tree", "--name-only", "-r", "badge"]
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == "badge.json\n"
