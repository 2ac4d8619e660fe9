"""A report costs whoever reads it some seconds, whatever is in it: nothing may be larger than any report is."""

import copy
import json

import jsonschema
import pytest
from pytest_claims.__main__ import main
from pytest_claims.output import json as document
from pytest_claims.output.json import MAX_BYTES, MAX_VALUES, ReportError, encode, from_document, read_report

MEASUREMENT = {
    "name": "gap",
    "value": 0.25,
    "unit": "",
    "published": None,
    "interval": None,
    "used_as_bound": False,
    "times": 1,
    "comparisons": [
        {"operator": "<", "bound": "1", "holds": True, "slack": 0.75, "line": 3, "as_published": False, "broken_by": []}
    ],
}
CONTROL = {
    "name": "widen_gap",
    "breaks": "",
    "verdict": "refuted",
    "reason": "",
    "broken": ["gap <"],
    "measurements": [MEASUREMENT],
}
CLAIM = {
    "id": "claims/test_mine.py::test_gap",
    "kind": "claim",
    "section": "Mine",
    "line": 1,
    "source_id": "1",
    "statement": "The gap is small",
    "source": "us",
    "over": "everything",
    "depends_on": [],
    "exhaustive": False,
    "instrument": False,
    "one_model_only": False,
    "verdict": "holds",
    "good": True,
    "reason": "",
    "measurements": [MEASUREMENT],
    "assertions": ["gap <"],
    "unbroken": [],
    "n_controls": 1,
    "controls": [CONTROL],
}
DIFFERENCE = {"kind": "added", "claim": "a", "statement": "b", "text": "c", "fails": False}
TIMING = {"id": "t", "section": "", "statement": "", "over": "", "verdict": "timed", "reason": "", "measurements": []}
VALID = {
    "format": 2,
    "tone": "good",
    "headline": "",
    "summary": "",
    "exit_code": 0,
    "subject": {"line": "", "path": "", "sha256": "", "facts": [], "notes": []},
    "run": {"arguments": [], "controls_left_out": False, "left_out": [], "problems": [], "environment": []},
    "comparison": {"baseline": "", "shrink": 0.5, "n_same": 0, "differences": []},
    "claims": [CLAIM],
    "timings": [],
    "suite": {},
}

MANY = [
    ("claims", CLAIM, 2_000),
    ("claims.0.controls", CONTROL, 200),
    ("claims.0.measurements", MEASUREMENT, 200),
    ("claims.0.measurements.0.comparisons", MEASUREMENT["comparisons"][0], 100),
    ("claims.0.assertions", "gap <", 10_000),
    ("claims.0.measurements.0.comparisons.0.broken_by", "x", 10_000),
    ("claims.0.controls.0.broken", "x", 10_000),
    ("timings", TIMING, 1_000),
    ("subject.facts", ["a", "b"], 200),
    ("subject.notes", {"text": "", "good": True}, 200),
    ("run.environment", ["a", "b"], 200),
    ("run.problems", "x", 10_000),
    ("run.left_out", "x", 10_000),
    ("run.arguments", "x", 10_000),
    ("comparison.differences", DIFFERENCE, 10_000),
]


def with_many(place, item, n):
    """The valid document with `n` items at a place."""
    whole = copy.deepcopy(VALID)
    *outer, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    inner = whole
    for key in outer:
        inner = inner[key]
    inner[last] = [item] * n if place != "claims" else [{**item, "id": str(i)} for i in range(n)]
    return whole


@pytest.mark.parametrize(("place", "item", "most"), MANY, ids=[place for place, _, _ in MANY])
def test_every_list_has_a_longest_length(place, item, most):
    from_document(with_many(place, item, most))
    with pytest.raises(ReportError, match=rf"is not a valid report: \$\..*: has [\d,]+ items, more than {most:,}"):
        from_document(with_many(place, item, most + 1))


def test_every_list_of_the_schema_is_among_them():
    def arrays(value):
        if isinstance(value, dict):
            kind = value.get("type")
            yield from [value] if kind == "array" or (isinstance(kind, list) and "array" in kind) else []
            value = list(value.values())
        for inner in value if isinstance(value, list) else ():
            yield from arrays(inner)

    lists = list(arrays(document.schema()))
    assert len(lists) > 10
    assert all("maxItems" in array for array in lists)
    assert all(list(array).index("maxItems") < list(array).index("items") for array in lists)  # counted, then read


@pytest.mark.parametrize(
    ("place", "item"),
    [("claims", {}), ("comparison.differences", {}), ("claims.0.measurements.0.interval", "x"), ("claims", 0)],
)
def test_the_first_error_ends_it(place, item, monkeypatch):
    """However many there are: each costs a message of its own, which nobody reads."""
    n_errors = 0
    every = jsonschema.Draft202012Validator.iter_errors

    def counted(self, instance, _schema=None):
        nonlocal n_errors
        for error in every(self, instance, _schema):
            n_errors += 1
            yield error

    monkeypatch.setattr(jsonschema.Draft202012Validator, "iter_errors", counted)
    inner = broken = copy.deepcopy(VALID)
    *outer, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in outer:
        inner = inner[key]
    inner[last] = [item] * (2 if last == "interval" else 100)
    with pytest.raises(ReportError, match="is not a valid report"):
        from_document(broken)
    assert n_errors <= 20


@pytest.mark.parametrize(
    "suite",
    [{"zeros": [0] * MAX_VALUES}, {str(i): i for i in range(MAX_VALUES)}, {"lists": [[]] * MAX_VALUES}],
    ids=["zeros", "names", "lists"],
)
@pytest.mark.parametrize("command", ["diff", "render"])
def test_more_values_than_any_report_has_are_counted_and_not_looked_at(tmp_path, capsys, suite, command):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(VALID | {"suite": suite}, separators=(",", ":")))
    assert path.stat().st_size < MAX_BYTES
    assert main([command, str(path), *([str(path)] if command == "diff" else [])]) == 4
    lines = capsys.readouterr().err.strip().splitlines()
    assert set(lines) == {f"error: {path}: holds more than the {MAX_VALUES:,} values that are read"}


def test_a_file_beyond_the_limit_is_not_opened(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(VALID) + " " * MAX_BYTES)
    with pytest.raises(ReportError, match="bytes, more than the 4,194,304 that are read"):
        read_report(path)
    path.write_text(json.dumps(VALID))
    assert len(read_report(path).claims) == 1


def test_no_report_is_written_that_would_not_be_read(tmp_path):
    large = VALID | {"suite": {"weights": "x" * MAX_BYTES}}
    with pytest.raises(ReportError, match="more than the 4,194,304 that a report may have"):
        encode(large)
    assert len(encode(VALID)) < 10_000
