"""The installed command, run in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("cumsum-model"))]
FEW = ["--no-controls", "-k", "test_architecture"]
"""Options of `verify` with which it takes a moment."""


def run(*words, cwd, timeout=None, **variables):
    command, env = [*COMMAND, *map(str, words)], os.environ | variables
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout)
