"""Whatever the README shows is what happens: its blocks are run from top to bottom, in one repository."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_claims import hookspec, plugin
from pytest_claims.claim import Evidence
from pytest_claims.verdict import Verdict

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text()
EXAMPLE = HERE.parent / "examples" / "modular_addition"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The reader's, with the model that the README is about; and the commands `pytest` and `python`."""
    pytest.importorskip("torch", reason="torch is not installed")
    if not EXAMPLE.is_dir():
        pytest.skip("the model that the README is about is not part of this distribution")
    root = tmp_path_factory.mktemp("repository")
    for name in ("modadd.py", "trained.pt", "memorised.pt"):
        shutil.copy(EXAMPLE / name, root)
    commands = tmp_path_factory.mktemp("commands")
    for name, called in (("python", ""), ("pytest", " -m pytest -p pytest_claims.plugin")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{called} "$@"\n')
        (commands / name).chmod(0o755)
    return root, commands


def run(command, repository):
    """Run a line of a console; (exit code, output)."""
    root, commands = repository
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "GITHUB"))}
    environment |= {
        "PATH": f"{commands}:{environment['PATH']}",
        "PYTHONPATH": str(HERE),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what else is installed here is not the reader's
        "COLUMNS": "80",
    }
    done = subprocess.run(["bash", "-c", command], cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def plain(text):
    """Without times, trailing spaces, and the sign that fills a line of pytest's up to its width."""
    lines = [re.sub(r"\b\d+\.\d\ds", "0.00s", line).strip("=").rstrip() for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def test_every_block_does_what_is_shown(repository):
    root, _ = repository
    for language, block in BLOCKS:
        {"python": write, "console": type_in, "yaml": run_workflow, "sh": install}[language](block, root, repository)


def write(block, root, repository):
    """A file, or more of it; or a cell of a notebook."""
    first, _, rest = block.partition("\n")
    if first == "# a notebook":
        body = ast.unparse(ast.parse(rest))
        lines = body.splitlines()
        code, output = run(f"python - <<'END'\n{body}\nassert {lines[-1]}\nprint({lines[-1]})\nEND\n", repository)
        assert code == 0, output
        assert "HOLDS     Nine tenths of the power of W_E" in output
        return
    path = root / re.fullmatch(r"# ([\w/]+\.py)", first)[1]
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(rest)


def type_in(block, root, repository):
    """Commands, each with what it prints; `...` stands for any lines. `# exits with 1` says that it is red."""
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        expected = re.search(r"# exits with (\d)", command)
        code, output = run(command, repository)
        assert code == (int(expected[1]) if expected else 0), output
        output = plain(output)
        for part in filter(None, plain(shown).split("...\n")):
            assert part in output, f"{command}\n{part}\n--- is not in ---\n{output}"
            output = output[output.index(part) + len(part) :]


def run_workflow(block, root, repository):
    """The steps of a workflow: the file is one, and those that run something here pass."""
    for command in re.findall(r"run: (.*)", block):
        if command.startswith("pip install "):
            install(command, root, repository)
        else:
            code, output = run(command, repository)
            assert code == 0, output
    if shutil.which("check-jsonschema", path=Path(sys.executable).parent):
        steps = "".join(f"      {line}\n" for line in block.splitlines())
        (root / "steps.yml").write_text(f"on: push\njobs:\n  claims:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
        command = "python -m check_jsonschema --builtin-schema vendor.github-workflows steps.yml"
        code, output = run(command, repository)
        assert code == 0, output


def install(block, root, repository):
    """The name that is installed is that of this distribution; tests/test_init.py installs it."""
    assert block.split()[:2] == ["pip", "install"]
    assert block.split()[2] in ("pytest-claims", "./pytest-claims")
    assert 'name = "pytest-claims"' in (HERE / "pyproject.toml").read_text()


def test_every_block_is_of_a_kind_that_is_run():
    assert {language for language, _ in BLOCKS} == {"python", "console", "yaml", "sh"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_it_is_short():
    assert len(README.encode()) < 12_000
    assert max(map(len, README.splitlines())) <= 120


def test_the_table_of_verdicts_is_complete():
    table = README.partition("| verdict |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z ]+)`", table.replace("`unless", ""))) == set(Verdict)


def test_the_table_of_hooks_is_complete():
    hooks = {name for name, _ in inspect.getmembers(hookspec, inspect.isfunction) if name.startswith("pytest_claims_")}
    assert set(re.findall(r"^\| `(pytest_claims_\w+)", README, re.MULTILINE)) == hooks
    for name, arguments in re.findall(r"^\| `(pytest_claims_\w+)\(([\w, ]*)\)", README, re.MULTILINE):
        taken = [argument for argument in inspect.signature(getattr(hookspec, name)).parameters if argument != "config"]
        assert [argument.strip() for argument in arguments.split(",") if argument] == taken, name


def test_the_table_of_options_is_complete():
    options, keys = [], []

    class Parser:
        def getgroup(self, *_):
            return self

        def addoption(self, name, **_):
            options.append(name)

        def addini(self, name, *_, **__):
            keys.append(name)

    plugin.pytest_addoption(Parser())
    assert sorted(re.findall(r"^\| `(--claims-[\w-]+)", README, re.MULTILINE)) == sorted(options)
    assert re.findall(r"^\| ini `(\w+)`", README, re.MULTILINE) == keys


def test_evidence_and_exit_codes_are_those_that_there_are():
    assert all(f'"{evidence}"' in README for evidence in Evidence)
    paragraph = README.partition("Exit codes are pytest's:")[2].partition("\n\n")[0]
    assert re.findall(r"\b(\d) ", paragraph) == [str(int(pytest.ExitCode(code))) for code in (0, 1, 2, 4, 5)]


@pytest.mark.parametrize(
    ("code", "conftest", "claims"),
    [
        (2, "def pytest_claims_load(path, device): return {'gap': 1}\n", "[]"),
        (4, "", "[dict]"),
        (4, "def pytest_claims_load(path, device): raise ValueError('no')\n", "[dict]"),
        (5, "def pytest_claims_load(path, device): return {'gap': 1}\n", None),
    ],
    ids=["no control", "nobody loads", "refused", "no test"],
)
def test_exit_codes_are_as_told(tmp_path, code, conftest, claims):
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "claims").mkdir()
    body = f"""
from pytest_claims import claim
@claim("The gap is 1", source="us", over="all", refuted_by={claims})
def test_gap(model, measure):
    assert measure("gap", model["gap"]) == 1
"""
    (tmp_path / "claims" / "test_it.py").write_text(body if claims else "")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "GITHUB"))}
    environment |= {"PYTHONPATH": str(HERE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_claims.plugin", "claims/"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("https://") or not EXAMPLE.is_dir() or (HERE / link).exists(), link
