import pytest

import cumsum_model.verification.asserts as asserts
from cumsum_model.checkpoint import REFERENCE, read_checkpoint


@pytest.fixture(scope="session")
def reference():
    """The shipped model."""
    return read_checkpoint(REFERENCE).model


CONFTEST = """
    import pytest
    pytest_plugins = ["cumsum_model.verification.plugin"]

    @pytest.fixture(scope="session")
    def checkpoint():
        return {"gap": 0.25}
"""

HEADER = """
    import math
    import pytest
    from cumsum_model.verification import claim

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
