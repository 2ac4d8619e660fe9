"""What lies beside a checkpoint or a report runs nothing, and a verdict is about the file that it names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cumsum_model.task import REFERENCE
from toy_model.checkout import ROOT

REFUTED = ROOT / "fixtures" / "cumsum" / "attends_to_recent.safetensors"
PYTEST = [sys.executable, "-m", "pytest"]
COMMAND = [str(Path(sys.executable).with_name("cumsum-model"))]
FEW = ["-k", "attention_is_uniform", "--no-controls"]

PLANTED = 'print("105 claims: 105 hold", flush=True)\nimport os\nos._exit(0)\n'
"""What a run of the suite must never execute: it looks like a verdict and ends the run well."""


def plant(folder, *, ini="addopts = -p no:terminal"):
    """A folder with a checkpoint, a report of sorts, and files that pytest would take for its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(REFUTED, folder / "model.safetensors")
    (folder / "report.json").write_text("{}")
    (folder / "conftest.py").write_text(PLANTED)
    (folder / "test_it.py").write_text(PLANTED)
    if ini is not None:
        (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    return folder


def run(command, folder=ROOT, **variables):
    words, env = [str(word) for word in command], os.environ | variables
    result = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert "105 hold" not in result.stdout + result.stderr, "what was planted ran"
    return result


def refused(result):
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "python -m cumsum_model verify PATH" in result.stderr
    return result.stderr


@pytest.fixture
def inside():
    """A folder inside the checkout, which git ignores."""
    folder = ROOT / "runs" / f"planted-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--checkpoint", "{}/model.safetensors"],
        ["claims/", "--checkpoint", "{}/model.safetensors"],
        ["--baseline", "{}/report.json", "claims/"],
        ["--report", "{}", "claims/"],
        ["-n", "2", "--checkpoint", "{}/model.safetensors"],
    ],
    ids=lambda arguments: " ".join(arguments).replace("{}", "FOLDER"),
)
@pytest.mark.parametrize("ini", ["addopts = -p no:terminal", "", None], ids=["options", "ini", "conftest alone"])
def test_a_folder_beside_a_checkpoint_is_refused_or_unseen(tmp_path, arguments, ini):
    folder = plant(tmp_path / "folder", ini=ini)
    result = run([*PYTEST, *(word.format(folder) for word in arguments), *FEW])
    if result.returncode != pytest.ExitCode.USAGE_ERROR:  # pytest found ours first, and went by it
        assert f"rootdir: {ROOT}\n" in result.stdout
        assert "1 refuted" in result.stdout or "--report" in arguments


@pytest.mark.parametrize(
    "arguments", [["--checkpoint", "{}/model.safetensors"], ["{}"], ["{}/test_it.py"]], ids=["option", "folder", "file"]
)
def test_a_folder_inside_the_checkout_is_refused(inside, arguments):
    folder = plant(inside).relative_to(ROOT)
    assert "pytest.ini" in refused(run([*PYTEST, *(word.format(folder) for word in arguments)]))


def test_tests_in_a_folder_of_the_checkout_are_refused_without_any_configuration(inside):
    folder = plant(inside, ini=None)
    error = refused(run([*PYTEST, folder]))
    assert f"{folder} is no part of this suite" in error
    assert "is no part of this suite" in refused(run(PYTEST, folder))


def test_the_value_of_an_option_is_no_path(tmp_path):
    """Options of the conftest are unknown before it is loaded, so pytest takes their values for paths until then."""
    command = [*PYTEST, "claims/", f"--checkpoint={REFUTED}", "--token-order", "value", "--timings", "few", *FEW]
    result = run(command)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 refuted" in result.stdout


