"""One run of one claim: the model that it runs on, what is computed of that, and what came of it.

Nothing here knows of a session of pytest's. The plugin and `verify` judge by the same functions.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pytest_claims import weights
from pytest_claims.asserts import assertions
from pytest_claims.claim import Claim, Control, Timing
from pytest_claims.identity import source_code, source_id
from pytest_claims.measure import Recorder
from pytest_claims.results import CHECKPOINT, Record
from pytest_claims.text import one_line
from pytest_claims.verdict import Verdict, judge, of_role


class Known(Protocol):
    """A model, and what claims computed of it."""

    @property
    def model(self) -> Any: ...

    @property
    def computed(self) -> dict[Any, Any]: ...


def out_of_scope(declaration: Claim | Timing | None, model: Any) -> str | None:
    """Why a claim is not about the model under test; None if it is."""
    if not isinstance(declaration, Claim) or declaration.unless is None:
        return None
    reason = declaration.unless(model)
    if reason is not None and (not isinstance(reason, str) or not reason):
        raise TypeError(f"`unless` has to return None or why the claim does not apply, got {reason!r}")
    return reason


def recorder(declaration: Claim | Timing | None, path: Path, control: Control | None) -> Recorder:
    """What a claim of the file `path` measures with: lenient on a control that has to refute it."""
    lenient = control is not None and isinstance(declaration, Claim) and not declaration.has_to_lose
    return Recorder(path, lenient=lenient)


def new_model(control: Control, model: Any) -> Any:
    """What a control makes of the model under test. Raises what it raises; ValueError if that is no new model."""
    made = control(model)
    if inspect.isgenerator(made):
        raise ValueError(f"{control.__name__} returns a generator: write the control itself with yield")
    if made is None:
        raise ValueError(f"{control.__name__} returns no model")
    if made is model:
        raise ValueError(f"{control.__name__} returns the model that it was given: a control is a new one")
    return made


@contextmanager
def attached(control: Callable[[Any], Any], model: Any) -> Iterator[Any]:
    """The model with what a generator attaches to it, which is taken off whatever happens in between."""
    steps = control(model)
    try:
        changed = next(steps)
    except StopIteration:
        raise ValueError(f"{control.__name__} yields no model") from None
    try:
        if changed is None:
            raise ValueError(f"{control.__name__} yields no model")
        yield changed
    finally:
        try:
            next(steps)
        except StopIteration:
            pass
        else:
            steps.close()
            raise ValueError(f"{control.__name__} yields more than once: a control is one model")


def computing(under_test: Known, run: Known) -> Callable[..., Any]:
    """The fixture `computed` of a claim that runs on the model of `run`, made of the one under test."""

    def computed(function: Callable[..., Any], model: Any, *rest: Any) -> Any:
        of_control = model is run.model  # which may be the model under test with something attached to it
        known = under_test.computed if model is under_test.model and not of_control else run.computed
        others = rest if of_control or model is under_test.model else (model, *rest)
        key = function, len(others), *map(id, others)
        if key not in known:
            known[key] = function(model, *rest), others  # what is kept cannot have its id taken by another
        return known[key][0]

    return computed


def proving(under_test: Known, run: Known, fingerprint: Callable[[Any], str | None]) -> Callable[..., Any]:
    """The fixture `proved`: as `computed`, and of a model that a claim makes itself once for all of its fingerprint."""
    computed = computing(under_test, run)

    def proved(prove: Callable[[Any], Any], model: Any) -> Any:
        its_own = model is run.model or model is under_test.model
        told = None if its_own else fingerprint(model)
        if told is None:
            return computed(prove, model)
        key = prove, told
        if key not in run.computed:
            run.computed[key] = prove(model)
        return run.computed[key]

    return proved


def blank_record(
    declaration: Claim | Timing,
    function: Callable[..., Any],
    control: Control | None,
    parameters: Mapping[str, Any],
    *,
    test: str,
    claim: str,
    section: str,
    line: int,
) -> Record:
    """The record of a claim or timing that has not run.

    parameters  of a parametrised claim, by name: its sentences may name them in braces
    """
    record = Record(
        test=test,
        claim=claim,
        section=section,
        kind="claim" if isinstance(declaration, Claim) else "timing",
        statement=_filled(declaration.statement, parameters),
        over=_filled(declaration.over, parameters),
        subject=CHECKPOINT if control is None else control.__name__,
        verdict=Verdict.NOT_RUN,
        reason="selected, but no result arrived",
        line=line,
        source_id=source_id(function),
        code=source_code(function if control is None else control),
    )
    if isinstance(declaration, Claim):
        record.source = declaration.source
        record.n_controls = len(declaration.controls)
        record.erratum = declaration.erratum
        record.role = str(declaration.role)
        record.evidence = str(declaration.evidence)
        record.depends_on = list(declaration.depends_on)
        record.exhaustive = declaration.exhaustive
        record.instrument = declaration.instrument
        record.one_model_only = declaration.one_model_only
        record.own = control is None or control in declaration.controls
        record.breaks = (inspect.getdoc(control) or "").partition("\n")[0] if control is not None else ""
    return record


def note(record: Record, measured: Recorder) -> None:
    """Put what was measured into the record."""
    record.measurements = measured.summary()
    record.assertions, record.broken = measured.assertions, measured.broken_assertions


def decide(record: Record, measured: Recorder, failure: BaseException | None, assertion_lines: range | None) -> None:
    """Put the verdict on a claim that ran into its record.

    failure          what it was ended by
    assertion_lines  those of the assert statement that this is from; None if it is from outside the claim's file
    """
    on_control = record.subject != CHECKPOINT
    verdict, reason = judge(on_control=on_control, failure=failure, assertion_lines=assertion_lines, measured=measured)
    record.verdict, record.reason = of_role(verdict, reason, record.role, erratum=record.erratum, on_control=on_control)


def lines_of_assertion(path: Path, line: int) -> range:
    """The lines of the assert statement of a file that `line` belongs to; none if there is no such statement."""
    return next((span.lines for span in assertions(path) if line in span.lines), range(0))


def name_of(model: Any, fingerprint: str | None, path: Path | None = None) -> str:
    """One line that names a model by what can be read off it; empty where that is its type alone."""
    if fingerprint is None:
        return ""
    named = [f"checkpoint {path}"] if path is not None else []
    size = [text for label, text in weights.facts(model) if label == "Parameters"]
    parameters = [f"{size[0].partition(' ')[0]} parameters"] if size else []
    parts = [*named, type(model).__qualname__, *parameters, f"sha256 {fingerprint[:12]}"]
    return one_line(", ".join(parts), 1000)


def _filled(sentence: str, parameters: Mapping[str, Any]) -> str:
    """The sentence with the parameters that it names in braces; other braces, as of sets and formulas, stay."""

    def value(match: re.Match[str]) -> str:
        if match["name"] not in parameters:
            return match[0]
        try:
            return f"{{{match['how']}}}".format(parameters[match["name"]])
        except (ValueError, TypeError, AttributeError, IndexError, KeyError):
            return match[0]

    return re.sub(r"\{(?P<name>[A-Za-z_]\w*)(?P<how>(?:![rsa])?(?::[^{}]*)?)\}", value, sentence)
