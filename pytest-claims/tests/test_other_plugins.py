"""What other plugins do to a run of claims: a failure stays one, and what fails at the end costs no verdict."""

import pytest

FAILING = """
import pytest

@pytest.hookimpl({order})
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "{when}" and item.name.endswith("[{on}]"):
        report.outcome, report.longrepr = "failed", {said}
    return report
"""

ORDERS = {"inside": "wrapper=True, trylast=True", "between": "wrapper=True", "outside": "wrapper=True, tryfirst=True"}


def fail(suite, order, **what):
    """Let a hook put a failure into reports; `outside`: it is loaded after the plugin's own, and runs after it."""
    text = FAILING.format(order=ORDERS[order], **what)
    if order == "outside":
        suite.write("claims/conftest.py", text)
    else:
        suite.conftest(text)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("on", ["checkpoint", "widen"])
def test_a_failure_that_another_plugin_puts_into_a_report_stays_one(suite, order, on):
    fail(suite, order, when="call", on=on, said="'it took too long'")
    suite.claims()
    result = suite.run("--claims-report=report", "--junitxml=junit.xml")
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "refuted"] if on == "checkpoint" else ["holds", "error"]}
    assert suite.report()["exit_code"] == 1
    assert "failed by another plugin: it took too long" in result.stdout.str()
    assert 'failures="1"' in (suite.path / "junit.xml").read_text()


@pytest.mark.parametrize("order", ["inside", "outside"])
@pytest.mark.parametrize("on", ["checkpoint", "widen"])
def test_it_stays_one_in_several_processes(suite, order, on):
    fail(suite, order, when="call", on=on, said="'it took too long'")
    suite.claims()
    assert suite.run("--claims-report=report", "-n1", plugins=("claims", "xdist")).ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "refuted"] if on == "checkpoint" else ["holds", "error"]}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_a_failure_before_or_after_the_claim_stays_one(suite, order, when):
    fail(suite, order, when=when, on="checkpoint", said="'it leaks'")
    suite.claims()
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "refuted"]}


@pytest.mark.parametrize("said", ["None", "''", "'\\n'", "object()"])
def test_a_failure_that_does_not_say_why_is_one(suite, said):
    fail(suite, "inside", when="call", on="checkpoint", said=said)
    suite.claims()
    assert suite.run("--claims-report=report", "--tb=no").ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "refuted"]}


def test_a_failure_in_a_test_that_is_no_claim_stays_as_it_is(suite):
    fail(suite, "inside", when="call", on="1", said="'it took too long'")
    suite.write("test_plain.py", "import pytest\n@pytest.mark.parametrize('a', [1, 2])\ndef test_plain(a): pass")
    result = suite.run()
    result.assert_outcomes(passed=1, failed=1)


def test_what_another_plugin_turns_into_a_pass_is_judged_all_the_same(suite):
    suite.conftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome, report.longrepr = "passed", None
            return report
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 0.1

        @stated(refuted_by=[shift])
        def test_survived(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts() == {"test_gap": ["refuted", "refuted"], "test_survived": ["holds", "survived"]}


def test_a_claim_that_another_plugin_deselects_is_missed(suite):
    suite.conftest(
        """
        def pytest_collection_modifyitems(items):
            items[:] = [item for item in items if "other" not in item.name]
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 1

        @stated()
        def test_other(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    suite.run("--claims-report=report")
    assert suite.report()["tone"] == "partial"
    assert suite.report()["run"]["left_out"] == ["1 of 2 claims and errata were not selected: test_other"]


@pytest.mark.parametrize("options", [(), ("-W", "error")], ids=["usual", "warnings are errors"])
def test_a_cache_that_cannot_be_written_costs_a_line_and_no_verdict(suite, options):
    suite.write(".pytest_cache", "a file")
    suite.claims()
    result = suite.run("--claims-report=report", *options, process=True)
    assert result.ret == 0
    assert suite.report()["tone"] == "good"
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "cache" in result.stdout.str()


@pytest.mark.parametrize("options", [(), ("-W", "error")], ids=["usual", "warnings are errors"])
def test_with_such_a_cache_a_claim_that_is_refuted_is_still_reported(suite, options):
    suite.write(".pytest_cache", "a file")
    suite.claims('@stated()\ndef test_gap(model, measure):\n    assert measure("gap", model["gap"]) < 0.1')
    assert suite.run("--claims-report=report", *options, process=True).ret == 1
    assert suite.verdicts() == {"test_gap": ["refuted", "refuted"]}


@pytest.mark.parametrize("order", ["tryfirst=True", "trylast=True", "wrapper=True", "wrapper=True, tryfirst=True"])
def test_an_error_of_another_plugin_at_the_end_costs_no_report(suite, order):
    around = "    result = yield\n" if "wrapper" in order else ""
    suite.conftest(
        f"""
import pytest

@pytest.hookimpl({order})
def pytest_sessionfinish():
{around}    raise RuntimeError("the server is gone")
"""
    )
    suite.claims()
    result = suite.run("--claims-report=report", process=True)
    assert result.ret != 0
    assert "the server is gone" in result.stdout.str() + result.stderr.str()
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_an_exit_code_that_another_plugin_sets_is_kept(suite):
    suite.conftest("def pytest_sessionfinish(session):\n    session.exitstatus = 7\n")
    suite.claims()
    assert suite.run("--claims-report=report").ret == 7
    assert suite.report()["exit_code"] == 7
    assert suite.report()["tone"] == "bad"


def test_an_exit_code_of_zero_that_another_plugin_sets_makes_nothing_green(suite):
    suite.conftest("def pytest_sessionfinish(session):\n    session.exitstatus = 0\n")
    suite.claims('@stated()\ndef test_gap(model, measure):\n    assert measure("gap", model["gap"]) < 0.1')
    assert suite.run("--claims-report=report").ret == 1
    assert suite.report()["exit_code"] == 1


@pytest.mark.parametrize("part", ["session", "running", "collection", "collected"])
def test_no_part_of_the_plugin_can_be_left_out(suite, part):
    suite.claims()
    result = suite.run("-p", f"no:claims-{part}", process=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"-p no:claims-{part}: without it nobody sees what was left out" in result.stderr.str()


def test_without_the_plugin_no_claim_can_pass(suite):
    suite.conftest("", loads=False)
    suite.claims()
    result = suite.run(plugins=())
    assert result.ret == 1
    assert "fixture '_claims_run' not found" in result.stdout.str()
