"""`python -m sorted_list_model`: train, verify, read, break and bound checkpoints, and compare reports."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sorted_list_model.commands import certify, check
from sorted_list_model.system import SYSTEM
from toy_model.commands.main import run

IN_SHORT = "train one checkpoint or many, verify, inspect, convert or bound one, compare reports"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: see `toy_model.commands.main`."""
    return run(SYSTEM, IN_SHORT, arguments, (certify.add_command, check.add_command))


if __name__ == "__main__":
    sys.exit(main())
