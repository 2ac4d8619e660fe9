"""The cluster of a sweep takes work from the sweep and from nobody else."""

import argparse
import datetime as dates
import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest

from cumsum_model.__main__ import main
from toy_model.sweep import cluster

LOCAL = argparse.Namespace(scheduler=None, workers=1, tls_ca_file=None, tls_cert=None, tls_key=None)

INTRUDER = """
import asyncio, json, os, pickle, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from distributed import Client
from distributed.comm import connect
from distributed.security import Security

RUN = {"function": pickle.dumps(os.getpid), "args": pickle.dumps(()), "kwargs": pickle.dumps({}), "wait": True}
REQUESTS = {"identity": {}, "run_function": RUN, "run": RUN}  # of a scheduler and of a worker

def ask(request, address, security):
    async def talk():
        comm = await connect(address, timeout=5, **(security.get_connection_args("client") if security else {}))
        await comm.write({"op": request, "reply": True, **REQUESTS[request]})
        answer = await comm.read()
        assert answer.get("status", "OK") == "OK"
    asyncio.run(asyncio.wait_for(talk(), 10))

def fetch(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
        return page.read()

ports = json.load(sys.stdin)
with Client(processes=False, n_workers=1, dashboard_address="127.0.0.1:0"):
    pass  # everything is imported, which another user may have no right to read
if os.getuid() == 0:  # from here on this is another user
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
protocols = {"tcp": None, "tls": Security.temporary()}  # a certificate that is not the cluster's
pages = "/", "/status", "/info/main/workers.html", "/json/counts.json", "/health", "/metrics"
attempts = {}
with ThreadPoolExecutor(100) as threads:
    for port in ports:
        for protocol, security in protocols.items():
            for request in REQUESTS:
                name = f"{protocol} {request} {port}"
                attempts[name] = threads.submit(ask, request, f"{protocol}://127.0.0.1:{port}", security)
        for page in pages:
            attempts[f"http {page} {port}"] = threads.submit(fetch, port, page)
    got_in = [name for name, attempt in attempts.items() if attempt.exception() is None]
print(json.dumps({"user": os.getuid(), "got in": got_in}), flush=True)
os._exit(0)
"""


