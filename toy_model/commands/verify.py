"""`verify`: the claims about a checkpoint, run by pytest with this project's configuration from any folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pytest_claims.commands.failure import fail

from toy_model.checkout import CLAIMS, missing, run_claims
from toy_model.commands.shared import released
from toy_model.system import System

VERIFY = "verify"

VERIFY_HELP = """\
Run every claim on a checkpoint, and every control of it: the verdicts of `pytest claims/`, from any folder.

PATH is a file of any kind that `inspect` reads, or a folder that `train` wrote; without it the shipped checkpoint is
verified. Everything after PATH goes to pytest as it stands:
  --report=DIR        write report.html, report.json and report.md to DIR, whatever the verdict
  --baseline=FILE     fail if a claim was lost that held in the report.json of an earlier run
  {reading}, --device, --no-controls, -k EXPRESSION, -n 2, ...
                      all that `pytest --help` tells in the project's folder

pytest has its configuration and root folder from this project: no pytest.ini, conftest.py or module that lies around
the checkpoint, or in the folder that this is run in, has a part in it, nor has PYTEST_ADDOPTS. In a folder that
others may write to, `{command} verify PATH` is the same without Python looking there for modules.
"""

VERIFY_EXAMPLES = """\
exit code: 0 all claims hold, and each was shown to fail where it is false; 1 they do not; 2 interrupted; 4 the
checkpoint cannot be read

examples:
  python -m {package} verify runs/seed7
  python -m {package} verify {released}
  python -m {package} verify runs/seed7 --report=new --baseline=old/report.json
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `verify` to the help. It is never parsed, since its options are those of pytest."""
    reading = "--token-order, --n-heads" if system.token_orders else "--n-heads"
    command = system.package.replace("_", "-")
    parser = commands.add_parser(
        VERIFY,
        help="run the claims about a checkpoint",
        usage=f"python -m {system.package} verify [PATH] [option of pytest ...]",
        description=VERIFY_HELP.format(reading=reading, command=command),
        epilog=VERIFY_EXAMPLES.format(package=system.package, released=released(system, "=")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", nargs="?", metavar="PATH", help="default: the checkpoint that is shipped")


def verify(arguments: Sequence[str], system: System[Any] | None = None) -> int:
    """Run pytest on the claims of a system, or of all. `arguments` are those after `verify`.

    The first is the checkpoint, unless it is an option.
    """
    folder = system.name if system is not None else ""
    if not (CLAIMS / folder).is_dir():
        return fail(missing(folder))
    options = list(arguments)
    if options and not options[0].startswith("-"):
        options[0] = f"--checkpoint={options[0]}"
    return run_claims(folder, options)
