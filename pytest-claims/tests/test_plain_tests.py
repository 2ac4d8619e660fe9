"""A test that is no claim is none under pytest-xdist either, where one process knows no more than its id."""

import pytest

TESTS = """
import pytest

@pytest.fixture
def broken():
    raise ValueError("no")

@pytest.mark.skip(reason="later")
def test_skipped(): ...

def test_passes(): ...
"""


@pytest.mark.parametrize("processes", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two processes"])
@pytest.mark.parametrize(
    ("more", "code"), [("", 0), ("def test_is_not_set_up(broken): ...\n", 1)], ids=["skipped", "not set up"]
)
def test_a_test_that_never_ran_is_no_claim(pytester, processes, more, code):
    if processes:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(TESTS + more)
    run = pytester.runpytest_subprocess("-p", "pytest_claims.plugin", *processes)
    assert run.ret == code
    run.stdout.no_fnmatch_line("*verification report*")
    run.stdout.no_fnmatch_line("problem:*")
