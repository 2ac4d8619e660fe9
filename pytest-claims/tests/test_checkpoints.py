"""Several checkpoints in one run: each is verified as if it were alone, and what they have in common is counted."""

import re

import pytest

XDIST = ("claims", "xdist")


@pytest.fixture
def three(suite):
    """Three checkpoints, the second of which has a gap that is too wide."""
    suite.claims()
    return [suite.checkpoint(f"runs/{name}.json", gap=gap) for name, gap in (("a", 0.1), ("b", 2.0), ("c", 0.3))]


def names(result):
    return [line for line in result.outlines if "::" in line and line.partition("/")[0] in ("claims", "nested")]


def label(name):
    """The checkpoint that a run is on, by the id of its test."""
    return re.search(r"-(\w+)\]", name)[1]


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two"])
def test_each_checkpoint_has_its_own_controls_verdicts_and_report(suite, three, options):
    result = suite.run("--claims-checkpoint", *three, "--claims-report=report", *options, plugins=XDIST)
    assert result.ret == 1
    assert suite.reports() == {
        "a": {"test_gap": ["holds", "refuted"]},
        "b": {"test_gap": ["refuted", "refuted"]},
        "c": {"test_gap": ["holds", "refuted"]},
    }
    assert {name: suite.report(f"report/{name}")["exit_code"] for name in "abc"} == {"a": 0, "b": 1, "c": 0}
    index = (suite.path / "report/index.html").read_text()
    assert re.findall(r'<li class="(\w+)"><a href="(.*?)"', index) == [
        ("good", "a/report.html"),
        ("bad", "b/report.html"),
        ("good", "c/report.html"),
    ]
    assert not list(suite.path.glob("report/report.*"))


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two"])
def test_how_many_checkpoints_a_claim_holds_on_is_counted_with_an_exact_interval(suite, three, options):
    result = suite.run("--claims-checkpoint", *three, *options, plugins=XDIST)
    result.stdout.fnmatch_lines(
        ["3 checkpoints; in brackets the exact 95% interval *", "test_gap  2/3  [[]0.0943, 0.9916[]]  b: refuted"]
    )


def test_the_interval_of_all_successes_is_one_sided(suite, three):
    result = suite.run("--claims-checkpoint", three[0], three[2])
    result.stdout.fnmatch_lines("test_gap  2/2  [[]0.1581, 1[]]")


def test_the_option_may_be_repeated_and_take_several(suite, three):
    result = suite.run("--claims-checkpoint", *three[:2], "-v", "--claims-checkpoint", three[2])
    assert len(names(result)) == 6


def test_a_folder_stands_for_the_checkpoints_in_it(suite, three):
    suite.write("runs/notes.txt", "no checkpoint")
    result = suite.run("--claims-checkpoint=runs", "-v")
    assert [line.partition(" ")[0] for line in names(result)] == [
        f"claims/test_gap.py::test_gap[{subject}-{name}]" for name in "abc" for subject in ("checkpoint", "widen")
    ]


def test_a_folder_that_is_a_checkpoint_is_loaded_as_one(suite):
    suite.conftest("def pytest_claims_load(path):\n    return {'gap': 0.1, 'path': path.name}", loads=False)
    suite.claims()
    suite.write("model/config.json", "{}")
    suite.write("model/model.safetensors", "")
    suite.write("other/weights.custom", "")
    suite.run("--claims-checkpoint=model", "--claims-report=report")
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}
    suite.run("--claims-checkpoint=other", "--claims-report=report")
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_the_suite_may_say_which_checkpoints_a_folder_holds(suite, three):
    suite.conftest("def pytest_claims_checkpoints(path):\n    return [path / 'c.json', path / 'a.json']")
    result = suite.run("--claims-checkpoint=runs", "-v")
    assert [label(line) for line in names(result)] == ["c", "c", "a", "a"]


def test_the_usual_name_of_a_single_checkpoint_is_no_part_of_test_ids(suite, three):
    assert "::test_gap[checkpoint]" in names(suite.run("-v"))[0]
    assert "::test_gap[checkpoint]" in names(suite.run("-v", f"--claims-checkpoint={three[0]}"))[0]


def test_checkpoints_of_one_name_are_told_by_their_folders(suite):
    suite.claims()
    paths = [suite.checkpoint(f"{folder}/model.json", gap=0.1) for folder in ("seed 0", "seed/1")]
    result = suite.run("--claims-checkpoint", *paths, "--claims-report=report")
    assert result.ret == 0
    assert sorted(suite.reports()) == ["1-model", "seed_0-model"]


def test_the_same_checkpoint_twice_is_verified_twice(suite):
    suite.claims()
    path = suite.checkpoint("a.json")
    result = suite.run("--claims-checkpoint", path, path, "--claims-report=report")
    assert result.ret == 0
    assert sorted(suite.reports()) == ["a-1", "a-2"]


def test_of_several_checkpoints_one_is_in_memory_at_a_time(suite, three):
    suite.conftest(
        """
        import json, weakref
        living = weakref.WeakSet()
        class Model:
            def __init__(self, **numbers):
                self.__dict__.update(numbers)
        def pytest_claims_load(path):
            print("in memory:", len(living))
            model = Model(**json.loads(path.read_text()))
            living.add(model)
            return model
        """,
        loads=False,
    )
    suite.claims(
        """
        def widest(model):
            return type(model)(gap=9.0)

        @stated(refuted_by=[widest])
        def test_gap(model, checkpoint, measure):
            assert measure("gap", model.gap) < 1
        """
    )
    result = suite.run("-s", "--claims-checkpoint", three[0], three[2], "--claims-report=report", process=True)
    assert result.ret == 0
    lines = [line for line in result.outlines if "in memory" in line]
    assert len(lines) >= 2
    assert all(line.endswith("in memory: 0") for line in lines)


