"""A sweep that is killed before any of its operations on files goes on to the same files, and has its folder alone.

The cluster is a real one in this process; what its workers give was made once by a real sweep, and is handed out again.
"""

import contextlib
import fcntl
import json
import multiprocessing
import os
import sys
from pathlib import Path

import pytest
from pytest_claims.universality.folder import PUBLISHED
from pytest_claims.universality.outcome import read_outcome

from cumsum_model.__main__ import main

TINY = ["--seq-len", "8", "--epochs", "3", "--train-size", "4000", "--val-size", "500", "--batch-size", "100"]
OPTIONS = ["--seeds", "1", *TINY, "--no-controls", "-k", "test_every_answer_is_right"]

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    ["distributed", "toy_model.sweep.worker", "toy_model.sweep.client", "pytest_claims.universality.folder"]
)


def contents(folder):
    """Every file; of an outcome all but how long the work took, which is not known of a run that was gone on with."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in files:
        if name.endswith("outcome.json"):
            files[name] = {**json.loads(files[name]), "seconds": None}
    return files


def handed_out_again(run):
    """`train_model` and `verify_model` that give what a run holds."""
    from toy_model.sweep.worker import REPORT_FILES, TrainedFiles, Verdicts

    outcome = read_outcome(run / "outcome.json")

    def read(*names):
        return {name: (run / name).read_bytes() for name in names}

    def train_model(package, arguments, code):
        return TrainedFiles(read("model.safetensors", "model.card.json"), seconds=outcome.seconds["train"])

    def verify_model(name, files, suite, code):
        assert files == read("model.safetensors", "model.card.json")
        proved, unproved = outcome.proved, outcome.unproved
        return Verdicts(read(*REPORT_FILES), outcome.exit_code, proved, unproved, outcome.seconds["verify"])

    return train_model, verify_model


def sweep_and_die(run, out, at):
    """Sweep in this process, which ends before its `at`-th operation on a file of the sweep, as if it were killed."""
    from distributed import Client

    from toy_model.commands import sweep
    from toy_model.sweep import client

    passed = 0

    def audit(event, arguments):
        nonlocal passed
        written = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR)
        on_file = event in ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir")
        if on_file and written and str(arguments[0]).startswith(str(out)):
            passed += 1
            if passed == at:
                os._exit(9)

    @contextlib.contextmanager
    def here(_):
        with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
            yield client

    client.train_model, client.verify_model = handed_out_again(run)
    sweep.cluster = here
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    os.chdir(out.parent)
    sys.addaudithook(audit)
    os._exit(main(["sweep", "--out", str(out), *OPTIONS]))


def in_child(*arguments):
    child = FORKSERVER.Process(target=sweep_and_die, args=arguments)
    child.start()
    child.join()
    return child.exitcode


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of one seed, done by real workers."""
    out = tmp_path_factory.mktemp("swept") / "sweep"
    assert main(["sweep", "--out", str(out), "--workers", "1", *OPTIONS]) == 0
    return out


def test_killed_at_every_operation_on_a_file_it_goes_on_to_the_same_files(swept, tmp_path):
    run, expected = swept / "runs" / "seed1", contents(swept)
    killed = 0
    for at in range(1, 1_000):
        out = tmp_path / f"killed{at}"
        if in_child(run, out, at) == 0:
            break
        killed += 1
        leftover = contents(out) if out.exists() else {}
        for name, content in leftover.items():  # whatever has its name is whole
            if name in expected:
                assert content == expected[name], f"{name}, killed before operation {at}"
        if "runs/seed1/outcome.json" in leftover:
            assert {name for name in expected if name.startswith("runs/")} <= set(leftover)
        assert in_child(run, out, 0) == 0
        assert contents(out) == expected, f"killed before operation {at}"
    assert killed > 20


def test_two_sweeps_do_not_share_a_folder(swept, capsys):
    descriptor = os.open(swept, os.O_RDONLY)
    before = contents(swept)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as the other one holds it
        assert main(["sweep", "--out", str(swept), *OPTIONS]) == 1
        assert capsys.readouterr().err == f"error: {swept}: another process is sweeping into it\n"
    finally:
        os.close(descriptor)
    assert contents(swept) == before
    assert main(["sweep", "--out", str(swept), *OPTIONS]) == 0


def test_a_folder_is_given_back_when_the_sweep_in_it_is_killed(swept, tmp_path):
    out = tmp_path / "sweep"
    assert in_child(swept / "runs" / "seed1", out, 5) == 9
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def test_what_was_handed_out_again_is_what_a_sweep_wrote(swept):
    assert sorted(path.name for path in swept.iterdir()) == sorted(["runs", *PUBLISHED])
    assert json.loads((swept / "runs" / "seed1" / "outcome.json").read_text())["name"] == "seed1"
    assert Path(swept / "runs" / "seed1" / "report.json").is_file()
