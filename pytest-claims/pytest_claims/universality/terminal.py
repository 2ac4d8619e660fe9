"""Universality in a terminal: a table of claims, what refutes them, what is proved of the models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pytest_claims.text import format_number, without_commands
from pytest_claims.universality.findings import Aside, Broken, Finding, Group, Universality
from pytest_claims.universality.interval import percent
from pytest_claims.universality.runs import Run
from pytest_claims.universality.summary import (
    by_margin,
    claims_of,
    group_headline,
    headline,
    not_right,
    notes,
    right_words,
    sequence,
)

COLUMNS = (
    ("claim", 35),
    ("holds", 7),
    ("of seeds", 8),
    ("nearest its bound: least..median..most", 38),
    ("bound", 12),
    ("refuted by", 10),
)
WIDTH = sum(width for _, width in COLUMNS) + 2 * (len(COLUMNS) - 1)
MOST_NAMES = 8
CLAIM, SIDE_BY_SIDE = 49, 5
"""Of the table of several groups: how wide a claim is, and how many groups stand beside each other."""

SMALLEST = 5
"""How many of the smallest margins are shown."""


def lines(result: Universality) -> list[str]:
    """What a terminal shows of a universality report."""
    printed = list(_lines(result))
    return [without_commands(" ".join(line.split("\n")).rstrip()) for line in printed]


def _lines(result: Universality) -> Iterator[str]:
    several = len(result.groups) > 1
    if several:
        yield from _across(result)
    for group in result.groups:
        yield f"== {result.name_of(group) or 'universality'} ".ljust(WIDTH, "=")
        yield from _group(group, with_table=not several)
        yield ""
    runs = not_right(result)
    if runs:
        yield "not proved right on every sequence:"
        for run in runs:
            yield f"  {run.name}: {_right(run)}"
    margins = by_margin(result.counted)
    if margins:
        yield f"smallest margins in logits, of {len(margins)}, with a sequence that has it or comes close:"
        for run, margin in margins[:SMALLEST]:
            assert run.outcome is not None
            assert run.outcome.proved is not None
            holds, about = claims_of(run)
            hardest = sequence(run.outcome.proved.hardest)
            yield f"  {run.name:<24} {margin:+.6f}   claims {holds}/{about}   {hardest}"
    for note in notes(result):
        yield f"{'  ' if note.good else '! '}{note.text}"
    yield headline(result)


def _right(run: Run) -> str:
    assert run.outcome is not None
    proved = run.outcome.proved
    if proved is None:
        return f"nothing is proved of it: {run.outcome.unproved}"
    sentence = f"right everywhere: {right_words(proved.right_everywhere, proved.sequences)}"
    return sentence if proved.wrong is None else f"{sentence}; a wrong one: {sequence(proved.wrong)}"


def _across(result: Universality) -> Iterator[str]:
    """On how many runs of each group each claim holds, as many groups beside each other as fit."""
    for first in range(0, len(result.groups), SIDE_BY_SIDE):
        groups = result.groups[first : first + SIDE_BY_SIDE]
        wide = (WIDTH - CLAIM) // SIDE_BY_SIDE - 2
        yield "  ".join(
            ["claim holds on".ljust(CLAIM), *(_cut(result.name_of(group), wide).ljust(wide) for group in groups)]
        )
        for section, rows in groupby(result.across(), key=lambda row: next(filter(None, row)).section):
            yield f"-- {section} ".ljust(WIDTH, "-")[:WIDTH]
            for row in rows:
                statement = next(filter(None, row)).statement
                counts = [
                    "-" if f is None else f"{f.tally.holds}/{f.tally.n}" for f in row[first : first + SIDE_BY_SIDE]
                ]
                cells = [_cut(statement, CLAIM).ljust(CLAIM), *(count.ljust(wide) for count in counts)]
                yield "  ".join(cells).rstrip()
        yield ""


def _group(group: Group, *, with_table: bool) -> Iterator[str]:
    if group.claims and with_table:
        yield _row([heading for heading, _ in COLUMNS])
        for section, findings in groupby(group.claims, key=lambda finding: finding.section):
            yield f"-- {section} ".ljust(WIDTH, "-")[:WIDTH]
            for finding in findings:
                yield _row(_cells(finding))
        yield ""
    for finding in group.claims:
        if not finding.holds_on_all or finding.failing:
            yield from _at_length(finding)
            yield ""
    if group.errata:
        yield _errata(group)
        for finding in group.errata:
            if finding.tally.refuted or finding.tally.undecided or finding.failing:
                yield from _at_length(finding)
    if group.about_one:
        yield _about_one(group)
    for finding in group.about_none:
        reasons = "; ".join(aside.reason for aside in finding.not_about)
        yield f"about none of these models: {finding.statement} ({reasons})"
    yield group_headline(group)


def _cells(finding: Finding) -> list[str]:
    tally = finding.tally
    spread = finding.tightest
    cells = ["", ""] if spread is None else [spread.values_text, spread.bound_text]
    seeds = ", ".join(str(broken.seed) for broken in finding.broken)
    if tally.undecided or finding.failing:
        seeds = f"{seeds} (!)".lstrip()
    interval = "" if finding.interval is None else percent(finding.interval, "..")
    return [finding.statement, f"{tally.holds}/{tally.n}", interval, *cells, seeds]


def _row(cells: list[str]) -> str:
    return "  ".join(_cut(cell, width).ljust(width) for cell, (_, width) in zip(cells, COLUMNS, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _at_length(finding: Finding) -> Iterator[str]:
    yield f"{finding.verdict}: {finding.statement}"
    for broken in finding.broken[:MOST_NAMES]:
        yield f"  refuted by {broken.run}: {broken_words(broken)}"
    if len(finding.broken) > MOST_NAMES:
        yield f"  and by {', '.join(broken.run for broken in finding.broken[MOST_NAMES:])}"
    for aside in (*finding.undecided, *finding.failing):
        yield f"  {aside.what} on {names(aside)}: {aside.reason}"


def broken_words(broken: Broken) -> str:
    """What a run measured that refutes a claim, against the bound."""
    measured = ", ".join(
        f"{name} {format_number(value)} {unit}".rstrip() + f" not {operator} {bound}"
        for name, value, unit, operator, bound, _ in broken.measured
    )
    return measured or broken.reason


def names(aside: Aside) -> str:
    """The runs that say the same, not more than fit."""
    more = len(aside.runs) - MOST_NAMES
    return ", ".join(aside.runs[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _errata(group: Group) -> str:
    """On how many runs each published statement that is false of the shipped checkpoint is refuted as published."""
    about = [finding for finding in group.errata if finding.tally.n]
    cells = [f"{finding.tally.holds} of {finding.tally.n}" for finding in about]
    line = f"errata refuted as published on: {', '.join(cells)} runs" if about else ""
    rest = len(group.errata) - len(about)
    if rest:
        line += f"{'; ' * bool(about)}{rest} errata are about none of these models"
    return line


def _about_one(group: Group) -> str:
    """Claims about one checkpoint alone, in one line."""
    applying = [finding for finding in group.about_one if finding.tally.n]
    line = f"{len(group.about_one)} more claims are about the shipped checkpoint alone and count for nothing here"
    if applying:
        good = sum(finding.holds_on_all for finding in applying)
        line += f"; that checkpoint is among the runs, and {good} of {len(applying)} hold on it"
    return line
