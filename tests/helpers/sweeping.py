"""Sweeps of tiny models, each in a process of its own, and a gate that holds their workers at a known point."""

import contextlib
import json
import os
import subprocess
import sys
import time

import psutil

from cumsum_model.task import PUBLISHED
from toy_model.checkout import ROOT
from toy_model.recipe import changed, options_by_name
from toy_model.sweep import plan
from toy_model.sweep.suite import Suite

TINY = ["--seq-len", "8", "--epochs", "3", "--train-size", "4000", "--val-size", "500", "--batch-size", "100"]

ONE_CLAIM = ["--no-controls", "-k", "test_every_answer_is_right"]

FILES = ["model.card.json", "model.safetensors", "outcome.json", "report.html", "report.json", "report.md"]

PATIENCE = 3600
"""Seconds until something counts as never happening; far more than it takes on the slowest machine."""

STARTED = []


def sweep(out, *options, seeds="0:3", recipe=TINY, claims=ONE_CLAIM, environment=None):
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
    while not (outcome := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return outcome


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


def results(out):
    """Every file of every run; of outcomes all but how long it took."""
    contents = {}
    for path in sorted((out / "runs").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == "outcome.json":
                outcome = json.loads(content)
                assert outcome.pop("seconds")
                content = json.dumps(outcome)
            contents[str(path.relative_to(out))] = content
    return contents


def job(seed=0, **numbers):
    options = options_by_name(PUBLISHED)
    given = {
        options[flag[2:].replace("-", "_")].field: int(number)
        for flag, number in zip(TINY[::2], TINY[1::2], strict=True)
    }
    return plan.plan([seed], {}, changed(PUBLISHED, given | numbers))[0]


SUITE = Suite("cumsum_model", controls=False, select="test_every_answer_is_right")
