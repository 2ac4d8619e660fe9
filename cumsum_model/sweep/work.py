"""What a worker does: train one model, and verify one. Both take and give plain data, and touch no shared folder.

Verifying is `pytest claims/` in a process of its own: the very claims that a user runs, with nothing left of other
runs in them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cumsum_model.sweep.outcome import Proved
from cumsum_model.sweep.suite import CLAIMS, ROOT, Suite, fingerprint

REPORT_FILES = ("report.html", "report.json", "report.md")


class OtherCode(RuntimeError):
    """A worker has other claims than who sent it work: what it says would be about something else."""


class VerificationFailed(RuntimeError):
    """`pytest claims/` ended without verdicts. The message ends in the last lines that it printed."""


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


def train_model(recipe: Mapping[str, Any], code: str) -> TrainedFiles:
    """Train with `recipe` (as `dataclasses.asdict` makes it plain) on one thread.

    Raises OtherCode unless `code` is the fingerprint of this worker's own.
    """
    import torch

    from cumsum_model.card import make_card
    from cumsum_model.checkpoint import MODEL_FILE, write_checkpoint
    from cumsum_model.training import Diverged, train
    from cumsum_model.unfinished import recipe_from

    _require_same_code(code)
    torch.set_num_threads(1)
    started = time.perf_counter()
    try:
        trained = train(recipe_from(recipe))
    except Diverged as error:
        return TrainedFiles(diverged=str(error), seconds=time.perf_counter() - started)
    with _scratch() as folder:
        write_checkpoint(folder / MODEL_FILE, trained.model, make_card(trained, "cpu"))
        return TrainedFiles(_read(folder), seconds=time.perf_counter() - started)


def verify_model(name: str, checkpoint: Mapping[str, bytes], suite: Suite, code: str) -> Verdicts:
    """Run the claims of `suite` on the checkpoint whose files are given, and prove what can be proved.

    Raises OtherCode unless `code` is the fingerprint of this worker's own, and VerificationFailed.
    """
    _require_same_code(code)
    started = time.perf_counter()
    with _scratch() as folder:
        model_folder = folder / name
        model_folder.mkdir()
        for file, content in checkpoint.items():
            (model_folder / file).write_bytes(content)
        arguments = [
            f"--rootdir={ROOT}",
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--checkpoint={name}",
            f"--report={name}/report",
            "--benchmark-disable",
            "--quiet",
            "-p",
            "no:cacheprovider",
            *suite.arguments,
        ]
        ended = _pytest(arguments, folder)
        if ended.returncode not in (0, 1) or not (model_folder / "report" / "report.json").is_file():
            last = " / ".join(ended.stdout.strip().splitlines()[-3:])
            raise VerificationFailed(f"pytest claims/ ended with exit code {ended.returncode}: {last[-500:]}")
        proved, unproved = _prove(model_folder)
        files = {file: (model_folder / "report" / file).read_bytes() for file in REPORT_FILES}
    return Verdicts(files, ended.returncode, proved, unproved, time.perf_counter() - started)


def _require_same_code(code: str) -> None:
    if code != fingerprint():
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


def _read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _prove(folder: Path) -> tuple[Proved | None, str]:
    from cumsum_model.checkpoint import read_checkpoint
    from cumsum_model.proof.certificate import THOROUGH_BUDGET, certify
    from cumsum_model.proof.tables import Unprovable

    try:
        certificate = certify(read_checkpoint(folder).model, budget=THOROUGH_BUDGET)
    except Unprovable as error:
        return None, str(error)
    wrong = certificate.simplest_wrong
    proved = Proved(
        sequences=certificate.sequences,
        right_at_end=certificate.lengths[-1].answered_rightly,
        right_everywhere=certificate.right_at_every_position,
        smallest_margin=certificate.smallest_margin,
        hardest=tuple(certificate.values(certificate.hardest.hardest[1])),
        wrong=None if wrong is None else tuple(wrong),
    )
    return proved, ""


_DIES_WITH_THE_WORKER = """\
import sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a worker that is killed leaves nothing running
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""

_FOR_THE_OUTER_RUN = ("PYTEST_", "GITHUB_", "COV_")
"""Variables that would have the claims of a worker write into the summary of the job that runs the sweep."""


def _pytest(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOR_THE_OUTER_RUN)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", _DIES_WITH_THE_WORKER, str(CLAIMS), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
