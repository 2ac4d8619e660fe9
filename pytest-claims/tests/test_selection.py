"""Parts of a suite: whatever was selected, the report says what was left out, and nothing but the whole is green."""

import pytest

TWO = """
@stated(refuted_by=[widen])
def test_gap(model, measure):
    assert measure("gap", model["gap"]) < 1

@stated(refuted_by=[widen, shift])
def test_both(model, measure):
    assert measure("gap", model["gap"]) < 1
    assert measure("mean", model["mean"]) < {bound}
"""


@pytest.fixture
def two(suite):
    suite.claims(TWO.format(bound=2))
    return suite


def selected(suite, *arguments, code=0, **options):
    assert suite.run("--claims-report=report", *arguments, **options).ret == code
    document = suite.report()
    return suite.verdicts(), document["tone"], " ".join(document["run"]["left_out"])


def test_the_whole_suite_is_good(two):
    verdicts, tone, left_out = selected(two)
    assert verdicts == {"test_gap": ["holds", "refuted"], "test_both": ["holds", "refuted", "refuted"]}
    assert (tone, left_out) == ("good", "")


def test_a_claim_by_its_name_takes_its_controls_with_it(two):
    verdicts, tone, left_out = selected(two, "-k", "both")
    assert verdicts == {"test_both": ["holds", "refuted", "refuted"]}
    assert tone == "partial"
    assert "test_gap" in left_out


def test_a_control_by_its_name_runs_by_itself(two):
    verdicts, tone, left_out = selected(two, "-k", "shift")
    assert verdicts == {"test_both": ["not selected", "refuted"]}
    assert tone == "partial"
    assert "test_gap" in left_out


def test_a_control_that_is_selected_by_accident_goes_without_its_claim(two):
    verdicts, tone, _ = selected(two, "-k", "(test_gap and not both) or shift")
    assert verdicts == {"test_gap": ["holds", "refuted"]}
    assert tone == "partial"


def test_a_control_by_its_name_in_several_processes(two):
    verdicts, tone, _ = selected(two, "-k", "shift", "-n2", plugins=("claims", "xdist"))
    assert verdicts == {"test_both": ["not selected", "refuted"]}
    assert tone == "partial"


@pytest.mark.parametrize(
    "arguments",
    [
        ("claims/test_gap.py::test_gap",),
        ("claims/test_gap.py::test_gap[checkpoint]", "claims/test_gap.py::test_gap[widen]"),
        ("--deselect=claims/test_gap.py::test_both",),
        ("claims/test_gap.py::test_gap[widen]",),
    ],
    ids=lambda arguments: arguments[-1].rpartition("::")[2],
)
def test_single_tests_are_not_the_whole_suite(two, arguments):
    _, tone, left_out = selected(two, *arguments)
    assert tone == "partial"
    assert left_out


def test_a_file_of_claims_that_was_not_asked_for_is_missed(two):
    two.write("claims/test_other.py", '"""Other"""\nfrom pytest_claims import claim\n' + OTHER)
    verdicts, tone, left_out = selected(two, "claims/test_gap.py")
    assert set(verdicts) == {"test_gap", "test_both"}
    assert tone == "partial"
    assert "1 of 3 claims and errata were not selected: test_other" in left_out


OTHER = """
def widen(model):
    return {**model, "gap": 4.0}

@claim("The gap is small", source="us", over="everything", refuted_by=[widen])
def test_other(model, measure):
    assert measure("gap", model["gap"]) < 1
"""


def test_claims_that_are_decorated_by_another_name_are_missed_as_well(two):
    two.claims(name="claims/test_other.py")
    _, tone, left_out = selected(two, "claims/test_gap.py")
    assert tone == "partial"
    assert "nothing was collected from test_other.py" in left_out
    two.claims(TWO.format(bound=0.5))
    selected(two, code=1)
    two.claims(TWO.format(bound=2))
    _, tone, left_out = selected(two, "--lf")
    assert "not selected: test_gap" in left_out


def test_a_file_that_is_ignored_is_missed(two):
    two.write("claims/test_other.py", '"""Other"""\nfrom pytest_claims import claim\n' + OTHER)
    _, tone, left_out = selected(two, "--ignore=claims/test_other.py")
    assert tone == "partial"
    assert "test_other" in left_out


def test_a_test_that_another_of_its_name_replaces_is_missed(two):
    two.write("claims/test_other.py", '"""Other"""\nfrom pytest_claims import claim\n' + OTHER + OTHER)
    _, tone, left_out = selected(two)
    assert tone == "partial"
    assert "only the last of several tests of one name is run: test_other" in left_out


