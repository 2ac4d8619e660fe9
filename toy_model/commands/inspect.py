"""`inspect`: what is in a checkpoint of any kind, and whether it looks right."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import shown

from toy_model.commands.shared import add_reading, files_read, paragraph, reading_of, released
from toy_model.system import System

if TYPE_CHECKING:
    from toy_model.checkpoint.refusal import NotThisModel

MOST_LINES = 300
"""Tensors of another model that are listed one by one."""

INSPECT_HELP = """\
Say what is in a checkpoint: format, sizes, every tensor, where it comes from, what is taken for granted because no
file says it. Then a first diagnosis: {diagnosis}. Of a file whose tensors are those of another model they are listed,
and why it is not this one."""

INSPECT_EXAMPLES = """\
exit code: 0 read, whatever the diagnosis; 4 IN cannot be read, or is another model

examples:
  python -m {package} inspect runs/seed7
  python -m {package} inspect {released}
  python -m {package} inspect runs/seed7 --json | jq .diagnosis.accuracy
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `inspect` to the command line."""
    inspect = commands.add_parser(
        "inspect",
        help="say what is in a checkpoint of any kind, and whether it looks right",
        description=f"{paragraph(INSPECT_HELP.format(diagnosis=system.words.diagnosis))}\n\n{files_read(system)}",
        epilog=INSPECT_EXAMPLES.format(package=system.package, released=released(system)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inspect.set_defaults(command=lambda options: _inspect(options, system))
    inspect.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    add_reading(inspect.add_argument, system)
    inspect.add_argument("--json", action="store_true", help="print JSON")


def _inspect(options: argparse.Namespace, system: System[Any]) -> int:
    reading = reading_of(options)

    from toy_model.checkpoint.checkpoint import CheckpointError, NotThisModel, inspect_checkpoint

    try:
        checkpoint, misreading = inspect_checkpoint(options.checkpoint, system, reading)
    except NotThisModel as error:
        print(json.dumps(_foreign_as_json(error), indent=2) if options.json else "\n".join(_foreign_as_text(error)))
        return fail(str(error), code=UNREADABLE)
    except CheckpointError as error:
        return fail(str(error), code=UNREADABLE)
    lines, plain = system.inspected(checkpoint, misreading)
    print(json.dumps(plain, indent=2, allow_nan=False) if options.json else "\n".join(lines))
    return 0


def _foreign_as_text(foreign: NotThisModel) -> list[str]:
    """The tensors of a file that is of another model."""
    n_numbers = sum(math.prod(shape) for shape, _ in foreign.tensors.values())
    width = min(60, max((len(shown(name)) for name in foreign.tensors), default=0))
    lines = [f"read as    {foreign.format}", *(f"           {note}" for note in foreign.notes), ""]
    lines.append(f"{len(foreign.tensors):,} tensors, {n_numbers:,} numbers")
    for name, (shape, dtype) in list(foreign.tensors.items())[:MOST_LINES]:
        lines.append(f"  {shown(name)[:200]:<{width}} {list(shape)} {dtype}")
    more = len(foreign.tensors) - MOST_LINES
    return [*lines, f"  and {more:,} more"] if more > 0 else lines


def _foreign_as_json(foreign: NotThisModel) -> dict[str, Any]:
    return {
        "format": foreign.format,
        "notes": list(foreign.notes),
        "tensors": {name: {"shape": list(shape), "dtype": dtype} for name, (shape, dtype) in foreign.tensors.items()},
        "refused": str(foreign),
    }
