"""`python -m cumsum_model.two_layers`: train, verify, inspect and break models of two layers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cumsum_model.two_layers.system import SYSTEM
from toy_model.commands.main import run

IN_SHORT = "train one checkpoint or many, verify, inspect or convert one, compare reports"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: see `toy_model.commands.main`."""
    return run(SYSTEM, IN_SHORT, arguments)


if __name__ == "__main__":
    sys.exit(main())
