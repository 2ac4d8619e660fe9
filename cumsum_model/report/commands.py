"""`diff`: compare two reports. `render`: make a report's page again. Neither runs a claim."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cumsum_model.console import UNREADABLE, fail
from cumsum_model.files import a_path, shown

if TYPE_CHECKING:
    from cumsum_model.verification.report import Report

DIFF_HELP = """\
Compare two reports, as `pytest claims/ --report=DIR` writes them: what B lost, won or says with less room to
spare than A. The same is printed by `pytest claims/ --baseline=A.json`.

B fails against A over a claim that held and is refuted, or that A has and B has not, or that held and is said
not to be about the model (unless it is about the shipped checkpoint alone), or whose controls survive or no longer
ran. A claim whose source, words or controls changed, or a bound of which leaves more room, is not comparable.
"""

DIFF_EXAMPLES = """\
exit code: 0 nothing was lost, 1 something was, 4 a report cannot be read

examples:
  python -m cumsum_model diff main/report.json report/report.json
  python -m cumsum_model diff main/report.json report/report.json --fail-on-shrink 0.5
"""

RENDER_HELP = """\
Make report.html and report.md again from report.json, without running a claim.

The figures are drawn from the weights that the report stores. Made by the same versions, the files are the
same, byte for byte.
"""

RENDER_EXAMPLES = """\
exit code: 0 written, 1 could not be written, 4 the report cannot be read

example:
  python -m cumsum_model render report/report.json --out elsewhere
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `diff` and `render` to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    diff = commands.add_parser(
        "diff",
        help="compare two reports: what was lost, won, or has less slack",
        description=DIFF_HELP,
        epilog=DIFF_EXAMPLES,
        formatter_class=raw,
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
    render = commands.add_parser(
        "render",
        help="make the page of a report again",
        description=RENDER_HELP,
        epilog=RENDER_EXAMPLES,
        formatter_class=raw,
    )
    render.set_defaults(command=_render)
    render.add_argument("report", type=a_path, metavar="report.json", help="what `pytest claims/ --report=DIR` wrote")
    render.add_argument("--out", type=a_path, metavar="DIR", help="folder to write to (default: that of report.json)")


def _diff(options: argparse.Namespace) -> int:
    from cumsum_model.verification.document import readable

    before, after = _read(options.before), _read(options.after)
    if before is None or after is None:
        return UNREADABLE
    comparison = after.against(before, readable(options.before.as_posix()), options.fail_on_shrink)
    print("\n".join(map(_no_command, comparison.lines())))
    return 1 if comparison.fails else 0


def _render(options: argparse.Namespace) -> int:
    report = _read(options.report, finished=False)
    if report is None:
        return UNREADABLE

    import torch

    from cumsum_model.checkpoint import CheckpointError
    from cumsum_model.report.illustrate import illustrate
    from cumsum_model.verification.document import ReportError
    from cumsum_model.verification.publishing import MARKDOWN, PAGE, rebuild

    torch.set_num_threads(1)
    folder: Path = options.out or options.report.parent
    try:
        rebuild(report, folder, illustrate(report))
    except (CheckpointError, ReportError) as error:
        return fail(f"{options.report}: {error}", code=UNREADABLE)
    except OSError as error:
        return fail(f"--out {str(folder)[:200]}: {error.strerror or error}", code=1)
    print(f"wrote {shown(folder / PAGE)} and {shown(folder / MARKDOWN)}")
    return 0


def _no_command(line: str) -> str:
    """The line such that GitHub Actions, in whose log it may stand, takes it for none of its own commands."""
    line = re.sub(r"\s*\n\s*", " ", line)
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def _read(path: Path, *, finished: bool = True) -> Report | None:
    """The report, or None after saying why it cannot be read."""
    from cumsum_model.verification.document import ReportError, read_report

    try:
        report = read_report(path)
    except ReportError as error:
        fail(str(error), code=UNREADABLE)
        return None
    if finished and report.exit_code is None:
        fail(f"{path}: the run that was to write it has not finished", code=UNREADABLE)
        return None
    return report


def _fraction(text: str) -> float:
    from cumsum_model.verification.baseline import fraction

    try:
        return fraction(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
