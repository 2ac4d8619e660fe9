"""No way to leave something out, to crash or to interrupt ends in exit code 0 under a green headline."""

import os

import pytest
from small_suite import green, tell


def test_the_whole_suite_is_green(gate):
    ran = gate()
    assert green(ran), tell(ran)
    assert ran.document["headline"] == "All 3 claims hold"
    assert ran.document["run"]["left_out"] == []


def test_the_whole_suite_is_green_in_two_processes(gate):
    assert green(gate("-p", "xdist", "-n", "2"))


LEAVING_OUT = {
    "by keyword": ["-k", "small"],
    "by negative keyword": ["-k", "not small"],
    "by mark": ["-m", "no_such_mark"],
    "deselected": ["--deselect=claims/test_gaps.py::test_small"],
    "a single control deselected": ["--deselect=claims/test_gaps.py::test_small[widen_gap]"],
    "one file": ["claims/test_gaps.py"],
    "one claim": ["claims/test_gaps.py::test_small"],
    "one run of one claim": ["claims/test_gaps.py::test_small[checkpoint]"],
    "only a control": ["claims/test_gaps.py::test_small[widen_gap]"],
    "a file ignored": ["--ignore=claims/test_more.py"],
    "files ignored by pattern": ["--ignore-glob=*more.py"],
    "controls left out": ["--no-controls"],
    "nothing selected": ["-k", "nothing_of_that_name"],
    "nothing run": ["--setup-only"],
    "only planned": ["--setup-plan"],
    "nothing left to run": ["--maxfail=1", "-k", "nothing"],
    "one file, without the ini file": ["-c", os.devnull, "claims/test_gaps.py"],
    "no conftest": ["--noconftest"],
    "no plugin": ["-p", "no:pytest_claims.plugin"],
}


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
@pytest.mark.parametrize("way", LEAVING_OUT)
def test_what_is_left_out_by_options_is_never_green(gate, way, workers):
    ran = gate(*LEAVING_OUT[way], *workers)
    assert not green(ran), tell(ran)
    if ran.document and ran.document["tone"] == "partial":
        assert ran.document["run"]["left_out"] or ran.document["run"]["controls_left_out"], "it does not say what"


def edits():
    head = '@claim("The gap is small"'
    body = 'assert measure("gap", model["gap"]) < 1'
    inside = "def test_small(model, measure):\n"
    yield "skipped", head, f"@pytest.mark.skip\n{head}"
    yield "skipped if true", head, f"@pytest.mark.skipif(True, reason='today')\n{head}"
    yield "skipped inside", body, f"pytest.skip('today')\n    {body}"
    yield "imports or skips", "import os, pytest", "import os, pytest\npytest.importorskip('no_such_module')"
    yield "expected to fail", head, f"@pytest.mark.xfail\n{head}"
    yield "expected to fail and does", "< 1", "< 0.1\n", f"@pytest.mark.xfail\n{head}"
    yield "expected not to run", head, f"@pytest.mark.xfail(run=False)\n{head}"
    yield "exits inside with 0", body, f"pytest.exit('enough', returncode=0)\n    {body}"
    yield "the process ends with 0", body, f"os._exit(0)\n    {body}"
    yield "SystemExit", body, f"raise SystemExit(0)\n    {body}"
    yield "interrupted", body, f"raise KeyboardInterrupt\n    {body}"
    yield "killed", body, f"os.kill(os.getpid(), 9)\n    {body}"
    yield "error", body, f"1 / 0\n    {body}"
    yield "a fixture fails", inside, "def test_small(model, measure, no_such_fixture):\n"
    yield "a control fails", 'return {"gap": 8.0}', "1 / 0"
    yield "a control survives", 'return {"gap": 8.0}', "return dict(model)"
    yield "a control skips", 'return {"gap": 8.0}', "pytest.skip('today')"
    yield "not judged", body, 'measure("gap", model["gap"])'
    yield "not measured", body, "assert True"
    yield "no control", "refuted_by=[widen_gap, widen_gap_further]", "refuted_by=[]"
    yield "no claim", head, f"'''\n{head}"  # a file that cannot be parsed
    yield "another name", "def test_small", "def check_small"
    yield "tests nothing any more", inside, f"{inside}    return\n"
    yield "not about any model", "over=", "unless=lambda model: 'not about it', over="


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
@pytest.mark.parametrize("way", [edit for edit in edits() if len(edit) == 3], ids=lambda edit: edit[0])
def test_what_is_left_out_or_broken_in_a_claim_is_never_green(gate, way, workers):
    name, old, new = way
    gate.edit(old, new)
    ran = gate(*workers)
    if name == "not about any model":  # of this claim, which is fine: the others are, and hold
        assert ran.document["headline"] == "All 2 claims about this model hold; 1 is not about it", tell(ran)
        return
    assert not green(ran), tell(ran)
    assert ran.returncode != 0 or name == "the process ends with 0", tell(ran)


def test_no_claim_about_the_model_is_not_green(gate):
    for file in ("claims/test_gaps.py", "claims/test_more.py"):
        text = (gate.path / file).read_text()
        (gate.path / file).write_text(text.replace("over=", "unless=lambda model: 'not about it', over="))
    ran = gate()
    assert (ran.returncode, ran.document["tone"]) == (1, "bad"), tell(ran)
    ran = gate("--allow-partial")
    assert not green(ran), tell(ran)
    assert (ran.returncode, ran.document["tone"]) == (0, "partial"), tell(ran)


@pytest.mark.parametrize("one_model_only", [False, True])
def test_most_claims_not_about_the_model_is_not_green_unless_they_are_about_one_model_only(gate, one_model_only):
    path = gate.path / "claims" / "test_gaps.py"
    away = f"def away(model):\n    return 'not about it'\naway.one_model_only = {one_model_only}\n\n@claim("
    path.write_text(path.read_text().replace("over=", "unless=away, over=").replace("@claim(", away, 1))
    ran, allowed = gate(), gate("--allow-partial")
    assert allowed.returncode == 0, tell(allowed)
    assert green(ran) == green(allowed) == one_model_only, tell(ran)
    if one_model_only:
        expected = "The one claim about this model holds; 2 are not about it"
        assert ran.document["headline"] == allowed.document["headline"] == expected
        return
    assert (ran.returncode, ran.document["tone"]) == (1, "bad"), tell(ran)
    expected = "1 of 3 claims hold, most are not about this model"
    assert ran.document["headline"] == f"Next to nothing verified: {expected}"
    assert allowed.document["headline"] == f"{expected}, which was allowed"


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "workers"])
def test_allowing_a_part_allows_nothing_else(gate, workers):
    gate.edit("< 1", "< 0.1")
    assert gate("--allow-partial", *workers).returncode == 1
    gate.edit("< 0.1", "< 100")  # which no control breaks
    ran = gate("--allow-partial", *workers)
    assert ran.returncode == 1
    assert ran.document["headline"] == "2 controls survived, 1 assertion never shown to fail"


def test_a_crash_of_every_worker_is_red(gate):
    gate.edit('assert measure("gap", model["gap"]) < 1', "os._exit(0)")
    ran = gate("-p", "xdist", "-n", "2", "--max-worker-restart=0")
    assert ran.returncode != 0
    assert ran.document["tone"] == "bad"


def test_assertions_count_even_where_python_leaves_them_out(gate):
    assert green(gate(interpreter=["-O"]))  # pytest compiles those of tests itself
    ran = gate("--assert=plain", interpreter=["-O"])
    assert not green(ran), tell(ran)
    gate.edit("< 1", "< 0.1")
    assert gate(interpreter=["-O"]).returncode == 1
