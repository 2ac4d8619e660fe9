"""The verification report in the terminal: one block a claim, then one line that sums up."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import pytest
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cumsum_model.verification.measure import Measurement, format_number
from cumsum_model.verification.results import ClaimResult, Record
from cumsum_model.verification.verdict import GOOD_ON_CHECKPOINT, GOOD_ON_CONTROL, Verdict

WIDTH = 100
VERDICT_WIDTH = 10

STYLES = {
    Verdict.HOLDS: "bold green",
    Verdict.REFUTED: "bold red",
    Verdict.SURVIVED: "bold red",
    Verdict.AS_PUBLISHED: "bold green",
    Verdict.STANDS: "bold red",
    Verdict.UNCONFIRMED: "bold red",
    Verdict.ERROR: "bold red",
    Verdict.NOT_ABOUT: "yellow",
    Verdict.NOT_RUN: "bold red",
    Verdict.NOT_SELECTED: "yellow",
    Verdict.TIMED: "cyan",
}


def print_report(
    terminal: pytest.TerminalReporter,
    subject: str | None,
    claims: Sequence[ClaimResult],
    timings: Sequence[Record],
    *,
    controls_left_out: bool,
) -> None:
    """Write the report to pytest's terminal, with colour where pytest uses colour."""
    width = WIDTH
    if terminal.isatty:
        width = max(60, min(WIDTH, terminal._tw.fullwidth))
    text = render(subject, claims, timings, controls_left_out=controls_left_out, width=width, colour=terminal.hasmarkup)
    terminal.write_line("")
    for line in text.splitlines():  # one at a time, so that a character that cannot be written spoils one line
        terminal.write_line(line)


def render(
    subject: str | None,
    claims: Sequence[ClaimResult],
    timings: Sequence[Record],
    *,
    controls_left_out: bool = False,
    width: int = WIDTH,
    colour: bool = False,
) -> str:
    """The whole report as text."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    console.print(Rule("verification report", style="bold", characters="="))
    if subject:
        console.print(Text(subject))
    console.print()
    for section, group in groupby(claims, key=lambda claim: claim.records[0].section):
        console.print(_heading(section, width))
        for result in group:
            console.print(_claim(result, controls_left_out))
    if timings:
        console.print(_heading(timings[0].section, width))
        for record in timings:
            console.print(_timing(record))
    console.print(_summary(claims, timings, controls_left_out))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _heading(section: str, width: int) -> Text:
    return Text(f"-- {section} ".ljust(width, "-"), style="bold", no_wrap=True, overflow="crop")


def _claim(result: ClaimResult, controls_left_out: bool) -> RenderableType:
    first = result.records[0]
    checkpoint = result.checkpoint
    statement = f'As published: "{first.statement}"' if first.erratum else first.statement
    body: list[RenderableType] = [Text(statement, style="bold")]
    origin = f"over {first.over}; {first.source}" if first.over else first.source
    if origin:
        body.append(Text(origin, style="dim"))
    if checkpoint is None:
        body.append(Text("the checkpoint itself was not selected", style="yellow"))
    else:
        if checkpoint.measurements:
            body.append(_measurements(checkpoint.measurements))
        # "assert 0.9 < 0.001" is what the row above says already; a message of the claim's own is not.
        if checkpoint.reason and not checkpoint.reason.startswith("assert "):
            body.append(Text(checkpoint.reason, style=STYLES[checkpoint.verdict]))
    if result.verdict != Verdict.NOT_ABOUT:
        body.append(_controls(result, controls_left_out))
    return _block(result.verdict, Group(*body))


def _timing(record: Record) -> RenderableType:
    body: list[RenderableType] = [Text(f"{record.statement}; {record.over}", style="bold")]
    if record.measurements:
        figures = (f"{m.name} {format_number(m.value)} {m.unit}".rstrip() for m in record.measurements)
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
    }
    grid = Table.grid(padding=0, expand=True)
    grid.add_column(width=VERDICT_WIDTH)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(words.get(verdict, verdict.upper()), style=STYLES[verdict]), body)
    return Padding(grid, (0, 0, 1, 0))


def _measurements(measurements: Sequence[Measurement]) -> Table:
    """One row a comparison: what was measured, the value, the bound, the distance kept from it."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right", min_width=11, no_wrap=True)
    table.add_column(min_width=11, no_wrap=True)
    table.add_column(min_width=15, no_wrap=True)
    for measurement in measurements:
        name = measurement.name + (f" (worst of {measurement.times:,})" if measurement.times > 1 else "")
        value = f"{format_number(measurement.value)} {measurement.unit}".rstrip()
        if measurement.published is not None:
            name += f" (published {format_number(measurement.published)})"
        if not measurement.comparisons:
            table.add_row(Text(name), Text(value), Text(""), Text(""))
        for comparison in measurement.comparisons:
            style = "" if comparison.holds else "red"
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
    n_controls = max(record.n_controls for record in result.records) or len(result.controls)
    told = [_told(record) for record in result.controls if record.verdict in GOOD_ON_CONTROL]
    n_good = result.n_good_controls
    what = "holds where it should" if result.records[0].erratum else "controls refuted"
    style = "green" if n_good == n_controls else "yellow"
    lines = [Text(f"{what} {n_good}/{n_controls}" + (": " if told else "") + ", ".join(told), style=style)]
    for record in result.failing_controls:
        lines.append(Text(f"control {record.subject} {record.verdict}: {record.reason}", style="bold red"))
    return Group(*lines)


