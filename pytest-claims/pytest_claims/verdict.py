"""From what happened in a test to what it says about the model."""

from __future__ import annotations

from enum import StrEnum

from pytest_claims.claim import Role
from pytest_claims.measure import Recorder, format_value
from pytest_claims.text import first_line


class Verdict(StrEnum):
    """What one run of one test says.

    On the checkpoint a claim should come out HOLDS, on a control REFUTED. An erratum is a published
    statement that is false: on the checkpoint it should come out AS_PUBLISHED (refuted), where it STANDS
    it was true after all; on a model of which it is true it should be CONFIRMED. So it is with a rival account, which
    LOSES or WINS. A known limit, where a claim that is there to find one is refuted, is a LIMIT.
    """

    HOLDS = "holds"
    REFUTED = "refuted"
    SURVIVED = "survived"
    AS_PUBLISHED = "refuted as published"
    STANDS = "stands"
    LOSES = "loses"
    WINS = "wins"
    LIMIT = "known limit"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "not confirmed"
    ERROR = "error"
    NOT_ABOUT = "not about this model"
    NOT_RUN = "not run"
    NOT_SELECTED = "not selected"
    TIMED = "timed"


GOOD_ON_CHECKPOINT = {
    Verdict.HOLDS,
    Verdict.AS_PUBLISHED,
    Verdict.LOSES,
    Verdict.LIMIT,
    Verdict.NOT_ABOUT,
    Verdict.NOT_SELECTED,
    Verdict.TIMED,
}
WITHOUT_CONTROL = "nothing shows that it can fail on this model: none of its controls can be made of it"

UNBROKEN = "no control breaks"
"""What precedes the assertions of a claim that were never shown to fail."""

GOOD_ON_CONTROL = {Verdict.REFUTED, Verdict.CONFIRMED, Verdict.NOT_ABOUT}

LETTERS = {Verdict.REFUTED: "X", Verdict.SURVIVED: ".", Verdict.ERROR: "!", Verdict.NOT_ABOUT: " "}
"""A verdict on a mutant as one character of a table; what has none is an error."""

FALSE_HERE = "the published statement is true of this model: it is no erratum"
RIVAL_WINS = "the rival account holds on this model: nothing rejects it"


def of_role(verdict: Verdict, reason: str, role: str, *, erratum: bool, on_control: bool) -> tuple[Verdict, str]:
    """What a verdict on the statement means for a claim of its role, or for an erratum."""
    if role == Role.STRESS and not on_control and verdict == Verdict.REFUTED:
        return Verdict.LIMIT, reason
    if not erratum and role != Role.ALTERNATIVE:
        return verdict, reason
    if verdict == Verdict.REFUTED:
        if on_control:
            return Verdict.UNCONFIRMED, f"the statement fails even where it should be true: {reason}"
        return (Verdict.AS_PUBLISHED if erratum else Verdict.LOSES), ""
    if verdict in (Verdict.HOLDS, Verdict.SURVIVED):
        if on_control:
            return Verdict.CONFIRMED, ""
        return (Verdict.STANDS, FALSE_HERE) if erratum else (Verdict.WINS, RIVAL_WINS)
    return verdict, reason


def judge(
    *,
    on_control: bool,
    failure: BaseException | None,
    assertion_lines: range | None,
    measured: Recorder,
) -> tuple[Verdict, str]:
    """The verdict on a claim that ran, and the reason for it.

    A claim is refuted when an assertion of its own file fails, on `assertion_lines` (None: it is not of
    that file), by a comparison of something measured. On a control the claim goes on after that, and
    stays refuted however it ends. Every other way to fail is an error, as is passing while proving nothing.
    """
    if measured.refuting is not None:
        measurement, comparison = measured.refuting
        reason = f"{measurement.name} {format_value(measurement)} {comparison.operator} {comparison.bound}"
        if failure is not None:
            reason += f", then {type(failure).__name__}: {first_line(failure)}"
        return Verdict.REFUTED, reason
    broken = measured.broken()
    if failure is not None:
        if isinstance(failure, AssertionError):
            if assertion_lines and any(comparison.line in assertion_lines for _, comparison in broken):
                return Verdict.REFUTED, first_line(failure)
            where = "outside the claim" if assertion_lines is None else "that judged nothing measured"
            return Verdict.ERROR, f"failed by an assertion {where}: {first_line(failure)}"
        return Verdict.ERROR, f"{type(failure).__name__}: {first_line(failure)}"
    if not measured.summary():
        return Verdict.ERROR, "passed without measuring anything: compare measure(name, value) with a bound"
    if measured.unjudged():
        names = ", ".join(dict.fromkeys(measured.unjudged()))
        return (
            Verdict.ERROR,
            f"passed without comparing what it measured (on the left of the comparison): {names}",
        )
    if measured.uncompared() and not on_control:
        names = ", ".join(dict.fromkeys(measured.uncompared()))
        return Verdict.ERROR, f"a published figure is shown and never compared, by .as_published(within=..): {names}"
    if broken:
        measurement, comparison = broken[0]
        return (
            Verdict.ERROR,
            f"passed although {measurement.name!r} {comparison.operator} {comparison.bound} is false: "
            "assert the comparison that has to hold",
        )
    if on_control:
        return Verdict.SURVIVED, "the claim holds on a model in which what it claims is broken"
    return Verdict.HOLDS, ""
