"""Runs that end early: a worker that dies, an interrupt, an internal error. What did not run is never green."""

import os
import signal
import subprocess
import sys
import time

import pytest

XDIST = ("claims", "xdist")

DYING = """
import os

def dies(model):
    os._exit(3)

@stated()
def test_before(model, measure):
    assert measure("gap", model["gap"]) < 1

@stated(refuted_by=[{control}])
def test_dies(model, measure):
    {body}
    assert measure("gap", model["gap"]) < 1

@stated()
def test_after(model, measure):
    assert measure("gap", model["gap"]) < 1
"""


@pytest.mark.parametrize(
    ("control", "body", "verdicts"),
    [
        ("widen", "os._exit(3) if model['gap'] < 1 else None", ["error", "refuted"]),
        ("dies", "pass", ["holds", "error"]),
    ],
    ids=["on the checkpoint", "on a control"],
)
def test_a_worker_that_dies_in_a_claim_makes_an_error_of_it(suite, control, body, verdicts):
    suite.claims(DYING.format(control=control, body=body))
    result = suite.run("-n2", "--claims-report=report", plugins=XDIST, process=True)
    assert result.ret == 1
    by_claim = suite.verdicts()
    assert by_claim["test_dies"] == verdicts
    assert by_claim["test_before"] == by_claim["test_after"] == ["holds", "refuted"]
    assert "the process that ran it crashed" in result.stdout.str()


def test_a_worker_that_dies_and_may_not_start_anew_leaves_claims_that_did_not_run(suite):
    suite.claims(DYING.format(control="widen", body="os._exit(3)"))
    result = suite.run("-n1", "--max-worker-restart=0", "--claims-report=report", plugins=XDIST, process=True)
    assert result.ret != 0
    by_claim = suite.verdicts()
    assert by_claim["test_dies"][0] == "error"
    assert "holds" not in by_claim["test_dies"] + by_claim["test_after"]
    assert suite.report()["tone"] == "bad"


def test_a_worker_that_dies_after_a_claim_was_judged_makes_an_error_of_it(suite):
    suite.claims(
        """
        import os

        @pytest.fixture
        def dying():
            yield
            os._exit(3)

        @stated()
        def test_gap(model, measure, dying):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("-n1", "--claims-report=report", plugins=XDIST, process=True).ret == 1
    assert suite.verdicts()["test_gap"][0] == "error"


def test_a_worker_that_dies_while_it_collects_leaves_no_green_run(suite):
    suite.claims()
    suite.write("claims/test_dies.py", "import os, sys\nif 'PYTEST_XDIST_WORKER' in os.environ: os._exit(3)\n")
    result = suite.run("-n1", "--max-worker-restart=0", "--claims-report=report", plugins=XDIST, process=True)
    assert result.ret != 0
    assert suite.report()["tone"] == "bad"


def test_tests_that_are_no_claims_never_become_any(suite):
    """Whether they crash their process, or never run."""
    suite.conftest("", loads=False)
    suite.write("test_a.py", "def test_fails(): assert 0\ndef test_later(): pass\ndef test_last(): pass")
    for options in (("-n2", "-x"), ("-n1", "--maxfail=1", "--claims-report=report")):
        result = suite.run(*options, plugins=XDIST, process=True)
        assert "verification report" not in result.stdout.str()
    suite.write("test_a.py", "import os\ndef test_dies(): os._exit(3)\ndef test_later(): pass\n")
    for options in (("-n2",), ("-n1", "--max-worker-restart=0")):
        result = suite.run(*options, plugins=XDIST, process=True)
        assert result.ret == 1
        assert "verification report" not in result.stdout.str()


def test_a_test_that_crashes_beside_claims_is_none_of_them(suite):
    suite.claims()
    suite.write("tests/test_dies.py", "import os\ndef test_dies(): os._exit(3)\n")
    assert suite.run("-n2", "--claims-report=report", plugins=XDIST, process=True).ret == 1
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}
    assert "1 test or file that is no claim failed: tests/test_dies.py" in suite.report()["run"]["problems"][0]


def test_several_checkpoints_stay_apart_when_a_worker_dies(suite):
    paths = [suite.checkpoint(f"{name}.json", gap=gap) for name, gap in (("a", 0.1), ("b", 0.2))]
    suite.claims(
        """
        import os

        @stated()
        def test_gap(model, measure):
            if model["gap"] == 0.2:
                os._exit(3)
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = suite.run("-n1", "--claims-report=report", "--claims-checkpoint", *paths, plugins=XDIST, process=True)
    assert result.ret == 1
    assert suite.reports() == {"a": {"test_gap": ["holds", "refuted"]}, "b": {"test_gap": ["error", "refuted"]}}
    assert suite.report("report/a")["exit_code"] == 0


INTERRUPTING = """
@stated()
def test_gap(model, measure):
    assert measure("gap", model["gap"]) < 1

@stated()
def test_interrupted(model, measure):
    {how}
    assert measure("gap", model["gap"]) < 1

@stated()
def test_later(model, measure):
    assert measure("gap", model["gap"]) < 1
"""


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("raise KeyboardInterrupt", pytest.ExitCode.INTERRUPTED),
        ("pytest.exit('enough')", pytest.ExitCode.INTERRUPTED),
        ("pytest.exit('enough', returncode=0)", 1),
        ("pytest.exit('enough', returncode=9)", 9),
    ],
)
def test_an_interrupt_leaves_a_report_of_what_ran(suite, how, code):
    suite.claims(INTERRUPTING.format(how=how))
    result = suite.run("--claims-report=report", process=True)
    assert result.ret == code
    assert suite.verdicts() == {
        "test_gap": ["holds", "refuted"],
        "test_interrupted": ["not run", "not run"],
        "test_later": ["not run", "not run"],
    }
    assert suite.report()["exit_code"] == code
    assert suite.report()["tone"] == "bad"


