"""`universality.json`: everything that the page shows, as plain JSON.

    format                raised when a reader of the old form would misread the new one
    headline, tone        as on the page; tone is good, partial or bad
    notes                 [{text, good}], what has to be told beside the headline
    confidence            of every interval, 0.95
    counts                {runs, counted, diverged, unread}
    runs                  one object a run, in reading order:
      name, seed, varied    seed and varied are null and {} where the outcome cannot be read
      ending                "counted", "diverged" or "unread"; `why` says why it is not counted
      report                link to its page, relative to this file; null if there is none
      suite, sha256, kept_epoch, exit_code
      claims                {holds, about}: how many of the claims that are about it hold, errata not counted; null
      proved                {sequences, right_at_end, right_everywhere, smallest_margin, hardest, wrong} or null, with
                            `unproved` saying why; numbers of sequences are text, as [at least, at most]
    groups                one object for the runs between which nothing but the seed differs:
      name, varied, suite, headline
      counted, diverged, unread   names of runs
      claims                one object a claim or erratum, in reading order:
        id, kind ("claim" or "erratum"), one_model_only, section, statement, over, source
        standing, verdict     in a word, and with the counts
        n, holds, refuted, errors, not_run, not_about   numbers of runs; n is those that it is about
        interval              [low, high] of the share of all seeds on which it holds, or null
        refuted_by            [{run, seed, reason, link, measured: [{name, value, unit, operator, bound, slack}]}]
        undecided, excused    [{what, reason, runs}]: in error or not run, and not about the model
        controls              {good, of, failing: [{what, reason, runs}]} over the runs that it is about and whose
                              controls were not left out
        measured              [{name, unit, operator, which, bound, n, n_broken, least, median, greatest, bounds,
                              tightest: {run, value, bound, slack, room}, points: [{run, value, bound, slack, holds,
                              room}]}]; `bound` of a measurement is text, of a point a number or null; the tightest
                              point is that of the least room, not always of the least slack (see `spread`)

An erratum holds where it is refuted as published, and is refuted where it stands. Infinities are written "Infinity" and
"-Infinity", integers that a double cannot hold as text; NaN stands nowhere.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from pytest_claims.universality.findings import Aside, Broken, Finding, Group, Universality
from pytest_claims.universality.interval import CONFIDENCE
from pytest_claims.universality.links import Links
from pytest_claims.universality.runs import Run
from pytest_claims.universality.spread import Point, Spread
from pytest_claims.universality.summary import claims_of, group_headline, headline, notes, tone

FORMAT = 1


def to_document(result: Universality, links: Links) -> dict[str, Any]:
    """The report in JSON's own types."""
    return {
        "format": FORMAT,
        "headline": headline(result),
        "tone": str(tone(result)),
        "notes": [asdict(note) for note in notes(result)],
        "confidence": CONFIDENCE,
        "counts": {
            "runs": len(result.runs),
            "counted": len(result.counted),
            "diverged": len(result.diverged),
            "unread": len(result.unread),
        },
        "runs": [_run(run, links) for run in result.runs],
        "groups": [_group(group, result.name_of(group), links) for group in result.groups],
    }


def encode(document: dict[str, Any]) -> bytes:
    """The bytes of `universality.json`."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def number(value: float | None) -> float | str | None:
    """A number as JSON can hold it."""
    if value is None or (isinstance(value, int) and abs(value) <= 2**53):
        return value
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _run(run: Run, links: Links) -> dict[str, Any]:
    outcome = run.outcome
    holds, about = claims_of(run)
    return {
        "name": run.name,
        "seed": None if outcome is None else number(outcome.seed),
        "varied": {} if outcome is None else {option: number(value) for option, value in outcome.varied.items()},
        "ending": "counted" if run.report is not None else "diverged" if run.diverged else "unread",
        "why": run.why,
        "report": links.page(run),
        "suite": None if outcome is None else outcome.suite,
        "sha256": None if outcome is None else outcome.sha256,
        "kept_epoch": None if outcome is None else number(outcome.kept_epoch),
        "exit_code": None if outcome is None else number(outcome.exit_code),
        "claims": None if run.report is None else {"holds": holds, "about": about},
        "proved": _proved(run),
        "unproved": "" if outcome is None else outcome.unproved,
    }


def _proved(run: Run) -> dict[str, Any] | None:
    if run.outcome is None or run.outcome.proved is None:
        return None
    proved = run.outcome.proved
    return {
        "sequences": str(proved.sequences),
        "right_at_end": [str(n) for n in proved.right_at_end],
        "right_everywhere": [str(n) for n in proved.right_everywhere],
        "smallest_margin": number(proved.smallest_margin),
        "hardest": list(proved.hardest),
        "wrong": None if proved.wrong is None else list(proved.wrong),
    }


def _group(group: Group, name: str, links: Links) -> dict[str, Any]:
    return {
        "name": name,
        "varied": {option: number(value) for option, value in group.varied},
        "suite": group.suite,
        "headline": group_headline(group),
        "counted": [run.name for run in group.counted],
        "diverged": [run.name for run in group.diverged],
        "unread": [run.name for run in group.unread],
        "claims": [_finding(finding, links) for finding in group.findings],
    }


def _finding(finding: Finding, links: Links) -> dict[str, Any]:
    good, of = finding.controls
    return {
        "id": finding.claim,
        "kind": "erratum" if finding.erratum else "claim",
        "one_model_only": finding.one_model_only,
        "section": finding.section,
        "statement": finding.statement,
        "over": finding.over,
        "source": finding.source,
        "standing": str(finding.standing),
        "verdict": finding.verdict,
        "n": finding.tally.n,
        **asdict(finding.tally),
        "interval": None if finding.interval is None else list(finding.interval),
        "refuted_by": [_broken(broken, links) for broken in finding.broken],
        "undecided": [_aside(aside) for aside in finding.undecided],
        "excused": [_aside(aside) for aside in finding.not_about],
        "controls": {"good": good, "of": of, "failing": [_aside(aside) for aside in finding.failing]},
        "measured": [_spread(spread) for spread in finding.spreads],
    }


def _aside(aside: Aside) -> dict[str, Any]:
    return {"what": aside.what, "reason": aside.reason, "runs": list(aside.runs)}


def _broken(broken: Broken, links: Links) -> dict[str, Any]:
    return {
        "run": broken.run,
        "seed": number(broken.seed),
        "reason": broken.reason,
        "link": links.claim(broken.run, broken.anchor),
        "measured": [
            {
                "name": name,
                "value": number(value),
                "unit": unit,
                "operator": operator,
                "bound": bound,
                "slack": number(slack),
            }
            for name, value, unit, operator, bound, slack in broken.measured
        ],
    }


def _spread(spread: Spread) -> dict[str, Any]:
    tightest = _point(spread.tightest)
    return {
        "name": spread.name,
        "unit": spread.unit,
        "operator": spread.operator,
        "which": spread.which,
        "bound": spread.bound_text,
        "n": len(spread.points),
        "n_broken": spread.n_broken,
        "least": number(spread.values[0]),
        "median": number(spread.median),
        "greatest": number(spread.values[-1]),
        "bounds": None if spread.bounds is None else [number(bound) for bound in spread.bounds],
        "tightest": {name: tightest[name] for name in ("run", "value", "bound", "slack", "room")},
        "points": [_point(point) for point in spread.points],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "run": point.run,
        "value": number(point.value),
        "bound": number(point.bound),
        "slack": number(point.comparison.slack),
        "holds": point.comparison.holds,
        "room": number(point.room),
    }
