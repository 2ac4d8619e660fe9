"""Links from a universality report to the reports of its runs: relative, so that the whole folder can be moved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from pytest_claims.output import PAGE
from pytest_claims.universality.outcome import RUNS
from pytest_claims.universality.runs import Run


class Links:
    """From `out`, where the report is written, to the runs of `folder`."""

    def __init__(self, folder: Path, out: Path, runs: Iterable[Run]) -> None:
        way = Path(os.path.relpath(folder.absolute(), out.absolute())).as_posix()
        self._start = "" if way == "." else f"{quote(way)}/"
        self._linked = {run.name for run in runs if run.linked}

    def page(self, run: Run) -> str | None:
        """The page of a run's report; None if it has none."""
        return self._page(run.name)

    def claim(self, name: str, anchor: str) -> str | None:
        """A claim on the page of the run called `name`."""
        page = self._page(name)
        return None if page is None else f"{page}#{anchor}"

    def _page(self, name: str) -> str | None:
        return f"{self._start}{RUNS}/{quote(name, safe='=,')}/{PAGE}" if name in self._linked else None
