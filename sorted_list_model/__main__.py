"""`python -m sorted_list_model`: train, verify, read and break checkpoints, and compare reports."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sorted_list_model.system import SYSTEM
from toy_model.commands.main import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: see `toy_model.commands.main`."""
    return run(SYSTEM, "train one checkpoint or many, verify, inspect or convert one, compare reports", arguments)


if __name__ == "__main__":
    sys.exit(main())
