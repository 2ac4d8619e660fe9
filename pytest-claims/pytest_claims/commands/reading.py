"""Reports that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail

if TYPE_CHECKING:
    from pytest_claims.report.report import Report


def read_or_fail(path: Path, *, finished: bool = True) -> Report | None:
    """The report in a file, or None after saying why it cannot be read."""
    from pytest_claims.output.json import ReportError, read_report

    try:
        report = read_report(path)
    except ReportError as error:
        fail(str(error), code=UNREADABLE)
        return None
    if finished and report.exit_code is None:
        fail(f"{path}: the run that was to write it has not finished", code=UNREADABLE)
        return None
    return report
