"""`python -m cumsum_model`: train, verify, read, break and prove checkpoints, and compare reports."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pytest_claims.commands import diff, universality
from pytest_claims.commands.failure import UNREADABLE, fail

from cumsum_model.commands import certify, check
from cumsum_model.system import SYSTEM
from toy_model.checkpoint.refusal import CheckpointError
from toy_model.commands import convert, inspect, mutants, render, sweep, train, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly, 4 cannot be read, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {SYSTEM.package}",
        description=f"{SYSTEM.title.capitalize()}: train one checkpoint or many, verify, inspect, convert or prove "
        "one, compare reports.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    train.add_command(commands, SYSTEM)
    verify.add_command(commands, SYSTEM)
    sweep.add_command(commands, SYSTEM)
    universality.add_command(commands)
    inspect.add_command(commands, SYSTEM)
    convert.add_command(commands, SYSTEM)
    mutants.add_command(commands, SYSTEM)
    certify.add_command(commands)
    check.add_command(commands)
    diff.add_command(commands)
    render.add_command(commands, SYSTEM)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [verify.VERIFY] and not {"-h", "--help"} & set(words):
        return verify.verify(words[1:], SYSTEM)
    options = parser.parse_args(words)
    try:
        code: int = options.command(options)
    except CheckpointError as error:  # of the shipped one, say, which a command needs beside the one that it was given
        return fail(str(error), code=UNREADABLE)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
