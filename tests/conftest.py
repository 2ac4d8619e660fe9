import os

import pytest
import pytest_claims.asserts as asserts

from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint


@pytest.fixture(scope="session", autouse=True)
def processes_of_their_own():
    """What tests start is no worker of pytest-xdist's, in which nothing is timed, and writes into no summary of CI."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "GITHUB_"))]:
            environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def reference():
    """The shipped model."""
    return read_checkpoint(REFERENCE, SYSTEM).model


CONFTEST = """
    import pytest
    import pytest_claims

    def pytest_addoption(parser):
        pytest_claims.short_options(parser)

    def pytest_claims_load():
        return {"gap": 0.25}
"""

HEADER = """
    import math
    import pytest
    from pytest_claims import claim

    def widen_gap(model):
        return {"gap": 4.0}

    def leave_alone(model):
        return dict(model)

    def crash(model):
        raise RuntimeError("no such mechanism")

    def return_garbage(model):
        return {}

    def stated(*controls, **options):
        return claim("The gap is small", source="us", over="everything", refuted_by=controls, **options)
"""


@pytest.fixture
def suite(pytester):
    """Write a suite of one file and run it; the plugin is the real one, the model a dict with a gap."""
    pytester.makeconftest(CONFTEST)

    def write(body):
        pytester.makepyfile(test_suite=HEADER + body)

    def run(body, *arguments, subprocess=False):
        write(body)
        for cached in (asserts.assertions, asserts._place_of):  # of another file of this name, in this process
            cached.cache_clear()
        runner = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return runner("-p", "no:benchmark", "-p", "no:typeguard", *arguments)

    run.write = write
    return run


@pytest.fixture(scope="module")
def browser():
    from browsing import NAMES, OPTIONS, executable
    from playwright.sync_api import sync_playwright

    found = executable()
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=OPTIONS)


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
