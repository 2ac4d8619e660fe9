"""Workers, schedulers and sweeps that are killed on the way: nothing is lost or done twice."""

import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from distributed.scheduler import KilledWorker
from sweeping import PATIENCE, SUITE, at_work, end, job, results, sweep, until

from toy_model.sweep import client

POINTS = ["training.safetensors", "training.safetensors", "model.safetensors", "report.json", "report.json"]
"""In the middle of training, at its end, and at the end of verifying."""


def test_workers_killed_at_five_points_change_nothing(undisturbed, tmp_path, gate):
    gate.close(POINTS[0])
    process = sweep(tmp_path, "--workers", "2", environment=gate.environment)
    for point, following in zip(POINTS, [*POINTS[1:], ""], strict=True):
        work = gate.held(point, process)
        if following not in ("", point):
            gate.close(following)
        work.parent().kill()
        until(lambda work=work: not at_work(work))  # it ends with its worker
        if following != point:
            gate.open(point)
    code, _, err = end(process)
    assert code == 0, err
    assert results(tmp_path) == results(undisturbed)
    landed = re.findall(r"of 3  (seed\d)  kept epoch", err)
    assert sorted(landed) == ["seed0", "seed1", "seed2"]


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
    (tmp_path / "runs" / "seed2").mkdir(exist_ok=True)
    (tmp_path / "runs" / "seed2" / ".model.safetensors.abcd_012").write_bytes(b"half a model")
    code, _, err = end(sweep(tmp_path))
    assert code == 0, err
    assert "3 runs: 1 done" in err
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
    assert "error: the scheduler was lost; 0 of 3 runs are done, the same command goes on from there" in err


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path):
    code, _, err = end(sweep(tmp_path, "--scheduler", f"tcp://127.0.0.1:{free_port()}"))
    assert code == 4
    assert "cannot be reached" in err.splitlines()[-1]
