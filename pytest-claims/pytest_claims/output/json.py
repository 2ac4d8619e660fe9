"""`report.json`: a report as a document of plain JSON, with a schema that says what may stand in it.

Everything that is shown anywhere is read back from this form, so that a page made later from the file is, byte
for byte, the page that the run made.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_claims.files import Unreadable, read_regular
from pytest_claims.measure import Measurement
from pytest_claims.report.baseline import Comparison, Difference, Kind
from pytest_claims.report.report import Report
from pytest_claims.results import CHECKPOINT, ClaimResult, Record
from pytest_claims.subject import Note, Subject
from pytest_claims.text import one_line, readable
from pytest_claims.verdict import Verdict

FORMAT = 3
"""Raised when a reader of the old form would misread the new one."""

MAX_BYTES = 4 * 2**20
"""Larger files are refused: a report of a hundred claims takes less than 1 MB, and reading 4 MB some seconds."""

MAX_VALUES = 250_000
"""Numbers, texts, objects and arrays in one document; a report of a hundred claims has 26,000."""

_SPELLED = {math.inf: "Infinity", -math.inf: "-Infinity"}


class ReportError(ValueError):
    """A report cannot be used. The message is one line that names the file."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a report, as it ships with the package."""
    text = (resources.files("pytest_claims.output") / "report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def to_document(report: Report) -> dict[str, Any]:
    """The report in JSON's own types: every text readable, no NaN, infinities spelled out."""
    sources = _sources(report)
    document = {
        "format": FORMAT,
        "tone": str(report.tone),
        "headline": report.headline,
        "summary": report.summary,
        "exit_code": report.exit_code,
        "subject": {
            "line": report.line,
            "path": report.subject.path,
            "sha256": report.subject.sha256,
            "facts": report.subject.facts,
            "notes": [asdict(note) for note in report.subject.notes],
        },
        "run": {
            "arguments": report.arguments,
            "controls_left_out": report.controls_left_out,
            "left_out": report.left_out,
            "problems": report.problems,
            "environment": report.subject.environment,
        },
        "comparison": None if report.comparison is None else _comparison(report.comparison),
        "claims": [_claim(result, sources) for result in report.claims],
        "timings": [_timing(record) for record in report.timings],
        "sources": sources,
        "suite": report.subject.suite,
    }
    cleaned: dict[str, Any] = _clean(document)
    return cleaned


def from_document(document: Any) -> Report:
    """The report of a document, its texts made readable. Raises ReportError, without a file's name, if it is none."""
    document = _clean(document)
    _upgrade(document)
    _require_schema(document)
    subject, run = document["subject"], document["run"]
    return Report(
        claims=[_to_result(claim, document["sources"]) for claim in document["claims"]],
        timings=[_to_timing(timing) for timing in document["timings"]],
        line=subject["line"],
        subject=Subject(
            path=subject["path"],
            sha256=subject["sha256"],
            facts=tuple((label, text) for label, text in subject["facts"]),
            notes=tuple(Note(**note) for note in subject["notes"]),
            environment=tuple((label, text) for label, text in run["environment"]),
            suite=document["suite"],
        ),
        exit_code=document["exit_code"],
        controls_left_out=run["controls_left_out"],
        left_out=tuple(run["left_out"]),
        problems=tuple(run["problems"]),
        arguments=tuple(run["arguments"]),
        comparison=None if document["comparison"] is None else _to_comparison(document["comparison"]),
    )


def _upgrade(document: Any) -> None:
    """Complete a document of an earlier format with what that did not have."""
    while isinstance(document, dict) and document.get("format") in _UPGRADES:
        _UPGRADES[document["format"]](document)


def _from_2(document: dict[str, Any]) -> None:
    """Format 3 knows the role of a claim, the evidence for it, and the source of claims and controls."""
    document["format"] = 3
    document.setdefault("sources", {})
    for claim in document["claims"] if isinstance(document.get("claims"), list) else ():
        if isinstance(claim, dict):
            claim.setdefault("role", "primary")
            claim.setdefault("evidence", "")
            claim.setdefault("code", "")


_UPGRADES = {2: _from_2}


def encode(document: Mapping[str, Any]) -> bytes:
    """The bytes of `report.json`. Raises ReportError if they are more than would be read back."""
    content = (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")
    if len(content) > MAX_BYTES:
        raise ReportError(f"it takes {len(content):,} bytes, more than the {MAX_BYTES:,} that a report may have")
    return content


def read_report(path: Path) -> Report:
    """The report in a file. Raises ReportError naming the file, whatever the file holds."""
    name = readable(str(path))[:300]
    try:
        document = json.loads(
            read_regular(path, MAX_BYTES), parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )
        _require_modest(document)
        return from_document(document)
    except (Unreadable, ReportError) as error:
        raise ReportError(f"{name}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{name}: is not JSON ({one_line(error)})") from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _SPELLED.get(value)  # NaN: a figure that was never published
    if isinstance(value, Mapping):
        return {readable(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value]


def _sources(report: Report) -> dict[str, str]:
    """The source of every control by its name. Of several controls of one name it is the first that has any."""
    sources: dict[str, str] = {}
    for record in (record for result in report.claims for record in result.controls):
        sources[record.subject] = sources.get(record.subject) or record.code
    return sources


def _claim(result: ClaimResult, sources: Mapping[str, str]) -> dict[str, Any]:
    first = result.records[0]
    return {
        "id": result.claim,
        "kind": "erratum" if first.erratum else "claim",
        "section": first.section,
        "line": first.line,
        "source_id": first.source_id,
        "statement": first.statement,
        "source": first.source,
        "over": first.over,
        "depends_on": first.depends_on,
        "role": first.role,
        "evidence": first.evidence,
        "exhaustive": first.exhaustive,
        "instrument": first.instrument,
        "one_model_only": first.one_model_only,
        "verdict": str(result.verdict),
        "good": result.good,
        "reason": result.checkpoint.reason if result.checkpoint else "",
        "measurements": _measurements(result.checkpoint, result),
        "assertions": result.checkpoint.assertions if result.checkpoint else [],
        "unbroken": result.unbroken,
        "n_controls": result.n_controls,
        "controls": [_control(record, sources) for record in result.controls],
        "code": result.checkpoint.code if result.checkpoint else "",
    }


def _control(record: Record, sources: Mapping[str, str]) -> dict[str, Any]:
    own = {} if record.code == sources[record.subject] else {"code": record.code}
    return {
        "name": record.subject,
        "breaks": record.breaks,
        "verdict": str(record.verdict),
        "reason": record.reason,
        "broken": record.broken,
        "measurements": _measurements(record),
        **own,
    }


def _timing(record: Record) -> dict[str, Any]:
    return {
        "id": record.test,
        "section": record.section,
        "statement": record.statement,
        "over": record.over,
        "verdict": str(record.verdict),
        "reason": record.reason,
        "measurements": _measurements(record),
    }


def _measurements(record: Record | None, result: ClaimResult | None = None) -> list[dict[str, Any]]:
    """Those of a record; on the checkpoint every assertion comes with the controls of `result` that break it."""
    measurements = [asdict(measurement) for measurement in record.measurements] if record else []
    for measurement in measurements if result else ():
        for comparison in measurement["comparisons"]:
            assert result is not None
            comparison["broken_by"] = result.breaking(f"{measurement['name']} {comparison['operator']}")
    return measurements


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "baseline": comparison.baseline,
        "shrink": comparison.shrink,
        "n_same": comparison.n_same,
        "differences": [asdict(difference) for difference in comparison.differences],
    }


def _to_result(plain: Mapping[str, Any], sources: Mapping[str, str]) -> ClaimResult:
    same = ("section", "statement", "source", "over", "one_model_only", "n_controls", "line", "source_id")
    shared = {name: plain[name] for name in (*same, "depends_on", "role", "evidence", "exhaustive", "instrument")}
    shared |= {"claim": plain["id"], "erratum": plain["kind"] == "erratum"}
    result = ClaimResult(plain["id"])
    if plain["verdict"] != Verdict.NOT_SELECTED:
        result.checkpoint = _to_record(plain, CHECKPOINT, {**shared, "code": plain["code"]})
    for control in plain["controls"]:
        name, breaks = control["name"], control["breaks"]
        code = control.get("code", sources.get(name, ""))
        result.controls.append(_to_record(control, name, {**shared, "breaks": breaks, "code": code}))
    if not result.records:
        raise ReportError(f"{one_line(plain['id'])} has neither a verdict nor a control")
    return result


def _to_record(plain: Mapping[str, Any], subject: str, shared: Mapping[str, Any]) -> Record:
    return Record(
        test=f"{shared['claim']}[{subject}]",
        subject=subject,
        verdict=Verdict(plain["verdict"]),
        reason=plain["reason"],
        measurements=[_to_measurement(measurement) for measurement in plain["measurements"]],
        assertions=plain.get("assertions", []),
        broken=plain.get("broken", []),
        **shared,
    )


def _to_timing(plain: Mapping[str, Any]) -> Record:
    return Record(
        test=plain["id"],
        claim=plain["id"],
        kind="timing",
        subject=CHECKPOINT,
        verdict=Verdict(plain["verdict"]),
        measurements=[_to_measurement(measurement) for measurement in plain["measurements"]],
        **{name: plain[name] for name in ("section", "statement", "over", "reason")},
    )


def _to_measurement(plain: Mapping[str, Any]) -> Measurement:
    comparisons = [_own(comparison) for comparison in plain["comparisons"]]
    numbers = {name: _number(plain[name]) for name in ("value", "published")}
    return Measurement.from_plain({**plain, **numbers, "comparisons": comparisons})


def _own(judgement: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison without the controls that break it: their own records hold that."""
    slack = _slack(judgement["slack"])
    if judgement["holds"] and slack < 0:
        raise ReportError(f"is not a valid report: a comparison holds with a slack of {slack:g}")
    return {**{name: value for name, value in judgement.items() if name != "broken_by"}, "slack": slack}


def _to_comparison(plain: Mapping[str, Any]) -> Comparison:
    differences = tuple(Difference(**{**each, "kind": Kind(each["kind"])}) for each in plain["differences"])
    return Comparison(plain["baseline"], plain["shrink"], differences, plain["n_same"])


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def _slack(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floating point numbers
        return math.inf if value > 0 else -math.inf


def _require_schema(document: object) -> None:
    import jsonschema

    if not isinstance(document, dict) or not isinstance(document.get("format"), int) or "claims" not in document:
        raise ReportError("is not a verification report")
    if document["format"] != FORMAT:
        raise ReportError(
            f"is a report of format {document['format']}; this version reads formats {min(_UPGRADES)} to {FORMAT}: "
            "make it anew"
        )
    error = next(jsonschema.Draft202012Validator(schema()).iter_errors(document), None)  # one is enough
    if error is not None:
        what = error.message
        if error.validator == "maxItems":  # of which jsonschema tells every item
            what = f"has {len(error.instance):,} items, more than {error.validator_value:,}"
        raise ReportError(f"is not a valid report: {one_line(error.json_path)}: {one_line(what)}")
    times = Counter(claim["id"] for claim in document["claims"])
    twice = next((claim for claim, n in times.items() if n > 1), None)
    if twice is not None:
        raise ReportError(f"is not a valid report: it has {one_line(twice)} twice")


def _require_modest(document: object) -> None:
    """Count what there is before anything looks at it closely, which takes a thousand times as long."""
    n_values, remaining = 0, [document]
    while remaining:
        value = remaining.pop()
        n_values += 1
        if isinstance(value, dict):
            remaining.extend(value.values())
        elif isinstance(value, list):
            remaining.extend(value)
        if n_values + len(remaining) > MAX_VALUES:
            raise ReportError(f"holds more than the {MAX_VALUES:,} values that are read")


def _refuse_constant(name: str) -> None:
    raise ReportError(f"{name} stands where a number should")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ReportError("a name stands twice in one object")
    return document
