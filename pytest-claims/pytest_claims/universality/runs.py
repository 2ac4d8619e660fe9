"""A folder of runs, read: what each run came to, and what could not be read and why.

Nothing is dropped: a run that cannot count keeps its place, with the reason in one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_claims.output import DOCUMENT, PAGE
from pytest_claims.output.html import anchors
from pytest_claims.output.json import ReportError, read_report
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult
from pytest_claims.text import readable
from pytest_claims.universality.outcome import OUTCOME_FILE, RUNS, Ending, Outcome, OutcomeError, read_outcome


class SweepError(ValueError):
    """A folder holds no runs to put together. The message is one line that names it."""


@dataclass(frozen=True)
class Run:
    """One folder in `runs/`. It is counted where it has a report, diverged or unread where it has none.

    name     the folder's
    outcome  what was kept of it; None if that cannot be read
    report   of its claims; None if it diverged or cannot be read
    why      why it counts for no claim, in one line; empty if it counts
    linked   whether there is a page to link to
    """

    name: str
    outcome: Outcome | None
    report: Report | None = None
    why: str = ""
    linked: bool = False

    @property
    def diverged(self) -> bool:
        return self.outcome is not None and self.outcome.ending == Ending.DIVERGED

    @property
    def unread(self) -> bool:
        return self.report is None and not self.diverged

    @cached_property
    def results(self) -> dict[str, ClaimResult]:
        """The claims of its report, by id."""
        return {} if self.report is None else {result.claim: result for result in self.report.claims}

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Where each claim stands on the page of its report."""
        return {} if self.report is None else anchors(self.report.claims)


def read_runs(folder: Path) -> list[Run]:
    """The runs of a sweep, by what was varied and then by seed.

    Raises SweepError where there is no folder `runs` to read, or none of its runs can be read as one.
    """
    runs_folder = folder / RUNS
    shown = readable(str(folder))[:300]
    try:
        names = sorted(entry.name for entry in runs_folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise SweepError(f"{shown}: has no folder {RUNS!r} that can be read ({error.strerror or error})") from None
    runs = _without_copies([read_run(runs_folder / name) for name in names])
    if not any(run.outcome for run in runs):
        why = f"; the first: {runs[0].why}" if runs else ""
        raise SweepError(f"{shown}: none of the {len(runs)} folders in {RUNS!r} is a run that can be read{why}")
    return sorted(runs, key=_order)


def read_run(folder: Path) -> Run:
    """The run in a folder, whatever is in it: what is wrong with it is in `why`."""
    name = readable(folder.name)
    try:
        outcome = _checked(folder / OUTCOME_FILE, read_outcome(folder / OUTCOME_FILE))
    except OutcomeError as error:
        missing = not (folder / OUTCOME_FILE).exists()
        problem = (
            f"it has no {OUTCOME_FILE}: it was stopped, or still goes on" if missing else _of_its(OUTCOME_FILE, error)
        )
        return Run(name, None, why=problem)
    if outcome.name != folder.name:
        return Run(name, None, why=f"its {OUTCOME_FILE} is of the run {readable(outcome.name)[:100]!r}")
    outcome = _readable(outcome)
    if outcome.ending == Ending.DIVERGED:
        return Run(name, outcome, why=" ".join(outcome.reason.split()) or "it diverged")
    linked = (folder / PAGE).is_file() and name == folder.name
    try:
        report = read_report(folder / DOCUMENT)
    except ReportError as error:
        return Run(name, outcome, why=_of_its(DOCUMENT, error), linked=linked)
    why = _unusable(outcome, report)
    return Run(name, outcome, None if why else report, why, linked)


def _of_its(file: str, error: ValueError) -> str:
    """What is wrong with a file of a run, without the folder that it happens to lie in."""
    return f"its {file}: {readable(str(error)).rpartition(f'{file}: ')[2]}"


def _unusable(outcome: Outcome, report: Report) -> str:
    """Why a report says nothing of a run."""
    if report.exit_code is None:
        return f"its {DOCUMENT} was begun and never finished"
    if report.subject.sha256 != outcome.sha256:
        return f"its {DOCUMENT} is about another model than its {OUTCOME_FILE}"
    if not any(result.checkpoint for result in report.claims):
        return f"its {DOCUMENT} holds no claim that ran on the model"
    return ""


def _without_copies(runs: Iterable[Run]) -> list[Run]:
    """The same recipe counts once: a seed that counted twice would be taken for two."""
    seen: dict[str, str] = {}
    kept = []
    for run in runs:
        if run.outcome is not None:
            key = json.dumps(
                [run.outcome.suite, run.outcome.seed, dict(run.outcome.varied), dict(run.outcome.recipe)],
                sort_keys=True,
            )
            if key in seen:
                run = replace(run, outcome=None, report=None, why=f"it is the same seed and options as {seen[key]}")
            seen.setdefault(key, run.name)
        kept.append(run)
    return kept


def _checked(path: Path, outcome: Outcome) -> Outcome:
    """The outcome, once what will be calculated with and shown is of the kind that it should be."""
    whole_or_none = (outcome.exit_code, outcome.kept_epoch)
    proved = outcome.proved
    fits = {
        "exit_code and kept_epoch": all(number is None or isinstance(number, int) for number in whole_or_none),
        "reason and unproved": isinstance(outcome.reason, str) and isinstance(outcome.unproved, str),
        "sha256": outcome.sha256 is None or isinstance(outcome.sha256, str),
        "varied": all(isinstance(value, int | float) and _finite(value) for value in outcome.varied.values()),
        "seed": not isinstance(outcome.seed, bool),
        "proved": proved is None
        or (
            not math.isnan(proved.smallest_margin)
            and _bounds(proved.right_at_end, proved.sequences)
            and _bounds(proved.right_everywhere, proved.sequences)
        ),
    }
    for part, right in fits.items():
        if not right:
            raise OutcomeError(f"{path}: is not the outcome of a run (its {part} cannot be that)")
    return outcome


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floating point numbers, which no option takes
        return False


def _bounds(interval: tuple[int, int], most: int) -> bool:
    return 0 <= interval[0] <= interval[1] <= most and most > 0


def _readable(outcome: Outcome) -> Outcome:
    """The outcome with its texts such that they can be shown."""
    return replace(
        outcome,
        name=readable(outcome.name),
        varied={readable(option): value for option, value in outcome.varied.items()},
        suite=readable(outcome.suite),
        reason=readable(outcome.reason),
        sha256=None if outcome.sha256 is None else readable(outcome.sha256),
        unproved=readable(outcome.unproved),
    )


def _order(run: Run) -> tuple[Any, ...]:
    if run.outcome is None:
        return (1, [], "", 0, run.name)
    return (0, sorted(run.outcome.varied.items()), run.outcome.suite, run.outcome.seed, run.name)
