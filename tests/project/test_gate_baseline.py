"""A baseline is read before anything runs, never replaced, and what it had may not be lost."""

import json

import pytest
from small_suite import edit, green, tell


def baseline(gate, change=lambda document: None):
    assert green(gate())
    (gate.path / "told").rename(gate.path / "before")
    path = gate.path / "before" / "report.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return "--baseline=before/report.json"


def test_a_baseline_that_is_kept_is_green(gate):
    ran = gate(baseline(gate))
    assert green(ran), tell(ran)
    assert "against before/report.json (All 3 claims hold; dict, sha256 01abad4dd5b3): 3 as before" in ran.stdout


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text(""), "is not JSON"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "is not JSON"),
        (lambda path: path.write_text("{}"), "is not a verification report"),
        (lambda path: path.write_text(path.read_text().replace('"format": 3', '"format": 9')), "of format 9"),
        (lambda path: edit(path, '"exit_code": 0', '"exit_code": null'), "has not finished"),
        (lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "claims": []})), "holds no claim"),
        (lambda path: (path.unlink(), path.mkdir()), "holds no report.json"),
    ],
)
def test_a_baseline_that_cannot_be_used_stops_the_run_at_once(gate, spoil, message):
    option = baseline(gate)
    spoil(gate.path / "before" / "report.json")
    ran = gate(option)
    assert ran.returncode == 4, tell(ran)
    assert message in ran.stderr
    assert len((ran.stdout + ran.stderr).strip().splitlines()) == 1


def test_a_baseline_that_the_report_would_replace_is_refused_and_kept(gate):
    assert green(gate())
    before = (gate.path / "told" / "report.json").read_bytes()
    ran = gate("--baseline=told/report.json")
    assert ran.returncode == 4
    assert "keep the baseline elsewhere" in ran.stderr
    assert (gate.path / "told" / "report.json").read_bytes() == before


@pytest.mark.parametrize("value", ["0", "1", "-1", "nan", "half", "", "1e-400"])
def test_a_fraction_that_is_none_is_refused(gate, value):
    ran = gate(baseline(gate), f"--fail-on-shrink={value}")
    assert ran.returncode == 4
    assert "should be a number between 0 and 1" in ran.stderr


def test_a_fraction_without_a_baseline_is_refused(gate):
    ran = gate("--fail-on-shrink=0.5")
    assert ran.returncode == 4
    assert "needs --baseline" in ran.stderr


def test_claims_of_the_baseline_that_are_gone_fail_the_run(gate):
    option = baseline(gate)
    (gate.path / "claims" / "test_more.py").unlink()
    ran = gate(option)
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert "FAILS missing: The gap is tiny" in ran.stdout


def test_controls_of_the_baseline_that_did_not_run_fail_the_run(gate):
    option = baseline(gate)
    ran = gate(option, "--no-controls")
    assert ran.returncode == 1
    assert ran.stdout.count("controls that refuted it in the baseline did not run here") == 3


def test_slack_that_shrinks_fails_only_if_asked(gate):
    def widen(document):
        document["claims"][0]["measurements"][0]["comparisons"][0]["slack"] = 4.0

    option = baseline(gate, widen)
    ran = gate(option)
    assert green(ran), tell(ran)
    assert "note  slack shrank: The gap is small" in ran.stdout
    assert "slack 4 -> 0.75 (81% less)" in ran.stdout
    assert gate(option, "--fail-on-shrink=0.9").returncode == 0
    ran = gate(option, "--fail-on-shrink=0.5")
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "workers"])
def test_the_comparison_stands_in_all_forms_of_the_report(gate, workers):
    def forget(document):
        document["claims"][2]["verdict"] = "refuted"
        del document["claims"][1]

    ran = gate(baseline(gate, forget), *workers)
    assert ran.returncode == 0, tell(ran)
    kinds = [difference["kind"] for difference in ran.document["comparison"]["differences"]]
    assert kinds == ["fixed", "added"]
    assert "1 fixed, 1 added, 1 as before" in ran.page
    assert "1 fixed, 1 added, 1 as before" in ran.markdown.replace("\\", "")