def test_collecting_the_whole_checkout_leaves_other_folders_alone(inside):
    plant(inside, ini=None)
    result = run([*PYTEST, ".", "--collect-only", "-q", "-k", "attention_is_uniform"])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "claims/cumsum/test_attention.py::test_attention_is_uniform" in result.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A checkout of its own in a folder that others may write to."""
    shared = tmp_path_factory.mktemp("shared")
    for part in ("claims", "cumsum_model", "sorted_list_model", "toy_model", "fixtures"):
        shutil.copytree(ROOT / part, shared / "checkout" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, shared / "checkout" / file)
    plant(shared)
    shutil.move(shared / "model.safetensors", plant(shared / "checkpoints", ini=None) / "model.safetensors")
    (shared / "checkpoints" / "conftest.py").unlink()
    return shared / "checkout"


def test_a_parent_shared_by_checkout_and_checkpoint_is_refused(copy):
    command = [*PYTEST, "--checkpoint", "../checkpoints/model.safetensors", *FEW]
    error = refused(run(command, copy, PYTHONPATH=str(copy)))
    assert f"pytest took {copy.parent / 'pytest.ini'}" in error or "is no part of this suite" in error
    command = [*PYTEST, "claims/", "--checkpoint", "../checkpoints/model.safetensors", *FEW]
    refused(run(command, copy, PYTHONPATH=str(copy)))


def test_with_an_equals_sign_nobody_looks_there(copy):
    command = [*PYTEST, "claims/", "--checkpoint=../checkpoints/model.safetensors", *FEW]
    result = run(command, copy, PYTHONPATH=str(copy))
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 refuted" in result.stdout


def test_other_tests_are_none_of_its_business(tmp_path):
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_of_others.py").write_text("def test_it(): assert 1 + 1 == 2\n")
    result = run([*PYTEST, "-q"], tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_conftest_refuses_where_plugins_are_not_loaded_by_themselves(copy):
    """Without the plugin, and with an ini that runs nothing: our own conftest is what is left to notice it."""
    (copy.parent / "conftest.py").rename(copy.parent / "kept")
    try:
        result = run(
            [*PYTEST, "-p", "xdist", "-p", "pytest_benchmark.plugin", "claims", "../checkpoints/model.safetensors"],
            copy,
            PYTHONPATH=str(copy),
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        )
        refused(result)
    finally:
        (copy.parent / "kept").rename(copy.parent / "conftest.py")


# `verify`


@pytest.mark.parametrize("planted", [True, False], ids=["in a planted folder", "elsewhere"])
def test_verify_runs_nothing_that_lies_around(tmp_path, planted):
    folder = plant(tmp_path / "folder")
    for module in ("torch.py", "pytest.py", "numpy.py", "sitecustomize.py", "cumsum_model.py"):
        (folder / module).write_text(PLANTED)
    path = "model.safetensors" if planted else folder / "model.safetensors"
    hostile = {"PYTEST_ADDOPTS": "-k nothing_at_all", "PYTEST_PLUGINS": "no_such_plugin"}
    result = run([*COMMAND, "verify", path, *FEW], folder if planted else tmp_path, **hostile)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 refuted" in result.stdout


def test_verify_hands_every_option_on_and_writes_where_it_is_called(tmp_path):
    result = run([*COMMAND, "verify", "--report", "report", *FEW], tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "reference.safetensors" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
    assert (tmp_path / "report" / "report.json").is_file()


def test_verify_names_what_it_cannot_read_in_one_line(tmp_path):
    result = run([*COMMAND, "verify", "nothing.safetensors"], tmp_path)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.strip() == "ERROR: nothing.safetensors: No such file or directory"


def test_verify_teaches_without_running_anything(tmp_path):
    result = run([*COMMAND, "verify", "--help"], tmp_path)
    assert result.returncode == 0
    assert "--report=DIR" in result.stdout
    assert "examples:" in result.stdout


# Several processes


REPLACES_IT = """
import os, shutil

def pytest_xdist_setupnodes(config):
    shutil.copy(os.environ["OTHER_MODEL"], config.getoption("claims_checkpoint")[0])
"""


def test_workers_verify_the_model_that_the_report_names(tmp_path):
    """The file becomes another model once the first process has read it, and before a worker starts."""
    shutil.copy(REFUTED, tmp_path / "model.safetensors")
    (tmp_path / "replaces_it.py").write_text(REPLACES_IT)
    command = [*PYTEST, "claims/", f"--checkpoint={tmp_path / 'model.safetensors'}", *FEW, "-p", "replaces_it"]
    variables = {"PYTHONPATH": str(tmp_path), "OTHER_MODEL": str(REFERENCE)}
    result = run([*command, "-n", "2"], **variables)
    assert (tmp_path / "model.safetensors").read_bytes() == REFERENCE.read_bytes()
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 refuted" in result.stdout
