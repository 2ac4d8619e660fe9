"""The verification report in the terminal: one block a claim, then one line that sums up."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby

import pytest
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pytest_claims.interval import clopper_pearson
from pytest_claims.measure import Measurement, format_interval, format_value
from pytest_claims.report.baseline import Comparison
from pytest_claims.report.report import Report
from pytest_claims.report.summary import Tone
from pytest_claims.results import ClaimResult, Record
from pytest_claims.text import format_number, short_name, without_commands
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict

WIDTH = 100
VERDICT_WIDTH = 10

STYLES = {
    Verdict.HOLDS: "bold green",
    Verdict.REFUTED: "bold red",
    Verdict.SURVIVED: "bold red",
    Verdict.AS_PUBLISHED: "bold green",
    Verdict.STANDS: "bold red",
    Verdict.LOSES: "bold green",
    Verdict.WINS: "bold red",
    Verdict.LIMIT: "yellow",
    Verdict.UNCONFIRMED: "bold red",
    Verdict.ERROR: "bold red",
    Verdict.NOT_ABOUT: "yellow",
    Verdict.NOT_RUN: "bold red",
    Verdict.NOT_SELECTED: "yellow",
    Verdict.TIMED: "cyan",
}

COLOURS = {Tone.GOOD: "green", Tone.PARTIAL: "yellow", Tone.BAD: "red", Tone.UNFINISHED: "red"}


def print_report(terminal: pytest.TerminalReporter, report: Report) -> None:
    """Write the report to pytest's terminal, with colour where pytest uses colour."""
    width = WIDTH
    if terminal.isatty:
        width = max(60, min(WIDTH, terminal._tw.fullwidth))
    text = render(report, width=width, colour=terminal.hasmarkup)
    terminal.write_line("")
    for line in text.splitlines():  # one at a time, so that a character that cannot be written spoils one line
        terminal.write_line(without_commands(line))


def print_counts(terminal: pytest.TerminalReporter, reports: Sequence[Report]) -> None:
    """Of every claim on how many of several checkpoints it holds, and of which share of all such that is evidence."""
    terminal.write_line("")
    terminal.write_sep("=", "over all checkpoints")
    for suite in dict.fromkeys(report.suite for report in reports):
        of_suite = [report for report in reports if report.suite == suite]
        if len(of_suite) > 1:
            for line in counts(of_suite):
                terminal.write_line(without_commands(line))


def counts(reports: Sequence[Report]) -> list[str]:
    """A line for each claim: on how many of the checkpoints that it is about it holds, with the exact 95% interval."""
    lines = [f"{len(reports)} checkpoints; in brackets the exact 95% interval of the share on which a claim holds"]
    results: dict[str, list[tuple[str, ClaimResult]]] = {}
    for report in reports:
        for result in report.claims:
            results.setdefault(result.claim, []).append((report.model, result))
    width = max((len(short_name(claim)) for claim in results), default=0)
    for claim, each in results.items():
        about = [(model, result) for model, result in each if result.verdict != Verdict.NOT_ABOUT]
        good = [model for model, result in about if result.verdict in (Verdict.HOLDS, *_AS_IT_SHOULD)]
        line = f"{short_name(claim):{width}}  {len(good)}/{len(about)}"
        if about:
            line += f"  {format_interval(clopper_pearson(len(good), len(about)))}"
        others = [f"{model}: {result.verdict}" for model, result in about if model not in good]
        lines.append(line + (f"  {', '.join(others)}" if others else ""))
    return lines


_AS_IT_SHOULD = (Verdict.AS_PUBLISHED, Verdict.LOSES)


