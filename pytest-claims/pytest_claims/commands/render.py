"""`render`: make a report's page again. No claim is run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.commands.reading import read_or_fail
from pytest_claims.files import a_path, shown

if TYPE_CHECKING:
    from pytest_claims.drawing.figure import Illustrations
    from pytest_claims.report.report import Report

HELP = """\
Make report.html and report.md again from report.json, without running a claim.

Made by the same versions, the files are the same, byte for byte, but for figures that only the suite can draw.
"""

EXAMPLES = """\
exit code: 0 written, 1 could not be written, 4 the report cannot be read

example:
  %(prog)s report/report.json --out elsewhere
"""


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    illustrate: Callable[[Report], Illustrations] | None = None,
    description: str = HELP,
) -> None:
    """Add `render` to the command line.

    illustrate: what a suite draws of a report. A ValueError of its own says that the report does not hold what that
    takes.
    """
    render = commands.add_parser(
        "render",
        help="make the page of a report again",
        description=description,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    render.set_defaults(command=lambda options: _render(options, illustrate))
    render.add_argument("report", type=a_path, metavar="report.json", help="what a run with --claims-report=DIR wrote")
    render.add_argument("--out", type=a_path, metavar="DIR", help="folder to write to (default: that of report.json)")


def _render(options: argparse.Namespace, illustrate: Callable[[Report], Illustrations] | None) -> int:
    report = read_or_fail(options.report, finished=False)
    if report is None:
        return UNREADABLE

    from pytest_claims.drawing.figure import Illustrations
    from pytest_claims.output import MARKDOWN, PAGE
    from pytest_claims.output.folder import rebuild

    folder: Path = options.out or options.report.parent
    try:
        rebuild(report, folder, Illustrations() if illustrate is None else illustrate(report))
    except ValueError as error:
        return fail(f"{options.report}: {error}", code=UNREADABLE)
    except OSError as error:
        return fail(f"--out {str(folder)[:200]}: {error.strerror or error}", code=1)
    print(f"wrote {shown(folder / PAGE)} and {shown(folder / MARKDOWN)}")
    return 0
