"""`history`: put any number of reports in a row, and say which claim held when. No claim is run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown
from pytest_claims.text import readable

if TYPE_CHECKING:
    from pytest_claims.report.history import Entry

REPORT = "report.json"

HELP = """\
Say which claim held when: put reports in a row, as `pytest claims/ --claims-report=DIR` writes them, and print a row
for each claim with a character for each report, then a sentence for each claim that changed.

PATH is a report, or a folder: then every report.json below it counts. They stand in the order of their paths, seed9
before seed10, or with --by time in that in which they were written. A report that cannot be read is named on standard
error and left out.
"""

EXAMPLES = """\
a claim in a report:
  +      as it should be: it holds, or it is refuted where it has to be
  X      not as it should be
  ?      as it should be, but not shown to be able to fail: a control survived, or no control breaks an assertion
  ~      a known limit
  !      in error
  .      not run, or not in this report
  blank  not about the model

exit code: 0 done, 1 --html could not be written, 4 no report can be read

examples:
  %(prog)s reports/
  %(prog)s nightly/ --by time --html history.html
  %(prog)s main/report.json report/report.json
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `history` to the command line."""
    command = commands.add_parser(
        "history",
        help="put reports in a row: which claim held when",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=_history)
    command.add_argument("paths", type=a_path, nargs="+", metavar="PATH", help="report.json, or a folder with reports")
    command.add_argument(
        "--by", choices=("name", "time"), default="name", help="order: by path, or by time of writing (default: name)"
    )
    command.add_argument("--html", type=a_path, metavar="FILE", help="write the same as a page, too")


def _history(options: argparse.Namespace) -> int:
    entries = _read(_ordered(list(_reports(options.paths)), options.by))
    if not entries:
        return fail("there is no report that can be read", code=UNREADABLE)

    from pytest_claims.files import write_whole
    from pytest_claims.output.history import lines, render_history
    from pytest_claims.report.history import History
    from pytest_claims.text import without_commands

    history = History(tuple(entries))
    print("\n".join(map(without_commands, lines(history))))
    if options.html is not None:
        try:
            write_whole(options.html, render_history(history).encode())
        except OSError as error:
            return fail(f"--html {str(options.html)[:200]}: {error.strerror or error}")
        print(f"\nwrote {shown(options.html)}")
    return 0


def _reports(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that the paths name and those below them, each once."""
    seen = set()
    for path in paths:
        for file in path.rglob(REPORT) if path.is_dir() else [path]:
            known = os.path.realpath(file)
            if known not in seen:
                seen.add(known)
                yield file


def _ordered(files: list[Path], by: str) -> list[Path]:
    from pytest_claims.report.history import in_order

    ordered = [files[i] for i in in_order([file.as_posix() for file in files])]
    return sorted(ordered, key=_time) if by == "time" else ordered


def _time(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except (OSError, ValueError):
        return 0  # it cannot be read either, and that will be said


def _read(files: Sequence[Path]) -> list[Entry]:
    """The reports that can be read and whose runs have finished; the others are named."""
    from pytest_claims.output.json import ReportError, read_report
    from pytest_claims.report.history import Entry

    entries = []
    for file in files:
        try:
            report = read_report(file)
        except ReportError as error:
            print(f"left out: {shown(error)}", file=sys.stderr)
            continue
        if report.exit_code is None:
            print(f"left out: {shown(file)}: the run that was to write it has not finished", file=sys.stderr)
            continue
        entries.append(Entry(readable(file.as_posix()), report))
    return entries