def listening():
    """Every address at which this process or a child of it takes connections."""
    us = psutil.Process()
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in (us, *us.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def intrude(ports):
    """What a user without our certificate gets from these ports: from another account, if we may change ours."""
    result = subprocess.run(
        [sys.executable, "-P", "-c", INTRUDER],
        input=json.dumps(sorted(ports)),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_another_user_of_the_machine_gets_nothing_from_a_local_cluster():
    before = listening()
    with cluster.cluster(LOCAL) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        addresses = listening() - before
        assert {ip for ip, _ in addresses} == {"127.0.0.1"}
        reached = intrude({port for _, port in addresses})
        assert client.submit(sum, [3, 4]).result() == 7  # whoever knocks does no harm
    assert len(addresses) >= 4  # scheduler, nanny and worker, and servers of pages, which have none
    assert reached["got in"] == []
    assert reached["user"] != 0


def test_the_intruder_gets_into_a_cluster_without_certificates():
    """So what is asserted of ours can fail."""
    from distributed import LocalCluster

    before = listening()
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"):
        reached = intrude({port for _, port in listening() - before})
    assert any(way.startswith("tcp run_function") for way in reached["got in"])
    assert any(way.startswith("http /health") for way in reached["got in"])


def test_nothing_of_a_local_cluster_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    before = listening()
    with cluster.cluster(LOCAL) as client:
        (scratch,) = tmp_path.iterdir()
        assert scratch.stat().st_mode & 0o077 == 0
        assert client.submit(os.getuid).result() == os.getuid()
    assert list(tmp_path.iterdir()) == []
    assert listening() == before


@pytest.mark.parametrize("set_back", [-timedelta(hours=2), timedelta(hours=2)], ids=["ahead", "back"])
def test_the_clock_may_be_set_while_a_sweep_goes_on(monkeypatch, set_back):
    """The certificate is made by another clock than the one that it is looked at with."""

    class OtherClock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + set_back

    monkeypatch.setattr(cluster, "datetime", OtherClock)
    monkeypatch.setattr("distributed.security.datetime", SimpleNamespace(**vars(dates) | {"datetime": OtherClock}))
    with cluster.cluster(LOCAL) as client:
        assert client.submit(sum, [1, 2]).result(600) == 3


def test_without_the_package_it_says_so_before_work_starts(tmp_path, capsys, monkeypatch):
    find = cluster.importlib.util.find_spec
    monkeypatch.setattr(
        cluster.importlib.util, "find_spec", lambda name, *rest: None if name == "cryptography" else find(name, *rest)
    )
    assert main(["sweep", "--seeds", "7", "--out", str(tmp_path)]) == 4
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the package cryptography is missing: without it any user of this machine")
    assert "--scheduler" in line


# A cluster that exists


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The three files with which a cluster knows its own, and three of another cluster."""
    from distributed.security import Security

    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        made = Security.temporary()
        (folder / f"{name}.cert").write_text(made.tls_ca_file)
        (folder / f"{name}.key").write_text(made.tls_client_key)
    return folder


def tls(folder, name="ours"):
    cert, key = folder / f"{name}.cert", folder / f"{name}.key"
    return ["--tls-ca-file", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]


@pytest.fixture(scope="module")
def scheduler(certificates):
    """The address of a scheduler at tls://, with a worker, started as the help says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{probe.getsockname()[1]}"
    quiet = {"cwd": certificates, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    options = ["--no-dashboard", *tls(certificates)]
    started = [subprocess.Popen([*dask, "scheduler", "--host", address, "--no-show", *options], **quiet)]
    try:
        host, port = address.removeprefix("tls://").split(":")
        deadline = time.monotonic() + 600
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    break
            assert started[0].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        started.append(subprocess.Popen([*dask, "worker", address, "--nthreads", "1", "--no-nanny", *options], **quiet))
        yield address
    finally:
        for process in started:
            process.kill()
            process.wait()


def options_of(*arguments):
    parser = argparse.ArgumentParser()
    cluster.add_options(parser)
    return parser.parse_args(arguments)


def test_a_cluster_with_certificates_takes_work_from_who_has_one(scheduler, certificates):
    options = options_of("--scheduler", scheduler, *tls(certificates))
    assert cluster.problem(options) == ""
    with cluster.cluster(options) as client:
        assert client.submit(sum, [1, 2]).result(600) == 3


@pytest.mark.parametrize("have", ["nothing", "a certificate of another cluster"])
def test_a_cluster_with_certificates_is_not_reached_without(scheduler, certificates, have, tmp_path, capsys):
    given = [] if have == "nothing" else tls(certificates, "theirs")
    assert main(["sweep", "--seeds", "7", "--out", str(tmp_path), "--scheduler", scheduler, *given]) == 4
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --scheduler {scheduler}: cannot be reached (")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tls-key", "key.pem"], "--tls-key is for a cluster that is named with --scheduler tls://ADDRESS"),
        (["--scheduler", "tcp://127.0.0.1:1", "--tls-cert", "x"], "--tls-cert is for a cluster that is named with"),
        (["--scheduler", "tls://127.0.0.1:1", "--tls-ca-file", "no such file"], "--tls-ca-file no such file: No such"),
        (["--scheduler", "tls://127.0.0.1:1", "--tls-cert", "."], "--tls-cert .: Is a directory"),
        (["--workers", "0"], "--workers is a number of at least 1"),
        (["--workers", "2", "--scheduler", "tls://127.0.0.1:1"], "--workers is a number of at least 1"),
    ],
)
def test_options_that_do_not_fit_are_one_line(arguments, message, tmp_path, capsys):
    assert main(["sweep", "--seeds", "7", "--out", str(tmp_path / "out"), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_certificate_is_one_line(scheduler, tmp_path, capsys):
    (tmp_path / "empty").write_text("")
    files = ["--tls-ca-file", str(tmp_path / "empty"), "--tls-cert", str(tmp_path / "empty")]
    assert main(["sweep", "--seeds", "7", "--out", str(tmp_path), "--scheduler", scheduler, *files]) == 4
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --scheduler {scheduler}: cannot be reached (")


def test_a_scheduler_that_says_nothing_is_not_waited_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []
        threading.Thread(target=lambda: accepted.append(server.accept()), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert main(["sweep", "--seeds", "1", "--out", str(tmp_path), "--scheduler", address]) == 4
        for connection, _ in accepted:
            connection.close()
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --scheduler {address}: cannot be reached (")
