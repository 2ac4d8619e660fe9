"""Where the suite lies, and how its claims are run so that nothing from elsewhere has a part in it.

In a checkout, claims and fixtures lie beside the packages. A wheel carries them inside of this one, as `shipped`, which
`hatch_build.py` fills and a checkout has not.

pytest looks for its configuration, and for `conftest.py` to run, around every path that it takes for a test. These
options tell it both beforehand, so that what lies around a checkpoint or a report is never looked at.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent
SHIPPED = PACKAGES / "toy_model" / "shipped"
ROOT = SHIPPED if SHIPPED.is_dir() else PACKAGES
CLAIMS = ROOT / "claims"
CONFIGURATION = ROOT / "pyproject.toml"


def missing(system: str) -> str:
    """What is wrong where the claims of a system are not there: the package is installed without its checkout."""
    return f"{CLAIMS / system} does not exist: run from a checkout installed with pip install -e"


NOT_OURS = ("PYTEST_PLUGINS", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONINSPECT")
"""Variables that would have a say in how the claims run: without assertions, say."""


def own_options(system: str) -> list[str]:
    """For pytest: the claims of a system, or all, where no name is given; their configuration and root folder."""
    options = [str(CLAIMS / system), f"--rootdir={ROOT}", f"--config-file={CONFIGURATION}"]
    return [*options, "-p", "no:cacheprovider"] if ROOT == SHIPPED else options


def cache_of(root: Path) -> Path:
    """Where the tools that run the suite in `root` remember things: not among the packages that are installed."""
    if root != SHIPPED:
        return root / ".pytest_cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cumsum-model"


def environment(system: str) -> dict[str, str]:
    """The variables of this process, with which pytest runs the claims as this project means them.

    Where the project lies is told there and not among the arguments, which a report names: it is the same on every
    machine. What the caller has there for tests of their own is left out, and neither pytest nor any process that it
    starts imports anything from the folder that it is called in.
    """
    variables = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    variables["PYTEST_ADDOPTS"] = shlex.join(own_options(system))
    variables["PYTHONSAFEPATH"] = "1"
    return variables


@contextmanager
def safe_path() -> Iterator[None]:
    """Processes of Python that are started meanwhile import nothing from the folder that they are started in.

    Those of pytest-xdist and of Dask are started with `-c`, for which Python looks there first.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def run_claims(system: str, options: Sequence[str]) -> int:
    """Run the claims of a system in a process of their own, which shares terminal and folder with this one.

    Returns pytest's exit code, which says what became of an interrupt: pytest gets it, too, and reports what it had.
    Who ends this process ends pytest with it.
    """
    command = [sys.executable, "-m", "pytest", *options]
    with subprocess.Popen(command, env=environment(system)) as process, _ends_with(process):  # noqa: S603
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


@contextmanager
def _ends_with(process: subprocess.Popen[bytes]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where no signal can be waited for
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