def test_stopping_at_the_first_failure_leaves_claims_that_did_not_run(two):
    two.claims(TWO.format(bound=0.5) + TWO.format(bound=2).replace("test_", "test_later_"))
    verdicts, tone, _ = selected(two, "-x", code=1)
    assert verdicts == {
        "test_gap": ["holds", "refuted"],
        "test_both": ["refuted", "not run", "not run"],
        "test_later_gap": ["not run", "not run"],
        "test_later_both": ["not run", "not run", "not run"],
    }
    assert tone == "bad"


def test_stopping_at_the_first_failure_in_several_processes_loses_nothing(two):
    two.claims(TWO.format(bound=0.5) + TWO.format(bound=2).replace("test_", "test_later_"))
    verdicts, tone, _ = selected(two, "-x", "-n1", code=2, plugins=("claims", "xdist"))
    assert set(verdicts) == {"test_gap", "test_both", "test_later_gap", "test_later_both"}
    assert verdicts["test_both"][0] == "refuted"
    assert "not run" in verdicts["test_later_both"]
    assert tone == "bad"


def test_what_failed_last_is_run_again_with_its_controls_missed(two):
    two.claims(TWO.format(bound=0.5))
    selected(two, code=1)
    verdicts, tone, _ = selected(two, "--lf", code=1)
    assert verdicts == {"test_both": ["refuted"]}
    two.claims(TWO.format(bound=2))
    verdicts, tone, left_out = selected(two, "--lf")
    assert verdicts == {"test_both": ["holds"]}
    assert tone == "partial"
    assert left_out


def test_failed_first_changes_the_order_of_running_alone(two):
    two.claims(TWO.format(bound=0.5))
    selected(two, code=1)
    verdicts, _, left_out = selected(two, "--ff", code=1)
    assert verdicts == {"test_gap": ["holds", "refuted"], "test_both": ["refuted", "refuted", "refuted"]}
    assert list(verdicts) == ["test_gap", "test_both"]
    assert left_out == ""


def test_step_by_step_stops_and_goes_on(two):
    two.claims(TWO.format(bound=0.5) + TWO.format(bound=2).replace("test_", "test_later_"))
    verdicts, *_ = selected(two, "--sw", code=2)
    assert verdicts["test_later_gap"] == ["not run", "not run"]
    two.claims(TWO.format(bound=2) + TWO.format(bound=2).replace("test_", "test_later_"))
    verdicts, tone, left_out = selected(two, "--sw")
    assert verdicts["test_later_gap"] == ["holds", "refuted"]
    assert (tone, bool(left_out)) == ("partial", True)


def test_collecting_alone_lists_claims_and_judges_nothing(two):
    result = two.run("--collect-only", "-q")
    assert result.ret == 0
    assert "test_both[shift]" in result.stdout.str()
    assert "verification report" not in result.stdout.str()


@pytest.mark.parametrize("option", ["--claims-report=report", "--claims-baseline=report.json"])
def test_collecting_alone_cannot_be_reported(two, option):
    line = two.refused("--collect-only", option)
    assert "--collect-only runs nothing" in line


def test_a_selection_that_leaves_nothing_is_no_green_report(two):
    verdicts, tone, _ = selected(two, "-k", "nothing", code=pytest.ExitCode.NO_TESTS_COLLECTED)
    assert (verdicts, tone) == ({}, "bad")


def test_a_checkpoint_is_not_refused_because_nothing_was_selected(two):
    two.checkpoint("a.json")
    assert two.run("-k", "nothing", "--claims-checkpoint=a.json").ret in (
        pytest.ExitCode.NO_TESTS_COLLECTED,
        pytest.ExitCode.USAGE_ERROR,
    )


def test_folders_of_claims_that_are_named_on_the_command_line_are_told(two):
    _, tone, left_out = selected(two, "-o", "claims_paths=claims")
    assert tone == "partial"
    assert "the folders of claims were named on the command line" in left_out


def test_plain_tests_that_fail_are_a_problem_of_the_report(two):
    two.write("tests/test_plain.py", "def test_plain(): assert 0\ndef test_other(): pass")
    _, tone, _ = selected(two, code=1)
    assert tone == "bad"
    assert "1 test or file that is no claim failed: tests/test_plain.py::test_plain" in two.report()["run"]["problems"]
