"""Plugins that many have installed: each keeps doing what it does, and the claims come out as without it."""

import re

import pytest

CLAIMS = """
@stated(refuted_by=[widen])
def test_gap(model, measure):
    assert measure("gap", model["gap"]) < 1

@pytest.mark.parametrize("scale", [1, 2, 3])
@stated("Times {scale} it is small", refuted_by=[widen])
def test_scaled(model, measure, scale):
    assert measure("gap", scale * model["gap"]) < 1

@stated(refuted_by=[widen, shift])
def test_both(model, measure):
    assert measure("gap", model["gap"]) < 1
    assert measure("mean", model["mean"]) < 2
"""


@pytest.fixture
def several(suite):
    for letter in "abc":
        suite.claims(CLAIMS, name=f"claims/test_{letter}.py")
    suite.write("tests/test_plain.py", "def test_plain(): pass\ndef test_other(): pass\n")
    return suite


def told(suite, folder="report"):
    """Everything that a report says but for how the run was called."""
    document = suite.report(folder)
    document["run"].pop("arguments")
    return document


def test_an_order_of_running_at_random_changes_nothing_in_the_report(several):
    several.run("--claims-report=report")
    expected = told(several)
    for seed in (1, 2):
        options = ("--claims-report=random", f"--randomly-seed={seed}")
        result = several.run(*options, plugins=("claims", "randomly"), process=True)
        assert result.ret == 0
        assert told(several, "random") == expected


@pytest.mark.parametrize(
    "options", [("-n2",), ("-n2", "--dist=loadfile"), ("-n2", "--dist=loadgroup"), ("-n1",)], ids=str
)
def test_several_processes_change_nothing_in_the_report(several, options):
    several.run("--claims-report=report")
    result = several.run("--claims-report=xdist", *options, plugins=("claims", "xdist"))
    assert result.ret == 0
    assert told(several, "xdist") == told(several)
    result.stdout.fnmatch_lines("*35 passed*")


@pytest.mark.parametrize("options", [("--dist=each",), ("--dist=no",)], ids=str)
def test_however_processes_share_the_work_nothing_is_lost(several, options):
    several.run("--claims-report=report")
    result = several.run("--claims-report=xdist", "-n2", *options, plugins=("claims", "xdist"))
    assert result.ret == 0
    assert several.verdicts("xdist") == several.verdicts()


def test_a_matrix_in_several_processes_is_that_of_one(several):
    several.run("--claims-matrix=one.json")
    several.run("--claims-matrix=two.json", "-n2", plugins=("claims", "xdist"))
    assert (several.path / "one.json").read_text() == (several.path / "two.json").read_text()


FLAKY = """
@stated()
def test_gap(model, measure):
    import pathlib
    marker = pathlib.Path("tried")
    first = not marker.exists()
    marker.touch()
    assert measure("gap", model["gap"] + (2 if first else 0)) < 1

@stated()
def test_stays_refuted(model, measure):
    assert measure("gap", model["gap"]) < 0.1
"""


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "two"])
def test_rerunfailures_runs_a_claim_again_and_the_last_run_counts(suite, processes):
    suite.claims(FLAKY)
    plugins = ("claims", "rerunfailures", *(["xdist"] if processes else []))
    result = suite.run("--claims-report=report", "--reruns=1", *processes, plugins=plugins, process=True)
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"], "test_stays_refuted": ["refuted", "refuted"]}
    result.stdout.fnmatch_lines("*1 failed, 3 passed*2 rerun*")


def test_a_claim_that_times_out_is_an_error(suite):
    suite.claims(
        """
        import time

        @stated()
        def test_gap(model, measure):
            if model["gap"] < 1:
                time.sleep(30)
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = suite.run("--claims-report=report", "--timeout=1", plugins=("claims", "timeout"), process=True)
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "refuted"]}
    assert "Timeout" in suite.report()["claims"][0]["reason"]


def test_a_control_that_times_out_is_an_error(suite):
    suite.claims(
        """
        import time

        def slow(model):
            time.sleep(30)

        @stated(refuted_by=[slow])
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = suite.run("--claims-report=report", "--timeout=1", plugins=("claims", "timeout"), process=True)
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["holds", "error"]}


def test_coverage_of_claims_and_of_what_they_call_is_measured(suite):
    suite.write("measured.py", "def gap(model):\n    return model['gap']\n\ndef unused():\n    return 1\n")
    suite.claims(
        """
        import measured

        @stated()
        def test_gap(model, measure):
            assert measure("gap", measured.gap(model)) < 1
        """
    )
    suite.write("pytest.ini", "[pytest]\npythonpath = .\n")
    result = suite.run("--cov=measured", "--claims-report=report", plugins=("claims", "pytest_cov"), process=True)
    assert result.ret == 0
    result.stdout.fnmatch_lines("measured.py * 75%")
    assert suite.run("--cov=measured", "--cov-fail-under=90", plugins=("claims", "pytest_cov"), process=True).ret == 1


def test_a_page_of_pytest_html_shows_the_claims(several):
    result = several.run(
        "--html=page.html", "--claims-report=report", plugins=("claims", "metadata", "html"), process=True
    )
    assert result.ret == 0
    page = (several.path / "page.html").read_text()
    assert "claims/test_a.py::test_gap[checkpoint]" in page
    assert re.search(r"35\s+tests? took", page)


def test_sugar_shows_progress_and_the_report_stands_below(several):
    result = several.run("--claims-report=report", "--force-sugar", plugins=("claims", "sugar"), process=True)
    assert result.ret == 0
    text = result.stdout.str()
    assert "100%" in text
    assert several.report()["headline"] == "All 15 claims hold"
    assert text.count("verification report") == 1


def test_all_of_them_at_once(several):
    plugins = ("claims", "xdist", "rerunfailures", "timeout", "pytest_cov", "metadata", "html", "sugar", "randomly")
    several.run("--claims-report=report")
    result = several.run(
        "--claims-report=all", "-n2", "--reruns=1", "--timeout=60", "--html=page.html", plugins=plugins, process=True
    )
    assert result.ret == 0
    assert told(several, "all") == told(several)


def test_the_entry_point_loads_the_plugin_by_itself(several, monkeypatch):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    others = ("-p", "no:benchmark", "-p", "no:typeguard", "-p", "no:jaxtyping", "-p", "no:randomly")
    result = several.run("--claims-report=report", *others, plugins=(), process=True)
    assert result.ret == 0
    assert several.report()["tone"] == "good"
