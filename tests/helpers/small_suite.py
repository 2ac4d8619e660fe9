"""A suite of three claims about a number, in a folder of its own: the fixture `gate` writes and runs it."""

import json
import os
import subprocess
import sys

CONFTEST = """
import pytest
import pytest_claims
pytest_plugins = ["pytest_claims.plugin"]

def pytest_addoption(parser):
    pytest_claims.short_options(parser)

def pytest_claims_load():
    return {"gap": 0.25}
"""

CLAIMS = '''"""Gaps: how large they are"""
import os, pytest
from pytest_claims import claim

def widen_gap(model):
    return {"gap": 4.0}

def widen_gap_further(model):
    return {"gap": 8.0}

@claim("The gap is small", source="us", over="everything", refuted_by=[widen_gap, widen_gap_further])
def test_small(model, measure):
    assert measure("gap", model["gap"]) < 1

@claim("The gap is not large", source="us", over="everything", refuted_by=[widen_gap])
def test_not_large(model, measure):
    assert measure("gap", model["gap"]) < 2
'''

MORE = '''"""More"""
from pytest_claims import claim
from claims_of_gaps import widen_gap

@claim("The gap is tiny", source="us", over="everything", refuted_by=[widen_gap])
def test_tiny(model, measure):
    assert measure("gap", model["gap"]) < 3
'''


def write_suite(folder):
    """Two files of claims, a control that both use, and the configuration that names the folder of claims."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nclaims_paths = claims\npythonpath = .\n")
    (folder / "claims").mkdir()
    (folder / "claims" / "test_gaps.py").write_text(CLAIMS)
    (folder / "claims_of_gaps.py").write_text("def widen_gap(model):\n    return {'gap': 4.0}\n")
    (folder / "claims" / "test_more.py").write_text(MORE)


def run_suite(folder, *arguments, interpreter=(), report="told"):
    """Run it in a process of its own, as CI does. Returns exit code, document, page and Markdown."""
    command = [sys.executable, *interpreter, "-m", "pytest", *arguments]
    if not any(str(argument).startswith("claims") for argument in arguments):
        command.append("claims/")
    command += [f"--report={report}"] if report else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_XDIST", "GITHUB"))}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=3600
    )
    written = {path.name: path.read_text() for path in folder.glob("told/report.*")}
    ran.document = json.loads(written["report.json"]) if written else None
    ran.page, ran.markdown = written.get("report.html", ""), written.get("report.md", "")
    return ran


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def green(ran):
    """Whether anything that the run left behind could be taken for all being well."""
    claims_all = ran.document and (ran.document["tone"] == "good" or "All " in ran.document["headline"])
    return ran.returncode == 0 and bool(
        claims_all or '<html lang="en" data-tone="good">' in ran.page or "🟢" in ran.markdown
    )


def tell(ran):
    return ran.stdout[-3000:] + ran.stderr[-1000:]
