"""`universality.html`: the runs of a sweep as one file that asks the network for nothing and opens from disk.

It looks like the report of a single run because it has its style sheet and script; what it adds is `universality.css`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.drawing.figure import Figure
from pytest_claims.output.html import HERE as REPORT
from pytest_claims.output.html import anchors, script_hash
from pytest_claims.text import format_number
from pytest_claims.universality.figures import figures, group_figures
from pytest_claims.universality.findings import Finding, Group, Standing, Universality
from pytest_claims.universality.interval import percent
from pytest_claims.universality.links import Links
from pytest_claims.universality.summary import claims_of, group_headline, headline, notes, right_words, sequence, tone

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """The claims of one heading in one group."""

    slug: str
    title: str
    lead: str
    findings: Sequence[Finding]

    @property
    def n_open(self) -> int:
        """How many do not hold on all runs, or have a control that did not refute them."""
        return sum(not is_good(finding) for finding in self.findings)


@dataclass(frozen=True)
class Part:
    """One group as the page shows it.

    slug   begins every id in it
    apart  what is about a single checkpoint that is not among the runs
    """

    slug: str
    title: str
    group: Group
    headline: str
    figures: Sequence[Figure]
    sections: Sequence[Section]
    apart: Sequence[Finding]
    anchors: dict[str, str]

    @property
    def open(self) -> list[Finding]:
        """What is not as it is on every other run, in reading order."""
        return [finding for finding in self.group.findings if finding.tally.n and not is_good(finding)]


def render_page(result: Universality, links: Links) -> str:
    """The whole page. The same runs give the same bytes."""
    script = _read(REPORT / "report.js")
    parts = [_part(result, group, i) for i, group in enumerate(result.groups, start=1)]
    rows = result.across()
    everywhere = [row for row in rows if all(finding is None or is_good(finding) for finding in row)]
    return _template().render(
        across=[(next(filter(None, row)).statement, row) for row in rows if row not in everywhere],
        n_everywhere=len(everywhere),
        found=result,
        headline=headline(result),
        tone=str(tone(result)),
        notes=notes(result),
        figures=figures(result),
        parts=parts,
        links=links,
        filters=_filters(parts),
        style=f"{_read(REPORT / 'report.css')}\n{_read(HERE / 'universality.css')}",
        script=script,
        hashes=f"'sha256-{script_hash(script)}'",
        claims_of=claims_of,
        is_good=is_good,
    )


def is_good(finding: Finding) -> bool:
    """Whether it holds on all runs that it is about, and every control that ran came out as it has to."""
    return finding.tally.holds == finding.tally.n and not finding.failing


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"number": format_number, "percent": percent, "right": right_words, "sequence": sequence}
    environment.filters.update(filters)
    return environment.get_template("universality.html.jinja")


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _part(universality: Universality, group: Group, number: int) -> Part:
    slug = f"group-{number}"
    title = universality.name_of(group) or ("Claims" if len(universality.groups) == 1 else "Nothing varied")
    sections = []
    apart = [finding for finding in group.findings if finding.one_model_only and not finding.tally.n]
    shown = [finding for finding in group.findings if finding not in apart]
    for i, (heading, same) in enumerate(groupby(shown, key=lambda finding: finding.section), start=1):
        name, _, lead = heading.partition(": ")
        sections.append(Section(f"{slug}-section-{i}", name, lead[:1].upper() + lead[1:], list(same)))
    results = [result for run in group.counted[:1] for result in run.results.values()]
    known = anchors(results)
    ids = {finding.claim: known.get(finding.claim, _slug(finding.claim)) for finding in group.findings}
    drawn = group_figures(group, slug) if group.counted else []
    return Part(slug, title, group, group_headline(group), drawn, sections, apart, _distinct(slug, ids))


def _distinct(slug: str, ids: dict[str, str]) -> dict[str, str]:
    """An id for each claim that is found once in the page."""
    taken: set[str] = set()
    given = {}
    for claim, wanted in ids.items():
        name, n = f"{slug}-{wanted}", 1
        while name in taken:
            n += 1
            name = f"{slug}-{wanted}-{n}"
        taken.add(name)
        given[claim] = name
    return given


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:100].strip("-")


def _filters(parts: Sequence[Part]) -> list[tuple[str, str, int]]:
    """What one can filter by: an id, its words, and how many claims that shows."""
    findings = [finding for part in parts for section in part.sections for finding in section.findings]

    def choices() -> Iterator[tuple[str, str, int]]:
        yield "all", "All", len(findings)
        yield "failing", "Not on all seeds", sum(not is_good(finding) for finding in findings)
        for standing in Standing:
            n = sum(finding.standing == standing for finding in findings)
            yield _slug(standing), standing[:1].upper() + standing[1:], n

    return [choice for choice in choices() if choice[2]]
