"""Records of single runs, and the claims that they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_claims.claim import Role
from pytest_claims.measure import Measurement
from pytest_claims.text import short_name
from pytest_claims.verdict import GOOD_ON_CHECKPOINT, GOOD_ON_CONTROL, UNBROKEN, Verdict

CHECKPOINT = "checkpoint"
"""The name of the model under test in test ids, beside those of the controls."""

PLAIN = (str, int, float, bool, type(None))


@dataclass
class Record:
    """What one run of one test showed: one claim on one model, or one timing.

    suite       the name of the suite that it belongs to, where several ran
    model       what the checkpoint is called, where several were verified
    erratum     the statement is one that was published and is false
    role        what it is for, see `claim.Role`
    evidence    what stands behind it, see `claim.Evidence`; empty if it does not say
    depends_on  what of the form of the weights it is about, beyond their function, such as "neuron numbers"
    exhaustive  it holds over every input, rather than over a sample
    instrument  it judges the software that the others measure with
    own         the claim itself names the model that it ran on, rather than `--matrix`
    one_model_only  the claim is about a single checkpoint, and says so on any other
    line        where the claim stands in its file, counted from 1; 0 if that is not known
    source_id   differs when the claim's source code does, see `source.source_id`
    place       where it stands among the runs of its test: the numbers of its parameters, and of its control
    code        the source of the claim's test, or, on a control, that of the control; empty if it cannot be read
    breaks      what the control breaks, in its own words
    assertions  every assertion that was evaluated, as name of the measurement and operator: "gap <"
    broken      those among them that came out false at least once
    """

    test: str
    claim: str
    section: str
    statement: str
    subject: str
    verdict: Verdict
    kind: str = "claim"
    source: str = ""
    over: str = ""
    reason: str = ""
    n_controls: int = 0
    suite: str = ""
    model: str = ""
    erratum: bool = False
    role: str = Role.PRIMARY
    evidence: str = ""
    depends_on: list[str] = field(default_factory=list)
    exhaustive: bool = False
    instrument: bool = False
    own: bool = True
    one_model_only: bool = False
    line: int = 0
    source_id: str = ""
    place: list[int] = field(default_factory=list)
    code: str = ""
    breaks: str = ""
    assertions: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def has_to_lose(self) -> bool:
        """Whether the statement has to be refuted on the model under test: an erratum, or a rival account."""
        return self.erratum or self.role == Role.ALTERNATIVE

    def to_plain(self) -> dict[str, Any]:
        """The record in builtins alone, which is all that travels between pytest-xdist processes."""
        plain = asdict(self) | {"verdict": str(self.verdict), "role": str(self.role), "evidence": str(self.evidence)}
        require_plain(self.test, plain)
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Record:
        measurements = [Measurement.from_plain(measurement) for measurement in plain["measurements"]]
        return cls(**{**plain, "verdict": Verdict(plain["verdict"]), "measurements": measurements})

    @classmethod
    def of_missing(cls, test: str, reason: str, verdict: Verdict = Verdict.NOT_RUN) -> Record:
        """A stand-in for a test of which nothing was heard but its id."""
        claim, _, parameters = test.partition("[")
        return cls(
            test=test,
            claim=claim,
            section=claim.partition("::")[0],
            statement=short_name(claim),
            subject=parameters.rstrip("]").partition("-")[0] or CHECKPOINT,
            verdict=verdict,
            reason=reason,
        )


@dataclass
class ClaimResult:
    """One claim or erratum: its run on the checkpoint, if that was selected, and its runs on controls."""

    claim: str
    checkpoint: Record | None = None
    controls: list[Record] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        return [*([self.checkpoint] if self.checkpoint else []), *self.controls]

    @property
    def statement(self) -> str:
        """What it says, with what it is where it is no claim that has to hold."""
        first = self.records[0]
        roles = {Role.ALTERNATIVE: "Rival account: ", Role.STRESS: "Stress test: "}
        return ("Published, in our words: " if first.erratum else roles.get(Role(first.role), "")) + first.statement

    @property
    def verdict(self) -> Verdict:
        """That of the checkpoint; "not selected" where only controls were."""
        return self.checkpoint.verdict if self.checkpoint else Verdict.NOT_SELECTED

    @property
    def failing_controls(self) -> list[Record]:
        """Controls that did not come out as they have to: refuted, or for an erratum confirmed."""
        return [record for record in self.controls if record.verdict not in GOOD_ON_CONTROL]

    @property
    def impossible_controls(self) -> list[Record]:
        """Controls that cannot be made of a model that the claim is about."""
        about = self.verdict != Verdict.NOT_ABOUT
        return [record for record in self.controls if about and record.verdict == Verdict.NOT_ABOUT]

    @property
    def lacks_control(self) -> bool:
        """Whether nothing shows that it can fail on this model, as none of its controls can be made of it."""
        return self.checkpoint is not None and 0 < self.n_controls <= len(self.impossible_controls)

    @property
    def good(self) -> bool:
        """Whether nothing of it came out as it should not; a claim that was not selected counts as good."""
        sound = not self.failing_controls and not self.lacks_control and not self.unbroken
        return self.verdict in GOOD_ON_CHECKPOINT and sound

    @property
    def shows_assertions(self) -> bool:
        """Whether it is known of each of its assertions if a control breaks it: it holds, and all controls ran."""
        ran = sum(record.verdict in (Verdict.REFUTED, Verdict.SURVIVED) for record in self.controls)
        return self.verdict == Verdict.HOLDS and 0 < ran == self.n_due_controls

    @property
    def unbroken(self) -> list[str]:
        """Its assertions, as evaluated on the checkpoint, that not one of its controls breaks."""
        if self.checkpoint is None or not self.shows_assertions:
            return []
        return [assertion for assertion in self.checkpoint.assertions if not self.breaking(assertion)]

    @property
    def told_unbroken(self) -> str:
        """The assertions that no control breaks, in one line; empty if there are none."""
        return f"{UNBROKEN}: {', '.join(self.unbroken)}" if self.unbroken else ""

    def breaking(self, assertion: str) -> list[str]:
        """The controls that break an assertion."""
        return [record.subject for record in self.controls if assertion in record.broken]

    @property
    def n_controls(self) -> int:
        """How many controls the claim names, selected or not."""
        return max((record.n_controls for record in self.records), default=0) or len(self.controls)

    @property
    def n_due_controls(self) -> int:
        """How many of them can be made of the model, as far as is known."""
        return self.n_controls - len(self.impossible_controls)

    @property
    def n_good_controls(self) -> int:
        return sum(record.verdict in (Verdict.REFUTED, Verdict.CONFIRMED) for record in self.controls)


def gather(records: Iterable[Record]) -> tuple[list[ClaimResult], list[Record]]:
    """Claims and timings in the order of the records."""
    claims: dict[str, ClaimResult] = {}
    timings: list[Record] = []
    for record in records:
        if record.kind == "timing":
            timings.append(record)
            continue
        result = claims.setdefault(record.claim, ClaimResult(record.claim))
        if record.subject == CHECKPOINT:
            result.checkpoint = record
        else:
            result.controls.append(record)
    return list(claims.values()), timings


def in_reading_order(records: Iterable[Record], order: Sequence[str]) -> list[Record]:
    """Records by file, and within a file as its tests stand there, whatever order they ran in.

    order: names of files, which come first; others follow by path.
    """
    place = {file: index for index, file in enumerate(order)}

    def key(record: Record) -> tuple[Any, ...]:
        path = record.test.partition("::")[0]
        known = record.line > 0  # of a claim of which nothing was heard but its id nothing else is known
        first = place.get(path.rpartition("/")[2], len(place))
        function = record.claim.partition("[")[0]
        return first, path, not known, record.line, function, record.place, record.claim, record.test

    return sorted(records, key=key)


def require_plain(where: str, value: Any) -> None:
    """Raise TypeError unless `value` is made of exact builtins.

    A subclass is not enough: a numpy float is a float, yet pytest-xdist cannot send it, and the run
    that should have failed ends as "no tests ran".
    """
    if type(value) in PLAIN:
        return
    if type(value) in (list, tuple):
        for item in value:
            require_plain(where, item)
    elif type(value) is dict:
        for key, item in value.items():
            require_plain(where, key)
            require_plain(f"{where}: {key}", item)
    else:
        raise TypeError(f"{where}: a {type(value).__module__}.{type(value).__name__} cannot travel between processes")
