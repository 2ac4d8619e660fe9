"""Many seeds on a real Dask cluster: nothing is lost or done twice, and what comes out is what one run gives."""

import contextlib
import dataclasses
import doctest
import json
import os
import re
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from distributed.scheduler import KilledWorker
from pytest_claims.universality.outcome import Ending, OutcomeError, encode, read_outcome

from cumsum_model.__main__ import main
from cumsum_model.system import SYSTEM
from cumsum_model.task import PUBLISHED
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.recipe import BY_NAME, OPTIONS
from toy_model.sweep import client, plan, worker
from toy_model.sweep.plan import PlanError, parse_grid, parse_seeds
from toy_model.sweep.suite import Suite, fingerprint

TINY = ["--seq-len", "8", "--epochs", "3", "--train-size", "4000", "--val-size", "500", "--batch-size", "100"]
ONE_CLAIM = ["--no-controls", "-k", "test_every_answer_is_right"]
FILES = ["model.card.json", "model.safetensors", "outcome.json", "report.html", "report.json", "report.md"]


PATIENCE = 3600
"""Seconds until something counts as never happening; far more than it takes on the slowest machine."""

STARTED = []


@pytest.fixture(autouse=True)
def nothing_goes_on():
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


def sweep(out, *options, seeds="0:4", recipe=TINY, claims=ONE_CLAIM, environment=None):
    command = [sys.executable, "-m", "cumsum_model", "sweep", "--seeds", seeds, "--out", str(out)]
    STARTED.append(
        subprocess.Popen(
            [*command, *recipe, *claims, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    )
    return STARTED[-1]


def end(process):
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    return process.returncode, out, err


def until(condition, process=None):
    """What `condition` gives once it is true; not before, and not without `process`, if there is one."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def at_work(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


HOLD = """
import os, sys, time

HERE = os.path.dirname(__file__)
LET_THROUGH = set()  # a file that is opened once may be two events

def hold(event, arguments):
    if event != "open":
        return
    point = str(arguments[0]).rpartition("/.")[2].rpartition(".")[0]  # of what is on its way to its name
    held = f"{HERE}/held at {point}/{os.getpid()}"
    if point not in LET_THROUGH and os.path.exists(os.path.dirname(held)):
        os.mkdir(held)
        while os.path.exists(held):
            time.sleep(0.02)
        LET_THROUGH.add(point)

if "PR_SET_PDEATHSIG" in str(sys.orig_argv):  # what a worker runs to train or to verify
    sys.addaudithook(hold)
"""


class Gate:
    """Holds whatever trains or verifies when it is about to write a certain file: a known point, on any machine."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "sitecustomize.py").write_text(HOLD)
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}

    def close(self, name):
        (self.folder / f"held at {name}").mkdir()

    def open(self, name):
        place = self.folder / f"held at {name}"
        place.rename(self.folder / f"was {place.name} {time.monotonic_ns()}")

    def let_through(self, process, name):
        (self.folder / f"held at {name}" / str(process.pid)).rmdir()

    def held(self, name, sweep):
        """A process that is held there, as soon as there is one."""

        def find():
            for place in (self.folder / f"held at {name}").iterdir():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if at_work(process := psutil.Process(int(place.name))):
                        return process
            return None

        return until(find, sweep)


@pytest.fixture
def gate(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


def results(out):
    """Every file of every run; of outcomes all but how long it took."""
    found = {}
    for path in sorted((out / "runs").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == "outcome.json":
                outcome = json.loads(content)
                assert outcome.pop("seconds")
                content = json.dumps(outcome)
            found[str(path.relative_to(out))] = content
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    code, _, err = end(sweep(out))
    assert code == 0, err
    assert err.count("kept epoch") == 4
    return out


def test_each_run_has_its_checkpoint_its_report_and_its_outcome(undisturbed):
    for seed in range(4):
        run = undisturbed / "runs" / f"seed{seed}"
        assert sorted(path.name for path in run.iterdir()) == FILES
        outcome = read_outcome(run / "outcome.json")
        assert (outcome.name, outcome.seed, outcome.ending) == (f"seed{seed}", seed, Ending.VERIFIED)
        assert outcome.exit_code == 1  # nobody learns the task in three such epochs
        assert outcome.suite == f"{fingerprint('cumsum_model')} --no-controls -k test_every_answer_is_right"
        checkpoint = read_checkpoint(run, SYSTEM)
        assert outcome.sha256 == checkpoint.sha256
        report = json.loads((run / "report.json").read_text())
        assert report["subject"]["sha256"] == checkpoint.sha256
        assert report["subject"]["path"] == f"seed{seed}/model.safetensors"
        assert str(ROOT) not in json.dumps(report["run"])
        assert [claim["verdict"] for claim in report["claims"]] == ["refuted"]


def test_it_trains_what_train_trains(undisturbed, tmp_path):
    assert main(["train", "--seed", "2", "--out", str(tmp_path), *TINY]) == 0
    for name in ("model.safetensors", "model.card.json"):
        assert (tmp_path / name).read_bytes() == (undisturbed / "runs" / "seed2" / name).read_bytes()


def test_what_is_proved_is_what_certify_proves(undisturbed, capsys):
    proved = read_outcome(undisturbed / "runs" / "seed1" / "outcome.json").proved
    main(["certify", str(undisturbed / "runs" / "seed1")])
    told = capsys.readouterr().out
    (margin,) = re.findall(r"proved to be no smaller than (.*)", told)
    assert float(margin) == pytest.approx(proved.smallest_margin, abs=2e-7)  # it is rounded down to seven digits
    assert f"of {proved.sequences} sequences" in told
    assert f"right at every position: {proved.right_everywhere[0]}" in told


def test_the_same_command_has_nothing_left_to_do(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("report.json")}
    code, out, err = end(sweep(undisturbed))
    assert code == 0
    assert "4 runs: 4 done, 0 to train and verify" in err
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.rglob("report.json")}
    assert out.strip()


POINTS = ["training.safetensors", "training.safetensors", "model.safetensors", "report.json", "report.json"]
"""In the middle of training, at its end, and at the end of verifying."""


def test_workers_killed_at_five_points_change_nothing(undisturbed, tmp_path, gate):
    gate.close(POINTS[0])
    process = sweep(tmp_path, "--workers", "2", environment=gate.environment)
    for point, following in zip(POINTS, [*POINTS[1:], ""], strict=True):
        work = gate.held(point, process)
        if following not in ("", point):
            gate.close(following)
        worker.parent().kill()
        until(lambda work=work: not at_work(work))  # it ends with its worker
        if following != point:
            gate.open(point)
    code, _, err = end(process)
    assert code == 0, err
    assert results(tmp_path) == results(undisturbed)
    landed = re.findall(r"of 4  (seed\d)  kept epoch", err)
    assert sorted(landed) == ["seed0", "seed1", "seed2", "seed3"]


def test_a_sweep_that_is_killed_goes_on_where_it_stood(undisturbed, tmp_path, gate):
    gate.close("report.json")
    process = sweep(tmp_path, environment=gate.environment)
    gate.let_through(gate.held("report.json", process), "report.json")
    until(lambda: list(tmp_path.glob("runs/*/outcome.json")), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    until(lambda: not any(map(at_work, children)))  # nothing goes on without it
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("report.json")}
    (tmp_path / "runs" / "seed3").mkdir(exist_ok=True)
    (tmp_path / "runs" / "seed3" / ".model.safetensors.abcd_012").write_bytes(b"half a model")
    code, _, err = end(sweep(tmp_path))
    assert code == 0, err
    assert "4 runs: 1 done" in err
    assert results(tmp_path) == results(undisturbed)
    assert done.items() <= {path: path.stat().st_mtime_ns for path in tmp_path.rglob("report.json")}.items()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


@pytest.fixture
def cluster(tmp_path, gate):
    """A Dask scheduler and two workers, each a process of its own. A task is given back at the first death."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    environment = gate.environment | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    started = []

    def start(*command):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    def worker():
        patience = ("--death-timeout", str(PATIENCE))
        return start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", *patience)

    try:
        scheduler = start("scheduler", "--host", address, "--no-dashboard", "--no-show")
        until(lambda: answers(("127.0.0.1", port)), scheduler)
        yield address, worker, scheduler
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_cluster_of_separate_processes_loses_one_on_the_way(cluster, undisturbed, tmp_path, gate):
    address, worker, _ = cluster
    worker(), worker()
    gate.close("training.safetensors")
    process = sweep(tmp_path / "sweep", "--scheduler", address)
    gate.held("training.safetensors", process).parent().kill()
    gate.open("training.safetensors")
    code, _, err = end(process)
    assert code == 0, err
    assert results(tmp_path / "sweep") == results(undisturbed)


class GivenBack:
    """What Dask gives back of a task over which it has lost more workers than it allows."""

    status = "error"

    def exception(self):
        return KilledWorker("train_model", SimpleNamespace(address="tcp://127.0.0.1:1"), 3)


def test_a_task_that_the_cluster_gives_back_is_handed_out_again_but_not_for_ever():
    sweep = client.Sweep(None, None, SUITE)
    for tries in range(1, client.MOST_TRIES):
        assert sweep._failure(client._Task(job(), client.Standing(), 0, tries), GivenBack()) == ""
    assert "KilledWorker" in sweep._failure(client._Task(job(), client.Standing(), 0, client.MOST_TRIES), GivenBack())


def test_a_scheduler_that_dies_is_one_line(cluster, tmp_path, gate):
    address, worker, scheduler = cluster
    worker()
    gate.close("report.json")
    process = sweep(tmp_path / "sweep", "--scheduler", address)
    gate.held("report.json", process)
    scheduler.kill()
    code, _, err = end(process)
    assert code == 1
    assert "error: the scheduler was lost; 0 of 4 runs are done, the same command goes on from there" in err


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path):
    code, _, err = end(sweep(tmp_path, "--scheduler", f"tcp://127.0.0.1:{free_port()}"))
    assert code == 4
    assert "cannot be reached" in err.splitlines()[-1]


def test_a_seed_that_diverges_is_a_result(tmp_path):
    code, _, err = end(sweep(tmp_path, "--grid", "lr_start=0.001,1e30", seeds="1"))
    assert code == 0, err
    outcome = read_outcome(tmp_path / "runs" / "lr_start=1e+30,seed=1" / "outcome.json")
    assert (outcome.ending, outcome.varied, outcome.exit_code) == (Ending.DIVERGED, {"lr_start": 1e30}, None)
    assert "the loss is" in outcome.reason
    assert "diverged: seed 1: the loss is" in err
    assert sorted(path.name for path in (tmp_path / "runs" / "lr_start=1e+30,seed=1").iterdir()) == ["outcome.json"]
    assert "2 runs: 2 done" in end(sweep(tmp_path, "--grid", "lr_start=0.001,1e30", seeds="1"))[2]


def test_another_recipe_does_not_go_on_with_it(undisturbed):
    before = results(undisturbed)
    code, _, err = end(sweep(undisturbed, "--lr-end", "0.0005"))
    assert code == 4
    assert err.count("\n") == 1
    assert "seed0 holds a run with lr-end 0.0001, not 0.0005" in err
    assert results(undisturbed) == before


def test_claims_that_end_without_verdicts_are_a_failure_and_the_checkpoint_stays(tmp_path):
    code, _, err = end(sweep(tmp_path, claims=["-k", "no_such_claim"], seeds="0"))
    assert code == 1
    assert "failed: WorkFailed: pytest claims/ ended with exit code 5" in err
    assert "1 runs failed (seed0); 0 of 1 runs are done" in err
    assert sorted(path.name for path in (tmp_path / "runs" / "seed0").iterdir()) == FILES[:2]
    code, _, err = end(sweep(tmp_path, seeds="0"))
    assert code == 0
    assert "1 runs: 0 done, 0 to train and verify, 1 to verify" in err


def job(seed=0, **numbers):
    given = zip(TINY[::2], TINY[1::2], strict=True)
    tiny = {BY_NAME[option[2:].replace("-", "_")].field: int(number) for option, number in given}
    return plan.plan([seed], {}, tiny | numbers)[0]


@pytest.fixture
def done(undisturbed, tmp_path):
    """A copy of the folder of one run, to damage."""
    run = tmp_path / "runs" / "seed0"
    run.mkdir(parents=True)
    for path in (undisturbed / "runs" / "seed0").iterdir():
        (run / path.name).write_bytes(path.read_bytes())
    return tmp_path


SUITE = Suite("cumsum_model", controls=False, select="test_every_answer_is_right")


def test_what_is_whole_is_done(done):
    assert client.standing(done, job(), SUITE, SYSTEM).outcome is not None


@pytest.mark.parametrize(
    ("damaged", "damage"),
    [
        *((name, damage) for name in ("outcome.json", "report.json") for damage in ("missing", "cut", "text")),
        ("report.html", "missing"),
    ],
)
def test_a_run_that_lacks_its_verdicts_is_verified_again(done, damaged, damage):
    path = done / "runs" / "seed0" / damaged
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:100] if damage == "cut" else b"no JSON")
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert sorted(stands.files) == FILES[:2]


@pytest.mark.parametrize("damaged", ["model.safetensors", "model.card.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_a_run_that_lacks_its_checkpoint_is_trained_again(done, damaged, damage):
    path = done / "runs" / "seed0" / damaged
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:100] if damage == "cut" else b"no JSON")
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert not stands.files


def test_a_report_of_another_model_is_made_again(done, undisturbed):
    run = done / "runs" / "seed0"
    (run / "report.json").write_bytes((undisturbed / "runs" / "seed1" / "report.json").read_bytes())
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert stands.files


def test_other_claims_verify_it_again_and_do_not_train_it(done):
    for other in (Suite("cumsum_model", controls=True, select=SUITE.select), Suite("cumsum_model", controls=False)):
        stands = client.standing(done, job(), other, SYSTEM)
        assert stands.outcome is None
        assert sorted(stands.files) == FILES[:2]
        assert stands.seconds > 0


def test_what_diverged_is_not_trained_again_for_other_claims(done):
    run = done / "runs" / "seed0"
    outcome = dataclasses.replace(read_outcome(run / "outcome.json"), ending=Ending.DIVERGED, reason="nan", suite="old")
    for path in run.iterdir():
        path.unlink()
    (run / "outcome.json").write_bytes(encode(outcome))
    assert client.standing(done, job(), SUITE, SYSTEM).outcome.suite == SUITE.name


def test_a_run_of_another_recipe_is_named(done):
    with pytest.raises(client.OtherRecipe, match=r"seed0 holds a run with d-mlp 8, not 4"):
        client.standing(done, job(d_mlp=4), SUITE, SYSTEM)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format": 2}', b'{"format": 1, "name": 3}', b"\xff", b"[" * 9999]
)
def test_an_outcome_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "outcome.json"
    path.write_bytes(content)
    with pytest.raises(OutcomeError) as caught:
        read_outcome(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_outcome_is_read_as_it_was_written(undisturbed, tmp_path):
    outcome = read_outcome(undisturbed / "runs" / "seed3" / "outcome.json")
    path = tmp_path / "outcome.json"
    path.write_bytes(encode(outcome))
    assert read_outcome(path) == outcome
    assert outcome.proved.sequences == 11**8


def test_a_worker_with_other_claims_refuses(monkeypatch):
    with pytest.raises(worker.OtherCode, match="another version of the claims"):
        worker.train_model("cumsum_model", [], "other")
    with pytest.raises(worker.OtherCode):
        worker.verify_model("seed0", {}, SUITE, "other")


def test_workers_with_other_claims_end_the_sweep_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(conduct, "fingerprint", lambda: "other")
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path), "--workers", "1", *TINY]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: a worker runs another version of the claims than this one")
    assert told.endswith("0 of 1 runs are done, the same command goes on from there")


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    write_whole = client.write_whole

    def full(path, content):
        if path.name == "report.json":
            raise OSError(28, "No space left on device", str(path))
        write_whole(path, content)

    monkeypatch.setattr(conduct, "write_whole", full)
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path), "--workers", "1", *TINY, *ONE_CLAIM]) == 1
    assert "report.json: No space left on device; 0 of 1 runs are done" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs" / "seed0" / "outcome.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0:0"], "the range is empty"),
        (["--seeds", "x"], "'x' are no seeds"),
        (["--seeds", "0:5:0"], "a step of 0"),
        (["--seeds", "0:999999999"], "more than 100,000"),
        (["--seeds", "0:90000", "--grid", "d_mlp=2,4"], "these are 180,000 runs"),
        (["--seeds", "0", "--grid", "width=3"], "'width=3' is no option with values"),
        (["--seeds", "0", "--grid", "d_mlp"], "'d_mlp' is no option with values"),
        (["--seeds", "0", "--grid", "d_mlp=a"], "the values of d_mlp are whole numbers"),
        (["--seeds", "0", "--grid", "d_mlp=0"], "d_mlp must be a whole number of at least 1"),
        (["--seeds", "0", "--grid", "seed=1"], "seeds are given with --seeds"),
        (["--seeds", "0", "--grid", "d_mlp=2", "--grid", "d-mlp=4"], "d_mlp is given twice"),
        (["--seeds", "0", "--grid", "lr_start=nan"], "lr_start must be a finite number"),
        (["--seeds", "0", "--workers", "0"], "--workers is a number of at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_planned_is_one_line(tmp_path, capsys, options, message):
    assert main(["sweep", "--out", str(tmp_path / "new"), *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_examples_in_docstrings():
    outcome = doctest.testmod(plan)
    assert outcome.attempted > 3
    assert outcome.failed == 0


def test_every_option_can_be_a_grid():
    for option in OPTIONS:
        if option.field != "seed":
            assert parse_grid([f"{option.name}={option.default}"], PUBLISHED) == {option.name: [option.default]}


def test_names_of_runs_are_different_and_fit_in_a_folder():
    jobs = plan.plan(parse_seeds("0:3"), parse_grid(["d_mlp=2,4", "lr-end=1e-4,0.0002"], PUBLISHED), {})
    assert len({each.name for each in jobs}) == len(jobs) == 12
    assert {(each.recipe.config.d_mlp, each.recipe.lr_end) for each in jobs} == {
        (d, e) for d in (2, 4) for e in (1e-4, 2e-4)
    }
    assert jobs[0].name == "d_mlp=2,lr_end=0.0001,seed=0"
    assert not any("/" in each.name for each in jobs)
    with pytest.raises(PlanError, match="seed must lie in"):
        plan.plan([2**63], {}, {})


def test_the_fingerprint_changes_with_what_decides_a_verdict_and_with_nothing_else(tmp_path, monkeypatch):
    from toy_model.sweep import suite

    for path in [
        *ROOT.glob("*.py"),
        ROOT / "pyproject.toml",
        ROOT / "fixtures" / "cumsum" / "reference.safetensors",
        *ROOT.glob("claims/*.py"),
        *ROOT.glob("cumsum_model/**/*.py"),
        *ROOT.glob("pytest-claims/pytest_claims/**/*.py"),
    ]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    monkeypatch.setattr(suite, "CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(suite, "PLUGIN", tmp_path / "pytest-claims" / "pytest_claims")
    of_here = suite.fingerprint.__wrapped__
    assert of_here() == fingerprint("cumsum_model")
    for name, decides in {
        "claims/cumsum/test_task.py": True,
        "conftest.py": True,
        "fixtures/cumsum/reference.safetensors": True,
        "cumsum_model/circuit.py": True,
        "pytest-claims/pytest_claims/measure.py": True,
        "pytest-claims/pytest_claims/drawing/canvas.py": False,
        "pytest-claims/pytest_claims/universality/findings.py": False,
        "cumsum_model/figures/neurons.py": False,
        "cumsum_model/proof/commands.py": False,
        "cumsum_model/train_command.py": False,
    }.items():
        path = tmp_path / name
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(before + b"\n# changed\n")
        assert (of_here() != fingerprint("cumsum_model")) is decides, name
        path.write_bytes(before) if before else path.unlink()
