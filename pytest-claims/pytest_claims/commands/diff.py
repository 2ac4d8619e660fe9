"""`diff`: compare two reports. No claim is run."""

from __future__ import annotations

import argparse
import re

from pytest_claims.commands.failure import UNREADABLE
from pytest_claims.commands.reading import read_or_fail
from pytest_claims.files import a_path
from pytest_claims.text import readable

HELP = """\
Compare two reports, as `pytest claims/ --claims-report=DIR` writes them: what B lost, won or says with less room to
spare than A. The same is printed by `pytest claims/ --claims-baseline=A.json`.

B fails against A over a claim that held and is refuted, or that A has and B has not, or that held and is said
not to be about the model (unless it is about the single checkpoint), or whose controls survive or no longer
ran. A claim whose source, words or controls changed, or a bound of which leaves more room, is not comparable.
"""

EXAMPLES = """\
exit code: 0 nothing was lost, 1 something was, 4 a report cannot be read

examples:
  %(prog)s main/report.json report/report.json
  %(prog)s main/report.json report/report.json --fail-on-shrink 0.5
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `diff` to the command line."""
    diff = commands.add_parser(
        "diff",
        help="compare two reports: what was lost, won, or has less slack",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    diff.set_defaults(command=_diff)
    diff.add_argument("before", type=a_path, metavar="A.json", help="the baseline")
    diff.add_argument("after", type=a_path, metavar="B.json", help="what is compared with it")
    diff.add_argument(
        "--fail-on-shrink",
        metavar="FRACTION",
        type=_fraction,
        help="fail if a slack shrank by more than this share of what it was (default: say so from 0.5 on, do not fail)",
    )


def _diff(options: argparse.Namespace) -> int:
    before, after = read_or_fail(options.before), read_or_fail(options.after)
    if before is None or after is None:
        return UNREADABLE
    comparison = after.against(before, readable(options.before.as_posix()), options.fail_on_shrink)
    print("\n".join(map(_no_command, comparison.lines())))
    return 1 if comparison.fails else 0


def _no_command(line: str) -> str:
    """The line such that GitHub Actions, in whose log it may stand, takes it for none of its own commands."""
    line = re.sub(r"\s*\n\s*", " ", line)
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def _fraction(text: str) -> float:
    from pytest_claims.report.baseline import fraction

    try:
        return fraction(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