def test_an_interrupt_from_outside_leaves_a_report(suite):
    suite.claims(INTERRUPTING.format(how="open('waiting', 'w').close(); __import__('time').sleep(60)"))
    command = [sys.executable, "-m", "pytest", "-p", "claims", "--claims-report=report"]
    with subprocess.Popen(command, cwd=suite.path, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (suite.path / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert suite.verdicts()["test_interrupted"] == ["not run", "not run"]


def test_a_run_that_is_killed_leaves_a_report_that_says_so(suite):
    suite.claims(INTERRUPTING.format(how="__import__('os').kill(__import__('os').getpid(), 9)"))
    suite.run("--claims-report=report", process=True)
    assert suite.report()["exit_code"] is None
    assert suite.report()["tone"] == "unfinished"


def test_an_internal_error_is_none_of_a_green_run(suite):
    suite.conftest(
        "def pytest_runtest_logreport(report):\n    if report.when == 'teardown': raise RuntimeError('gone')"
    )
    suite.claims()
    result = suite.run("--claims-report=report", process=True)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    assert suite.report()["tone"] == "bad"


@pytest.mark.parametrize(
    "broken", ["import no_such_module", "def test_a(:", "raise RuntimeError", "import os; os.abort"]
)
def test_a_file_that_cannot_be_collected_leaves_no_green_run(suite, broken):
    suite.claims()
    suite.write("claims/test_broken.py", f'"""Broken"""\nfrom pytest_claims import claim\n{broken}\n')
    harmless = broken.endswith("abort")
    result = suite.run("--claims-report=report", "--continue-on-collection-errors", process=True)
    assert result.ret == (0 if harmless else 1)
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}
    assert suite.report()["tone"] == ("good" if harmless else "bad")


def test_a_module_of_claims_that_skips_itself_is_not_green(suite):
    suite.write("pytest.ini", "[pytest]\nclaims_paths = claims\n")
    suite.claims()
    suite.claims('pytest.skip("no torch", allow_module_level=True)', name="claims/test_skipped.py")
    result = suite.run("--claims-report=report")
    assert result.ret == 1
    assert "claims that skip themselves as a whole: claims/test_skipped.py" in suite.report()["run"]["problems"][0]
