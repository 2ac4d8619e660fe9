"""What a whole run says: how many claims hold, whether anything was left out, and whether that is good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from pytest_claims.claim import Evidence, Role
from pytest_claims.results import ClaimResult, Record
from pytest_claims.verdict import Verdict


class Tone(StrEnum):
    """GOOD only if the whole suite ran and pytest ends with exit code 0: what is green is all of it."""

    GOOD = "good"
    PARTIAL = "partial"
    BAD = "bad"
    UNFINISHED = "unfinished"


_WORDS = {
    Verdict.HOLDS: "hold",
    Verdict.REFUTED: "refuted",
    Verdict.ERROR: "in error",
    Verdict.NOT_ABOUT: "not about this model",
    Verdict.NOT_RUN: "not run",
    Verdict.NOT_SELECTED: "not selected",
}


def split(results: Sequence[ClaimResult]) -> tuple[list[ClaimResult], list[ClaimResult]]:
    """Claims that have to hold, and errata. Rival accounts and known limits are neither."""
    plain = [r for r in results if not r.records[0].erratum and r.records[0].role == Role.PRIMARY]
    return plain, [r for r in results if r.records[0].erratum]


def with_role(results: Sequence[ClaimResult], role: Role) -> list[ClaimResult]:
    """Claims with a role, errata not among them."""
    return [r for r in results if not r.records[0].erratum and r.records[0].role == role]


def by_evidence(results: Sequence[ClaimResult]) -> str:
    """How many of the claims that hold have which evidence behind them: "31 proved, 22 exact"; empty if none say."""
    counts = Counter(r.records[0].evidence for r in split(results)[0] if r.verdict == Verdict.HOLDS)
    unstated = counts.pop("", 0)
    kinds = [f"{counts[evidence]} {evidence}" for evidence in Evidence if counts[evidence]]
    return ", ".join([*kinds, *([f"{unstated} unstated"] if unstated else [])]) if kinds else ""


def without_all_controls(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Claims that hold, of which not every control was shown to refute them: nothing proves that they can fail."""
    return [
        result
        for result in results
        if result.verdict in (Verdict.HOLDS, Verdict.AS_PUBLISHED, Verdict.LOSES, Verdict.LIMIT)
        and result.n_good_controls < result.n_due_controls
    ]


def summary_line(results: Sequence[ClaimResult], timings: Sequence[Record], *, controls_left_out: bool) -> str:
    """Everything counted, in one line, such as "65 claims: 65 hold; controls refuted 179/179"."""
    plain, errata = split(results)
    verdicts = Counter(result.verdict for result in plain)
    counts = [f"{verdicts[v]} {word}" for v, word in _WORDS.items() if verdicts[v] or v == Verdict.HOLDS]
    n_exhaustive = sum(result.verdict == Verdict.HOLDS and result.records[0].exhaustive for result in plain)
    parts = [f"{n_exhaustive} over every input"] if n_exhaustive else []
    parts += [by_evidence(results)] if by_evidence(results) else []
    if parts:
        counts[0] += f" ({'; '.join(parts)})"
    n_instruments = sum(result.records[0].instrument for result in plain)
    if n_instruments:
        counts.append(f"of them {n_instruments} of the instruments")
    line = f"{len(plain)} claim{'s' * (len(plain) != 1)}: {', '.join(counts)}"
    if controls_left_out:
        line += "; controls left out"
    else:
        n_refuted, n_controls = count_controls(plain)
        selected = any(result.controls for result in plain) or not n_controls
        line += f"; controls refuted {n_refuted}/{n_controls}" if selected else f"; {n_controls} controls not selected"
        n_shown, n_assertions = count_assertions(plain)
        line += f"; assertions shown to fail {n_shown}/{n_assertions}" if n_assertions else ""
    if errata:
        about = [result for result in errata if result.verdict != Verdict.NOT_ABOUT]
        n_refuted = sum(result.verdict == Verdict.AS_PUBLISHED for result in about)
        line += f"; errata refuted as published {n_refuted}/{len(about)}" if about else "; errata not about this model"
    rivals = [result for result in with_role(results, Role.ALTERNATIVE) if result.verdict != Verdict.NOT_ABOUT]
    if rivals:
        n_lost = sum(result.verdict == Verdict.LOSES for result in rivals)
        line += f"; rival accounts that lose {n_lost}/{len(rivals)}"
    stressed = [result for result in with_role(results, Role.STRESS) if result.verdict != Verdict.NOT_ABOUT]
    if stressed:
        n_limits = sum(result.verdict == Verdict.LIMIT for result in stressed)
        line += f"; known limits {n_limits} of {len(stressed)} stress tests"
    if timings:
        n_timed = sum(record.verdict == Verdict.TIMED for record in timings)
        line += f"; timings {n_timed}/{len(timings)}"
        reasons = sorted({record.reason for record in timings if record.verdict == Verdict.NOT_RUN})
        if reasons:
            line += f" (not run: {'; '.join(reasons)})"
    return line


