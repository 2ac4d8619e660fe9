"""Sweeps for the tests of sweeps: one that nothing disturbs, a copy of a run of it, and a gate for their workers."""

import shutil

import pytest
from sweeping import STARTED, Gate, end, sweep


@pytest.fixture(autouse=True)
def nothing_goes_on():
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


@pytest.fixture
def gate(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="session")
def undisturbed(once):
    """The folder of a sweep of three seeds. It is only read."""

    def make(folder):
        code, _, err = end(sweep(folder))
        assert code == 0, err
        assert err.count("kept epoch") == 3

    return once("undisturbed-sweep", make)


@pytest.fixture
def swept_again(undisturbed, tmp_path):
    """A copy of that folder, to sweep into."""
    return shutil.copytree(undisturbed, tmp_path / "swept again")


@pytest.fixture
def done(undisturbed, tmp_path):
    """A copy of the folder of one run, to damage."""
    shutil.copytree(undisturbed / "runs" / "seed0", tmp_path / "runs" / "seed0")
    return tmp_path
