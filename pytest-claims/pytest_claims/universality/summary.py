"""What the runs of a sweep say, in words: the headline, what has to be told beside it, and what is proved of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from pytest_claims.report.summary import Tone
from pytest_claims.subject import Note
from pytest_claims.universality.findings import Finding, Group, Standing, Universality
from pytest_claims.universality.interval import ENOUGH, at_least, clopper_pearson
from pytest_claims.universality.outcome import Proved
from pytest_claims.universality.runs import Run
from pytest_claims.verdict import Verdict


def headline(result: Universality) -> str:
    """How many claims hold on all runs, and how many runs count for nothing."""
    if not result.counted:
        return f"No run was verified: {not_counted(result.runs)}"
    return _beside(_over_groups(result), result.runs)


def group_headline(group: Group) -> str:
    """The same of one group."""
    if not group.counted:
        return f"No run was verified: {not_counted(group.runs)}"
    return _beside(_over_seeds(group), group.runs)


def tone(result: Universality) -> Tone:
    """Good only where everything holds on every run, and every run counts.

    That a claim depends on the seed is a finding, and partial; bad is what makes the counts themselves doubtful.
    """
    findings = [finding for group in result.groups for finding in group.findings]
    doubtful = any(finding.tally.undecided or finding.failing for finding in findings)
    if not result.counted or result.unread or len(result.suites) > 1 or doubtful or _trouble(result.counted):
        return Tone.BAD
    about = [finding for finding in findings if finding.interval is not None]
    universal = all(finding.standing == Standing.UNIVERSAL for finding in about if not finding.one_model_only)
    refuted = any(finding.tally.refuted for finding in about)
    whole = not any(group.without_controls for group in result.groups)
    return Tone.GOOD if universal and not refuted and whole and not result.diverged else Tone.PARTIAL


def not_counted(runs: Iterable[Run]) -> str:
    """How many diverged or cannot be read; empty if every run counts."""
    reasons = list(runs)
    numbers = {"diverged": sum(run.diverged for run in reasons), "cannot be read": sum(run.unread for run in reasons)}
    return ", ".join(f"{n} {what}" for what, n in numbers.items() if n)


def _beside(sentence: str, runs: Sequence[Run]) -> str:
    lost = not_counted(runs)
    return f"{sentence}; of {counted(len(runs), 'run')} {lost}" if lost else sentence


def _over_groups(result: Universality) -> str:
    groups = [group for group in result.groups if group.counted]
    if len(groups) == 1:
        return _over_seeds(groups[0])
    if len(result.suites) > 1:
        return f"Verified by {len(result.suites)} versions of the claims: {len(groups)} groups, each counted by itself"
    claims: dict[str, list[Finding]] = {}
    for group in groups:
        for finding in group.claims:
            claims.setdefault(finding.claim, []).append(finding)
    everywhere = sum(all(f.holds_on_all for f in by_cell) for by_cell in claims.values())
    accidents = sum(any(f.standing == Standing.ACCIDENT for f in by_cell) for by_cell in claims.values())
    options = " and ".join(dict.fromkeys(option for group in groups for option, _ in group.varied))
    where = f"at every {options}" if options else f"of {len(groups)} recipes"
    sentence = f"{everywhere} of {counted(len(claims), 'claim')} hold on every run {where}"
    return sentence + (f"; in {accidents} the seed decides somewhere" if accidents else "")


def _over_seeds(group: Group) -> str:
    claims, n = group.claims, len(group.counted)
    n_holding = sum(finding.holds_on_all for finding in claims)
    of = f"All {n_holding}" if n_holding == len(claims) > 1 else f"{n_holding} of {len(claims)}"
    on = f"all {n} seeds" if n > 1 else "the one seed"
    if any(finding.tally.n < n for finding in claims):
        on = f"every seed that they are about, of {n}"
    sentences = [f"{of} {'claim holds' if len(claims) == 1 else 'claims hold'} on {on}"]
    sentences += [
        words
        for words in (
            _are(len(group.with_standing(Standing.ACCIDENT)), "the seed's accident"),
            _are(sum(f.tally.refuted == f.tally.n > 0 for f in claims), "refuted on all"),
            _are(sum(bool(f.tally.undecided) for f in claims), "in error or not run somewhere"),
            _are(sum(bool(f.failing) for f in claims), "not refuted by a control somewhere"),
        )
        if words
    ]
    few = group.with_standing(Standing.TOO_FEW)
    if few:
        most = max(finding.tally.n for finding in few)
        sentences.append(
            f"{counted(n, 'seed')} {'are' if n > 1 else 'is'} too few to call a claim universal"
            if most == n
            else f"{_are(len(few), 'about too few of them to be called universal')}"
        )
    return "; ".join(sentences)


def _are(n: int, what: str) -> str:
    return f"{n} {'are' if n > 1 else 'is'} {what}" if n else ""


def notes(result: Universality) -> list[Note]:
    """What has to be told beside the headline, a sentence each: first what makes the counts doubtful."""
    return [*_doubts(result), *_limits(result), *_right(result)]


def _doubts(result: Universality) -> Iterator[Note]:
    for run in result.unread:
        yield Note(f"{run.name} counts for nothing: {run.why}", good=False)
    if len(result.suites) > 1:
        names = ", ".join(suite[:12] for suite in result.suites)
        yield Note(f"The runs were verified by several versions of the claims ({names}). A group for each.", good=False)
    for run, trouble in _trouble(result.counted):
        yield Note(f"{run.name}: {trouble}", good=False)
    for run in result.diverged:
        yield Note(f"{run.name} diverged and counts for no claim: {run.why}", good=False)


def _trouble(runs: Iterable[Run]) -> list[tuple[Run, str]]:
    """What went wrong beside the claims, or was left out of the suite."""
    reports = [(run, run.report) for run in runs if run.report is not None]
    return [(run, problem) for run, report in reports for problem in (*report.problems, *report.left_out)]


def _limits(result: Universality) -> Iterator[Note]:
    without = sum(len(group.without_controls) for group in result.groups)
    if without:
        of = "every run" if without == len(result.counted) else f"{without} of {counted(len(result.counted), 'run')}"
        yield Note(f"Controls were left out of {of}: nothing shows there that a claim can fail.", good=False)
    few = [group for group in result.groups if group.with_standing(Standing.TOO_FEW)]
    if few:
        n = max(finding.tally.n for group in few for finding in group.with_standing(Standing.TOO_FEW))
        low = at_least(clopper_pearson(n, 0, n)[0])
        yield Note(
            f"A claim that holds on {n} of {n} runs is only shown to hold on {low} of seeds or more: too few to call "
            f"it universal, for which it takes {ENOUGH}.",
            good=False,
        )


def _right(result: Universality) -> Iterator[Note]:
    if not result.counted:
        return
    right = sum(run.outcome is not None and _is_right(run.outcome.proved) for run in result.counted)
    n = len(result.counted)
    of = f"All {n} models are" if right == n > 1 else f"{right} of {counted(n, 'model')} {'are' if n > 1 else 'is'}"
    yield Note(f"{of} proved right on every sequence, at every position.", good=right == n)


def _is_right(proved: Proved | None) -> bool:
    return proved is not None and proved.everywhere_right


def not_right(result: Universality) -> list[Run]:
    """Counted runs that are not proved right on every sequence."""
    return [run for run in result.counted if run.outcome is not None and not _is_right(run.outcome.proved)]


def by_margin(runs: Iterable[Run]) -> list[tuple[Run, float]]:
    """Runs of which something is proved, with their smallest margins, smallest first."""
    margins = [
        (run, run.outcome.proved.smallest_margin)
        for run in runs
        if run.outcome is not None and run.outcome.proved is not None and not run.diverged
    ]
    return sorted(margins, key=lambda pair: (pair[1], pair[0].name))


def right_words(bounds: tuple[int, int], sequences: int) -> str:
    """How many sequences are answered rightly: "all", or how many are wrong, exactly or within which bounds."""
    low, high = bounds
    if low == sequences:
        return "all"
    least, most = sequences - high, sequences - low
    wrong = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"all but {wrong} ({share_words(low, high, sequences)})"


def share_words(low: int, high: int, sequences: int) -> str:
    """The share of right sequences, never rounded to all of them or to none."""
    ends = dict.fromkeys((_decimals(Fraction(low, sequences)), _decimals(Fraction(high, sequences))))
    return " to ".join(ends)


def _decimals(share: Fraction) -> str:
    """Six decimals; where these would say 0 or 1 and it is neither, how far it is from that."""
    decimals = f"{float(share):.6f}"
    if share in (0, 1) or float(decimals) not in (0, 1):
        return f"{int(share)}" if share in (0, 1) else decimals
    return f"{float(share):.2g}" if share < Fraction(1, 2) else f"1 - {float(1 - share):.2g}"


def sequence(values: Sequence[int]) -> str:
    """The values of a sequence, as `certify` writes them."""
    return " ".join(map(str, values))


def claims_of(run: Run) -> tuple[int, int]:
    """How many claims hold on a run and how many are about it, errata not among them."""
    plain = [] if run.report is None else run.report.plain_claims
    about = [result for result in plain if result.verdict != Verdict.NOT_ABOUT]
    return sum(result.verdict == Verdict.HOLDS for result in about), len(about)


def counted(n: int, what: str) -> str:
    """`3 runs`, `1 run`."""
    return f"{n:,} {what}{'s' * (n != 1)}"
