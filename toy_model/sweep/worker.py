"""What a worker does: train one model, and verify one. Both take and give plain data, and touch no shared folder.

They are what a user would run, `python -m PACKAGE train` and `pytest claims/`, each in a process of its own: there
is no second way to train or to verify, and nothing of one run is left in the next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_claims.universality.outcome import Proved

from toy_model import checkout
from toy_model.commands.train import DIVERGED
from toy_model.sweep.suite import Suite, fingerprint
from toy_model.system import system_of

REPORT_FILES = ("report.html", "report.json", "report.md")


class OtherCode(RuntimeError):
    """A worker has other claims than who sent it work: what it says would be about something else."""


class WorkFailed(RuntimeError):
    """Training or verifying ended without a result. The message ends in the last lines that were printed."""


@dataclass(frozen=True)
class TrainedFiles:
    """What training gave: the files of a checkpoint, or why it diverged."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    diverged: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdicts:
    """What verifying gave: the files of a report, the exit code of the claims, and what is proved of the model."""

    files: Mapping[str, bytes]
    exit_code: int
    proved: Proved | None
    unproved: str
    seconds: float


def train_model(package: str, arguments: Sequence[str], code: str) -> TrainedFiles:
    """`train` of a system's package with `arguments`, the options of a recipe.

    Raises OtherCode unless `code` is the fingerprint of this worker's own, and WorkFailed.
    """
    _require_same_code(package, code)
    started = time.perf_counter()
    with _scratch() as folder:
        ended = _run(package, [*_command(package), "train", "--out", "trained", *arguments], folder)
        if ended.returncode == DIVERGED:
            last_line = ended.stdout.strip().splitlines()[-1]
            reason = last_line.removeprefix("error: ").partition("; nothing was written")[0]
            return TrainedFiles(diverged=reason, seconds=time.perf_counter() - started)
        if ended.returncode:
            raise WorkFailed(_last_lines("training", ended))
        files = {path.name: path.read_bytes() for path in (folder / "trained").iterdir()}
    return TrainedFiles(files, seconds=time.perf_counter() - started)


def verify_model(name: str, checkpoint: Mapping[str, bytes], suite: Suite, code: str) -> Verdicts:
    """Run the claims of `suite` on the checkpoint whose files are given, and prove what can be proved.

    Raises OtherCode unless `code` is the fingerprint of this worker's own, and WorkFailed.
    """
    _require_same_code(suite.package, code)
    started = time.perf_counter()
    with _scratch() as folder:
        model_folder = folder / name
        model_folder.mkdir()
        for file, content in checkpoint.items():
            (model_folder / file).write_bytes(content)
        arguments = [
            f"--checkpoint={name}",
            f"--report={name}/report",
            "--benchmark-disable",
            "--quiet",
            "-p",
            "no:cacheprovider",
            *suite.arguments,
        ]
        ended = _run(suite.package, [*_PYTEST, *arguments], folder)
        if ended.returncode not in (0, 1) or not (model_folder / "report" / "report.json").is_file():
            raise WorkFailed(_last_lines("pytest claims/", ended))
        proved, unproved = _prove(model_folder, suite.package)
        files = {file: (model_folder / "report" / file).read_bytes() for file in REPORT_FILES}
    return Verdicts(files, ended.returncode, proved, unproved, time.perf_counter() - started)


def _require_same_code(package: str, code: str) -> None:
    if code != fingerprint(package):
        raise OtherCode("a worker runs another version of the claims than this one; install the same on all machines")


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder of this task's own, among what Dask clears away after a worker that was killed."""
    from distributed import get_worker

    try:
        place = get_worker().local_directory
    except ValueError:  # not on a worker
        place = None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def _prove(folder: Path, package: str) -> tuple[Proved | None, str]:
    from toy_model.checkpoint.checkpoint import read_checkpoint

    system = system_of(package)
    proved = system.prove(read_checkpoint(folder, system).model)
    return (None, proved) if isinstance(proved, str) else (proved, "")


_DIES_WITH_THE_WORKER = """\
import sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a worker that is killed leaves nothing running
"""
_PYTEST = ["-c", _DIES_WITH_THE_WORKER + "import pytest; sys.exit(pytest.main(sys.argv[1:]))"]

_NOT_FOR_THE_WORK = ("PYTEST_", "GITHUB_", "COV_", "MALLOC_")
"""Variables that are kept from the work: with the first, the claims of a worker would write into the summary of the
job that runs the sweep. With the last, Dask has memory given back to the system at every turn: training takes twice
as long."""


def _command(package: str) -> list[str]:
    return ["-c", f"{_DIES_WITH_THE_WORKER}from {package}.__main__ import main; sys.exit(main(sys.argv[1:]))"]


def _run(package: str, arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    ours = checkout.environment(system_of(package).name)
    variables = {name: value for name, value in ours.items() if not name.startswith(_NOT_FOR_THE_WORK)}
    variables["PYTEST_ADDOPTS"] = ours["PYTEST_ADDOPTS"]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(checkout.PACKAGES), variables.get("PYTHONPATH"))))
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _last_lines(what: str, ended: subprocess.CompletedProcess[str]) -> str:
    last = " / ".join(ended.stdout.strip().splitlines()[-3:])
    return f"{what} ended with exit code {ended.returncode}: {last[-500:]}"
