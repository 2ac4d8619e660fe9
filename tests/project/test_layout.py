"""What depends on what, how long a file may be, and that nothing heavy happens at import."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from toy_model.checkout import ROOT

PLUGIN = ROOT / "pytest-claims" / "pytest_claims"
TOY_MODEL = ROOT / "toy_model"
SYSTEMS = sorted(path.parent for path in ROOT.glob("*_model/system.py") if path.parent != TOY_MODEL)
"""The package of each system: it says in `system.py` what its task and model are."""

PACKAGES = (TOY_MODEL, *SYSTEMS)
MODULES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
SOURCES = [
    path
    for folder in (
        "pytest-claims",
        "toy_model",
        *(p.name for p in SYSTEMS),
        "claims",
        "benchmarks",
        "tests",
        "examples",
    )
    for path in sorted((ROOT / folder).rglob("*.py"))
]

LONGEST = 400
"""Lines of a file that a person can read in one sitting."""

WITH_THE_PLUGIN = {
    *("under_test.py", "choosing.py", "early.py", "guard.py", "system.py", "report.py", "reporting.py"),
    *("sequence_box", "list_box", "sweep", "figures", "commands"),
}
"""Where the plugin and the model meet. Whatever else there is could be used without pytest."""

OF_NO_CLAIM = ("pytest_claims.files", "pytest_claims.text", "pytest_claims.commands")
"""Of the plugin, what anybody may use: how files are written, text is shown and a command fails."""


def imports(path, *, everywhere=True):
    """The modules that a file imports; with `everywhere` also inside functions and for type checkers alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_imported(path):
    return {name.partition(".")[0] for name in imports(path)}


def named(path):
    return path.relative_to(ROOT).as_posix()


def test_there_is_a_system_to_look_at():
    assert [package.name for package in SYSTEMS][:1] == ["cumsum_model"]


@pytest.mark.parametrize("path", sorted(PLUGIN.rglob("*.py")), ids=named)
def test_the_plugin_imports_nothing_of_this_project(path):
    here = {package.name for package in PACKAGES} | {"claims", "benchmarks", "tests", "torch"}
    if not {"drawing", "universality"} & set(path.relative_to(PLUGIN).parts):
        here |= {"numpy"}
    assert not here & packages_imported(path)


@pytest.mark.parametrize("path", sorted(TOY_MODEL.rglob("*.py")), ids=named)
def test_the_toy_model_imports_no_system(path):
    assert not {package.name for package in SYSTEMS} & packages_imported(path)


@pytest.mark.parametrize("package", SYSTEMS, ids=named)
def test_a_system_imports_no_other_system(package):
    others = {system.name for system in SYSTEMS if system != package}
    for path in package.rglob("*.py"):
        assert not others & packages_imported(path), named(path)


@pytest.mark.parametrize("package", SYSTEMS, ids=named)
def test_what_checks_a_proof_imports_nothing_of_what_finds_one(package):
    for path in (package / "proof" / "check").glob("*.py"):
        of_the_search = [
            name
            for name in imports(path)
            if name.startswith(f"{package.name}.") and not name.startswith(f"{package.name}.proof.check")
        ]
        assert not of_the_search, named(path)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_packages_import_no_claims_tests_or_benchmarks(path):
    assert not {"claims", "tests", "benchmarks", "conftest"} & packages_imported(path)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if not WITH_THE_PLUGIN & set(path.relative_to(ROOT).parts)], ids=named
)
def test_science_knows_nothing_of_pytest_or_the_claims(path):
    for name in imports(path):
        if name != "pytest_claims":  # the package itself, from which one of the modules below is imported
            assert name.partition(".")[0] != "pytest"
            assert not name.startswith("pytest_claims") or name.startswith(OF_NO_CLAIM)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_heavy_imports_wait_until_they_are_needed(path):
    for name in imports(path, everywhere=False):
        assert name.partition(".")[0] not in ("transformer_lens", "matplotlib", "dask", "jinja2", "numba")
        assert ".compiled" not in name or path.parent.name == "compiled", "compiling waits as well"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_the_plugin_is_the_one_of_this_checkout():
    import pytest_claims

    assert Path(pytest_claims.__file__).resolve().is_relative_to(ROOT), "pip install --no-deps -e ./pytest-claims"


@pytest.mark.parametrize("package", PACKAGES, ids=named)
def test_importing_a_package_loads_nothing(package):
    script = f"import sys, {package.name}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("package", SYSTEMS, ids=named)
def test_a_system_and_its_command_line_are_there_without_torch(package):
    script = f"import sys, {package.name}.__main__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "module",
    [
        "cumsum_model.data",
        "cumsum_model.criteria",
        "sorted_list_model.data",
        "sorted_list_model.figures.subject",
        "sorted_list_model.hard_inputs",
        "sorted_list_model.ov_circuit",
        "toy_model.statistics",
        "toy_model.sweep.plan",
    ],
)
def test_examples_in_docstrings(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted > 0
    assert not outcome.failed
