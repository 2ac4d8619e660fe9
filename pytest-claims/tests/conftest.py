"""A stranger's repository: a model of two numbers, a conftest.py that loads it, and claims."""

from __future__ import annotations

import importlib.util
import json
import os
import textwrap
import warnings
from pathlib import Path

import one_file
import pytest
from pytest_claims import asserts

CONFTEST = """
import json

def pytest_claims_load(path, device):
    return {"gap": 0.25, "mean": 1.0} if path is None else json.loads(path.read_text())
"""

HEADER = '''
"""The gap"""
import pytest
from pytest_claims import CannotBeMade, claim, erratum, timing

def widen(model):
    """Widens the gap."""
    return {**model, "gap": 4.0}

def shift(model):
    """Moves the mean."""
    return {**model, "mean": 5.0}

def stated(statement="The gap is small", *, refuted_by=(widen,), **options):
    return claim(statement, source="us", over="everything", refuted_by=refuted_by, **options)
'''

GAP = """
@stated()
def test_gap(model, measure):
    assert measure("gap", model["gap"]) < 1
"""


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch):
    """What these tests start has nothing to do with the run that they are part of, and loads no plugin by itself."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "COV_", "GITHUB_")) or name == "CI"]:
        if name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


class Suite:
    """A repository in an empty folder, and pytest in it with this plugin and no other but those that are named."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write("pytest.ini", "[pytest]\n")
        self.write("conftest.py", CONFTEST)

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def conftest(self, text: str, *, loads: bool = True) -> None:
        """Add to the conftest.py; `loads`: it begins with the usual model."""
        self.write("conftest.py", (CONFTEST if loads else "") + textwrap.dedent(text))

    def claims(self, body: str = GAP, name: str = "claims/test_gap.py") -> None:
        """A file of claims, with the usual controls above it."""
        self.write(name, HEADER.lstrip() + textwrap.dedent(body))

    def checkpoint(self, name: str, **numbers: float) -> str:
        self.write(name, json.dumps({"gap": 0.25, "mean": 1.0, **numbers}))
        return name

    def run(self, *arguments: str, plugins: tuple[str, ...] = ("claims",), process: bool = False) -> pytest.RunResult:
        """Run pytest here; plugins by the names of their entry points, skipping the test if one is not installed."""
        return run_pytest(self.pytester, *arguments, plugins=plugins, process=process)

    def refused(self, *arguments: str, **options) -> str:
        """The one line with which pytest refuses to run."""
        result = self.run(*arguments, **options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
        lines = [line for line in (*result.outlines, *result.errlines) if "ERROR" in line]
        assert len(lines) == 1, lines
        assert "Traceback" not in result.stdout.str() + result.stderr.str()
        return lines[0]

    def report(self, folder: str = "report") -> dict:
        return json.loads((self.path / folder / "report.json").read_text(encoding="utf-8"))

    def verdicts(self, folder: str = "report") -> dict[str, list[str]]:
        """By name of the claim: its verdict, and those of its controls, as the report in a folder says."""
        by_claim = {}
        for claim in self.report(folder)["claims"]:
            by_claim[claim["id"].rpartition("::")[2]] = [run["verdict"] for run in (claim, *claim["controls"])]
        return by_claim

    def reports(self, folder: str = "report") -> dict[str, dict[str, list[str]]]:
        """The verdicts of several reports, by their folders."""
        paths = sorted((self.path / folder).rglob("report.json"))
        places = [path.parent.relative_to(self.path / folder).as_posix() for path in paths]
        return {place: self.verdicts(f"{folder}/{place}") for place in places}


MODULES = {"xdist": "xdist", "randomly": "pytest_randomly", "rerunfailures": "pytest_rerunfailures"}
MODULES |= {"timeout": "pytest_timeout", "pytest_cov": "pytest_cov", "html": "pytest_html", "sugar": "pytest_sugar"}
MODULES |= {"hypothesispytest": "hypothesis", "metadata": "pytest_metadata"}


def entry_point(plugin: str) -> str:
    module = MODULES.get(plugin)
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    return plugin


def run_pytest(pytester, *arguments, plugins, process=False):
    """Run pytest where `pytester` is, with plugins by the names of their entry points and no others."""
    named = [argument for plugin in plugins for argument in ("-p", entry_point(plugin))]
    for cached in (asserts.assertions, asserts._place_of):  # of files that were others before
        cached.cache_clear()
    if process:
        return pytester.runpytest_subprocess(*named, *arguments)
    with warnings.catch_warnings():  # that are errors here, and not there
        warnings.resetwarnings()
        return pytester.runpytest_inprocess(*named, *arguments)


@pytest.fixture
def suite(pytester):
    return Suite(pytester)


@pytest.fixture
def run_claims(pytester):
    """Write claims into one file, below their usual controls, and run it; options have their short names."""
    pytester.makeconftest(one_file.CONFTEST)

    def write(body):
        pytester.makepyfile(test_suite=one_file.HEADER + body)

    def run(body, *arguments, process=False):
        write(body)
        needed = {
            "claims",
            *(["xdist"] if "-n" in arguments else []),
            *(["hypothesispytest"] if "hypothesis" in body else []),
        }
        return run_pytest(pytester, *arguments, plugins=sorted(needed), process=process)

    run.write = write
    return run


@pytest.fixture
def reported(run_claims, pytester):
    """Run claims with `--report`: the result, the document, the page and the Markdown."""

    def run(body, *arguments):
        result = run_claims(body, "--report", "report", *arguments)
        folder = pytester.path / "report"
        document = json.loads((folder / "report.json").read_bytes())
        return result, document, (folder / "report.html").read_text(), (folder / "report.md").read_text()

    return run
