"""`universality`: put the runs of a sweep together, and say which claims hold whatever the seed."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown

HELP = """\
Say which claims hold whatever the seed: put the runs of a sweep together. No model is trained and no claim is run.

DIR holds a folder for each run, as `sweep` leaves them:
  DIR/runs/NAME/outcome.json   seed, options, how it ended, what is proved of the model
  DIR/runs/NAME/report.json    what its claims measured; a run that diverged has none

Of every claim it says on how many seeds it holds, and of which share of all seeds that is evidence: an exact 95%
interval (Clopper and Pearson). 32 of 32 shows that it holds on 89% of seeds or more.
  universal             holds on every run, and those are 30 or more
  the seed's accident   holds on some and is refuted on others, which are named with what they measured
  refuted everywhere    refuted on every run, and those are 30 or more
  too few runs          all alike, yet fewer than 30
  not decided           in error, or not run, on some run: that never counts as holding

A run that diverged, or cannot be read, counts for no claim and is named in the headline. Runs that were trained with
other options, or verified by another version of the claims, are counted apart.
"""

EXAMPLES = """\
DIR gets, each whole or not at all, and the same bytes for the same runs:
  universality.html            the page; keep it beside runs/, to which it links
  universality.json            all that the page shows (pytest_claims/universality/json.py says in which form)
  universality.parquet         one row for each run, claim, measurement and comparison
  universality-runs.parquet    one row for each run, with exact numbers of sequences

exit code: 0 written, 1 could not be written, 4 there are no runs that can be read

examples:
  %(prog)s sweep
  %(prog)s sweep --out elsewhere
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `universality` to the command line."""
    command = commands.add_parser(
        "universality",
        help="say which claims hold whatever the seed, over the runs of a sweep",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=_universality)
    command.add_argument("folder", type=a_path, metavar="DIR", help="what `sweep --out DIR` filled")
    command.add_argument("--out", type=a_path, metavar="DIR", help="folder to write to (default: that of the runs)")


def _universality(options: argparse.Namespace) -> int:
    try:
        from pytest_claims.universality.folder import PAGE, publish
        from pytest_claims.universality.runs import SweepError
        from pytest_claims.universality.terminal import lines

        import_module("pyarrow")
    except ModuleNotFoundError as error:
        return fail(f"{error}; universality needs: pip install 'pytest-claims[universality]'")

    out: Path = options.out or options.folder
    try:
        result = publish(options.folder, out)
    except SweepError as error:
        return fail(str(error), code=UNREADABLE)
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}", code=1)
    print("\n".join(lines(result)))
    print(f"wrote {shown(out / PAGE)}, and the same as .json and .parquet")
    return 0
