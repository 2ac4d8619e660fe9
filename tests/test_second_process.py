"""Claims in two processes: the same report as in one, and nothing lost when one of them dies."""

import contextlib
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


MEET = """
    import os, time
    from pathlib import Path

    os.register_at_fork(after_in_child=lambda: Path("forked").touch())

    def meet(turn):
        \"\"\"Go on when each of two processes has come to as many meetings.\"\"\"
        Path(f"turn-{turn}-{os.getpid()}").touch()
        end = time.monotonic() + 600
        while len(list(Path().glob(f"turn-{turn}-*"))) < 2:
            assert time.monotonic() < end, "there is no other process, or it has died"
            time.sleep(0.01)
"""
"""For claims that two processes are to run: which of them runs which is then no matter of which is the faster."""

WHERE = """
    @stated(widen_gap)
    def test_{i}(model, measure):
        {meet}
        open("process-" + str(os.getpid()), "a").write("{i} ")
        assert measure("gap {i}", model["gap"]) < 1
"""


def where(n, meet="pass"):
    """As many claims, each of which tells in which process it was run."""
    return MEET + "".join(WHERE.format(i=i, meet=meet) for i in range(n))


def test_two_processes_share_the_work(suite, pytester):
    in_turns = 'meet(open(f"process-{os.getpid()}", "a+").tell())'
    assert suite(where(4, in_turns), TWO, subprocess=True).ret == 0
    ran = {file.read_text() for file in pytester.path.glob("process-*")}
    assert ran == {"0 0 1 1 ", "3 3 2 2 "}
    assert (pytester.path / "forked").exists()


def ran_in_one(pytester):
    """Whether there was never a second process: had there been one, it might have come too late for a claim."""
    return len(list(pytester.path.glob("process-*"))) == 1 and not (pytester.path / "forked").exists()


@pytest.mark.parametrize(
    "arguments", [["--processes=1"], ["--processes=auto"], [TWO, "-x"], [TWO, "-s"], [TWO, "-n", "1"]], ids=" ".join
)
def test_one_process_does_it_where_two_would_not_do(suite, pytester, arguments):
    assert suite(where(3), *arguments, subprocess=True).ret == 0
    assert ran_in_one(pytester)


def meeting(body, *claims, turn, then="pass"):
    """The claims of `body`, of which some are run when two processes are there, each of them at one of those."""
    for i in claims:
        body = body.replace(
            f'assert measure("gap {i}"', f'meet({turn}) if model["gap"] < 1 else None; {then}; assert measure("gap {i}"'
        )
    return body


def test_a_process_that_dies_leaves_its_claims_in_error(suite):
    dying = meeting(meeting(MEET + SEVERAL, 0, 3, turn=1), 1, turn=2)
    dying = meeting(dying, 2, turn=2, then="os._exit(0)")
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
    body = dying + meeting(MEET + SEVERAL, 0, 3, turn=1).replace(
        "test_3(model, measure)", "test_3(model, measure, fatal)"
    )
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
        (tmp_path / "here").write_text("x")
        if model["gap"] < 1:
            meet(1 + ({i} in (1, 2)))
        assert (tmp_path / "here").read_text() == "x"
        assert measure("gap {i}", model["gap"]) < 1
    """
    body = MEET + "".join(writes.format(i=i) for i in range(4))
    result = suite(body, TWO, f"--basetemp={pytester.path / 'base'}", subprocess=True)
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize("arguments", [["-p", "no:capture"], ["-W", "default"]], ids=" ".join)
def test_options_that_a_copy_cannot_serve_are_served_by_one_process(suite, pytester, arguments):
    assert suite(where(2), TWO, *arguments, subprocess=True).ret == 0
    assert ran_in_one(pytester)


def test_where_no_process_can_be_had_one_does(suite, pytester):
    refused = """
    import os

    def refuse():
        raise BlockingIOError("no more processes")

    os.fork = refuse
    """
    assert suite(refused + where(2), TWO, subprocess=True).ret == 0
    assert ran_in_one(pytester)


def test_what_a_claim_prints_is_told_where_it_fails_and_nowhere_else(suite):
    loud = "".join(GAP.format(i=i).replace("assert", f"print('said by {i}'); assert") for i in range(4))
    failing = loud.replace("< 1", "< 0.1")
    assert "said by" not in suite(loud, TWO, subprocess=True).stdout.str()
    told = suite(failing, TWO, subprocess=True).stdout.str()
    for i in range(4):
        assert len(re.findall(rf"^said by {i}$", told, re.MULTILINE)) == 1


def test_claims_that_are_interrupted_leave_no_process_behind(suite, pytester):
    endless = 'Path(f"begun-{os.getpid()}").touch(); time.sleep(10**6)'
    suite.write(where(2, endless))
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", TWO, "-p", "no:benchmark"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a job in the background ignores
    )
    try:
        end = time.monotonic() + 600
        while len(begun := list(pytester.path.glob("begun-*"))) < 2:
            assert run.poll() is None
            assert time.monotonic() < end, "there is no second process"
            time.sleep(0.05)
        (copy,) = {int(file.name.partition("-")[2]) for file in begun} - {run.pid}
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=600)
        assert run.returncode == 2, out
        with pytest.raises(ProcessLookupError):
            os.kill(copy, 0)
    finally:  # both of them, whatever has become of them
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
