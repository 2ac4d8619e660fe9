"""Processes that a command starts: they import nothing from the folder, and they end with it."""

import json
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from commands import COMMAND, FEW, run

from cumsum_model.task import REFERENCE

LEAVES_A_MARK = """
import importlib, os, sys
with open(os.path.join(os.path.dirname(__file__), "ran"), "a") as file:
    file.write(__name__)
here, path = sys.modules.pop(__name__), sys.path[:]
sys.path[:] = [place for place in path if place not in ("", os.getcwd())]
sys.modules[__name__] = importlib.import_module(__name__)
sys.path[:] = path
"""
"""A module that takes the place of another, leaves a mark, and lets all go on as if it were that one."""

MODULES = ("execnet", "threading")
"""What such processes import: first of all, and at any time."""


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "model.safetensors", *FEW, "-n", "2"],
        ["mutants", "-n", "2", "--checkpoint", "model.safetensors", "-k", "test_architecture and swap_verdicts"],
        ["sweep", "--seeds", "1", "--epochs", "1", "--train-size", "500", "--workers", "1", *FEW],
    ],
    ids=lambda words: words[0],
)
def test_no_process_imports_from_the_folder_it_is_started_in(tmp_path, words):
    """pytest-xdist and Dask start theirs with `python -c`, for which the folder comes first."""
    shutil.copy(REFERENCE, tmp_path / "model.safetensors")
    for module in MODULES:
        (tmp_path / f"{module}.py").write_text(LEAVES_A_MARK)
    out = ["--out", "out"] if words[0] != "verify" else []
    result = run(*words, *out, cwd=tmp_path)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("module", MODULES)
def test_the_mark_would_be_left(tmp_path, module):
    (tmp_path / f"{module}.py").write_text(LEAVES_A_MARK)
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=tmp_path, check=True)
    assert (tmp_path / "ran").read_text() == module


def test_who_ends_verify_ends_pytest(tmp_path):
    command = [*COMMAND, "verify", "--report=report"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, **quiet) as process:
        started = psutil.Process(process.pid)
        while not (tmp_path / "report" / "report.json").exists():  # it says that it has not finished
            time.sleep(0.05)
        children = started.children(recursive=True)
        assert children
        process.send_signal(signal.SIGTERM)
        assert process.wait() != 0
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
    assert json.loads((tmp_path / "report" / "report.json").read_text())["tone"] == "unfinished"


@pytest.mark.parametrize("level", ["1", "2"])
def test_assertions_are_not_left_out(tmp_path, level):
    result = run("verify", *FEW, cwd=tmp_path, PYTHONOPTIMIZE=level)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 claim: 1 hold" in result.stdout
