"""`universality.parquet` and `universality-runs.parquet`: the same numbers in long form, to be analysed elsewhere.

`universality.parquet` has one row for each run, claim, measurement and comparison, from every run that has a report; a
claim that measured nothing on a run has one row for it, in which everything from `measurement` on is null.

    run          string   name of the run's folder
    seed         int64    null if it does not fit
    varied       string   what the sweep varies beside the seed, as JSON with sorted keys
    suite        string   which version of the claims verified it
    claim        string   id of the claim
    kind         string   "claim" or "erratum"
    one_model_only  bool  it is about a single checkpoint
    section      string
    statement    string
    verdict      string   on this run, such as "holds", "refuted" or "not about this model"
    n_controls   int64    controls that the claim names; n_good_controls of them came out as they have to
    n_good_controls int64
    measurement  string
    unit         string
    value        double   infinite where it is beyond all doubles
    operator     string   null, with all that follow, where the value was compared with nothing of its own
    which        int64    counted from 0, where the measurement is compared more than once by the same operator
    bound        double   null where it is no number, as is what a tolerance is around
    bound_text   string   as the report spells it
    slack        double   the distance kept from the bound, negative where it is broken
    room         double   the slack as a share, see `universality.room`; null where the claim was not decided
    holds        bool     this comparison

`universality-runs.parquet` has one row for each run, whether it counts or not.

    run, seed, varied, suite    as above, null where the outcome cannot be read (`varied` is then "{}")
    ending       string   "counted", "diverged" or "unread"
    why          string   why it does not count
    sha256       string   of the model
    kept_epoch, exit_code, claims_hold, claims_about    int64
    sequences, right_at_end_low, right_at_end_high, right_everywhere_low, right_everywhere_high
                 string   exact numbers of sequences in decimal digits
    smallest_margin  double   in logits
    hardest, wrong   string   values of a sequence, divided by spaces
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_claims.results import ClaimResult
from pytest_claims.universality.findings import Finding, Group, Universality
from pytest_claims.universality.room import as_float, bound_of
from pytest_claims.universality.runs import Run
from pytest_claims.universality.spread import Point, numbered
from pytest_claims.universality.summary import claims_of, sequence

if TYPE_CHECKING:
    import pyarrow as pa

MEASURED = {
    "run": "string", "seed": "int64", "varied": "string", "suite": "string", "claim": "string", "kind": "string",
    "one_model_only": "bool", "section": "string", "statement": "string", "verdict": "string", "n_controls": "int64",
    "n_good_controls": "int64", "measurement": "string", "unit": "string", "value": "double", "operator": "string",
    "which": "int64", "bound": "double", "bound_text": "string", "slack": "double", "room": "double", "holds": "bool",
}  # fmt: skip

RUNS = {
    "run": "string", "seed": "int64", "varied": "string", "suite": "string", "ending": "string", "why": "string",
    "sha256": "string", "kept_epoch": "int64", "exit_code": "int64", "claims_hold": "int64", "claims_about": "int64",
    "sequences": "string", "right_at_end_low": "string", "right_at_end_high": "string",
    "right_everywhere_low": "string", "right_everywhere_high": "string", "smallest_margin": "double",
    "hardest": "string", "wrong": "string",
}  # fmt: skip


def measured_table(result: Universality) -> bytes:
    """The bytes of `universality.parquet`."""
    rows = [row for group in result.groups for finding in group.findings for row in _rows(group, finding)]
    return _parquet(rows, MEASURED)


def runs_table(result: Universality) -> bytes:
    """The bytes of `universality-runs.parquet`."""
    return _parquet([_run(run) for run in result.runs], RUNS)


def _rows(group: Group, finding: Finding) -> Iterator[dict[str, Any]]:
    points = {(point.run, s.name, s.unit, s.operator, s.which): point for s in finding.spreads for point in s.points}
    for run in group.counted:
        result = run.results.get(finding.claim)
        if result is None:
            continue
        shared = {
            **_named(run),
            "claim": finding.claim,
            "kind": "erratum" if finding.erratum else "claim",
            "one_model_only": finding.one_model_only,
            "section": finding.section,
            "statement": finding.statement,
            "verdict": str(result.verdict),
            "n_controls": result.n_controls,
            "n_good_controls": result.n_good_controls,
        }
        measured = list(_measured(run.name, result, points))
        yield from ({**shared, **row} for row in measured or [{}])


def _measured(
    run: str, result: ClaimResult, points: Mapping[tuple[str, str, str, str, int], Point]
) -> Iterator[dict[str, Any]]:
    if result.checkpoint is None:
        return
    for measurement in result.checkpoint.measurements:
        if not measurement.comparisons:
            yield {"measurement": measurement.name, "unit": measurement.unit, "value": as_float(measurement.value)}
    for measurement, comparison, which in numbered(result.checkpoint):
        point = points.get((run, measurement.name, measurement.unit, comparison.operator, which))
        yield {
            "measurement": measurement.name,
            "unit": measurement.unit,
            "value": as_float(measurement.value),
            "operator": comparison.operator,
            "which": which,
            "bound": bound_of(measurement.value, comparison),
            "bound_text": comparison.bound,
            "slack": comparison.slack,
            "room": None if point is None else point.room,
            "holds": comparison.holds,
        }


def _named(run: Run) -> dict[str, Any]:
    outcome = run.outcome
    return {
        "run": run.name,
        "seed": None if outcome is None else _int64(outcome.seed),
        "varied": json.dumps({} if outcome is None else dict(outcome.varied), sort_keys=True),
        "suite": None if outcome is None else outcome.suite,
    }


def _run(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {
        **_named(run),
        "ending": "counted" if run.report is not None else "diverged" if run.diverged else "unread",
        "why": run.why or None,
    }
    if run.report is not None:
        row["claims_hold"], row["claims_about"] = claims_of(run)
    if run.outcome is None:
        return row
    row |= {
        "sha256": run.outcome.sha256,
        "kept_epoch": _int64(run.outcome.kept_epoch),
        "exit_code": _int64(run.outcome.exit_code),
    }
    proved = run.outcome.proved
    if proved is not None:
        row |= {
            "sequences": str(proved.sequences),
            "right_at_end_low": str(proved.right_at_end[0]),
            "right_at_end_high": str(proved.right_at_end[1]),
            "right_everywhere_low": str(proved.right_everywhere[0]),
            "right_everywhere_high": str(proved.right_everywhere[1]),
            "smallest_margin": proved.smallest_margin,
            "hardest": sequence(proved.hardest),
            "wrong": None if proved.wrong is None else sequence(proved.wrong),
        }
    return row


def _int64(number: int | None) -> int | None:
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _parquet(rows: list[dict[str, Any]], columns: Mapping[str, str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _type(pa, kind)) for name, kind in columns.items()])
    written = io.BytesIO()
    table = pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema=schema)
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def _type(pa: Any, kind: str) -> pa.DataType:
    return {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}[kind]
