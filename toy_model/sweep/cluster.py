"""The Dask cluster that a sweep works on: one that it starts on this machine, or one that exists.

Whoever can reach a Dask cluster can have it run whatever they like, as the user who started it. So the one that is
started here asks for a certificate, which is made for it, is kept in memory and is gone with it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.files import a_path

from toy_model.checkout import safe_path

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.security import Security

ALLOWED_DEATHS = 10
"""Workers that a local cluster lets die over a task before it gives the task back."""

PATIENCE = 30
"""Seconds in which a scheduler that was named has to answer."""

NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Dask starts an HTTP server in each of its processes, which asks for no certificate: ours serve nothing."""


ROLES = ("scheduler", "worker", "client")


class NotReached(RuntimeError):
    """There is no scheduler where one was named, or none can be started here. The message is one line."""


def add_options(parser: argparse.ArgumentParser, default: str = "one per core") -> None:
    """Add which cluster to work on. `default` says how many workers there are where none of the options is given."""
    group = parser.add_argument_group("cluster")
    group.add_argument("--workers", type=int, metavar="N", help=f"of the local cluster (default: {default})")
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tls://10.0.0.1:8786")
    for option, what in (
        ("--tls-ca-file", "certificate of the authority that the cluster trusts"),
        ("--tls-cert", "our certificate"),
        ("--tls-key", "the key of our certificate"),
    ):
        group.add_argument(
            option, type=a_path, metavar="FILE", help=f"for tls://: {what} (default: what Dask's configuration names)"
        )


def problem(options: argparse.Namespace) -> str:
    """What is wrong with the options that `add_options` added, in one line; nothing if they fit together."""
    if options.workers is not None and (options.scheduler or options.workers < 1):
        return "--workers is a number of at least 1, of the local cluster"
    for name in ("tls_ca_file", "tls_cert", "tls_key"):
        path: Path | None = getattr(options, name)
        option = f"--{name.replace('_', '-')}"
        if path is None:
            continue
        if not (options.scheduler or "").startswith("tls://"):
            return f"{option} is for a cluster that is named with --scheduler tls://ADDRESS"
        try:
            path.read_bytes()
        except OSError as error:
            return f"{option} {str(path)[:200]}: {error.strerror or error}"
    return ""


@contextmanager
def cluster(options: argparse.Namespace) -> Iterator[Client]:
    """A client of the cluster that was named, or of one on this machine that ends with it. Raises NotReached."""
    importlib.import_module("distributed")  # and with it its loggers
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is told by us
    with _named(options) if options.scheduler else _local(options.workers) as client:
        yield client


@contextmanager
def _named(options: argparse.Namespace) -> Iterator[Client]:
    from distributed import Client
    from distributed.security import Security

    given = {"tls_ca_file": options.tls_ca_file, "tls_client_cert": options.tls_cert, "tls_client_key": options.tls_key}
    files = {name: str(path) for name, path in given.items() if path is not None}
    try:
        client = _in_time(
            Client,
            options.scheduler,
            timeout=10,
            security=Security(**files, require_encryption=True) if files else None,
        )
    except (OSError, ValueError, TypeError, TimeoutError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotReached(f"--scheduler {options.scheduler}: cannot be reached ({reason})") from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            print(f"waiting for workers of {options.scheduler}", file=sys.stderr)
        yield client


def _in_time(connect: Callable[..., Client], *arguments: Any, **options: Any) -> Client:
    """What `connect` gives. Raises TimeoutError if it is not there in time: Dask's own timeout knows no silent peer."""
    outcomes: queue.SimpleQueue[Client | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcomes.put(connect(*arguments, **options))
        except Exception as error:
            outcomes.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        outcome = outcomes.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError("no Dask scheduler answers there") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@contextmanager
def _local(n_workers: int | None) -> Iterator[Client]:
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client

    security = _own_certificate()
    with (
        safe_path(),
        tempfile.TemporaryDirectory(prefix="sweep-") as scratch,
        dask.config.set(
            {"distributed.scheduler.allowed-failures": ALLOWED_DEATHS, "temporary-directory": scratch, **NO_PAGES}
        ),
        _start(n_workers or CPU_COUNT, scratch, security) as started,
        Client(started, security=security) as client,
    ):
        yield client


def _own_certificate() -> Security:
    from distributed.security import Security

    if importlib.util.find_spec("cryptography") is None:
        raise NotReached(
            "the package cryptography is missing: without it any user of this machine could run code as you through "
            "the cluster; pip install cryptography, or start a cluster of your own and name it with --scheduler"
        )
    key, certificate = _key_and_certificate()
    parts = {f"tls_{role}_key": key for role in ROLES} | {f"tls_{role}_cert": certificate for role in ROLES}
    return Security(tls_ca_file=certificate, require_encryption=True, **parts)


def _key_and_certificate() -> tuple[str, str]:
    """A key and a certificate signed with it, as PEM.

    As `Security.temporary` makes them, but for the dates: those are valid from now on, so that once the clock is set
    back no new worker is let in, and one that dies is not replaced. These are valid as long as there are dates.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sweep")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(1970, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret.decode(), certificate.public_bytes(pem).decode()


def _start(n_workers: int, scratch: str, security: Security) -> LocalCluster:
    """Workers on this machine. Dask starts one that dies anew, but for while it starts: then all are started again."""
    from distributed import LocalCluster

    for tries_left in (2, 1, 0):
        try:
            return LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                security=security,
                protocol="tls://",
                scheduler_kwargs={"dashboard": False},
                dashboard_address="127.0.0.1:0",  # no page, but a server all the same: for this machine, any free port
                worker_dashboard_address="127.0.0.1:0",
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
        except (RuntimeError, OSError) as error:
            if not tries_left:
                raise NotReached(f"no worker can be started on this machine ({str(error)[:200]})") from None
    raise AssertionError("unreachable")
