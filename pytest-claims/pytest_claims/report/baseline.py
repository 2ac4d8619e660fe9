"""Two reports side by side: what the later one lost, won, or says with less room to spare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from pytest_claims.measure import Judgement, Measurement, format_value
from pytest_claims.results import ClaimResult
from pytest_claims.text import format_number, short_name
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict

SHRINK = 0.5
"""Slack that shrank by more than this share is mentioned: less than half of the room to spare is left."""


SHOWN = (Verdict.REFUTED, Verdict.CONFIRMED)
"""Controls that showed that a claim can fail."""


class Kind(StrEnum):
    """What became of a claim. The order is that in which differences are told."""

    REFUTED = "newly refuted"
    CONTROLS = "no longer shown to be able to fail"
    MISSING = "missing"
    SHRUNK = "slack shrank"
    NOT_COMPARABLE = "not comparable"
    NOT_ABOUT = "not about this model"
    STILL = "as bad as before"
    FIXED = "fixed"
    ADDED = "added"


@dataclass(frozen=True)
class Difference:
    """One claim that is not what it was; `fails` if the comparison fails over it."""

    kind: Kind
    claim: str
    statement: str
    text: str
    fails: bool


@dataclass(frozen=True)
class Comparison:
    """A report against a baseline.

    baseline  the name of the baseline's file, and what it says of itself
    shrink    the share by which slack may shrink
    n_same    claims of which there is nothing to tell
    """

    baseline: str
    shrink: float
    differences: tuple[Difference, ...]
    n_same: int

    @property
    def fails(self) -> bool:
        return any(difference.fails for difference in self.differences)

    @property
    def summary(self) -> str:
        """In one line, such as "1 newly refuted, 2 added, 62 as before"."""
        phrases = []
        for kind in Kind:
            claims = {difference.claim for difference in self.differences if difference.kind == kind}
            failing = {d.claim for d in self.differences if d.kind == kind and d.fails}
            if claims:
                phrases.append(f"{len(claims)} {kind}" + (f" ({len(failing)} failing)" if failing else ""))
        return ", ".join([*phrases, f"{self.n_same} as before"])

    @property
    def n_lost(self) -> int:
        """How many claims it fails over."""
        return len({difference.claim for difference in self.differences if difference.fails})

    def lines(self) -> list[str]:
        """The comparison as plain text: a line that sums up, then two a difference. FAILS marks what fails.

        Claims that are not about the model for one and the same reason are told together.
        """
        lines = [f"against {self.baseline}: {self.summary}"]
        for (kind, fails, text), group in groupby(self.differences, key=_told_together):
            alike = list(group)
            head = f"{'FAILS' if fails else 'note':<6}{kind}: "
            if text is not None and len(alike) > 1:
                names = ", ".join(short_name(difference.claim) for difference in alike)
                lines += [f"{head}{len(alike)} claims: {text}", f"      {names}"]
                continue
            for difference in alike:
                lines += [f"{head}{difference.statement}", f"      {difference.claim}: {difference.text}"]
        return lines


def _told_together(difference: Difference) -> tuple[Kind, bool, str | None]:
    return difference.kind, difference.fails, difference.text if difference.kind == Kind.NOT_ABOUT else None


def fraction(text: str) -> float:
    """The share in a text, as the command line takes it. Raises ValueError."""
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 < share < 1:
        raise ValueError("should be a number between 0 and 1, such as 0.5")
    return share


def compare(
    baseline: str,
    before: Sequence[ClaimResult],
    after: Sequence[ClaimResult],
    *,
    same_model: bool = False,
    shrink: float = SHRINK,
    fail_on_shrink: bool = False,
) -> Comparison:
    """Compare the claims of two reports, on the very same model or not.

    It fails over a claim that was good and is not, that is no longer there or no longer shown to be able to
    fail, or that is suddenly said not to be about the model (but for those about a single checkpoint, which
    are about no other); and, if asked, over slack that shrank by more than `shrink`.
    """
    was = {result.claim: result for result in before}
    now = {result.claim: result for result in after}
    differences: list[Difference] = []
    for claim in [*was, *(claim for claim in now if claim not in was)]:
        one, other = was.get(claim), now.get(claim)
        statement = (other or was[claim]).records[0].statement
        for kind, text, fails in _differences(one, other, same_model, shrink, fail_on_shrink):
            differences.append(Difference(kind, claim, statement, text, fails))
    order = list(Kind)
    differences.sort(key=lambda d: (not d.fails, order.index(d.kind)))
    differing = {difference.claim for difference in differences}
    return Comparison(baseline, shrink, tuple(differences), len(now.keys() - differing))


def _differences(
    was: ClaimResult | None, now: ClaimResult | None, same_model: bool, shrink: float, fail_on_shrink: bool
) -> Iterator[tuple[Kind, str, bool]]:
    """What became of one claim: kinds, texts, and whether the comparison fails over it."""
    if now is None or (now.checkpoint is None and was is not None and was.checkpoint is not None):
        yield Kind.MISSING, "the baseline has it, this report does not", True
    elif was is None or was.checkpoint is None:
        yield Kind.ADDED, f"the baseline does not have it; here: {_state(now)}", not now.good
    elif was.records[0].erratum != now.records[0].erratum:
        what = "an erratum" if was.records[0].erratum else "a claim"
        yield Kind.MISSING, f"the baseline has it as {what}, this report does not", True
    elif was.good and not now.good:
        kind = Kind.CONTROLS if now.verdict == was.verdict else Kind.REFUTED
        yield kind, f"was: {_state(was)}; now: {_state(now)}", True
    elif now.verdict == Verdict.NOT_ABOUT:
        if was.verdict != Verdict.NOT_ABOUT:
            of_one = was.records[0].one_model_only and now.records[0].one_model_only
            yield Kind.NOT_ABOUT, now.records[0].reason, was.good and (same_model or not of_one)
    elif not was.good:
        kind = Kind.FIXED if now.good else Kind.STILL
        yield kind, f"was: {_state(was)}; now: {_state(now)}", False
    elif was.verdict == Verdict.NOT_ABOUT:
        yield Kind.ADDED, f"was not about the baseline's model; here: {_state(now)}", False
    else:
        yield from _weakened(was, now, same_model, shrink, fail_on_shrink)


def _weakened(
    was: ClaimResult, now: ClaimResult, same_model: bool, shrink: float, fail_on_shrink: bool
) -> Iterator[tuple[Kind, str, bool]]:
    """What a claim that is good in both reports says with less behind it."""
    ran = {control.subject for control in now.controls}
    refuted = {control.subject for control in was.controls if control.verdict in SHOWN}
    lost = refuted - ran
    edited = _edited(was, now)
    impossible = sorted(refuted & {control.subject for control in now.impossible_controls})
    if impossible and same_model:
        yield Kind.CONTROLS, f"said not to exist of the very same model: {', '.join(impossible)}", True
    elif impossible:
        edited.append(f"controls that cannot be made of this model: {', '.join(impossible)}")
    if lost and not (ran and edited):
        yield Kind.MISSING, "controls that refuted it in the baseline did not run here", True
    elif lost:
        edited.append(f"controls that it no longer names: {', '.join(sorted(lost))}")
    before, after = _assertions(was), _assertions(now)
    if before - after:
        edited.append(f"asserted in the baseline, not here: {', '.join(sorted(before - after))}")
    if after - before:
        edited.append(f"asserted here, not in the baseline: {', '.join(sorted(after - before))}")
    edited += _loosened(was, now)
    if edited:
        yield Kind.NOT_COMPARABLE, "; ".join(edited), False
    for text in _shrunk(was, now, shrink):
        yield Kind.SHRUNK, text, fail_on_shrink


def _edited(was: ClaimResult, now: ClaimResult) -> list[str]:
    """In which way it is not the same claim any more, as far as that can be seen."""
    before, after = was.records[0], now.records[0]
    edited = []
    if not after.source_id or before.source_id != after.source_id:
        edited.append("the claim's source changed, so its slack may mean another thing")
    edited += [
        f"{name} was: {getattr(before, name)}"
        for name in ("statement", "over", "source")
        if getattr(before, name) != getattr(after, name)
    ]
    return edited


def _loosened(was: ClaimResult, now: ClaimResult) -> Iterator[str]:
    """Bounds that leave more room than they did: they depend on the model, or somebody moved them."""
    earlier = {(m.name, i): judgement for m, i, judgement in _judgements(was)}
    for measurement, i, judgement in _judgements(now):
        before = earlier.get((measurement.name, i))
        if before is None or (before.operator, before.bound) == (judgement.operator, judgement.bound):
            continue
        try:
            room = float(judgement.bound.replace(",", "")) - float(before.bound.replace(",", ""))
        except ValueError:
            room = 0.0
        tighter = {"<": room < 0, "<=": room < 0, ">": room > 0, ">=": room > 0}
        if before.operator != judgement.operator or not tighter.get(judgement.operator, False):
            bounds = f"was {before.operator} {before.bound}, is {judgement.operator} {judgement.bound}"
            yield f"{measurement.name}: the bound {bounds}"


def _state(result: ClaimResult) -> str:
    """A claim in a few words: its verdict, by which measurement or why, and what is wrong with its controls."""
    causes = "".join(f" ({cause})" for cause in _causes(result))
    return f"{result.verdict}{causes}" + "".join(f", {control}" for control in _survivors(result))


def trouble(result: ClaimResult) -> list[str]:
    """What is wrong with a claim, in a few words each; nothing if it is as it should be."""
    return [*_causes(result), *_survivors(result)]


def _causes(result: ClaimResult) -> Iterator[str]:
    broken = [(measurement, judgement) for measurement, _, judgement in _judgements(result) if not judgement.holds]
    if not result.good and broken:
        measurement, judgement = broken[0]
        yield f"{measurement.name} {format_value(measurement)}, not {judgement.operator} {judgement.bound}"
    elif not result.good and result.records[0].reason:
        yield result.records[0].reason
    if result.lacks_control:
        yield WITHOUT_CONTROL
    if result.unbroken:
        yield result.told_unbroken


def _survivors(result: ClaimResult) -> Iterator[str]:
    for control in result.failing_controls:
        yield f"control {control.subject} {control.verdict}"


def _shrunk(was: ClaimResult, now: ClaimResult, shrink: float) -> Iterator[str]:
    """A sentence for each comparison that holds with less than 1 - shrink of the slack that it had.

    Where the source changed, only what was compared with the same bound still means the same.
    """
    changed = not now.records[0].source_id or was.records[0].source_id != now.records[0].source_id
    earlier = {(m.name, i): judgement for m, i, judgement in _judgements(was)}
    for measurement, i, judgement in _judgements(now):
        before = earlier.get((measurement.name, i))
        if before is None or before.operator != judgement.operator or not (before.holds and judgement.holds):
            continue
        if changed and before.bound != judgement.bound:
            continue
        if before.slack > 0 and judgement.slack < (1 - shrink) * before.slack:
            yield (
                f"{measurement.name} {judgement.operator} {judgement.bound}: slack {format_number(before.slack)} -> "
                f"{format_number(judgement.slack)} ({1 - judgement.slack / before.slack:.0%} less)"
            )


def _assertions(result: ClaimResult) -> set[str]:
    """Everything that was asserted of the checkpoint, as name of the measurement and operator."""
    assertions = {f"{measurement.name} {judgement.operator}" for measurement, _, judgement in _judgements(result)}
    return assertions | set(result.checkpoint.assertions if result.checkpoint else ())


def _judgements(result: ClaimResult) -> Iterator[tuple[Measurement, int, Judgement]]:
    """Every comparison made on the checkpoint, with its place among those of the same measurement."""
    for measurement in result.checkpoint.measurements if result.checkpoint else ():
        for i, judgement in enumerate(measurement.comparisons):
            yield measurement, i, judgement
