"""What depends on what, and that nothing heavy happens at import."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from toy_model.checkout import ROOT

PACKAGE = ROOT / "cumsum_model"
MODULES = sorted(PACKAGE.rglob("*.py"))
PLUGIN = ROOT / "pytest-claims" / "pytest_claims"
NOT_SCIENCE = {"report", "sweep", "guard.py", "early.py", "figures"}
SCIENCE = [path for path in MODULES if not NOT_SCIENCE & set(path.relative_to(PACKAGE).parts)]
"""Everything but what pytest loads, and `report`, `figures` and `sweep`, where the plugin and the model meet."""

OF_NO_CLAIM = ("pytest_claims.files", "pytest_claims.text", "pytest_claims.commands")
"""Of the plugin, what anybody may use: how files are written, text is shown and a command fails."""


def imports(path, *, everywhere=True):
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_verification_knows_nothing_of_the_model():
    for path in PLUGIN.rglob("*.py"):
        for name in imports(path):
            foreign = {"torch", "cumsum_model"}
            if not {"drawing", "universality"} & set(path.relative_to(PLUGIN).parts):
                foreign |= {"numpy"}
            assert name.partition(".")[0] not in foreign, path


def test_the_plugin_is_the_one_of_this_checkout():
    import pytest_claims

    assert Path(pytest_claims.__file__).resolve().is_relative_to(ROOT), "pip install --no-deps -e ./pytest-claims"


@pytest.mark.parametrize("path", SCIENCE, ids=lambda path: path.stem)
def test_science_knows_nothing_of_pytest_or_the_claims(path):
    for name in imports(path):
        assert name.partition(".")[0] not in ("pytest", "claims", "conftest")
        assert not name.startswith("pytest_claims") or name.startswith(OF_NO_CLAIM)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_heavy_imports_wait_until_they_are_needed(path):
    for name in imports(path, everywhere=False):
        assert name.partition(".")[0] not in ("transformer_lens", "matplotlib", "dask", "jinja2")


@pytest.mark.parametrize(
    "path", [*MODULES, *PLUGIN.rglob("*.py"), *ROOT.glob("claims/*.py")], ids=lambda path: path.stem
)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


def test_importing_the_package_loads_nothing():
    script = "import sys, cumsum_model; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("module", ["data", "circuit", "criteria"])
def test_examples_in_docstrings(module):
    outcome = doctest.testmod(importlib.import_module(f"cumsum_model.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
