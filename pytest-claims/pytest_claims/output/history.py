"""Many reports in a row, as text and as a page."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_claims.report.history import LETTERS, History, Row, State
from pytest_claims.text import one_line

LONGEST = 300

_COLOURS = {State.GOOD: "good", State.BAD: "bad", State.ERROR: "bad", State.UNSHOWN: "bad", State.LIMIT: "limit"}


def lines(history: History) -> Iterator[str]:
    """The reports, a row for each claim with a character for each report, and what changed, as plain text."""
    yield one_line(history.headline)
    yield ""
    width = len(f"R{len(history.entries)}")
    for i, entry in enumerate(history.entries, start=1):
        yield f"{f'R{i}':<{width}}  {one_line(entry.name, LONGEST)}"
        yield f"{'':<{width}}  {one_line(entry.report.what_it_is, LONGEST)}"
    if not history.rows:
        return
    yield ""
    yield "   ".join(f"{letter if letter.strip() else 'blank'} {state}" for letter, state in history.letters)
    yield ""
    yield from _ruler(len(history.entries))
    for row in history.rows:
        yield f"{row.letters}  {one_line(row.name, LONGEST)}"
    if history.changed:
        yield ""
        yield "changed:"
    for row in history.changed:
        yield f"  {one_line(row.name, LONGEST)}: {one_line(row.told(), 1000)}"


def _ruler(n_reports: int) -> Iterator[str]:
    """The numbers of the reports, read downwards."""
    numbers = [str(i) for i in range(1, n_reports + 1)]
    n_digits = len(numbers[-1])
    for place in range(n_digits):
        yield "".join(number.rjust(n_digits)[place] for number in numbers).rstrip()


def render_history(history: History) -> str:
    """The page: one file that runs no script and asks the network for nothing. The same reports give the same bytes."""
    from pytest_claims.output.html import style, template

    return template("history.html.jinja").render(
        history=history,
        style=style("report.css"),
        sections=_sections(history),
        letters=LETTERS,
        colours=_COLOURS,
    )


def _sections(history: History) -> dict[str, list[Row]]:
    """The rows by the heading that the claim has in the last report that it is in."""
    sections: dict[str, list[Row]] = {}
    for row in history.rows:
        last = next(result for result in reversed(row.results) if result is not None)
        sections.setdefault(last.records[0].section, []).append(row)
    return sections