def render(report: Report, *, width: int = WIDTH, colour: bool = False) -> str:
    """The whole report as text."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        force_jupyter=False,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    console.print(Rule("verification report", style="bold", characters="="))
    if report.line:
        console.print(Text(report.line))
    console.print()
    for section, group in groupby(report.claims, key=lambda claim: claim.records[0].section):
        console.print(_heading(section, width))
        for result in group:
            console.print(_claim(result, report.controls_left_out))
    if report.timings:
        console.print(_heading(report.timings[0].section, width))
        for record in report.timings:
            console.print(_timing(record))
    if report.comparison is not None:
        console.print(_comparison(report.comparison))
    for sentence in report.left_out:
        console.print(Text(f"not the whole suite: {sentence}", style="yellow"))
    console.print(Text(report.summary, style=f"bold {COLOURS[report.tone]}"))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _comparison(comparison: Comparison) -> RenderableType:
    """The comparison with a baseline, one difference after the other."""
    heading, *lines = comparison.lines()
    told = [Text(heading, style="bold red" if comparison.fails else "bold")]
    told += [Text(line, style="red" if line.startswith("FAILS") else "") for line in lines]
    return Padding(Group(*told), (0, 0, 1, 0))


def _heading(section: str, width: int) -> Text:
    return Text(f"-- {section} ".ljust(width, "-"), style="bold", no_wrap=True, overflow="crop")


def _claim(result: ClaimResult, controls_left_out: bool) -> RenderableType:
    first = result.records[0]
    checkpoint = result.checkpoint
    body: list[RenderableType] = [Text(result.statement, style="bold")]
    depends = f"depends on: {', '.join(first.depends_on)}" if first.depends_on else ""
    over = ", ".join(filter(None, [first.evidence, f"over {first.over}" if first.over else ""]))
    origin = "; ".join(filter(None, [over, first.source, depends]))
    if origin:
        body.append(Text(origin, style="dim"))
    if checkpoint is None:
        body.append(Text("the checkpoint itself was not selected", style="yellow"))
    else:
        if checkpoint.measurements:
            body.append(_measurements(checkpoint.measurements, broken=_broken(result)))
        # "assert 0.9 < 0.001" is what the row above says already; a message of the claim's own is not.
        if checkpoint.reason and not checkpoint.reason.startswith("assert "):
            body.append(Text(checkpoint.reason, style=STYLES[checkpoint.verdict]))
    if result.verdict != Verdict.NOT_ABOUT and result.n_controls:
        body.append(_controls(result, controls_left_out))
    return _block(result.verdict, Group(*body))


def _timing(record: Record) -> RenderableType:
    body: list[RenderableType] = [Text(f"{record.statement}; {record.over}", style="bold")]
    if record.measurements:
        figures = (f"{m.name} {format_value(m)}" for m in record.measurements)
        body.append(Text("   ".join(figures)))
    if record.reason:
        body.append(Text(f"{record.verdict}: {record.reason}", style=STYLES[record.verdict]))
    return _block(record.verdict, Group(*body))


def _block(verdict: Verdict, body: RenderableType) -> RenderableType:
    words = {
        Verdict.NOT_ABOUT: "N/A",
        Verdict.NOT_RUN: "NOT RUN",
        Verdict.AS_PUBLISHED: "ERRATUM",
        Verdict.NOT_SELECTED: "CONTROLS",
        Verdict.LIMIT: "LIMIT",
    }
    grid = Table.grid(padding=0, expand=True)
    grid.add_column(width=VERDICT_WIDTH)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(words.get(verdict, verdict.upper()), style=STYLES[verdict]), body)
    return Padding(grid, (0, 0, 1, 0))


def _broken(result: ClaimResult) -> str:
    """The style of a comparison that does not hold: red, unless that is what has to be, or a limit that is known."""
    return "red" if not result.good else "yellow" if result.verdict == Verdict.LIMIT else ""


def _measurements(measurements: Sequence[Measurement], *, broken: str) -> Table:
    """One row a comparison: what was measured, the value, the bound, the distance kept from it.

    broken: the style of comparisons that do not hold.
    """
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right", min_width=11, no_wrap=True)
    table.add_column(min_width=11, no_wrap=True)
    table.add_column(min_width=15, no_wrap=True)
    for measurement in measurements:
        name = measurement.name + (f" (worst of {measurement.times:,})" if measurement.times > 1 else "")
        value = format_value(measurement)
        if measurement.published is not None:
            name += f" (published {format_number(measurement.published)})"
        if not measurement.comparisons:
            table.add_row(Text(name), Text(value), Text(""), Text(""))
        for comparison in measurement.comparisons:
            style = "" if comparison.holds else broken
            table.add_row(
                Text(name, style=style),
                Text(value, style=style),
                Text(f"{comparison.operator} {comparison.bound}", style=style),
                Text(f"slack {format_number(comparison.slack)}", style=style),
            )
    return table


def _controls(result: ClaimResult, controls_left_out: bool) -> RenderableType:
    if controls_left_out:
        return Text("controls left out (--no-controls)", style="yellow")
    if not result.controls:
        return Text("controls not selected", style="yellow")
    n_controls = result.n_due_controls
    controls = [_told(record) for record in result.controls if record.verdict in (Verdict.REFUTED, Verdict.CONFIRMED)]
    n_good = result.n_good_controls
    what = "holds where it should" if result.records[0].has_to_lose else "controls refuted"
    style = "green" if n_good == n_controls else "yellow"
    lines = [Text(f"{what} {n_good}/{n_controls}" + (": " if controls else "") + ", ".join(controls), style=style)]
    if result.lacks_control:
        lines.append(Text(WITHOUT_CONTROL, style="bold red"))
    if result.unbroken:
        lines.append(Text(result.told_unbroken, style="bold red"))
    for record in result.impossible_controls:
        lines.append(Text(f"control {record.subject} {record.reason}", style="yellow"))
    for record in result.failing_controls:
        lines.append(Text(f"control {record.subject} {record.verdict}: {record.reason}", style="bold red"))
    return Group(*lines)


def _told(record: Record) -> str:
    """A refuted control with the measurement that gave it away."""
    broken = next((m for m in record.measurements if not m.holds), None)
    return record.subject if broken is None else f"{record.subject} ({format_number(broken.value)})"
