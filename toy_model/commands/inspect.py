"""`inspect`: what is in a checkpoint of any kind, and whether it looks right."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pytest_claims.commands.failure import UNREADABLE, fail

from toy_model.commands.shared import FILES, add_reading, reading_of
from toy_model.system import System

INSPECT_HELP = f"""\
Say what is in a checkpoint: format, sizes, every tensor, where it comes from. Then a first diagnosis: how much of
the evaluation set it answers rightly, how uniform attention is, whether OV has rank one, whether the stream stores
the mean, how many neurons ever fire, and whether the rows of the embedding look wrapped.

{FILES}"""

INSPECT_EXAMPLES = """\
exit code: 0 read, whatever the diagnosis; 4 IN cannot be read

examples:
  python -m {package} inspect runs/seed7
  python -m {package} inspect cumsum_model.pt --token-order wrapped
  python -m {package} inspect cumsum_model.pt --json | jq .diagnosis.accuracy
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `inspect` to the command line."""
    inspect = commands.add_parser(
        "inspect",
        help="say what is in a checkpoint of any kind, and whether it looks right",
        description=INSPECT_HELP.format(package=system.package),
        epilog=INSPECT_EXAMPLES.format(package=system.package),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inspect.set_defaults(command=lambda options: _inspect(options, system))
    inspect.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    add_reading(inspect.add_argument)
    inspect.add_argument("--json", action="store_true", help="print JSON")


def _inspect(options: argparse.Namespace, system: System[Any]) -> int:
    reading = reading_of(options)

    from toy_model.checkpoint.checkpoint import CheckpointError, inspect_checkpoint

    try:
        checkpoint, misreading = inspect_checkpoint(options.checkpoint, system, reading)
    except CheckpointError as error:
        return fail(str(error), code=UNREADABLE)
    lines, plain = system.inspected(checkpoint, misreading)
    print(json.dumps(plain, indent=2, allow_nan=False) if options.json else "\n".join(lines))
    return 0
