"""A second process for a long run: a copy of the first, which takes claims from the end while the first takes them
from the beginning, until they meet.

The copy is forked when everything is imported and collected, so it costs nothing to start. It hands its reports to
the first one, which tells them as if it had run those claims itself, in their order. Timings are left to the first
process, and wait until it is alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, Any

import pytest

from cumsum_model.verification.claim import Claim, declared

WORTHWHILE = 60
"""Runs of claims: fewer are done before a second process has made what they share."""


def add_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--processes",
        choices=("auto", "1", "2"),
        default="auto",
        help="run claims in one process or in two; auto: in two if the run is long and the machine has the cores",
    )


class SecondProcess:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run everything in two processes, or leave it to pytest."""
        groups = list(_groups(session.items))
        if session.testsfailed or not self._is_wanted(groups):
            return None
        tickets = _Tickets(len(groups))
        factory = getattr(self.config, "_tmp_path_factory", None)
        if factory is not None:  # a folder that is given is emptied when it is first asked for: once, not twice
            factory.getbasetemp()
        with tempfile.TemporaryFile() as told:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()  # or the copy would write it too
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until it is clear who is who
            try:
                copy = _fork()
            except OSError:  # the system allows no more processes
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
                return None
            if copy == 0:
                self._be_the_copy(_Taken(groups[::-1], tickets), told)
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
                first = _Taken(groups, tickets)
                self._run(first)
                os.waitpid(copy, 0)
            except BaseException:
                os.kill(copy, signal.SIGKILL)
                os.waitpid(copy, 0)
                raise
            self._tell(told, [item for group in groups[first.taken :] for item in group])
        self._run(item for item in session.items if not _is_claim(item))
        return True

    def _is_wanted(self, groups: list[list[pytest.Item]]) -> bool:
        option = self.config.option
        if getattr(option, "capture", "no") == "no" or option.pythonwarnings:
            return False  # what is printed is to be seen as it comes; a warning does not travel
        watched = any(
            getattr(option, name, False)
            for name in ("collectonly", "usepdb", "trace", "stepwise", "setupshow", "maxfail")
        )
        if option.processes == "1" or watched or not hasattr(os, "fork"):
            return False
        if getattr(option, "numprocesses", None) or hasattr(self.config, "workerinput") or option.device != "cpu":
            return False
        if option.processes == "2":
            return bool(groups)
        return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and sum(map(len, groups)) >= WORTHWHILE

    def _be_the_copy(self, taken: _Taken, told: IO[bytes]) -> None:
        """Run claims as long as there are any, write the reports to `told`, and be gone."""
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            capture: Any = self.config.pluginmanager.getplugin("capturemanager")
            # The files that it holds are those of the first process, to be neither emptied nor closed.
            _kept, capture._global_capturing = capture._global_capturing, None
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)
            capture.start_global_capturing()
            capture.suspend_global_capture()
            self.config.pluginmanager.register(_Scribe(self.config, told))
            self._run(taken)
            code = 0
        finally:
            os._exit(code)

    def _run(self, some: Iterable[pytest.Item]) -> None:
        items = iter(some)
        item = next(items, None)
        while item is not None:
            after = next(items, None)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            _stop_if_asked(item.session)
            item = after

    def _tell(self, told: IO[bytes], items: list[pytest.Item]) -> None:
        """Hand the reports of the copy to pytest, claim by claim; those that are missing crashed with it."""
        reports: dict[str, list[Any]] = {}
        told.seek(0)
        for line in told:
            if not line.endswith(b"\n"):  # the copy died while it wrote
                break
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            if isinstance(report.longrepr, list):  # JSON knows no tuples; of a skipped test pytest asks for one
                report.longrepr = tuple(report.longrepr)
            reports.setdefault(report.nodeid, []).append(report)
        for item in items:
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            found = reports.get(item.nodeid, [])
            if not found or found[-1].when != "teardown":
                found.append(_crashed(item))
            for report in found:
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            _stop_if_asked(item.session)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # libraries hold threads of theirs; none is at work
        return os.fork()


def _stop_if_asked(session: pytest.Session) -> None:
    """As pytest does after every test."""
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


class _Tickets:
    """As many as there are groups of claims; whoever draws one may run its next group."""

    def __init__(self, number: int) -> None:
        self.owner = os.getpid()
        self.source, target = os.pipe()
        with os.fdopen(target, "wb") as pipe:
            pipe.write(b"." * number)

    def draw(self) -> bool:
        if self.owner not in (os.getpid(), os.getppid()):  # the first process is gone: nobody waits for the copy
            return False
        return bool(os.read(self.source, 1))


class _Taken:
    """The items of the groups that one process may run, drawn one group at a time."""

    def __init__(self, groups: list[list[pytest.Item]], tickets: _Tickets) -> None:
        self.groups, self.tickets, self.taken = groups, tickets, 0

    def __iter__(self) -> Iterator[pytest.Item]:
        for group in self.groups:
            if not self.tickets.draw():
                return
            self.taken += 1
            yield from group


class _Scribe:
    """Writes every report down, as pytest-xdist would send it."""

    def __init__(self, config: pytest.Config, told: IO[bytes]) -> None:
        self.config, self.told = config, told

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.told.write(json.dumps(data).encode() + b"\n")
        self.told.flush()  # what is told stays told, should the next claim take the process with it


def _groups(items: list[pytest.Item]) -> Iterator[list[pytest.Item]]:
    """The runs of each claim, on the checkpoint and on its controls."""
    by_claim: dict[str, list[pytest.Item]] = {}
    for item in items:
        if _is_claim(item):
            by_claim.setdefault(item.nodeid.partition("[")[0], []).append(item)
    yield from by_claim.values()


def _is_claim(item: pytest.Item) -> bool:
    return isinstance(declared(getattr(item, "function", None)), Claim)


def _crashed(item: pytest.Item) -> pytest.TestReport:
    """What is reported of a claim with which its process died."""
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", "the process that ran it crashed", "???")  # type: ignore[arg-type]
