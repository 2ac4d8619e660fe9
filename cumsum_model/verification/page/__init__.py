"""`report.html`: the report as one file that asks the network for nothing and opens from disk.

The page brings its own style and scripts; a content security policy names them by hash, so that no text of a
report could run even if it were taken for a script.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cumsum_model.verification.measure import format_interval, format_number
from cumsum_model.verification.report import Report
from cumsum_model.verification.results import ClaimResult, Record
from cumsum_model.verification.verdict import WITHOUT_CONTROL, Verdict

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent


class Figure(Protocol):
    """A drawing: inline SVG, or why there is none. `name` is an identifier, `alt` says in words what it shows."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def caption(self) -> str: ...
    @property
    def alt(self) -> str: ...
    @property
    def svg(self) -> str | None: ...
    @property
    def missing(self) -> str | None: ...


@dataclass(frozen=True)
class Panel:
    """A part of the page that the suite brings: trusted HTML, style and script, and data that it reads as JSON.

    The script finds the data in the element `panel-NAME-data`.
    """

    name: str
    title: str
    html: str
    style: str
    script: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Illustrations:
    """What a suite draws of a report: figures by the name of the claims' file that they belong to, and panels."""

    figures: Mapping[str, Sequence[Figure]] = field(default_factory=dict)
    panels: Sequence[Panel] = ()


@dataclass(frozen=True)
class Section:
    """The claims of one file, and its figures. The heading is split where the file's docstring has a colon."""

    slug: str
    title: str
    lead: str
    results: list[ClaimResult]
    timings: list[Record]
    figures: Sequence[Figure]

    @property
    def n_failing(self) -> int:
        return sum(not result.good for result in self.results)


def render_page(report: Report, illustrations: Illustrations) -> str:
    """The whole page. The same report and illustrations give the same bytes."""
    scripts = [_read("report.js"), *(panel.script for panel in illustrations.panels)]
    style = "\n".join([_read("report.css"), *(panel.style for panel in illustrations.panels)])
    return _template().render(
        without_control=WITHOUT_CONTROL,
        report=report,
        sections=_sections(report, illustrations),
        panels=illustrations.panels,
        slugs=anchors(report.claims),
        style=style,
        scripts=scripts,
        hashes=" ".join(f"'sha256-{script_hash(script)}'" for script in scripts),
        filters=_filters(report.claims),
    )


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
    environment.filters["number"] = format_number
    environment.filters["interval"] = format_interval
    environment.filters["verdict"] = _verdict
    return environment.get_template("report.html.jinja")


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """As a browser takes it: of what stands between the tags."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _sections(report: Report, illustrations: Illustrations) -> list[Section]:
    """One per file and heading, in reading order; then figures that belong to no claim of this report."""
    records = [(result, result.records[0]) for result in report.claims]
    sections = []
    figures = dict(illustrations.figures)
    for (file, heading), group in groupby(records, key=lambda pair: (_file(pair[1].claim), pair[1].section)):
        results = [result for result, _ in group]
        sections.append(_section(file, heading, results, [], figures.pop(file, ())))
    for (file, heading), timed in groupby(report.timings, key=lambda record: (_file(record.claim), record.section)):
        sections.append(_section(file, heading, [], list(timed), figures.pop(file, ())))
    # A figure may stand under a heading of its own; others lost theirs with the claims that were not selected.
    others = [figure for file, rest in figures.items() if file.endswith(".py") for figure in rest]
    if others:
        sections.append(Section("more-figures", "More figures", "", [], [], others))
    for heading, rest in figures.items():
        if not heading.endswith(".py"):
            sections.append(_section(_slug(heading), heading, [], [], rest))
    return sections


def _section(
    file: str, heading: str, results: list[ClaimResult], timings: list[Record], figures: Sequence[Figure]
) -> Section:
    title, _, lead = heading.partition(": ")
    slug = _slug(file.removesuffix(".py").removeprefix("test_")) or "claims"
    return Section(f"section-{slug}", title, _capitalised(lead), results, timings, figures)


def _capitalised(lead: str) -> str:
    """With a capital, unless it begins with a name such as resid_mid."""
    first = lead.partition(" ")[0]
    return lead[:1].upper() + lead[1:] if first.isalpha() else lead


def _file(claim: str) -> str:
    return claim.partition("::")[0].rpartition("/")[2]


def anchors(results: Iterable[ClaimResult]) -> dict[str, str]:
    """An id for every claim, from the name of its test, so that links go on working from run to run."""
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for result in results:
        slug = wanted = "claim-" + _slug(result.claim.partition("::")[2].removeprefix("test_"))
        n = 1
        while slug in taken:
            n += 1
            slug = f"{wanted}-{n}"
        taken.add(slug)
        slugs[result.claim] = slug
    return slugs


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:100].strip("-")


def _filters(results: Sequence[ClaimResult]) -> list[tuple[str, str, int]]:
    """What one can filter by: an id, its words, and how many claims that shows."""

    def choices() -> Iterator[tuple[str, str, int]]:
        yield "all", "All", len(results)
        failing = sum(not result.good for result in results)
        yield "failing", "Not as it should be", failing
        for verdict in Verdict:
            n = sum(result.verdict == verdict for result in results)
            yield verdict.replace(" ", "-"), _verdict(verdict), n

    return [(slug, words[:1].upper() + words[1:], n) for slug, words, n in choices() if n]


def _verdict(verdict: str) -> str:
    words = {Verdict.AS_PUBLISHED: "erratum", Verdict.NOT_ABOUT: "n/a", Verdict.NOT_SELECTED: "controls only"}
    return words.get(Verdict(verdict), str(verdict))
