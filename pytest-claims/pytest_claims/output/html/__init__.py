"""`report.html`: the report as one file that asks the network for nothing and opens from disk.

The page brings its own style and scripts; a content security policy names them by hash, so that no text of a
report could run even if it were taken for a script.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.claim import Evidence
from pytest_claims.drawing.figure import Figure, Illustrations
from pytest_claims.measure import format_interval
from pytest_claims.output.html.code import Highlighter, sources
from pytest_claims.output.html.slugs import Slugs, slug_of
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult, Record
from pytest_claims.text import format_number
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent


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
    return template("report.html.jinja").render(context(report, illustrations))


def context(report: Report, illustrations: Illustrations) -> dict[str, Any]:
    """What the template shows."""
    scripts = [_read("report.js"), *(panel.script for panel in illustrations.panels)]
    styles = "\n".join([style("report.css"), *(panel.style for panel in illustrations.panels)])
    return dict(  # noqa: C408 - as one would call the template
        without_control=WITHOUT_CONTROL,
        report=report,
        sections=_sections(report, illustrations),
        panels=illustrations.panels,
        slugs=anchors(report.claims),
        sources=sources(report.claims),
        highlighted=Highlighter(),
        style=styles,
        scripts=scripts,
        hashes=" ".join(f"'sha256-{script_hash(script)}'" for script in scripts),
        filters=_filters(report.claims),
    )


@cache
def template(name: str) -> jinja2.Template:
    """A template of this folder; what it is given is escaped."""
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
    environment.filters["badge"] = _badge
    return environment.get_template(name)


def style(name: str) -> str:
    """A style sheet of this folder."""
    return _read(name)


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
            sections.append(_section(slug_of(heading), heading, [], [], rest))
    slugs = Slugs()  # files of two folders may have one name
    return [replace(section, slug=slugs.unique(section.slug)) for section in sections]


def _section(
    file: str, heading: str, results: list[ClaimResult], timings: list[Record], figures: Sequence[Figure]
) -> Section:
    title, _, lead = heading.partition(": ")
    slug = slug_of(file.removesuffix(".py").removeprefix("test_")) or "claims"
    return Section(f"section-{slug}", title, _capitalised(lead), results, timings, figures)


def _capitalised(lead: str) -> str:
    """With a capital, unless it begins with a name such as resid_mid."""
    first = lead.partition(" ")[0]
    return lead[:1].upper() + lead[1:] if first.isalpha() else lead


def _file(claim: str) -> str:
    return claim.partition("::")[0].rpartition("/")[2]


def anchors(results: Iterable[ClaimResult]) -> dict[str, str]:
    """An id for every claim, from the name of its test, so that links go on working from run to run."""
    slugs = Slugs()
    return {
        result.claim: slugs.unique("claim-" + slug_of(result.claim.partition("::")[2].removeprefix("test_")))
        for result in results
    }


@dataclass(frozen=True)
class Filter:
    """Radio buttons that show some of the claims: of each an id, its words, and how many claims it shows."""

    name: str
    legend: str
    choices: list[tuple[str, str, int]]


def _filters(results: Sequence[ClaimResult]) -> list[Filter]:
    """By verdict, and by evidence where any claim says what stands behind it."""
    failing = sum(not result.good for result in results)
    verdicts = Counter(result.verdict for result in results)
    by_verdict = [("all", "All", len(results)), ("failing", "Not as it should be", failing)]
    by_verdict += [(verdict.replace(" ", "-"), _verdict(verdict), verdicts[verdict]) for verdict in Verdict]
    filters = [Filter("verdict", "Show", _choices(by_verdict))]
    evidence = Counter(result.records[0].evidence for result in results)
    if set(evidence) - {""}:
        by_evidence = [("all", "Any", len(results)), *((e, e, evidence[e]) for e in Evidence)]
        by_evidence.append(("unstated", "Unstated", evidence[""]))
        filters.append(Filter("evidence", "Evidence", _choices(by_evidence)))
    return filters


def _choices(choices: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    return [(slug, words[:1].upper() + words[1:], n) for slug, words, n in choices if n]


def _badge(result: ClaimResult) -> str:
    """The colour of a verdict, as a class."""
    neither = {Verdict.LIMIT: "limit", Verdict.NOT_ABOUT: "none", Verdict.NOT_SELECTED: "none"}
    return neither.get(result.verdict, "good") if result.good else "bad"


def _verdict(verdict: str) -> str:
    words = {Verdict.AS_PUBLISHED: "erratum", Verdict.NOT_ABOUT: "n/a", Verdict.NOT_SELECTED: "controls only"}
    return words.get(Verdict(verdict), str(verdict))
