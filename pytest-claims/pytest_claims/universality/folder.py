"""Writing a universality report: page, JSON and tables of all runs in a folder."""

from __future__ import annotations

from pathlib import Path

from pytest_claims.files import write_whole
from pytest_claims.universality.findings import Universality, universality
from pytest_claims.universality.html import render_page
from pytest_claims.universality.json import encode, to_document
from pytest_claims.universality.links import Links
from pytest_claims.universality.parquet import measured_table, runs_table
from pytest_claims.universality.runs import read_runs

PAGE, DOCUMENT = "universality.html", "universality.json"
MEASURED_TABLE, RUNS_TABLE = "universality.parquet", "universality-runs.parquet"
PUBLISHED = (PAGE, DOCUMENT, MEASURED_TABLE, RUNS_TABLE)


def publish(folder: Path, out: Path | None = None) -> Universality:
    """Put the runs of a sweep's folder together and write what they say to `out`, by default to the folder itself.

    The same runs give the same bytes. Each file appears whole or not at all, and none before all of them are made.
    Raises SweepError, in one line, if there are no runs to read, and OSError if a file cannot be written.
    """
    out = folder if out is None else out
    runs = read_runs(folder)
    result = universality(runs)
    links = Links(folder, out, runs)
    files = {
        PAGE: render_page(result, links).encode(),
        DOCUMENT: encode(to_document(result, links)),
        MEASURED_TABLE: measured_table(result),
        RUNS_TABLE: runs_table(result),
    }
    for name, content in files.items():
        write_whole(out / name, content)
    return result
