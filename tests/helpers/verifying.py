"""The claims as their users run them, in a process of their own, and what such a run prints."""

import json
import re
import subprocess
import sys

from toy_model.checkout import ROOT


def verify(*arguments, claims="claims/cumsum", cwd=ROOT):
    command = [sys.executable, "-m", "pytest", claims, "-p", "no:cacheprovider", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def make_shipped(folder):
    """The report of the shipped checkpoint, as `make claims` leaves it, and what was printed."""
    result = verify("--benchmark-max-time=0.1", f"--report={folder}")
    (folder / "stdout.txt").write_text(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


def summary(printed):
    """The line that counts everything, which is printed on several."""
    summaries = re.findall(
        r"^\d+ claims: .*(?:\n(?!problem|warning|report|=|\d+ (?:passed|failed)).*)*", printed, re.MULTILINE
    )
    assert summaries, printed
    return " ".join(summaries[-1].split())


def verdicts(printed):
    """The (verdict, statement) of every claim in the order of the report, timings left out."""
    rows = re.findall(r"^(HOLDS|REFUTED|ERROR|N/A|NOT RUN) +(.*)$", printed, re.MULTILINE)
    return [(verdict, statement) for verdict, statement in rows if not statement.startswith("Forward pass")]


def verdicts_of(report):
    """The verdict on the checkpoint of every claim in a report.json, by the name of its test."""
    claims = json.loads(report.read_text())["claims"]
    return {claim["id"].rpartition("::")[2]: claim["verdict"] for claim in claims}
