"""The action and the workflows as files, and the scripts of the action, run as they stand: the runner is played."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ruamel.yaml import YAML

from toy_model.checkout import ROOT

REFUTED = ROOT / "fixtures" / "cumsum" / "attends_to_recent.safetensors"
ACTION = ROOT / "action.yml"
CI = ROOT / ".github" / "workflows" / "ci.yml"
GATE = ROOT / ".github" / "workflows" / "gate.yml"

ONE_CLAIM = "--no-controls -k test_uniform_attention_answers_alike"
"""It holds on the reference, and not where the head prefers recent tokens."""


def read(path):
    return YAML(typ="safe").load(path.read_text())


def steps(document):
    """Every step of an action or a workflow."""
    if "runs" in document:
        return document["runs"]["steps"]
    return [step for job in document["jobs"].values() for step in job["steps"]]


def scripts(document):
    """Whatever is run by a shell or by JavaScript."""
    given = [text for step in steps(document) for text in (step.get("run"), step.get("with", {}).get("script"))]
    return [text for text in given if text is not None]


def step_of(name):
    return next(step for step in read(ACTION)["runs"]["steps"] if step.get("id") == name)


def play(name, workspace, inputs, *, context=None, environment=None):
    """Run the script of a step as the runner does; `context` is what expressions other than inputs stand for."""
    given = {key: value.get("default", "") for key, value in read(ACTION)["inputs"].items()} | inputs
    known = {f"inputs.{key}": value for key, value in given.items()} | (context or {})
    files = {variable: workspace.parent / variable.lower() for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    step = step_of(name)
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(workspace.parent),
        "LANG": "C.UTF-8",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": str(workspace.parent),
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(workspace),
        **{variable: str(file) for variable, file in files.items()},
        **(environment or {}),
        **{
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], value)
            for key, value in step["env"].items()
        },
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    result = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, check=False)
    return SimpleNamespace(
        code=result.returncode,
        told=result.stdout + result.stderr,
        outputs=dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines()),
        summary=files["GITHUB_STEP_SUMMARY"].read_text(),
    )


def verify(workspace, checkpoint, *, environment=None, **inputs):
    plain = {name.replace("_", "-"): value for name, value in inputs.items()}
    context = {"steps.install.outputs.python": sys.executable}
    return play("verify", workspace, {"checkpoint": checkpoint, **plain}, context=context, environment=environment)
