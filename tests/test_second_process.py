"""Claims in two processes: the same report as in one, and nothing lost when one of them dies."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

TWO = "--processes=2"

GAP = """
    @stated(widen_gap)
    def test_{i}(model, measure):
        assert measure("gap {i}", model["gap"]) < 1
"""
SEVERAL = "".join(GAP.format(i=i) for i in range(4))


def report(result):
    text = result.stdout.str()
    return text[text.index("verification report") : text.rindex("controls refuted")]


def test_the_report_is_that_of_one_process(suite):
    body = SEVERAL.replace("< 1", "< 0.1, 'the gap is wide'", 1).replace("(widen_gap)", "(widen_gap, leave_alone)")
    alone = suite(body, "--processes=1", subprocess=True)
    both = suite(body, TWO, subprocess=True)
    assert alone.ret == both.ret == 1
    assert alone.parseoutcomes() == both.parseoutcomes()
    assert report(alone) == report(both)


WHERE = """
    @stated(widen_gap)
    def test_{i}(model, measure, record_property):
        import os, time
        time.sleep(0.2)
        open("process-" + str(os.getpid()), "a").write("{i} ")
        assert measure("gap {i}", model["gap"]) < 1
"""


def test_two_processes_share_the_work(suite, pytester):
    body = "".join(WHERE.format(i=i) for i in range(4))
    assert suite(body, TWO, subprocess=True).ret == 0
    ran = {file.read_text() for file in pytester.path.glob("process-*")}
    assert ran == {"0 0 1 1 ", "3 3 2 2 "}


@pytest.mark.parametrize(
    "arguments", [["--processes=1"], ["--processes=auto"], [TWO, "-x"], [TWO, "-s"], [TWO, "-n", "1"]], ids=" ".join
)
def test_one_process_does_it_where_two_would_not_do(suite, pytester, arguments):
    assert suite("".join(WHERE.format(i=i) for i in range(3)), *arguments, subprocess=True).ret == 0
    assert len(list(pytester.path.glob("process-*"))) == 1


def test_a_process_that_dies_leaves_its_claims_in_error(suite):
    dying = SEVERAL.replace('assert measure("gap 2', 'import os; os._exit(0); assert measure("gap 2')
    result = suite(dying, TWO, subprocess=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "ERROR     test_2",
            "*the process that ran it crashed*",
            "4 claims: 3 hold, 1 in error; controls refuted 3/4*",
        ]
    )


def test_a_process_that_dies_after_its_claim_held_leaves_it_in_error(suite):
    dying = """
    @pytest.fixture
    def fatal():
        yield
        import os
        os._exit(0)
    """
    body = dying + SEVERAL.replace("test_3(model, measure)", "test_3(model, measure, fatal)")
    result = suite(body, TWO, subprocess=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["4 claims: 3 hold, 1 in error; *"])


@pytest.mark.parametrize("told", [["-v"], ["-rs"], ["--junitxml=o.xml"], ["-q"]], ids=" ".join)
def test_a_claim_that_does_not_apply_is_told_however_one_asks(suite, told):
    skipped = SEVERAL.replace(
        "@stated(widen_gap)\n    def test_3", "@stated(widen_gap, unless=lambda m: 'no')\n    def test_3"
    )
    result = suite(skipped, TWO, *told, subprocess=True)
    assert result.ret == 0, result.stdout.str()
    assert "1 not about this model" in result.stdout.str()


STOPS = """
    @stated(widen_gap)
    def test_stop(model, measure, request):
        request.session.shouldstop = "enough"
        assert measure("gap", model["gap"]) < 1
"""


@pytest.mark.parametrize("body", [STOPS + SEVERAL, SEVERAL + STOPS], ids=["in the first", "in the copy"])
def test_a_run_that_is_told_to_stop_is_not_green(suite, body):
    assert suite(body, TWO, subprocess=True).ret in (1, 2)


def test_a_folder_for_temporary_files_is_emptied_once(suite, pytester):
    writes = """
    @stated(widen_gap)
    def test_{i}(model, measure, tmp_path):
        import time
        (tmp_path / "here").write_text("x")
        time.sleep(0.5)
        assert (tmp_path / "here").read_text() == "x"
        assert measure("gap {i}", model["gap"]) < 1
    """
    body = "".join(writes.format(i=i) for i in range(4))
    result = suite(body, TWO, f"--basetemp={pytester.path / 'base'}", subprocess=True)
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize("arguments", [["-p", "no:capture"], ["-W", "default"]], ids=" ".join)
def test_options_that_a_copy_cannot_serve_are_served_by_one_process(suite, pytester, arguments):
    assert suite("".join(WHERE.format(i=i) for i in range(2)), TWO, *arguments, subprocess=True).ret == 0
    assert len(list(pytester.path.glob("process-*"))) == 1


def test_where_no_process_can_be_had_one_does(suite, pytester):
    refused = """
    import os

    def refuse():
        raise BlockingIOError("no more processes")

    os.fork = refuse
    """
    assert suite(refused + "".join(WHERE.format(i=i) for i in range(2)), TWO, subprocess=True).ret == 0
    assert len(list(pytester.path.glob("process-*"))) == 1


def test_what_a_claim_prints_is_told_where_it_fails_and_nowhere_else(suite):
    loud = "".join(GAP.format(i=i).replace("assert", f"print('said by {i}'); assert") for i in range(4))
    failing = loud.replace("< 1", "< 0.1")
    assert "said by" not in suite(loud, TWO, subprocess=True).stdout.str()
    told = suite(failing, TWO, subprocess=True).stdout.str()
    for i in range(4):
        assert len(re.findall(rf"^said by {i}$", told, re.MULTILINE)) == 1


def test_claims_that_are_interrupted_leave_no_process_behind(suite, pytester):
    suite.write("".join(WHERE.format(i=i).replace("0.2", "30") for i in range(2)))
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", TWO, "-p", "no:benchmark"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        text=True,
    )
    children = f"/proc/{run.pid}/task/{run.pid}/children"
    for _ in range(600):
        with open(children) as file:
            copies = file.read().split()
        if copies or run.poll() is not None:
            break
        time.sleep(0.05)
    assert copies
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=20)
    assert run.returncode == 2, out
    with pytest.raises(ProcessLookupError):
        os.kill(int(copies[0]), 0)
