"""The command line of a system: `python -m PACKAGE COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pytest_claims.commands import diff, universality
from pytest_claims.commands.failure import UNREADABLE, fail

from toy_model.checkpoint.refusal import CheckpointError
from toy_model.commands import convert, inspect, mutants, render, sweep, train, verify
from toy_model.system import System

AddCommand = Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], None]


def run(
    system: System[Any], in_short: str, arguments: Sequence[str] | None = None, own: Sequence[AddCommand] = ()
) -> int:
    """Run one command: of those that every system has, or of `own`, which add themselves.

    Returns the exit code: 0 done, 1 failed, 2 called wrongly, 4 cannot be read, 130 interrupted.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {system.package}", description=f"{system.title.capitalize()}: {in_short}."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    train.add_command(commands, system)
    verify.add_command(commands, system)
    sweep.add_command(commands, system)
    universality.add_command(commands)
    inspect.add_command(commands, system)
    convert.add_command(commands, system)
    mutants.add_command(commands, system)
    for add_command in own:
        add_command(commands)
    diff.add_command(commands)
    render.add_command(commands, system)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [verify.VERIFY] and not {"-h", "--help"} & set(words):
        return verify.verify(words[1:], system)
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