def _told(record: Record) -> str:
    """A refuted control with the measurement that gave it away."""
    broken = next((m for m in record.measurements if not m.holds), None)
    return record.subject if broken is None else f"{record.subject} ({format_number(broken.value)})"


def _summary(claims: Sequence[ClaimResult], timings: Sequence[Record], controls_left_out: bool) -> Text:
    errata = [result for result in claims if result.records[0].erratum]
    plain = [result for result in claims if not result.records[0].erratum]
    verdicts = Counter(result.verdict for result in plain)
    words = {
        Verdict.HOLDS: "hold",
        Verdict.REFUTED: "refuted",
        Verdict.ERROR: "in error",
        Verdict.NOT_ABOUT: "not about this model",
        Verdict.NOT_RUN: "not run",
        Verdict.NOT_SELECTED: "not selected",
    }
    counts = [f"{verdicts[v]} {word}" for v, word in words.items() if verdicts[v] or v == Verdict.HOLDS]
    line = f"{len(plain)} claim{'s' * (len(plain) != 1)}: {', '.join(counts)}"
    if controls_left_out:
        line += "; controls left out"
    else:
        n_controls = sum(
            max((record.n_controls for record in result.records), default=0)
            for result in plain
            if result.verdict != Verdict.NOT_ABOUT
        )
        n_refuted = sum(result.n_good_controls for result in plain)
        selected = any(result.controls for result in plain) or not n_controls
        line += f"; controls refuted {n_refuted}/{n_controls}" if selected else f"; {n_controls} controls not selected"
    if errata:
        n_refuted = sum(result.verdict == Verdict.AS_PUBLISHED for result in errata)
        line += f"; errata refuted as published {n_refuted}/{len(errata)}"
    if timings:
        n_timed = sum(record.verdict == Verdict.TIMED for record in timings)
        line += f"; timings {n_timed}/{len(timings)}"
        reasons = sorted({record.reason for record in timings if record.verdict == Verdict.NOT_RUN})
        if reasons:
            line += f" (not run: {'; '.join(reasons)})"
    controls_left_out = any(result.verdict == Verdict.HOLDS and not result.controls for result in plain)
    good = all(result.verdict in GOOD_ON_CHECKPOINT and not result.failing_controls for result in claims)
    if good and controls_left_out:
        return Text(line, style="bold yellow")
    return Text(line, style="bold green" if good else "bold red")
