import functools
import shutil

import pytest
from played import REFUTED
from small_suite import edit, run_suite, write_suite

from cumsum_model.task import REFERENCE


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A suite in a folder of its own, run in a process of its own as CI does. Returns exit code, document and page."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    write_suite(tmp_path)
    run = functools.partial(run_suite, tmp_path)
    run.path = tmp_path
    run.edit = lambda old, new, file="claims/test_gaps.py": edit(tmp_path / file, old, new)
    return run


@pytest.fixture
def workspace(tmp_path):
    """A caller's repository, with a good checkpoint and one that refutes a claim."""
    workspace = tmp_path / "the workspace"
    workspace.mkdir()
    shutil.copy(REFERENCE, workspace / "good.safetensors")
    shutil.copy(REFUTED, workspace / "refuted.safetensors")
    return workspace