def test_fixtures_of_every_scope_that_depend_on_the_checkpoint_are_made_for_each(suite, three):
    suite.conftest(
        """
        import pytest
        @pytest.fixture(scope="session")
        def of_session(checkpoint):
            return checkpoint["gap"]
        @pytest.fixture(scope="module")
        def of_module(checkpoint, of_session):
            return checkpoint["gap"] + of_session
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, measure, checkpoint, of_session, of_module):
            assert of_session == checkpoint["gap"]
            assert of_module == 2 * checkpoint["gap"]
            assert measure("gap", model["gap"]) < 1
        """
    )
    suite.run("--claims-checkpoint", *three, "--claims-report=report")
    assert suite.reports() == {
        "a": {"test_gap": ["holds", "refuted"]},
        "b": {"test_gap": ["refuted", "refuted"]},
        "c": {"test_gap": ["holds", "refuted"]},
    }


def test_one_checkpoint_that_is_refused_ends_the_run_before_any_claim(suite, three):
    line = suite.refused("--claims-checkpoint", three[0], "missing.json", three[2])
    assert "--claims-checkpoint missing.json: No such file" in line


def test_a_claim_that_fails_on_one_checkpoint_is_named_with_it(suite, three):
    result = suite.run("--claims-checkpoint", *three)
    result.stdout.fnmatch_lines("REFUTED claims/test_gap.py::test_gap[[]checkpoint-b[]]*")
    assert sum(line.startswith("REFUTED claims") for line in result.outlines) == 1


@pytest.mark.parametrize(
    "tests",
    ["claims", "claims/", "claims/test_gap.py", "claims/test_gap.py::test_gap", ".", "nested"],
)
def test_what_holds_tests_is_not_taken_for_a_checkpoint(suite, three, tests):
    suite.claims(name="nested/deeper/test_other.py")
    result = suite.run("-v", "--claims-checkpoint", *three[::2], tests)
    assert result.ret == 0
    assert {label(line) for line in names(result)} == {"a", "c"}
    folders = {"claims", "nested"} if tests == "." else {tests.partition("/")[0]}
    assert {line.partition("/")[0] for line in names(result)} == folders


def test_tests_between_checkpoints_and_other_options_stay_where_they_are(suite, three):
    suite.claims(name="claims/test_other.py")
    result = suite.run(
        "-v", "claims/test_other.py", "--claims-checkpoint", three[0], "claims/test_gap.py", three[2], "-q"
    )
    assert result.ret == 0
    result.assert_outcomes(passed=8)


def test_the_conftest_of_tests_that_follow_checkpoints_is_loaded_first(suite, three):
    suite.write("claims/conftest.py", "def pytest_addoption(parser):\n    parser.addoption('--own', required=False)\n")
    assert suite.run("--claims-checkpoint", *three[::2], "claims", "--own=1").ret == 0


def test_code_beside_the_weights_makes_no_tests_of_them(suite):
    suite.conftest("def pytest_claims_load(path):\n    return {'gap': 0.1, 'path': path.name}", loads=False)
    suite.claims()
    for folder in ("one", "two"):
        suite.write(f"{folder}/config.json", "{}")
        suite.write(f"{folder}/modeling.py", "raise SystemExit")
    result = suite.run("--claims-checkpoint", "one", "two", "claims", "--claims-report=report")
    assert result.ret == 0
    assert sorted(suite.reports()) == ["one", "two"]


def test_two_dashes_end_the_options(suite, three):
    assert suite.run("--claims-checkpoint", three[0], "--", "claims").ret == 0


def test_short_names_are_the_choice_of_the_suite(suite, three):
    suite.conftest(
        """
        import pytest_claims
        def pytest_addoption(parser):
            pytest_claims.short_options(parser)
        """
    )
    result = suite.run("--checkpoint", *three[::2], "claims", "--report", "report")
    assert result.ret == 0
    assert sorted(suite.reports()) == ["a", "c"]


def test_a_checkpoint_elsewhere_does_not_move_the_root_of_the_tests(suite, tmp_path_factory):
    (suite.path / "pytest.ini").unlink()
    suite.claims()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.json"
    elsewhere.write_text('{"gap": 0.1}')
    assert f"write --claims-checkpoint={elsewhere}" in suite.refused("--claims-checkpoint", str(elsewhere), "claims")
    result = suite.run(f"--claims-checkpoint={elsewhere}", "claims", "-v")
    assert result.ret == 0
    assert names(result)[0].startswith("claims/test_gap.py::")


def test_claims_come_in_the_order_of_checkpoints_then_files(suite, three):
    suite.write("pytest.ini", "[pytest]\nclaims_order = test_z.py test_gap.py\n")
    suite.claims(
        """
        @stated()
        def test_z(model, measure):
            assert measure("gap", model["gap"]) < 9
        """,
        name="claims/test_z.py",
    )
    result = suite.run("--collect-only", "-q", "--claims-checkpoint", *three[:2])
    assert [re.sub(r".*::(\w+)\[(\w+)-(\w+)\]", r"\3 \1 \2", line) for line in names(result)] == [
        f"{name} {test} {subject}"
        for name in "ab"
        for test in ("test_z", "test_gap")
        for subject in ("checkpoint", "widen")
    ]
