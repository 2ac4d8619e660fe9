"""`python -m pytest_claims`: begin a suite, compare reports, put many in a row, or draw one again."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pytest_claims.commands import diff, history, init, render, universality


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly, 4 cannot be read, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_claims",
        description="Claims about a trained model that can fail. Claims are run by pytest: pytest claims/",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (init, diff, history, render, universality):
        command.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.command(options)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
