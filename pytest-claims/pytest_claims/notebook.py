"""`verify`: judge claims about a model that is at hand, as in a notebook, without a session of pytest's."""

from __future__ import annotations

import inspect
import traceback
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_claims import asserts, judging, weights
from pytest_claims.claim import RUN, Claim, Control, declared
from pytest_claims.measure import Measurement, Recorder
from pytest_claims.parameters import Parameters, each_of, marks_of, why_left_out
from pytest_claims.report.report import Report
from pytest_claims.report.summary import Tone, mostly_not_about, only_stress_tests
from pytest_claims.results import ClaimResult, Record, gather
from pytest_claims.subject import Subject
from pytest_claims.text import first_line
from pytest_claims.verdict import Verdict

MADE = ("model", "measure", "checkpoint", "computed", "proved")
"""The fixtures that `verify` makes itself."""

KEPT_BYTES = 64 * 2**20
"""Memory that a control may take to be kept for the next claim that names it."""

UNREADABLE = (
    "the numbers of this model cannot be read, so nothing shows that no claim and no control changed it: "
    "verify(.., fingerprint=function) says how"
)

_SKIPPED = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)
_ENDING = (KeyboardInterrupt, GeneratorExit, pytest.exit.Exception)


def verify(
    model: Any, claim: Any, /, *, fingerprint: Callable[[Any], str] | None = None, **fixtures: Any
) -> Verification:
    """Judge a claim on a model and on the controls that are made of it, as a run of pytest's does.

    claim        a test that is a claim, several of them, or a module of them; of a parametrised one every case is run
    fingerprint  differs when the model does; default: sha256 over its numbers
    fixtures     what claims take beside `model`, `measure`, `checkpoint`, `computed` and `proved`

    Returns what came of it: a notebook shows it as the report's page does, and it is true if all is as it should be.
    Raises TypeError if a fixture is missing or nobody's, ValueError if a claim proves nothing as it is written, and
    RuntimeError if the model is another one after a run than before.
    """
    tests = [test for function, owner in _claims(claim) for test in _cases(function, owner)]
    if not tests:
        raise ValueError("there is no claim in it: decorate a test with @claim")
    doubled = [name for name, n in Counter(test.id for test in tests).items() if n > 1]
    if doubled:
        raise ValueError(f"several claims are called {doubled[0]}")
    _require_fixtures(tests, fixtures)
    asserts.read_again()
    for test in tests:
        _require_source(test)
    runs = _Runs(model, fingerprint or weights.fingerprint, tests)
    records = [runs.record(test, control, fixtures) for test in tests for control in (None, *test.claim.controls)]
    report = Report(
        claims=gather(records)[0],
        line=judging.name_of(model, runs.fingerprint),
        subject=Subject(sha256=runs.fingerprint or ""),
        problems=(UNREADABLE,) if runs.fingerprint is None else (),
        exit_code=0,
    )
    return Verification(replace(report, exit_code=int(report.fails or mostly_not_about(report.claims))))


