"""The report of one run: everything that the terminal, the page, the Markdown and the JSON show."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pytest_claims.claim import Role
from pytest_claims.report.baseline import SHRINK, Comparison, compare
from pytest_claims.report.summary import Tone, headline, split, summary_line, tone, with_role
from pytest_claims.results import ClaimResult, Record
from pytest_claims.subject import Subject
from pytest_claims.verdict import Verdict

NOT_FINISHED = "This report was begun and never finished: the run that was to write it was stopped, or still goes on."


@dataclass(frozen=True)
class Report:
    """What a run showed, and under which circumstances.

    line               one line that names the checkpoint, as the terminal shows it
    suite              what the suite is called, where several ran
    model              what the checkpoint is called, where several were verified
    exit_code          that pytest ends with; None while the run has not finished
    controls_left_out  the run was asked not to show that claims can fail
    left_out           why this is not the whole suite, a sentence each
    problems           what went wrong beside the claims, a sentence each
    arguments          what pytest was called with
    comparison         with a baseline, if one was named
    """

    claims: list[ClaimResult] = field(default_factory=list)
    timings: list[Record] = field(default_factory=list)
    line: str = ""
    suite: str = ""
    model: str = ""
    subject: Subject = field(default_factory=Subject)
    exit_code: int | None = None
    controls_left_out: bool = False
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @cached_property
    def tone(self) -> Tone:
        return tone(self.claims, exit_code=self.exit_code, left_out=self.left_out, problems=self.problems)

    @property
    def headline(self) -> str:
        n_lost = self.comparison.n_lost if self.comparison else 0
        return headline(self.claims, self.tone, exit_code=self.exit_code, n_lost=n_lost)

    @property
    def what_it_is(self) -> str:
        """Verdict and model, to name a report by."""
        return "; ".join(filter(None, [self.headline, self.line]))

    @property
    def summary(self) -> str:
        return summary_line(self.claims, self.timings, controls_left_out=self.controls_left_out)

    def against(self, baseline: Report, name: str, fail_on_shrink: float | None) -> Comparison:
        """The comparison with an earlier one, whose file is called `name`.

        fail_on_shrink: the share of its slack that a comparison may lose; None if that is only to be told.
        """
        return compare(
            f"{name} ({baseline.what_it_is})",
            baseline.claims,
            self.claims,
            same_model=bool(self.subject.sha256) and self.subject.sha256 == baseline.subject.sha256,
            shrink=SHRINK if fail_on_shrink is None else fail_on_shrink,
            fail_on_shrink=fail_on_shrink is not None,
        )

    @property
    def fails(self) -> bool:
        """Whether something in it turns a run red that pytest itself has nothing to say against."""
        missing = (Verdict.NOT_RUN, Verdict.ERROR)
        return (
            bool(self.problems)
            or any(not result.good for result in self.claims)
            or any(record.verdict in missing for result in self.claims for record in result.records)
            or (self.comparison is not None and self.comparison.fails)
        )

    @property
    def plain_claims(self) -> list[ClaimResult]:
        return split(self.claims)[0]

    @property
    def errata(self) -> list[ClaimResult]:
        return split(self.claims)[1]

    @property
    def rivals(self) -> list[ClaimResult]:
        """Alternative accounts, which have to lose."""
        return with_role(self.claims, Role.ALTERNATIVE)

    @property
    def stress_tests(self) -> list[ClaimResult]:
        return with_role(self.claims, Role.STRESS)

    @property
    def failing(self) -> list[ClaimResult]:
        """Claims and errata that turn the run red, in reading order."""
        return [result for result in self.claims if not result.good]
