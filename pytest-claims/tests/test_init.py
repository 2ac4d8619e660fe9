"""`python -m pytest_claims init` writes a suite that is green, with nothing else installed."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from pytest_claims.__main__ import main

HERE = Path(__file__).parent.parent
CONSTRAINTS = HERE.parent / "constraints.txt"
PLAIN = [".github/workflows/claims.yml", "claims/test_first.py", "conftest.py", "model.json"]
TORCH = [".github/workflows/claims.yml", "claims/test_first.py", "conftest.py"]


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def clean():
    """The environment without what would reach into a Python of its own."""
    own = ("PYTHON", "PYTEST", "PIP", "GITHUB")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def run_pytest(folder, *arguments):
    environment = clean() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_claims.plugin", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_it_writes_the_files_and_says_what_to_run(tmp_path, capsys):
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert files(tmp_path / "mine") == PLAIN
    output = capsys.readouterr().out
    assert "pytest claims/ --claims-report report" in output
    assert f"cd {tmp_path / 'mine'}" in output


def test_the_current_folder_is_the_default(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert files(tmp_path) == PLAIN
    assert "cd " not in capsys.readouterr().out


def test_what_it_wrote_is_green(tmp_path):
    main(["init", str(tmp_path)])
    run = run_pytest(tmp_path, "claims/", "--claims-report", "report")
    assert run.returncode == 0, run.stdout
    assert "1 claim: 1 hold (1 exact); controls refuted 1/1; assertions shown to fail 1/1" in run.stdout
    assert re.search(r"^Model, sha256 \w{12}$", run.stdout, re.MULTILINE)
    assert (tmp_path / "report" / "report.html").is_file()


def test_another_model_of_the_same_form_is_judged_by_name(tmp_path):
    main(["init", str(tmp_path)])
    (tmp_path / "flat.json").write_text('{"slope": 0.5, "intercept": 0}')
    run = run_pytest(tmp_path, "claims/", "--claims-checkpoint=flat.json")
    assert run.returncode == 1
    assert "REFUTED   The output grows" in run.stdout


def test_the_torch_variant_is_green(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    main(["init", str(tmp_path), "--torch"])
    assert files(tmp_path) == TORCH
    assert "pip install pytest-claims torch #" in (tmp_path / TORCH[0]).read_text()
    torch.save({"W": torch.diag(torch.full((8,), 2.0))}, tmp_path / "stretch.pt")
    run = run_pytest(tmp_path, "claims/")
    assert run.returncode == 0, run.stdout
    assert "Model, 64 parameters, sha256" in run.stdout
    run = run_pytest(tmp_path, "claims/", "--claims-checkpoint=stretch.pt")
    assert run.returncode == 1
    assert "REFUTED   W preserves lengths" in run.stdout


@pytest.mark.parametrize("name", PLAIN)
def test_no_file_is_replaced(tmp_path, capsys, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert main(["init", str(tmp_path)]) == 1
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"
    assert capsys.readouterr().err == f"error: {tmp_path} has {name} already: nothing was written\n"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path, capsys):
    (tmp_path / "conftest.py").symlink_to(tmp_path / "elsewhere.py")
    assert main(["init", str(tmp_path)]) == 1
    assert not (tmp_path / "elsewhere.py").exists()
    assert "has conftest.py already" in capsys.readouterr().err


def test_all_that_is_in_the_way_is_named_in_one_line(tmp_path, capsys):
    (tmp_path / "claims").write_text("a file")
    (tmp_path / "model.json").write_text("{}")
    assert main(["init", str(tmp_path)]) == 1
    assert "has model.json, claims/test_first.py already" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["init", str(tmp_path)]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_the_workflow_is_one(tmp_path):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    main(["init", str(tmp_path)])
    workflow = tmp_path / ".github/workflows/claims.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "if: always()" in workflow.read_text()


@pytest.fixture(scope="module")
def empty_environment(tmp_path_factory):
    """A Python of its own, with a wheel of this plugin, what that needs, and nothing else but what builds it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pinned = ["-c", CONSTRAINTS] if CONSTRAINTS.is_file() else []

    def pip(*arguments):
        command = [python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--retries", "1"]
        return subprocess.run(command, env=clean(), cwd=folder, capture_output=True, text=True)

    tried = pip("install", *pinned, "hatchling")
    if tried.returncode:
        pytest.skip(f"pip cannot install: {tried.stderr.strip().splitlines()[-1]}")
    built = pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, HERE)
    assert built.returncode == 0, built.stderr
    installed = pip("install", *pinned, *folder.glob("*.whl"))
    assert installed.returncode == 0, installed.stderr
    return python


def test_it_is_green_where_nothing_else_is_installed(tmp_path, empty_environment):
    def run(*command):
        return subprocess.run(command, cwd=tmp_path, env=clean(), capture_output=True, text=True)

    for module in ("torch", "numpy", "matplotlib"):
        assert run(empty_environment, "-c", f"import {module}").returncode == 1, module
    begun = run(empty_environment, "-m", "pytest_claims", "init")
    assert begun.returncode == 0, begun.stderr
    judged = run(empty_environment.parent / "pytest", "--claims-report", "report")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "1 claim: 1 hold (1 exact); controls refuted 1/1; assertions shown to fail 1/1" in judged.stdout
    assert (tmp_path / "report" / "report.html").is_file()