def count_controls(plain: Sequence[ClaimResult]) -> tuple[int, int]:
    """How many controls refuted their claim, and how many should have, of the claims that are about the model."""
    applicable = [result for result in plain if result.verdict != Verdict.NOT_ABOUT]
    return sum(result.n_good_controls for result in applicable), sum(result.n_due_controls for result in applicable)


def count_assertions(plain: Sequence[ClaimResult]) -> tuple[int, int]:
    """How many assertions a control breaks, and how many there are, of the claims that hold and whose controls ran."""
    shown = [result for result in plain if result.shows_assertions and result.checkpoint is not None]
    n_assertions = sum(len(result.checkpoint.assertions) for result in shown if result.checkpoint is not None)
    return n_assertions - sum(len(result.unbroken) for result in shown), n_assertions


def tone(
    results: Sequence[ClaimResult], *, exit_code: int | None, left_out: Sequence[str], problems: Sequence[str]
) -> Tone:
    """What colour the headline has."""
    if exit_code is None:
        return Tone.UNFINISHED
    if exit_code or problems or not results or not all(result.good for result in results):
        return Tone.BAD
    selected = all(result.checkpoint for result in results)
    if left_out or without_all_controls(results) or mostly_not_about(results) or not selected:
        return Tone.PARTIAL
    if only_stress_tests(results):
        return Tone.PARTIAL
    return Tone.GOOD


def only_stress_tests(results: Sequence[ClaimResult]) -> bool:
    """Whether nothing of it could turn a run red by being false."""
    return bool(results) and len(with_role(results, Role.STRESS)) == len(results)


def mostly_not_about(results: Sequence[ClaimResult]) -> bool:
    """Whether more claims are not about the model than hold: of such a model next to nothing was verified.

    Claims about a single checkpoint do not count, unless nothing else is there.
    """
    plain, _ = split(results)
    n_holding = sum(result.verdict == Verdict.HOLDS for result in plain)
    not_about = [result for result in plain if result.verdict == Verdict.NOT_ABOUT]
    n_not_about = sum(not result.records[0].one_model_only for result in not_about)
    return n_holding < n_not_about or (n_holding == 0 and bool(not_about))


def headline(results: Sequence[ClaimResult], tone: Tone, *, exit_code: int | None, n_lost: int = 0) -> str:
    """The verdict in a few words. It says "all" only where the tone is good.

    n_lost: claims over which a comparison with a baseline fails.
    """
    if tone == Tone.UNFINISHED:
        return "This run has not finished"
    plain, errata = split(results)
    verdicts = Counter(result.verdict for result in plain)
    if tone == Tone.GOOD:
        if not plain:
            return "No claim has to hold, and all others are as they should be"
        n, not_about = verdicts[Verdict.HOLDS], verdicts[Verdict.NOT_ABOUT]
        every = "All {} claims{} hold" if n != 1 else "The one claim{1} holds"
        evidence = by_evidence(results)
        every += f" ({evidence})" if evidence else ""
        of = f"; {not_about} {'are' if not_about != 1 else 'is'} not about it" if not_about else ""
        return every.format(n, " about this model" if not_about else "") + of
    if tone == Tone.PARTIAL and only_stress_tests(results):
        return "No claim has to hold: all are stress tests"
    if tone == Tone.PARTIAL:
        n = verdicts[Verdict.HOLDS]
        if mostly_not_about(results):
            return f"{n} of {len(plain)} claims hold, most are not about this model, which was allowed"
        return f"Not the whole suite: {n} claim{'s' * (n != 1)} hold{'s' * (n == 1)}, and something was left out"
    failing_controls = [record for result in plain for record in result.failing_controls]
    counts = {
        "{} claim{s} refuted": verdicts[Verdict.REFUTED],
        "{} in error": verdicts[Verdict.ERROR],
        "{} not run": verdicts[Verdict.NOT_RUN],
        "{} control{s} survived": sum(record.verdict == Verdict.SURVIVED for record in failing_controls),
        "{} control{s} in error": sum(record.verdict != Verdict.SURVIVED for record in failing_controls),
        "{} claim{s} without a control": sum(result.lacks_control for result in plain),
        "{} assertion{s} never shown to fail": sum(len(result.unbroken) for result in plain),
        "{} errat{um} not as published": sum(not result.good for result in errata),
        "{} rival account{s} not rejected": sum(not result.good for result in with_role(results, Role.ALTERNATIVE)),
        "{} stress test{s} in error or without its controls": sum(
            not result.good for result in with_role(results, Role.STRESS)
        ),
    }
    told_counts = [words.format(n, s="s" * (n != 1), um="um" if n == 1 else "a") for words, n in counts.items() if n]
    if told_counts:
        return ", ".join(told_counts)
    if not results:
        return "No claim was run"
    if mostly_not_about(results):
        n = verdicts[Verdict.HOLDS]
        return f"Next to nothing verified: {n} of {len(plain)} claims hold, most are not about this model"
    if n_lost:
        return f"{n_lost} claim{'s' * (n_lost != 1)} lost against the baseline"
    return f"The claims that ran are as they should be, but pytest ended with exit code {exit_code}"
