"""Which claims hold whatever the seed: every claim over the runs of a sweep, counted.

Runs are put together where nothing but the seed differs: what the sweep varies is the same, so is the rest of the
recipe, and so are the claims that they were verified with. A run counts for a claim if it was verified and the claim is
about its model. It counts as holding if it holds, and as nothing else: a run on which the claim ended in an error, or
did not run, is one of the n and decides nothing. Runs that diverged or cannot be read are in no n, and are told beside
every count: what is said of seeds is said of those on which training ends.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import groupby

from pytest_claims.results import ClaimResult, Record
from pytest_claims.text import readable
from pytest_claims.universality.interval import ENOUGH, at_least, clopper_pearson
from pytest_claims.universality.runs import Run
from pytest_claims.universality.spread import Spread, least_room, spreads, tightest
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict


class Standing(StrEnum):
    """What the runs say of a claim. An erratum is as it should be where it is refuted as published."""

    UNIVERSAL = "universal"
    ACCIDENT = "the seed's accident"
    REFUTED = "refuted everywhere"
    TOO_FEW = "too few runs"
    UNDECIDED = "not decided"
    NOT_ABOUT = "not about these models"


AS_IT_SHOULD_BE = {Verdict.HOLDS, Verdict.AS_PUBLISHED, Verdict.LOSES}
AGAINST = {Verdict.REFUTED, Verdict.STANDS, Verdict.WINS, Verdict.LIMIT}
NOT_RUN = {Verdict.NOT_RUN, Verdict.NOT_SELECTED}


@dataclass(frozen=True)
class Tally:
    """On how many runs a claim came out how: `n` of them it is about."""

    holds: int = 0
    refuted: int = 0
    errors: int = 0
    not_run: int = 0
    not_about: int = 0

    @property
    def n(self) -> int:
        return self.holds + self.refuted + self.undecided

    @property
    def undecided(self) -> int:
        return self.errors + self.not_run


@dataclass(frozen=True)
class Aside:
    """Something to tell of one run or some: a reason, and the runs that give it. `what` is a verdict or a control."""

    what: str
    reason: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """A run that refutes a claim: the comparisons that came out false, and where its own report says so."""

    run: str
    seed: int
    reason: str
    measured: tuple[tuple[str, float, str, str, str, float], ...]
    """Name, value, unit, operator, bound as spelled, slack."""
    anchor: str


@dataclass(frozen=True)
class Finding:
    """One claim or erratum over the runs of a group.

    interval   of the share of all seeds on which it holds; None if it is about none of the runs
    broken     the runs that refute it
    undecided  errors and runs on which it did not run, by reason
    not_about  why it is not about a run, by reason
    controls   how many of its controls came out as they have to, and how many there are, over the runs that have any
    failing    controls that did not, on which runs
    spreads    what was measured, on the runs that decided
    """

    claim: str
    section: str
    statement: str
    over: str
    source: str
    erratum: bool
    one_model_only: bool
    tally: Tally
    interval: tuple[float, float] | None
    broken: tuple[Broken, ...]
    undecided: tuple[Aside, ...]
    not_about: tuple[Aside, ...]
    controls: tuple[int, int]
    failing: tuple[Aside, ...]
    spreads: tuple[Spread, ...]

    @property
    def standing(self) -> Standing:
        """One run on each side shows that the seed decides; that it does not takes more, see `interval.ENOUGH`."""
        tally = self.tally
        if self.interval is None:
            return Standing.NOT_ABOUT
        if tally.holds and tally.refuted:
            return Standing.ACCIDENT
        if tally.undecided:
            return Standing.UNDECIDED
        if tally.n < ENOUGH:
            return Standing.TOO_FEW
        return Standing.UNIVERSAL if tally.holds else Standing.REFUTED

    @property
    def holds_on_all(self) -> bool:
        return 0 < self.tally.holds == self.tally.n

    @property
    def verdict(self) -> str:
        """In words, such as "universal: 32 of 32 (at least 89% of seeds)"."""
        tally = self.tally
        if self.interval is None:
            return str(self.standing)
        as_should = "refuted as published on" if self.erratum else "holds on"
        counts = {
            Standing.UNIVERSAL: f"{tally.holds} of {tally.n} (at least {at_least(self.interval[0])} of seeds)",
            Standing.TOO_FEW: f"{as_should} {tally.holds} of {tally.n}",
            Standing.UNDECIDED: f"{as_should} {tally.holds} of {tally.n}",
        }.get(self.standing, f"{tally.holds} of {tally.n}")
        beside = [f"{n} {what}" for n, what in ((tally.errors, "in error"), (tally.not_run, "not run")) if n]
        survived = {run for aside in self.failing for run in aside.runs}
        if survived:
            beside.append(f"on {len(survived)} not every control came out as it has to")
        return "; ".join([f"{self.standing}: {counts}", *beside])

    @cached_property
    def tightest(self) -> Spread | None:
        return tightest(self.spreads)

    @cached_property
    def room(self) -> dict[str, float]:
        return least_room(self.spreads)


@dataclass(frozen=True)
class Group:
    """The runs between which nothing but the seed differs.

    recipe: what the runs share of it, by name, as text; the seed is not among it.
    """

    varied: tuple[tuple[str, int | float], ...]
    suite: str
    recipe: tuple[tuple[str, str], ...]
    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]

    @property
    def counted(self) -> list[Run]:
        return [run for run in self.runs if run.report is not None]

    @property
    def diverged(self) -> list[Run]:
        return [run for run in self.runs if run.diverged]

    @property
    def unread(self) -> list[Run]:
        return [run for run in self.runs if run.unread]

    @property
    def claims(self) -> list[Finding]:
        """Those that are about one of the runs, but for errata and claims about one checkpoint alone."""
        about = [finding for finding in self.findings if not finding.erratum and not finding.one_model_only]
        return [finding for finding in about if finding.tally.n]

    @property
    def about_none(self) -> list[Finding]:
        """Claims that are about none of the runs, though they are not about one checkpoint alone."""
        return [f for f in self.findings if not (f.erratum or f.one_model_only or f.tally.n)]

    @property
    def errata(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.erratum]

    @property
    def about_one(self) -> list[Finding]:
        """Claims about one checkpoint alone, such as those that name neurons."""
        return [finding for finding in self.findings if finding.one_model_only and not finding.erratum]

    @property
    def without_controls(self) -> list[Run]:
        return [run for run in self.counted if run.report is not None and run.report.controls_left_out]

    @property
    def label(self) -> str:
        """What was varied, such as "d_mlp=4"; empty if nothing was."""
        return ", ".join(f"{option}={value}" for option, value in self.varied)

    def with_standing(self, standing: Standing) -> list[Finding]:
        return [finding for finding in self.claims if finding.standing == standing]


@dataclass(frozen=True)
class Universality:
    """All runs of a sweep, put together.

    runs    every one, counted or not
    groups  by what was varied and by the claims that verified them
    """

    runs: tuple[Run, ...]
    groups: tuple[Group, ...]

    @property
    def unread(self) -> list[Run]:
        return [run for run in self.runs if run.unread]

    @property
    def diverged(self) -> list[Run]:
        return [run for run in self.runs if run.diverged]

    @property
    def counted(self) -> list[Run]:
        return [run for run in self.runs if run.report is not None]

    @property
    def suites(self) -> list[str]:
        return list(dict.fromkeys(group.suite for group in self.groups))

    def across(self) -> list[list[Finding | None]]:
        """A row for each claim that is about any run, with what each group says of it; None where it is about none."""
        by_group = [{finding.claim: finding for finding in group.claims} for group in self.groups]
        claims = dict.fromkeys(claim for group in by_group for claim in group)
        return [[group.get(claim) for group in by_group] for claim in claims]

    def name_of(self, group: Group) -> str:
        """What tells a group from the others; empty where there is one alone and nothing was varied."""
        alike = [each for each in self.groups if each.varied == group.varied]
        common = set.intersection(*(set(each.recipe) for each in alike))
        parts = [group.label] if group.label else []
        parts += [f"{option} {value[:60]}" for option, value in group.recipe if (option, value) not in common]
        if len(self.suites) > 1:
            parts.append(f"claims {group.suite[:12]}")
        return "; ".join(parts)


def universality(runs: Sequence[Run]) -> Universality:
    """Put runs together. Guarantee: every run is in `runs`, and in one group if its outcome could be read."""
    known = [run for run in runs if run.outcome is not None]
    groups = [_group(list(same)) for _, same in groupby(sorted(known, key=_cell), key=_cell)]
    return Universality(tuple(runs), tuple(groups))


def _cell(run: Run) -> tuple[list[tuple[str, int | float]], str, list[tuple[str, str]]]:
    assert run.outcome is not None
    recipe = [(readable(option), readable(json.dumps(value, sort_keys=True)))
              for option, value in sorted(run.outcome.recipe.items()) if option != "seed"]  # fmt: skip
    return sorted(run.outcome.varied.items()), run.outcome.suite, recipe


def _group(runs: list[Run]) -> Group:
    varied, suite, recipe = _cell(runs[0])
    counted = [run for run in runs if run.report is not None]
    findings = [_finding(claim, counted) for claim in _in_reading_order(counted)]
    return Group(tuple(varied), suite, tuple(recipe), tuple(runs), tuple(findings))


def _in_reading_order(runs: Iterable[Run]) -> list[str]:
    """Every claim that any report has, each after the one that it follows there."""
    order: list[str] = []
    for run in runs:
        place = 0
        for claim in run.results:
            if claim in order:
                place = order.index(claim) + 1
            else:
                order.insert(place, claim)
                place += 1
    return order


def _finding(claim: str, runs: list[Run]) -> Finding:
    results = [(run, run.results.get(claim)) for run in runs]
    first = next(result for _, result in results if result is not None).records[0]
    records = [(run, result.checkpoint if result is not None else None) for run, result in results]
    columns = Counter(_column(record) for _, record in records)
    tally = Tally(**columns)
    about = [(run, result) for run, result in results if result is not None and result.verdict != Verdict.NOT_ABOUT]
    with_controls = [result for run, result in about if run.report and not run.report.controls_left_out]
    decided = [(run.name, r) for run, r in records if r is not None and _column(r) in ("holds", "refuted")]
    return Finding(
        claim=claim,
        section=first.section,
        statement=first.statement,
        over=first.over,
        source=first.source,
        erratum=first.erratum,
        one_model_only=first.one_model_only,
        tally=tally,
        interval=clopper_pearson(tally.holds, tally.undecided, tally.n) if tally.n else None,
        broken=tuple(_broken(run, claim, r) for run, r in records if r is not None and _column(r) == "refuted"),
        undecided=_asides((run, *_why(r)) for run, r in records if _column(r) in ("errors", "not_run")),
        not_about=_asides((run, *_why(r)) for run, r in records if _column(r) == "not_about"),
        controls=(sum(r.n_good_controls for r in with_controls), sum(r.n_due_controls for r in with_controls)),
        failing=_failing(about),
        spreads=spreads(decided),
    )


def _column(record: Record | None) -> str:
    """Where a run counts in a tally. What is no verdict on a checkpoint, or an unknown one, is an error."""
    if record is None or record.verdict in NOT_RUN:
        return "not_run"
    if record.verdict == Verdict.NOT_ABOUT:
        return "not_about"
    if record.verdict in AS_IT_SHOULD_BE:
        return "holds"
    return "refuted" if record.verdict in AGAINST else "errors"


def _why(record: Record | None) -> tuple[str, str]:
    if record is None:
        return str(Verdict.NOT_RUN), "its report does not have this claim"
    return str(record.verdict), record.reason


def _broken(run: Run, claim: str, record: Record) -> Broken:
    assert run.outcome is not None
    measured = tuple(
        (m.name, m.value, m.unit, c.operator, c.bound, c.slack)
        for m in record.measurements
        for c in m.comparisons
        if not c.holds
    )
    return Broken(run.name, run.outcome.seed, record.reason, measured, run.anchors[claim])


def _failing(about: Sequence[tuple[Run, ClaimResult]]) -> tuple[Aside, ...]:
    """Controls that survived or ended in an error, by name and verdict, and that none could be made."""
    broken = [
        (run, f"{control.subject} {control.verdict}", control.reason)
        for run, result in about
        for control in result.failing_controls
    ]
    broken += [(run, "no control", WITHOUT_CONTROL) for run, result in about if result.lacks_control]
    broken += [
        (run, "assertions never shown to fail", result.told_unbroken) for run, result in about if result.unbroken
    ]
    return _asides(broken)


def _asides(asides: Iterable[tuple[Run, str, str]]) -> tuple[Aside, ...]:
    """The same said of several runs is told once."""
    runs: dict[tuple[str, str], list[str]] = {}
    for run, what, reason in asides:
        runs.setdefault((what, reason), []).append(run.name)
    return tuple(Aside(what, reason, tuple(names)) for (what, reason), names in runs.items())
