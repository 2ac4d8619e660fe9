"""The suites in examples/: strangers to this project, run from a wheel of the plugin in an environment of their own."""

import json
import os
import subprocess
import sys

import pytest

from toy_model.checkout import ROOT

EXAMPLES = ROOT / "examples"
REQUIRED = {"modular_addition": [], "rxnmapper": ["rxnmapper==0.4.3"]}
"""What an example needs that is installed without what it asks for in turn."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A Python of its own with the plugin from a wheel, and what the examples ask for, in the versions they pin."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "venv" / "bin" / "python"
    wheels = folder / "wheels"

    def run(*command):
        ran = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if ran.returncode:
            said = ran.stdout + ran.stderr
            if "No matching distribution" in said or "ConnectionError" in said or "Temporary failure" in said:
                pytest.skip(f"no package index to install the examples from: {said.strip().splitlines()[-1]}")
            raise AssertionError(said)

    run(sys.executable, "-m", "venv", folder / "venv")
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, ROOT / "pytest-claims")
    (wheel,) = wheels.glob("pytest_claims-*.whl")
    asked = {line.partition("#")[0].strip() for name in REQUIRED for line in requirements(name)}
    wanted = sorted(line for line in asked if line and not line.startswith(("pytest-claims", "rxnmapper")))
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, *wanted)
    for name in REQUIRED.values():
        if name:
            run(python, "-m", "pip", "install", "-q", "--no-deps", *name)
    return python


def requirements(name):
    return (EXAMPLES / name / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize("name", REQUIRED)
def test_an_example_is_green_from_a_wheel(environment, name, tmp_path):
    copy = tmp_path / name
    subprocess.run(["cp", "-r", EXAMPLES / name, copy], check=True)  # so that it is in no folder of this project
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    command = [environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--claims-report={tmp_path / 'report'}"]
    ran = subprocess.run(command, cwd=copy, env=clean, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["tone"] == "good", report["headline"]
    assert "torch" in dict(report["run"]["environment"])
    where = "import pytest_claims; print(pytest_claims.__file__)"
    result = subprocess.run([environment, "-c", where], cwd=copy, env=clean, capture_output=True, text=True, check=True)
    assert "site-packages" in result.stdout


@pytest.mark.parametrize("name", REQUIRED)
def test_an_example_uses_public_names_alone(name):
    import ast

    import pytest_claims

    for path in (EXAMPLES / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_claims"):
                assert node.module == "pytest_claims", path
                assert {alias.name for alias in node.names} <= set(pytest_claims.__all__), path
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith(("pytest_claims.", "cumsum_model")) for alias in node.names), path
