"""The folder of a report: the page, the document and the Markdown of it, each whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from urllib.parse import quote

from pytest_claims.drawing.figure import Illustrations
from pytest_claims.files import write_whole
from pytest_claims.output import DOCUMENT, INDEX, MARKDOWN, PAGE
from pytest_claims.output.html import render_page
from pytest_claims.output.json import encode, from_document, to_document
from pytest_claims.output.markdown import markdown
from pytest_claims.report.report import Report


def write_report(report: Report, folder: Path, illustrations: Illustrations) -> None:
    """Write all three files. Raises OSError, and ReportError if the report is too large to be read again."""
    document = to_document(report)
    rebuild(from_document(document), folder, illustrations)
    write_whole(folder / DOCUMENT, encode(document))


def rebuild(report: Report, folder: Path, illustrations: Illustrations) -> None:
    """Write the page and the Markdown of a report that was read from its document. Raises OSError."""
    write_whole(folder / PAGE, render_page(report, illustrations).encode())
    write_whole(folder / MARKDOWN, markdown(report).encode())


def withdraw(folder: Path) -> None:
    """Leave no part of a report that says more than was written."""
    for name in (PAGE, DOCUMENT, MARKDOWN):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError:  # it says "not finished", or could not be replaced in the first place
            continue


def write_index(reports: list[tuple[Path, Report]], folder: Path) -> None:
    """Write a page that leads to several reports, by their folders seen from `folder`, with what each says."""
    rows = [
        f'<li class="{escape(report.tone)}"><a href="{quote(place.as_posix())}/{PAGE}">{escape(place.as_posix())}</a>: '
        f"{escape(report.headline)}<br><small>{escape(report.line)}</small></li>"
        for place, report in ((place, from_document(to_document(report))) for place, report in reports)
    ]
    write_whole(folder / INDEX, _INDEX.format(rows="\n".join(rows)).encode())


def with_problems(report: Report, problems: list[str]) -> Report:
    """The report with problems that came up while it was written, over which it is not good."""
    if not problems:
        return report
    return replace(report, exit_code=report.exit_code or 1, problems=(*report.problems, *problems))


_INDEX = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Verification reports</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; }}
li {{ margin: 1rem 0; padding-left: .75rem; border-left: 4px solid #b3261e; list-style: none; }}
li.good {{ border-color: #00805d; }}
li.partial {{ border-color: #8a5a00; }}
</style>
</head>
<body>
<main>
<h1>Verification reports</h1>
<ul>
{rows}
</ul>
</main>
</body>
</html>
"""
