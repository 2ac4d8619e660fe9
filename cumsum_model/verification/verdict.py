"""From what happened in a test to what it says about the model."""

from __future__ import annotations

from enum import StrEnum

from cumsum_model.verification.measure import Recorder, format_value


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
    NOT_SELECTED = "not selected"
    TIMED = "timed"


GOOD_ON_CHECKPOINT = {
    Verdict.HOLDS,
    Verdict.AS_PUBLISHED,
    Verdict.NOT_ABOUT,
    Verdict.NOT_SELECTED,
    Verdict.TIMED,
}
WITHOUT_CONTROL = "nothing shows that it can fail on this model: none of its controls can be made of it"

UNBROKEN = "no control breaks"
"""What precedes the assertions of a claim that were never shown to fail."""

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
            reason += f", then {type(failure).__name__}: {_first_line(failure)}"
        return Verdict.REFUTED, reason
    broken = measured.broken()
    if failure is not None:
        if isinstance(failure, AssertionError):
            if assertion_lines and any(comparison.line in assertion_lines for _, comparison in broken):
                return Verdict.REFUTED, _first_line(failure)
            where = "outside the claim" if assertion_lines is None else "that judged nothing measured"
            return Verdict.ERROR, f"failed by an assertion {where}: {_first_line(failure)}"
        return Verdict.ERROR, f"{type(failure).__name__}: {_first_line(failure)}"
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


def _first_line(failure: BaseException) -> str:
    lines = str(failure).splitlines()
    return lines[0] if lines else type(failure).__name__
