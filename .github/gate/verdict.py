"""What the action says when the claims have run: outputs, annotation and badge. Its exit code is that of the gate.

    python -I verdict.py FOLDER CODE LOG

FOLDER is that of the report, CODE what pytest ended with, LOG what it printed. The gate opens on nothing but the whole
suite: exit code 0, and a report that says so, too. Nothing but the standard library is there in every environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TONES = ("good", "partial", "bad", "unfinished")
COLOURS = {"good": "brightgreen", "partial": "yellow", "bad": "red", "unfinished": "lightgrey"}
LONGEST = 500
TITLE = "verification gate"


def main(folder: Path, code: int, log: Path) -> int:
    """Write the outputs of the step, the badge and the annotation. Returns the exit code of the gate."""
    report = report_in(folder, code)
    verdict = report["tone"] if report else "unfinished"
    if report:
        headline = one_line(report["headline"])
    elif len([*folder.glob("*/report.json")]) > 1:
        headline = "Several models or suites were judged: name one of each, and use the action once for each"
    else:
        headline = f"No report was written that fits exit code {code}"
    is_open = code == 0 and verdict == "good"
    error = "" if is_open else why_closed(report, verdict, headline, code, printed(log))
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as outputs:
        outputs.writelines(f"{name}={text}\n" for name, text in outputs_of(verdict, headline, error))
    write_badge(folder, verdict, headline)
    if is_open:
        return 0
    print(f"::error title={TITLE}::{escaped(error)}")
    return code or 1


def outputs_of(verdict: str, headline: str, error: str) -> Iterator[tuple[str, str]]:
    """The outputs by name. Each is one line, so that none can begin another."""
    yield "verdict", verdict
    yield "headline", headline
    yield "error", error


def report_in(folder: Path, code: int) -> dict[str, Any] | None:
    """The report of this run; None where there is none, or one that contradicts pytest's exit code."""
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        fits = report["tone"] == "unfinished" or (report["tone"] in TONES and report["exit_code"] == code)
        return report if fits and isinstance(report["headline"], str) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def printed(log: Path) -> list[str]:
    """The lines that pytest printed, without colours."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]


def why_closed(report: dict[str, Any] | None, verdict: str, headline: str, code: int, lines: list[str]) -> str:
    """One line that names the file, the tensor, the option or the claim."""
    reason = ""
    if code not in (0, 1) or verdict == "unfinished":
        reason = next(errors(lines), "")
    if reason:
        return one_line(reason)
    reason = next(reasons(report or {}), "")
    told = f"{headline}: {reason}" if reason else headline
    return one_line(told if code == 0 or verdict == "bad" else f"{told} (pytest ended with exit code {code})")


def errors(lines: list[str]) -> Iterator[str]:
    """What pytest itself says went wrong, the most telling first."""
    text = "\n".join(lines)
    patterns = (
        r".*(?:\.py|pytest): error: (.*)",  # of an option that it does not know
        r"ERROR: (?!usage: )(.*)",
        r"E   +(.*\S.*)",  # of a file that cannot be collected
        r"_+ ERROR collecting .* _+\n+(.*)",
        r"ERROR (\S.*)",
        r"INTERNALERROR> (\w+(?:\.\w+)*(?:Error|Exception|Interrupt)\b.*)",
        r"([\w.]+(?:Error|Exception): .*)",  # of Python, before pytest has begun
    )
    for pattern in patterns:
        yield from re.findall(f"^{pattern}$", text, re.MULTILINE)


def reasons(report: dict[str, Any]) -> Iterator[str]:
    """What a report has to say for its tone, beside the headline."""
    run = report.get("run", {})
    for claim in report.get("claims", []):
        if claim.get("good") is False:
            yield f"{claim.get('id', '').rpartition('::')[2]}, {claim.get('statement', '')}"
    yield from run.get("problems", [])
    yield from run.get("left_out", [])


def write_badge(folder: Path, verdict: str, headline: str) -> None:
    """What shields.io takes for an endpoint. A badge that cannot be written closes no gate."""
    message = headline.partition(" (")[0] if verdict == "good" else headline
    badge = {"schemaVersion": 1, "label": "claims", "message": message[:80], "color": COLOURS[verdict]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "badge.json").write_text(json.dumps(badge) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"::warning title={TITLE}::The badge could not be written: {escaped(str(error))}")


def one_line(text: str) -> str:
    """Without newlines or characters that a terminal acts on, at a bearable length."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:LONGEST]


def escaped(text: str) -> str:
    """As the message of a workflow command."""
    return one_line(text).replace("%", "%25")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
