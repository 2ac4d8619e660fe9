"""What a claim is: a statement, where it comes from, over what it holds, and the models that refute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Control = Callable[[Any], Any]
"""Makes a broken model from the model under test; its name says what is broken."""

Test = TypeVar("Test", bound=Callable[..., Any])

_ATTRIBUTE = "__verification__"


@dataclass(frozen=True)
class Claim:
    """A statement about the model under test, to be judged. See `claim` and `erratum`."""

    statement: str
    source: str
    over: str
    controls: tuple[Control, ...]
    unless: Callable[[Any], str | None] | None
    depends_on: tuple[str, ...] = ()
    exhaustive: bool = False
    instrument: bool = False
    erratum: bool = False

    @property
    def one_model_only(self) -> bool:
        """Whether it is about a single checkpoint, so that it is not lost where another one is verified."""
        return bool(getattr(self.unless, "one_model_only", False))

    def problem(self, arguments: Sequence[str]) -> str | None:
        """Why a test with these arguments and this claim proves nothing; None if all is well."""
        if not self.controls and self.erratum:
            return (
                "names no model of which it is true, so nothing shows that it says anything: name at least "
                "one, such as true_of=[mutants.hold_the_mean_exactly]"
            )
        if not self.controls:
            return (
                "has no control, so nothing shows that it can fail: name at least one broken model, "
                "such as refuted_by=[mutants.attend_to_last]"
            )
        for name in ("statement", "source", "over"):
            if type(getattr(self, name)) is not str or not getattr(self, name):
                return f"has a {name} that is no text: {getattr(self, name)!r}"
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
    unless: Callable[[Any], str | None] | None = None,
    depends_on: Sequence[str] = (),
    exhaustive: bool = False,
    instrument: bool = False,
) -> Callable[[Test], Test]:
    """Make a test a claim.

    The test runs once on the model under test, where it must hold, and once on every model in
    `refuted_by`, where at least one assertion on something that it measured must fail. There it goes on
    after that, so that every assertion is evaluated on every one of these models. An assertion that none of them breaks
    turns the run red. It takes the fixtures `model` and `measure`.

    statement   what is claimed, as a sentence
    source      who says so: a section of a paper, or your own analysis
    over        what it holds over: "every sequence", a named data set, N seeded samples
    refuted_by  controls: functions from the model under test to a broken one; an exception with a true attribute
                `cannot_be_made` says that there is no such model of the one under test, which is no failure as long
                as another control is refuted
    unless      given the model under test, None if the claim is about it, or why it is not; with a true attribute
                `one_model_only`, it says that the claim is about a single checkpoint, and no gate misses it on another
    depends_on  what of the form of the weights, beyond the function that they compute, it is about, such as
                "neuron numbers": the same function in weights that differ in that alone may refute it
    exhaustive  it holds over every input that there is, proved or exact from the weights, and not over a sample
    instrument  it judges the software that the other claims measure with, and is true of an untrained model as well
    """
    depends = (depends_on,) if isinstance(depends_on, str) else tuple(depends_on)

    def mark(test: Test) -> Test:
        controls = _controls(refuted_by)
        setattr(
            test,
            _ATTRIBUTE,
            Claim(statement, source, over, controls, unless, depends, bool(exhaustive), bool(instrument)),
        )
        return test

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
        setattr(test, _ATTRIBUTE, Claim(statement, source, over, _controls(true_of), unless, erratum=True))
        return test

    return mark


def _controls(named: Sequence[Control]) -> tuple[Control, ...]:
    """The controls as a tuple; a single one may stand without a list."""
    return (named,) if callable(named) else tuple(named)


def timing(statement: str, *, over: str, needs: Callable[[], str | None] | None = None) -> Callable[[Test], Test]:
    """Make a test a timing: what it measures is reported, and no time is ever a reason to fail.

    needs   None if the machine has what it takes, or what is missing; then it is reported "not run"

    Of a timing that is parametrised, `statement` and `over` may name parameters in braces: "{batch} sequences".
    """

    def mark(test: Test) -> Test:
        setattr(test, _ATTRIBUTE, Timing(statement, over, needs))
        return test

    return mark


def declared(test: object) -> Claim | Timing | None:
    """What `claim`, `erratum` or `timing` attached to a test function, under `@given` or above it."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", None)
    return getattr(test, _ATTRIBUTE, None) or getattr(inner, _ATTRIBUTE, None)
