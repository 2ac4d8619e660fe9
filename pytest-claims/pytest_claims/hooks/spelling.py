"""How an option was written, which may have two names."""

from __future__ import annotations

import pytest

NAMES = ("checkpoint", "device", "report", "baseline", "fail-on-shrink", "no-controls", "allow-partial", "matrix")
"""The plugin's options, without what stands before them."""


def spelled(config: pytest.Config, name: str) -> str:
    """`--report` where short names are in use, `--claims-report` otherwise: for a message about the option."""
    written = {str(argument).partition("=")[0] for argument in config.invocation_params.args}
    short = written & {f"--{name}" for name in NAMES} and f"--claims-{name}" not in written
    return f"--{name}" if short else f"--claims-{name}"
