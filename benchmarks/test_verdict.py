"""From `pytest claims/` typed to exit: a process of its own, against one that only imports what it needs"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIGHT = "import torch, pytest"
FULL = "import torch, pytest, hypothesis; from transformer_lens.model_bridge import TransformerBridge"


def process(*arguments, cwd=ROOT):
    """A run of Python in the project's folder, or another, and compiled files kept, as Python does by default."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONDONT"))}

    def run():
        done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def claims(*arguments):
    return process("-m", "pytest", *arguments, "-q")


@pytest.mark.guard
def test_one_system(versus):
    """All claims, controls, proofs, and the search in its ci profile."""
    process("-m", "pytest", "claims/", "-q", "--collect-only")()  # compiled files are there from now on
    ours = claims("claims/cumsum")
    versus("pytest claims/cumsum / its imports", ours, process("-c", FULL), rounds=3, warm_up=0, goal=2)


def test_all_systems(versus):
    claims("claims/sorted_list", "-k", "every_list and checkpoint", "--no-controls")()  # machine code is there, too
    versus("pytest claims/ / its imports", claims("claims/"), process("-c", FULL), rounds=2, warm_up=0, goal=3)


def test_all_systems_in_two_processes(versus):
    ours = claims("claims/", "-n", "2")
    versus("pytest claims/ -n 2 / its imports", ours, process("-c", FULL), rounds=2, warm_up=0, goal=3)


def test_help_with_the_plugin(versus):
    """In a folder that has nothing to do with claims: what a stranger pays for having it installed."""
    ours = process("-m", "pytest", "--help", cwd="/")
    theirs = process("-m", "pytest", "--help", "-p", "no:claims", "-p", "no:cumsum_model", cwd="/")
    versus("pytest --help / the same without our plugins", ours, theirs, rounds=9)


@pytest.mark.guard
def test_one_part_without_controls(versus):
    ours = claims("claims/cumsum", "-k", "attention", "--no-controls")
    versus(
        "pytest claims/cumsum -k attention --no-controls / import torch, pytest",
        ours,
        process("-c", LIGHT),
        rounds=5,
        goal=1.3,
    )
