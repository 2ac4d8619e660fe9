"""What a claim is: a statement, where it comes from, over what it holds, and the models that refute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import pytest

Control = Callable[[Any], Any]
"""Makes a broken model from the model under test; its name says what is broken.

A function returns another model. A generator changes the model that it is given, yields it, and puts it back, so
that a large model is never copied.
"""

Test = TypeVar("Test", bound=Callable[..., Any])

RUN = "_claims_run"
"""The fixture in which every claim runs; without the plugin there is none, and no claim can pass."""

_ATTRIBUTE = "__claims__"


class CannotBeMade(Exception):
    """There is no such control of the model under test. The message says why."""

    cannot_be_made = True


class Role(StrEnum):
    """What a claim is for.

    PRIMARY      it has to hold
    ALTERNATIVE  a rival account, which has to lose: false of the model, and true of the models in `true_of`
    STRESS       a known limit: where it is refuted, that is reported and turns nothing red
    """

    PRIMARY = "primary"
    ALTERNATIVE = "alternative"
    STRESS = "stress"


class Evidence(StrEnum):
    """What stands behind a claim.

    PROVED    a bound that holds for every input
    EXACT     computed from the weights, or on every input that there is
    SAMPLED   measured on inputs that were drawn
    SEARCHED  no counterexample was found by something that looks for one
    """

    PROVED = "proved"
    EXACT = "exact"
    SAMPLED = "sampled"
    SEARCHED = "searched"


@dataclass(frozen=True)
class Claim:
    """A statement about the model under test, to be judged. See `claim` and `erratum`."""

    statement: str
    source: str
    over: str
    controls: tuple[Control, ...]
    unless: Callable[[Any], str | None] | None = None
    depends_on: tuple[str, ...] = ()
    exhaustive: bool = False
    instrument: bool = False
    erratum: bool = False
    role: str = Role.PRIMARY
    evidence: str = ""
    named: str = "refuted_by"
    """The argument that named its controls."""

    @property
    def has_to_lose(self) -> bool:
        """Whether it has to be refuted on the model under test, and true of its controls."""
        return self.erratum or self.role == Role.ALTERNATIVE

    @property
    def one_model_only(self) -> bool:
        """Whether it is about a single checkpoint, so that it is not lost where another one is verified."""
        return bool(getattr(self.unless, "one_model_only", False))

    def problem(self, arguments: Sequence[str]) -> str | None:
        """Why a test with these arguments and this claim proves nothing; None if all is well."""
        if self.role not in tuple(Role):
            return f"has the role {self.role!r}; there are: {', '.join(Role)}"
        if self.evidence and self.evidence not in tuple(Evidence):
            return f"has the evidence {self.evidence!r}; there are: {', '.join(Evidence)}"
        if self.named == "both":
            return "names controls both by refuted_by and by true_of: a claim has the one, a rival account the other"
        if self.has_to_lose and (not self.controls or self.named != "true_of"):
            return (
                "names no model of which it is true, so nothing shows that it says anything: name at least "
                "one, such as true_of=[averages_exactly]"
            )
        if not self.has_to_lose and self.named == "true_of":
            return 'names models of which it is true: that is for errata, and for role="alternative"'
        if not self.controls and self.role != Role.STRESS:
            return (
                "has no control, so nothing shows that it can fail: name at least one broken model, "
                "such as refuted_by=[attend_to_last]"
            )
        for part in ("statement", "source", "over"):
            if type(getattr(self, part)) is not str or not getattr(self, part):
                return f"has a {part} that is no text: {getattr(self, part)!r}"
        for form in self.depends_on:
            if type(form) is not str or not form:
                return f'depends on what is no text: {form!r}; name it, such as depends_on=("neuron numbers",)'
        names = [getattr(control, "__name__", "") for control in self.controls]
        for name in names:
            if not name.isidentifier():
                return f"has a control without a name ({name!r}): use a function named for what it breaks"
        if len(set(names)) < len(names):
            return f"names a control twice: {', '.join(names)}"
        if "checkpoint" in names:
            return 'has a control named "checkpoint", which is what the model under test is called'
        for fixture in ("model", "measure"):
            if fixture not in arguments:
                return f"does not take `{fixture}`: a claim measures the model that it is given"
        return None


@dataclass(frozen=True)
class Timing:
    """A speed that is reported and never judged. See `timing`."""

    statement: str
    over: str
    needs: Callable[[], str | None] | None


def claim(
    statement: str,
    *,
    source: str,
    over: str,
    refuted_by: Sequence[Control] = (),
    true_of: Sequence[Control] = (),
    unless: Callable[[Any], str | None] | None = None,
    depends_on: Sequence[str] = (),
    evidence: str = "",
    role: str = Role.PRIMARY,
    exhaustive: bool = False,
    instrument: bool = False,
) -> Callable[[Test], Test]:
    """Make a test a claim.

    The test runs once on the model under test, where it must hold, and once on every model in
    `refuted_by`, where at least one assertion on something that it measured must fail. There it goes on
    after that, so that every assertion is evaluated on every one of these models. An assertion that none of them breaks
    turns the run red. It takes the fixtures `model` and `measure`.

    statement   what is claimed, as a sentence; it may name parameters of a parametrised test in braces
    source      who says so: a section of a paper, or your own analysis
    over        what it holds over: "every sequence", a named data set, N seeded samples
    refuted_by  controls: functions from the model under test to a broken one, or generators that change the model,
                yield it, and put it back. `CannotBeMade` (or any exception with a true attribute `cannot_be_made`)
                says that there is no such model of the one under test, which is no failure as long as another control
                is refuted
    true_of     of a rival account (role="alternative"), in place of refuted_by: models of which it is true
    unless      given the model under test, None if the claim is about it, or why it is not; with a true attribute
                `one_model_only`, it says that the claim is about a single checkpoint, and no gate misses it on another
    depends_on  what of the form of the weights, beyond the function that they compute, it is about, such as
                "neuron numbers": the same function in weights that differ in that alone may refute it
    evidence    "proved", "exact", "sampled" or "searched"; the report counts them and can be filtered by them
    role        "primary"; "alternative", a rival account that has to lose; "stress", a known limit that is reported and
                turns nothing red
    exhaustive  it holds over every input that there is, and not over a sample; that which is "proved" does anyway
    instrument  it judges the software that the other claims measure with, and is true of an untrained model as well
    """
    depends = (depends_on,) if isinstance(depends_on, str) else tuple(depends_on)
    broken, true = _controls(refuted_by), _controls(true_of)
    named = "both" if broken and true else "true_of" if true else "refuted_by"

    def mark(test: Test) -> Test:
        return _declare(
            test,
            Claim(
                statement,
                source,
                over,
                true or broken,
                unless,
                depends,
                exhaustive=bool(exhaustive) or evidence == Evidence.PROVED,
                instrument=bool(instrument),
                role=role,
                evidence=evidence,
                named=named,
            ),
        )

    return mark


def erratum(
    statement: str,
    *,
    source: str,
    over: str,
    true_of: Sequence[Control] = (),
    unless: Callable[[Any], str | None] | None = None,
) -> Callable[[Test], Test]:
    """Make a test a published statement that is false of the model under test.

    The test asserts the statement as it was published. It has to be refuted on the model under test
    and to hold on every model in `true_of`: green only as long as the statement stays false, and only if
    it could have been true. Otherwise as `claim`.
    """

    def mark(test: Test) -> Test:
        return _declare(test, Claim(statement, source, over, _controls(true_of), unless, erratum=True, named="true_of"))

    return mark


def timing(statement: str, *, over: str, needs: Callable[[], str | None] | None = None) -> Callable[[Test], Test]:
    """Make a test a timing: what it measures is reported, and no time is ever a reason to fail.

    needs   None if the machine has what it takes, or what is missing; then it is reported "not run"

    Of a timing that is parametrised, `statement` and `over` may name parameters in braces: "{batch} sequences".
    """

    def mark(test: Test) -> Test:
        return _declare(test, Timing(statement, over, needs))

    return mark


def declared(test: object) -> Claim | Timing | None:
    """What `claim`, `erratum` or `timing` attached to a test function, under `@given` or above it."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", None)
    declaration = getattr(test, _ATTRIBUTE, None) or getattr(inner, _ATTRIBUTE, None)
    return declaration if isinstance(declaration, Claim | Timing) else None  # a mock has every attribute


def _declare(test: Test, declaration: Claim | Timing) -> Test:
    setattr(test, _ATTRIBUTE, declaration)
    marks = [*getattr(test, "pytestmark", []), pytest.mark.usefixtures(RUN).mark]
    setattr(test, "pytestmark", marks)  # noqa: B010 - a function has no such attribute of its own
    return test


def _controls(named: Sequence[Control]) -> tuple[Control, ...]:
    """The controls as a tuple; a single one may stand without a list."""
    return (named,) if callable(named) else tuple(named)
