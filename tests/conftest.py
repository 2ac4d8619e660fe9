import os

import pytest
import torch
from once import Once
from verifying import make_shipped

from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint

LONGEST_FIRST = (
    "test_suite.py",
    "test_training.py",
    "test_gate.py",
    "test_matrix.py",
    "test_figures.py",
    "test_page.py",
    "test_actions.py",
    "test_tampering.py",
    "test_certificate.py",
    "test_nobody_gets_in.py",
    "test_sweep_killed.py",
    "test_sweep_interrupted.py",
    "test_sweep.py",
    "test_resume.py",
)
"""Files that take minutes: a process that began one at the end would keep the others waiting."""


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session", autouse=True)
def processes_of_their_own():
    """What tests start is no worker of pytest-xdist's, in which nothing is timed, and writes into no summary of CI.

    Nor has it the caller's options and plugins of pytest.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("PYTEST_", "GITHUB_"))]:
            if name != "PYTEST_CURRENT_TEST":
                environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def once(request, tmp_path_factory):
    """`once(name, make)` is the folder that `make(folder)` fills, once for all processes; it may only be read."""
    base = tmp_path_factory.getbasetemp()
    return Once(base.parent if hasattr(request.config, "workerinput") else base)


@pytest.fixture(scope="session")
def shipped_report(once):
    """The folder of the report of the shipped checkpoint, as `make claims` leaves it, with stdout.txt beside it."""
    return once("shipped-report", make_shipped)


@pytest.fixture(scope="session")
def reference():
    """The shipped model."""
    return read_checkpoint(REFERENCE, SYSTEM).model


@pytest.fixture(scope="module")
def browser():
    from browsing import NAMES, OPTIONS, executable
    from playwright.sync_api import sync_playwright

    browser_path = executable()
    if browser_path is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=browser_path, args=OPTIONS)


@pytest.fixture
def visit(browser):
    """Open a page; after the test, nothing may have been logged, thrown, asked or fetched."""
    from browsing import DESKTOP

    complaints = []
    contexts = []

    def visit(path, **options):
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        context.set_default_timeout(300_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if not _is_own(request.url, path) else None)
        page.goto(path.as_uri())
        return page

    visit.complaints = complaints
    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _is_own(url, path):
    return url.startswith("data:") or url.partition("#")[0] == path.as_uri()


@pytest.fixture
def save(tmp_path):
    """What torch.save makes of an object, in a file of the test's own."""

    def save(saved, name="new.pt", **options):
        torch.save(saved, tmp_path / name, **options)
        return tmp_path / name

    return save
