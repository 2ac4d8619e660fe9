"""Every command works from a wheel, in any folder: claims and fixtures come with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cumsum_model.task import REFERENCE
from toy_model.checkout import ROOT
from toy_model.sweep.suite import fingerprint

SEED7 = ROOT / "fixtures" / "cumsum" / "seed7.safetensors"
SHORT = ["--epochs", "1", "--train-size", "500", "--val-size", "200"]
ONE_CLAIM = ["-k", "test_uniform_attention_answers_alike"]


def pip(*arguments):
    ran = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        words = ran.stdout + ran.stderr
        if "No matching distribution" in words or "ConnectionError" in words or "Temporary failure" in words:
            pytest.skip(f"no package index to build with: {words.strip().splitlines()[-1]}")
        raise AssertionError(words)


def environment_with(folder, *arguments):
    """A Python that has what pip was told to install, and for all else the packages of this one, links excepted."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "-q", "--no-deps", *arguments)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
    return SimpleNamespace(python=python, packages=packages)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    for project in (ROOT, ROOT / "pytest-claims"):
        pip("wheel", "-q", "--no-deps", "-w", folder / "wheels", project)
    return environment_with(folder / "environment", *(folder / "wheels").glob("*.whl"))


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(SEED7, folder / "seed7.safetensors")
    return folder


def run(python, folder, *words, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    clean |= {"XDG_CACHE_HOME": str(folder / "cache"), **variables}
    ran = subprocess.run([python, *words], cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stdout + ran.stderr, ran.stderr
    return ran


def command(installed, folder, *words):
    ran = run(installed.python, folder, "-m", "cumsum_model", *words)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    return ran.stdout


def test_nothing_of_the_checkout_is_used(installed, elsewhere):
    script = (
        "import cumsum_model, toy_model.checkout, pytest_claims; from cumsum_model.scope import REFERENCE\n"
        "from cumsum_model.report import MATRIX\n"
        "for it in (cumsum_model.__file__, pytest_claims.__file__, toy_model.checkout.CLAIMS, REFERENCE, MATRIX):\n"
        "    print(it)\n"
    )
    paths = [Path(line) for line in run(installed.python, elsewhere, "-c", script).stdout.splitlines()]
    assert len(paths) == 5
    assert all(path.exists() and path.is_relative_to(installed.packages) for path in paths)
    assert paths[3].read_bytes() == REFERENCE.read_bytes()


def test_inspect_compares_with_the_shipped_checkpoint(installed, elsewhere):
    assert "plays the part of the shipped checkpoint's" in command(installed, elsewhere, "inspect", "seed7.safetensors")


def test_the_shipped_checkpoint_is_certified_and_the_certificate_checked(installed, elsewhere):
    assert "PROVED RIGHT" in command(installed, elsewhere, "certify", "--out", "proof.json")
    assert "ACCEPTED" in command(installed, elsewhere, "check", "proof.json")


def test_a_model_is_trained_converted_and_verified(installed, elsewhere):
    command(installed, elsewhere, "train", "--out", "trained", *SHORT)
    command(installed, elsewhere, "convert", "trained", "converted.safetensors")
    ran = run(installed.python, elsewhere, "-m", "cumsum_model", "verify", "converted.safetensors", *ONE_CLAIM)
    assert ran.returncode == 1
    assert "1 claim: 0 hold" in ran.stdout


def test_the_claims_come_with_the_wheel(installed, elsewhere):
    printed = command(installed, elsewhere, "verify", "--report=report", *ONE_CLAIM)
    assert "1 claim: 1 hold" in printed
    report = json.loads((elsewhere / "report" / "report.json").read_text())
    assert report["run"]["left_out"]
    assert report["suite"]["matrix"]["claims"]
    command(installed, elsewhere, "render", "report/report.json", "--out", "again")
    assert {path.name for path in elsewhere.iterdir()} == {"seed7.safetensors", "report", "again", "cache"}
    assert not list(installed.packages.rglob(".pytest_cache"))


def test_an_environment_inside_of_a_repository_has_not_got_its_commit(installed, elsewhere):
    subprocess.run(["git", "init", "--quiet", installed.packages], check=True)
    commit = ["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--allow-empty", "-m", "first"]
    try:
        subprocess.run(["git", "-C", installed.packages, *commit], check=True)
        command(installed, elsewhere, "verify", "--report=report", "--no-controls", *ONE_CLAIM)
    finally:
        shutil.rmtree(installed.packages / ".git")
    report = json.loads((elsewhere / "report" / "report.json").read_text())
    assert "Suite" not in dict(report["run"]["environment"])


def test_mutants_are_listed(installed, elsewhere):
    assert "shuffle_weights" in command(installed, elsewhere, "mutants", "--list")


def test_a_sweep_trains_and_verifies_with_the_same_fingerprint_as_a_checkout(installed, elsewhere):
    options = ["--seeds", "0:1", "--no-controls", "--out", "sweep", *ONE_CLAIM, *SHORT]
    assert "wrote sweep/universality.html" in command(installed, elsewhere, "sweep", *options)
    script = "from toy_model.sweep.suite import fingerprint; print(fingerprint('cumsum_model'))"
    assert run(installed.python, elsewhere, "-c", script).stdout.strip() == fingerprint("cumsum_model")


def test_an_editable_installation_has_everything_in_the_checkout(tmp_path):
    editable = environment_with(tmp_path / "environment", "--editable", ROOT)
    script = "import toy_model.checkout as c; print(c.ROOT)"
    assert run(editable.python, tmp_path, "-c", script).stdout.strip() == str(ROOT)
    assert not list(editable.packages.glob("*_model"))


@pytest.fixture(scope="module")
def bare(installed, tmp_path_factory):
    """The packages alone, as copied from somewhere: neither claims nor fixtures."""
    folder = tmp_path_factory.mktemp("bare")
    for package in ("cumsum_model", "toy_model", "pytest_claims"):
        shutil.copytree(installed.packages / package, folder / package)
    shutil.rmtree(folder / "toy_model" / "shipped")
    return folder


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["certify"], 4, "reference.safetensors: No such file or directory"),
        (["verify"], 1, "claims/cumsum does not exist: run from a checkout installed with pip install -e"),
        (["mutants"], 1, "claims/cumsum does not exist: run from a checkout installed with pip install -e"),
        (["sweep", "--seeds", "0:1", "--out", "sweep"], 1, "claims/cumsum does not exist: run from a checkout"),
    ],
)
def test_packages_without_claims_and_fixtures_say_so_in_a_line(bare, elsewhere, words, code, named):
    ran = run(sys.executable, elsewhere, "-m", "cumsum_model", *words, PYTHONPATH=str(bare))
    assert ran.returncode == code
    assert named in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_packages_without_fixtures_inspect_a_file_all_the_same(bare, elsewhere):
    ran = run(sys.executable, elsewhere, "-m", "cumsum_model", "inspect", "seed7.safetensors", PYTHONPATH=str(bare))
    assert ran.returncode == 0
    assert "not compared with the shipped checkpoint, which is not there" in ran.stdout
