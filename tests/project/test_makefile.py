"""What `make` installs for whom, and how its targets are described. test_docs.py tries the targets that pages name."""

import re
import subprocess
import tomllib

import pytest

from toy_model.checkout import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
DESCRIBED = re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE)
OF_DEVELOPMENT = {"test", "lint", "screenshots"}


def would_run(*arguments):
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", sorted({*DESCRIBED} - {"help", "clean"}))
def test_the_tools_of_development_are_installed_for_those_who_need_them(target, tmp_path):
    printed = would_run(f"VENV={tmp_path / 'venv'}", target)
    assert "pip install --quiet --constraint constraints.txt --editable '.'\n" in printed
    assert ("--editable '.[dev]'" in printed) == (target in OF_DEVELOPMENT)


def test_the_plugin_of_this_checkout_replaces_the_copy_each_time(tmp_path):
    installing = [line for line in would_run(f"VENV={tmp_path / 'venv'}", "test").splitlines() if "pip install" in line]
    assert [line.split()[-1] for line in installing] == ["'.'", "./pytest-claims", "'.[dev]'", "./pytest-claims"]


def test_installing_and_verifying_say_how_long_they_take(tmp_path):
    announced = re.findall(r'echo "((?:Installing|Verifying).*)"', would_run(f"VENV={tmp_path / 'venv'}", "claims"))
    assert len(announced) == 2
    assert all("minute" in line for line in announced)


def test_help_lists_every_target_that_is_described():
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[0] for line in printed.splitlines()] == DESCRIBED


def test_what_the_claims_need_is_in_no_extra_and_the_tools_of_development_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    development = {re.match(r"[\w-]+", requirement)[0] for requirement in project["optional-dependencies"]["dev"]}
    assert not base & development
    assert {"playwright", "mypy", "tensorboard", "ruff"} <= development
    assert {"pytest-xdist", "hypothesis", "pytest-benchmark"} <= base  # the README's `-n 2`; what the claims import
