"""Where the suite lies, and how its claims are run so that nothing from elsewhere has a part in it.

pytest looks for its configuration, and for `conftest.py` to run, around every path that it takes for a test. These
options tell it both beforehand, so that what lies around a checkpoint or a report is never looked at.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = ROOT / "claims"
CONFIGURATION = ROOT / "pyproject.toml"

MISSING = f"{CLAIMS} does not exist: run from a checkout installed with pip install -e"


def own_options() -> list[str]:
    """For pytest: the claims, and the configuration and root folder that belong to them."""
    return [str(CLAIMS), f"--rootdir={ROOT}", f"--config-file={CONFIGURATION}"]


def environment() -> dict[str, str]:
    """The variables of this process, with which pytest runs the claims as this project means them.

    Where the project lies is told there and not among the arguments, which a report names: it is the same on every
    machine. What the caller has there for tests of their own, PYTEST_ADDOPTS and PYTEST_PLUGINS, is left out.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_PLUGINS"}
    variables["PYTEST_ADDOPTS"] = shlex.join(own_options())
    return variables


def run_claims(options: Sequence[str]) -> int:
    """Run the claims in a process of their own, which shares terminal and folder with this one.

    -P keeps modules that lie in that folder from being imported. Returns pytest's exit code, which says what became
    of an interrupt: pytest gets it, too, and reports what it had.
    """
    command = [sys.executable, "-P", "-m", "pytest", *options]
    with subprocess.Popen(command, env=environment()) as process:  # noqa: S603
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
