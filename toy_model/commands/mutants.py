"""`mutants`: run every claim on every broken model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown

from toy_model.checkout import CLAIMS, missing, run_claims
from toy_model.system import System

MUTANTS_HELP = """\
Run every claim on every mutant and print the table: X refuted, . survived, ! error.

A mutant is the checkpoint with one thing broken. Every claim should be refuted by at least two,
every mutant be noticed by at least one claim, and those that break nothing (the same parts in
another order or basis) by none but claims that depend on what differs. Whatever falls short is
printed as a hole, and the exit code is 1. Takes {minutes} with -n 2, which uses two
processes; with -k EXPRESSION, which runs only claims that match, as long as those take.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    mutants = commands.add_parser(
        "mutants",
        help="run every claim on every broken model, and show which notices which",
        description=MUTANTS_HELP.format(minutes=system.words.mutants_take),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mutants.set_defaults(command=lambda options: _mutants(options, system))
    mutants.add_argument("--list", action="store_true", help="name the mutants and what each breaks, and run nothing")
    mutants.add_argument(
        "--out", type=a_path, default=Path("runs/matrix.json"), metavar="FILE", help="default: runs/matrix.json"
    )
    mutants.add_argument("--checkpoint", metavar="PATH", help="break this one (default: the one that is shipped)")
    mutants.add_argument("-k", dest="select", metavar="EXPRESSION", help="run only claims that match, as in pytest")
    mutants.add_argument(
        "-n", "--processes", default="1", metavar="N", help='processes, or "auto" (default: 1; needs pytest-xdist)'
    )


def _mutants(options: argparse.Namespace, system: System[Any]) -> int:
    if options.list:
        for kind, mutants in system.mutants().items():
            print(f"{kind.lower()}:")
            for mutant in mutants:
                print(f"  {mutant.__name__:<28} {(mutant.__doc__ or '').splitlines()[0]}")
        return 0
    if options.checkpoint is not None:
        from toy_model.checkpoint.checkpoint import CheckpointError, Misread, read_checkpoint

        try:  # pytest would name options that this command has not
            read_checkpoint(options.checkpoint, system)
        except Misread as error:
            return fail(error.for_conversion, code=UNREADABLE)
        except CheckpointError as error:
            return fail(str(error), code=UNREADABLE)
    if not (CLAIMS / system.name).is_dir():
        return fail(missing(system.name))
    command = ["-q", "--tb=short", "--benchmark-disable", f"--matrix={options.out.absolute()}"]
    if options.checkpoint is not None:
        command.append(f"--checkpoint={Path(options.checkpoint).absolute()}")
    if options.select is not None:
        command += ["-k", options.select]
    command += [] if options.processes == "1" else ["-n", options.processes]
    before = options.out.stat().st_mtime_ns if options.out.is_file() else None
    code = run_claims(system.name, command)
    if options.out.is_file() and options.out.stat().st_size and options.out.stat().st_mtime_ns != before:
        print(f"saved {shown(options.out)}")
    return code
