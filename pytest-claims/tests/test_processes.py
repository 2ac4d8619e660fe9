"""Several processes give the report of one, whatever is recorded in them and however one ends."""

import importlib.util

import pytest
from one_file import HOLDS, SEVERAL, summary


def test_xdist_gives_the_same_report(run_claims):
    def report(result):
        text = result.stdout.str()
        start = text.index("verification report")
        return text[start : text.index("controls refuted 4/4", start)]

    # The first claim ends last when there are two workers; it must still come first in the report.
    slow_first = SEVERAL.replace("assert", "import time; time.sleep(0.5); assert", 1)
    alone = run_claims(slow_first, process=True)
    parallel = run_claims(slow_first, "-n", "2", "--dist", "worksteal", process=True)
    assert alone.ret == parallel.ret == 0
    parallel.assert_outcomes(passed=8)
    assert report(alone) == report(parallel)


@pytest.mark.parametrize("scalar", ["numpy.float64(1.5)", "torch.tensor(1.5)", "numpy.arange(3).sum()"])
def test_scalars_of_other_libraries_travel_between_processes(run_claims, scalar):
    library = scalar.partition(".")[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    body = HOLDS.replace("measure)", "measure, record_property)").replace(
        "assert", f"import {library}; record_property('p', {scalar}); assert"
    )
    result = run_claims(body, "-n", "2", process=True)
    assert result.ret == 0
    result.assert_outcomes(passed=2)


def test_a_property_that_cannot_travel_fails_its_test_and_no_other(run_claims):
    body = SEVERAL.replace("test_0(model, measure)", "test_0(model, measure, record_property)").replace(
        "    assert", "    'record_property' in locals() and record_property('p', object()); assert"
    )
    result = run_claims(body, "-n", "2", process=True)
    assert result.ret == 1
    result.assert_outcomes(passed=6, failed=2)
    assert summary(result) == "4 claims: 3 hold, 1 in error; controls refuted 3/4; assertions shown to fail 3/3"
    result.stdout.fnmatch_lines(["*recorded property 'p': a builtins.object cannot travel*"])


def test_a_worker_that_dies_leaves_its_claim_in_error(run_claims):
    body = SEVERAL.replace("def test_1(model, measure):", "def test_1(model, measure):\n        import os; os._exit(3)")
    result = run_claims(body, "-n", "2", process=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR     test_1", "*the process that ran it crashed*"])
