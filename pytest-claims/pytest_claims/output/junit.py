"""What a claim leaves in the file of `--junitxml`: its verdict, and what it measured against which bound."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_claims.results import Record
from pytest_claims.text import readable


def properties(record: Record) -> Iterator[tuple[str, str]]:
    """Names and values of a test case's properties.

    verdict, statement, source, over, subject; then `measured[NAME]` with the number in full, and for every
    comparison `bound[NAME]`, such as "< 0.001", and `slack[NAME]`. Where the text would not be XML it is
    spelled out.
    """
    yield "verdict", str(record.verdict)
    yield "subject", readable(record.subject)
    yield "statement", readable(record.statement)
    if record.source:
        yield "source", readable(record.source)
    yield "over", readable(record.over)
    if record.reason:
        yield "reason", readable(record.reason)
    for measurement in record.measurements:
        name = readable(measurement.name)
        yield f"measured[{name}]", repr(measurement.value)
        for comparison in measurement.comparisons:
            yield f"bound[{name}]", readable(f"{comparison.operator} {comparison.bound}")
            yield f"slack[{name}]", repr(comparison.slack)
