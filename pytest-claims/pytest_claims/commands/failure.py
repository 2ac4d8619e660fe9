"""How a command says that it failed."""

from __future__ import annotations

import sys

from pytest_claims.files import shown

UNREADABLE = 4
"""Exit code of a command that cannot read a file that it was given; pytest has the same."""


def fail(message: str, *, code: int = 1) -> int:
    """Say what is wrong in one line, on standard error, and return the exit code."""
    print(f"error: {shown(message)}", file=sys.stderr)
    return code
