"""From `pytest claims/` typed to exit: a process of its own, against one that only imports what it needs"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIGHT = "import torch, pytest"
FULL = "import torch, pytest, hypothesis; from transformer_lens.model_bridge import TransformerBridge"


def process(*arguments):
    """A run of Python in the project's folder, and compiled files kept, as Python does by default."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONDONT"))}

    def run():
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def claims(*arguments):
    return process("-m", "pytest", "claims/", "-q", *arguments)


@pytest.mark.guard
def test_everything(versus):
    """All claims, controls, proofs, and the search in its ci profile."""
    process("-m", "pytest", "claims/", "-q", "--collect-only")()  # compiled files are there from now on
    versus("pytest claims/ / its imports", claims(), process("-c", FULL), rounds=2, warm_up=0, goal=2)


def test_everything_in_two_processes(versus):
    ours = claims("-n", "2")
    versus("pytest claims/ -n 2 / its imports", ours, process("-c", FULL), rounds=2, warm_up=0, goal=2)


@pytest.mark.guard
def test_one_part_without_controls(versus):
    ours = claims("-k", "attention", "--no-controls")
    versus(
        "pytest claims/ -k attention --no-controls / import torch, pytest",
        ours,
        process("-c", LIGHT),
        rounds=5,
        goal=1.3,
    )
