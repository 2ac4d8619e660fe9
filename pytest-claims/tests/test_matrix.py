"""The table of claims against mutants, and the holes that it names."""

import json

import pytest
from one_file import HEADER, HOLDS

MUTANTS = """
def widen_gap(model):
    return {"gap": 4.0}

def widen_further(model):
    return {"gap": 8.0}

def leave_alone(model):
    return dict(model)

def renumber(model):
    return {"gap": 3.0}
renumber.changes = ("numbers",)

def pytest_claims_mutants():
    return MUTANTS
"""


SHIFTS = """
def shift(model):
    return {**model, "mean": 5.0}

def shift_further(model):
    return {**model, "mean": 9.0}
"""
REST = """
    def shift_it(model):
        return {**model, "mean": 5.0}

    @claim("The mean is one", source="us", over="everything", refuted_by=[shift_it])
    def test_mean(model, measure):
        assert measure("mean", model.get("mean", 1.0)) < 2
"""


@pytest.mark.parametrize(
    ("mutants", "holes"),
    [
        ("[widen_gap, widen_further], [leave_alone]", []),
        ("[widen_gap], [leave_alone]", ["test_gap is refuted by 1 of 2 mutants, at least 2 are needed"]),
        ("[widen_gap, widen_further, leave_alone], []", ["no claim notices leave_alone"]),
        (
            "[widen_gap, widen_further], [widen_gap]",
            ["test_gap notices widen_gap, which breaks nothing and changes nothing that it depends on"],
        ),
    ],
)
def test_the_matrix_names_its_holes(run_claims, pytester, mutants, holes):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", mutants))
    pytester.makeini("[pytest]\nclaims_paths = .")
    result = run_claims(HOLDS, "--matrix", "out/matrix.json")
    saved = json.loads((pytester.path / "out" / "matrix.json").read_text())
    assert saved["holes"] == holes
    assert result.ret == (1 if holes else 0)
    for hole in holes:
        result.stdout.fnmatch_lines([f"hole: {hole}"])
    if not holes:
        result.stdout.fnmatch_lines(["test_gap  XX.    2", "no holes"])


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=" ".join)
@pytest.mark.parametrize(("depends_on", "notices"), [(("numbers",), True), (("scales",), False), ((), False)])
def test_only_a_claim_that_depends_on_it_may_notice_what_a_harmless_mutant_changes(
    run_claims, pytester, depends_on, notices, processes
):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", "[widen_gap, widen_further], [renumber, leave_alone]"))
    pytester.makeini("[pytest]\nclaims_paths = .")
    body = HOLDS.replace("(widen_gap)", f"(widen_gap, depends_on={depends_on})")
    result = run_claims(body, "--matrix", "matrix.json", *processes)
    saved = json.loads((pytester.path / "matrix.json").read_text())
    hole = "test_gap notices renumber, which breaks nothing and changes nothing that it depends on"
    assert saved["holes"] == ([] if notices else [hole])
    assert result.ret == (0 if notices else 1)
    assert saved["harmless"] == {"renumber": ["numbers"], "leave_alone": []}
    result.stdout.fnmatch_lines(
        ["*renumber * 1  (breaks nothing, changes numbers)", "*leave_alone * 0  (breaks nothing)"]
    )


def test_the_matrix_counts_the_mutants_that_break_each_assertion(run_claims, pytester):
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(MUTANTS.replace("MUTANTS", "[widen_gap, widen_further], [leave_alone]"))
    pytester.makeini("[pytest]\nclaims_paths = .")
    body = HOLDS + '        assert measure("square", model["gap"] ** 2) < 50\n'
    result = run_claims(body, "--matrix", "matrix.json")
    saved = json.loads((pytester.path / "matrix.json").read_text())
    assert saved["assertions"] == {"test_suite.py::test_gap": {"gap <": 2, "square <": 1}}
    assert saved["holes"] == []
    assert result.ret == 1  # it is none of the claim's own controls that breaks the second
    result.stdout.fnmatch_lines(["*no control breaks: square <"])
    result = run_claims(body.replace("50", "5000"), "--matrix", "matrix.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["hole: test_gap: no mutant breaks square <"])


def test_a_matrix_that_cannot_be_saved_stops_the_run_at_once(run_claims, pytester):
    result = run_claims(HOLDS, "--matrix", str(pytester.path))
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --matrix {pytester.path}: is not a regular file"])


def test_a_part_of_the_suite_is_not_blamed_for_what_the_rest_notices(run_claims, pytester):
    mutants = MUTANTS.replace("MUTANTS", "[widen_gap, widen_further, shift, shift_further], []")
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(mutants + SHIFTS)
    pytester.makeini("[pytest]\nclaims_paths = .")
    pytester.makepyfile(test_rest=HEADER + REST)
    for part in ([], ["test_suite.py"], ["test_rest.py"]):
        assert run_claims(HOLDS, "--matrix", "matrix.json", *part).ret == 0
        saved = json.loads((pytester.path / "matrix.json").read_text())
        assert saved["holes"] == []
        assert len(saved["claims"]) == (1 if part else 2)


def test_the_whole_suite_is_blamed_for_what_no_claim_notices(run_claims, pytester):
    mutants = MUTANTS.replace("MUTANTS", "[widen_gap, widen_further, shift], []")
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(mutants + SHIFTS)
    pytester.makeini("[pytest]\nclaims_paths = .")
    assert run_claims(HOLDS, "--matrix", "matrix.json").ret == 1
    assert json.loads((pytester.path / "matrix.json").read_text())["holes"] == ["no claim notices shift"]
