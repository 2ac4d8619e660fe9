"""From what happened in a test to what it says about the model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from cumsum_model.verification.measure import Measurement


class Verdict(StrEnum):
    """What one run of one test says.

    On the checkpoint a claim should come out HOLDS, on a control REFUTED. An erratum is a published
    statement that is false: on the checkpoint it should come out AS_PUBLISHED (refuted), where it STANDS
    it was true after all; on a model of which it is true it should be CONFIRMED.
    """

    HOLDS = "holds"
    REFUTED = "refuted"
    SURVIVED = "survived"
    AS_PUBLISHED = "refuted as published"
    STANDS = "stands"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "not confirmed"
    ERROR = "error"
    NOT_ABOUT = "not about this model"
    NOT_RUN = "not run"
    TIMED = "timed"


GOOD_ON_CHECKPOINT = {Verdict.HOLDS, Verdict.AS_PUBLISHED, Verdict.NOT_ABOUT, Verdict.TIMED}
GOOD_ON_CONTROL = {Verdict.REFUTED, Verdict.CONFIRMED, Verdict.NOT_ABOUT}

_OF_ERRATUM = {
    Verdict.REFUTED: (Verdict.AS_PUBLISHED, Verdict.UNCONFIRMED),
    Verdict.HOLDS: (Verdict.STANDS, Verdict.CONFIRMED),
    Verdict.SURVIVED: (Verdict.STANDS, Verdict.CONFIRMED),
}


def of_erratum(verdict: Verdict, reason: str, *, on_control: bool) -> tuple[Verdict, str]:
    """What a verdict on the statement means where the statement is published and false."""
    if verdict not in _OF_ERRATUM:
        return verdict, reason
    told = _OF_ERRATUM[verdict][on_control]
    reasons = {
        Verdict.STANDS: "the published statement is true of this model: it is no erratum",
        Verdict.UNCONFIRMED: f"the statement fails even where it should be true: {reason}",
    }
    return told, reasons.get(told, "")


def judge(
    *,
    on_control: bool,
    failure: BaseException | None,
    by_own_assertion: bool,
    measurements: Sequence[Measurement],
    unjudged: Sequence[str],
) -> tuple[Verdict, str]:
    """The verdict on a claim that ran, and the reason for it.

    A claim is refuted when an assertion of its own file fails and something that it measured is out
    of bounds. Every other way to fail is an error, as is passing while proving nothing.
    """
    broken = [m for m in measurements if not m.holds]
    if failure is not None:
        if isinstance(failure, AssertionError) and by_own_assertion and broken:
            return Verdict.REFUTED, _first_line(failure)
        if isinstance(failure, AssertionError):
            where = "outside the claim" if not by_own_assertion else "that judged nothing measured"
            return Verdict.ERROR, f"failed by an assertion {where}: {_first_line(failure)}"
        return Verdict.ERROR, f"{type(failure).__name__}: {_first_line(failure)}"
    if not measurements:
        return Verdict.ERROR, "passed without measuring anything: compare measure(name, value) with a bound"
    if unjudged:
        return Verdict.ERROR, f"passed without comparing what it measured: {', '.join(unjudged)}"
    if broken:
        comparison = next(c for c in broken[0].comparisons if not c.holds)
        return (
            Verdict.ERROR,
            f"passed although {broken[0].name!r} {comparison.operator} {comparison.bound} is false: "
            "assert the comparison that has to hold",
        )
    if on_control:
        return Verdict.SURVIVED, "the claim holds on a model in which what it claims is broken"
    return Verdict.HOLDS, ""


def _first_line(failure: BaseException) -> str:
    lines = str(failure).splitlines()
    return lines[0] if lines else type(failure).__name__