@dataclass(frozen=True, repr=False, eq=False)
class Verification:
    """What came of claims: true if everything is as it should be. Printed, it is what a run of pytest's prints."""

    report: Report

    @property
    def claims(self) -> list[ClaimResult]:
        """Every claim, each case of a parametrised one by itself."""
        return self.report.claims

    @property
    def good(self) -> bool:
        """Whether every claim is as it should be, and every control of it."""
        tone, limits = self.report.tone, only_stress_tests(self.claims)
        return tone == Tone.GOOD or (limits and tone == Tone.PARTIAL)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the model; of several claims that of the first that is not as it should be, if any."""
        return next((result.verdict for result in self.claims if not result.good), self.claims[0].verdict)

    @property
    def measurements(self) -> list[Measurement]:
        """What was measured on the model."""
        return [m for result in self.claims if result.checkpoint for m in result.checkpoint.measurements]

    @property
    def controls(self) -> list[Record]:
        """The runs on controls: `subject`, `verdict`, `reason` and `measurements` of each."""
        return [record for result in self.claims for record in result.controls]

    def __bool__(self) -> bool:
        return self.good

    def __repr__(self) -> str:
        from pytest_claims.output.terminal import render

        return render(self.report).rstrip("\n")

    def _repr_html_(self) -> str:
        from pytest_claims.output.html.part import render_part

        return render_part(self.report)


@dataclass(frozen=True)
class _Test:
    """A claim, or one case of a parametrised one.

    fixtures  the names of what it takes; those that it only uses, and is not given, are among `used`
    left_out  why it is not run, by its marks; empty if it is
    """

    claim: Claim
    function: Callable[..., Any]
    call: Callable[..., Any]
    path: Path
    id: str
    section: str
    parameters: Parameters
    fixtures: list[str]
    used: list[str]
    left_out: str


@dataclass
class _Made:
    """A model, and what claims computed of it."""

    model: Any = None
    computed: dict[Any, Any] = field(default_factory=dict)


class _Runs:
    """The model under test, and the controls that are made of it."""

    def __init__(self, model: Any, read: Callable[[Any], str | None], tests: Iterable[_Test]) -> None:
        self._under_test = _Made(model)
        self._read = read
        self.fingerprint = read(model)
        self._attached = weights.attached(model)
        self._made: dict[Control, _Made] = {}
        self._asked_for = Counter(control for test in tests for control in test.claim.controls)

    def record(self, test: _Test, control: Control | None, fixtures: dict[str, Any]) -> Record:
        """Run a claim on the model, or on a control of it. Raises RuntimeError if that changes the model."""
        record = judging.blank_record(
            test.claim,
            test.function,
            control,
            test.parameters.values,
            test=f"{test.id}[{control.__name__ if control else 'checkpoint'}]",
            claim=test.id,
            section=test.section,
            line=_inner(test.function).__code__.co_firstlineno,
        )
        if test.left_out:
            record.reason = test.left_out
            return record
        self._judge(record, test, control, fixtures)
        same = self._read(self._under_test.model) == self.fingerprint
        if not same or weights.attached(self._under_test.model) != self._attached:
            raise RuntimeError(
                f"{record.test}: it changed the model under test: nothing that runs after it means anything"
            )
        return record

    def _judge(self, record: Record, test: _Test, control: Control | None, fixtures: dict[str, Any]) -> None:
        """Put the verdict into the record."""
        when = "setup"
        try:
            reason = judging.out_of_scope(test.claim, self._under_test.model)
            if reason is not None:
                record.verdict, record.reason = Verdict.NOT_ABOUT, reason
                return
            with self._model(control) as made:
                when = "teardown"
                measured = judging.recorder(test.claim, test.path, control)
                self._call(record, test, made, measured, fixtures)
        except _SKIPPED as skipped:
            record.verdict, record.reason = Verdict.NOT_RUN, first_line(skipped)
        except Exception as error:
            if when == "setup" and getattr(error, "cannot_be_made", False):
                record.verdict, record.reason = Verdict.NOT_ABOUT, f"cannot be made of this model: {error}"
            else:
                record.verdict, record.reason = Verdict.ERROR, f"{when} failed: {first_line(error)}"

    def _call(self, record: Record, test: _Test, made: _Made, measured: Recorder, fixtures: dict[str, Any]) -> None:
        made_here = {
            "model": made.model,
            "measure": measured,
            "checkpoint": self._under_test.model,
            "computed": judging.computing(self._under_test, made),
            "proved": judging.proving(self._under_test, made, self._read),
        }
        known = {**fixtures, **made_here, **test.parameters.values}
        failure: BaseException | None = None
        try:
            test.call(**{name: known[name] for name in test.fixtures})
        except _ENDING:
            raise
        except _SKIPPED as skipped:
            judging.note(record, measured)
            record.verdict, record.reason = Verdict.NOT_RUN, first_line(skipped)
            return
        except BaseException as error:  # which pytest.fail and sys.exit raise, too
            failure = error
        judging.note(record, measured)
        judging.decide(record, measured, failure, _assertion_lines(test.path, failure))

    @contextmanager
    def _model(self, control: Control | None) -> Iterator[_Made]:
        """The model that a claim runs on. Raises what making it raises."""
        if control is None:
            yield self._under_test
            return
        made = self._made.setdefault(control, _Made())
        attaches = inspect.isgeneratorfunction(control)
        try:
            if attaches:
                with judging.attached(control, self._under_test.model) as made.model:
                    yield made
            else:
                if made.model is None:
                    made.model = judging.new_model(control, self._under_test.model)
                yield made
        finally:
            self._asked_for[control] -= 1
            made.model = None if attaches else made.model
            if self._asked_for[control] <= 0 or (weights.n_bytes(made.model) or 0) > KEPT_BYTES:
                del self._made[control]


def _claims(claim: Any) -> Iterator[tuple[Callable[..., Any], type | None]]:
    """Every claim in it, with the class that it stands in, if any."""
    if isinstance(claim, ModuleType):
        for member in vars(claim).values():
            owner = member if inspect.isclass(member) else None
            functions = [member] if owner is None else list(vars(owner).values())
            yield from ((function, owner) for function in functions if isinstance(declared(function), Claim))
    elif isinstance(declared(claim), Claim):
        yield claim, None
    elif isinstance(claim, Iterable) and not isinstance(claim, str | bytes):
        for each in claim:
            yield from _claims(each)
    else:
        name = getattr(claim, "__name__", None) or f"a {type(claim).__name__}"
        raise TypeError(f"{name} is no claim: decorate a test with @claim")


def _cases(function: Callable[..., Any], owner: type | None) -> Iterator[_Test]:
    """The claim, once for each of its parameters. Raises ValueError if it proves nothing."""
    claim, inner = declared(function), _inner(function)
    assert isinstance(claim, Claim)
    path = Path(inner.__code__.co_filename)
    call = function if owner is None else getattr(owner(), inner.__name__)
    name = inner.__name__ if owner is None else f"{owner.__qualname__}::{inner.__name__}"
    module = inspect.getmodule(inner)
    marks = marks_of(function, owner, module)
    used = [str(name) for mark in marks if mark.name == "usefixtures" for name in mark.args if name != RUN]
    taken = [p.name for p in inspect.signature(call).parameters.values() if _is_fixture(p)]
    problem = claim.problem(taken)
    if problem is not None:
        raise ValueError(f"{name} {problem}")
    for parameters in each_of(marks):
        brackets = f"[{parameters.id}]" if parameters.id else ""
        yield _Test(
            claim,
            function,
            call,
            path,
            f"{_place(path)}::{name}{brackets}",
            _heading(path, module),
            parameters,
            taken,
            used,
            why_left_out([*marks, *parameters.marks]) or parameters.missing,
        )


def _is_fixture(parameter: inspect.Parameter) -> bool:
    named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return named and parameter.default is parameter.empty


def _inner(function: Any) -> Any:
    """The function as it was written, below `@given` and other decorators."""
    return inspect.unwrap(getattr(getattr(function, "hypothesis", None), "inner_test", function))


def _place(path: Path) -> str:
    """What precedes the name of a claim: its file, seen from where we are; a cell of a notebook has none."""
    if not path.is_file():
        return "notebook"
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name


def _heading(path: Path, module: ModuleType | None) -> str:
    if not path.is_file():
        return "notebook"
    doc = inspect.getdoc(module) if module is not None else None
    return (doc or path.name).splitlines()[0]


def _require_fixtures(tests: Iterable[_Test], fixtures: dict[str, Any]) -> None:
    """Raise TypeError unless the fixtures given are those that the claims take."""
    wanted: dict[str, None] = {}
    for test in tests:
        for name in [*test.fixtures, *test.used]:
            if name in MADE or name in test.parameters.values or (name in test.parameters.names):
                continue
            wanted[name] = None
            if name not in fixtures:
                called = test.function.__name__
                raise TypeError(f"{called} takes the fixture {name!r}: verify(model, {called}, {name}=..) gives it one")
    for name in fixtures:
        if name in MADE:
            raise TypeError(f"verify() makes {name!r} itself")
        if name not in wanted:
            raise TypeError(
                f"no claim takes {name!r}; they take: {', '.join(wanted) or 'nothing that has to be given'}"
            )


def _require_source(test: _Test) -> None:
    """Raise ValueError if nobody knows the assert statements of a claim, without which none can be judged."""
    try:
        asserts.assertions(test.path)
    except (OSError, SyntaxError):
        raise ValueError(f"{test.function.__name__}: its source cannot be read ({test.path})") from None


def _assertion_lines(path: Path, failure: BaseException | None) -> range | None:
    """The lines of the assert statement that failed, if it stands in the claim's own file.

    A failure that says nothing, as outside of pytest, is given the words of that statement.
    """
    frames = list(traceback.walk_tb(failure.__traceback__)) if failure is not None else []
    if failure is None or not frames or Path(frames[-1][0].f_code.co_filename) != path:
        return None
    lines = judging.lines_of_assertion(path, frames[-1][1])
    if isinstance(failure, AssertionError) and not failure.args and lines:
        source = asserts.read_source(path).splitlines()[lines.start - 1 : lines.stop - 1]
        failure.args = (" ".join(" ".join(source).split()),)
    return lines
