"""Two systems in one run: nothing that belongs to one is ever asked of the other."""

import hashlib

import pytest

LOAD = """
import pytest_claims

def pytest_claims_load(path, device):
    return {{"gap": {gap}, "system": "{name}"}}

def pytest_claims_subject(model):
    return f"the {{model['system']}}"

def pytest_claims_fingerprint(model):
    return "fingerprint of " + model["system"]

def pytest_claims_details(model):
    return pytest_claims.Subject(facts=(("System", model["system"]),))

def pytest_claims_illustrate(report):
    assert all("{name}" in claim.claim for claim in report.claims)
    figure = pytest_claims.Figure("{name}-figure", "Figure of {name}", "It is blank.", "blank", "<svg></svg>", None)
    return pytest_claims.Illustrations(figures={{"test_{name}.py": [figure]}})

def worsen_{name}(model):
    return {{**model, "gap": 7.0}}

def leave_{name}(model):
    return dict(model)

def pytest_claims_mutants():
    return [worsen_{name}], [leave_{name}]
"""

CLAIM = """
@stated("The gap of {name} is small")
def test_{name}(model, checkpoint, measure):
    assert checkpoint["system"] == "{name}"
    assert measure("gap", model["gap"]) < 1
"""

PROCESSES = pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two"])
XDIST = ("claims", "xdist")


@pytest.fixture
def two(suite):
    """An adder that is as claimed, and a sorter whose gap is too wide."""
    (suite.path / "conftest.py").unlink()
    for name, gap in (("adder", 0.1), ("sorter", 2.0)):
        suite.write(f"{name}/conftest.py", LOAD.format(name=name, gap=gap))
        suite.claims(CLAIM.format(name=name), name=f"{name}/claims/test_{name}.py")
    return suite


@PROCESSES
def test_each_system_has_its_own_model_verdicts_and_report(two, options):
    result = two.run("--claims-report=report", *options, plugins=XDIST)
    assert result.ret == 1
    assert two.reports() == {
        "adder": {"test_adder": ["holds", "refuted"]},
        "sorter": {"test_sorter": ["refuted", "refuted"]},
    }
    for name, code in (("adder", 0), ("sorter", 1)):
        document = two.report(f"report/{name}")
        assert document["exit_code"] == code
        assert document["subject"]["line"] == f"the {name}"
        assert document["subject"]["sha256"] == hashlib.sha256(f"fingerprint of {name}".encode()).hexdigest()
        assert document["subject"]["facts"] == [["System", name]]
        assert document["run"]["problems"] == []
    index = (two.path / "report/index.html").read_text()
    assert index.index("adder/report.html") < index.index("sorter/report.html")


@PROCESSES
def test_each_page_has_the_figures_of_its_own_system(two, options):
    two.run("--claims-report=report", *options, plugins=XDIST)
    for name, other_system in (("adder", "sorter"), ("sorter", "adder")):
        page = (two.path / f"report/{name}/report.html").read_text()
        assert f"{name}-figure" in page
        assert f"{other_system}-figure" not in page


@PROCESSES
def test_each_matrix_has_the_mutants_of_its_own_system(two, options):
    two.write("sorter/conftest.py", LOAD.format(name="sorter", gap=0.3))
    two.run("--claims-matrix=matrix.json", *options, plugins=XDIST)
    for name, other_system in (("adder", "sorter"), ("sorter", "adder")):
        table = (two.path / f"matrix-{name}.json").read_text()
        assert f"worsen_{name}" in table
        assert f"leave_{name}" in table
        assert other_system not in table


def test_one_system_alone_is_reported_without_an_index(two):
    assert two.run("adder", "--claims-report=report").ret == 0
    assert two.reports() == {".": {"test_adder": ["holds", "refuted"]}}
    assert not (two.path / "report/index.html").exists()


def test_a_nested_system_takes_the_place_of_that_above_it(two):
    two.write("conftest.py", LOAD.format(name="whole", gap=0.2))
    two.claims(CLAIM.format(name="whole"), name="claims/test_whole.py")
    assert two.run("--claims-report=report").ret == 1
    assert two.reports() == {
        "adder": {"test_adder": ["holds", "refuted"]},
        "claims": {"test_whole": ["holds", "refuted"]},
        "sorter": {"test_sorter": ["refuted", "refuted"]},
    }


def test_no_two_systems_share_the_folder_of_a_report(two):
    two.write("conftest.py", LOAD.format(name="whole", gap=0.2))
    two.claims(CLAIM.format(name="whole"), name="test_whole.py")
    for folder in ("claims", "sorter/adder"):
        two.write(f"{folder}/conftest.py", LOAD.format(name="deep", gap=0.2))
        two.claims(CLAIM.format(name="deep"), name=f"{folder}/test_deep_{folder[0]}.py")
    two.run("--claims-report=report")
    assert sorted(two.reports()) == ["adder", "claims", "root", "sorter", "sorter-adder"]


def test_systems_and_checkpoints_multiply(two):
    for name in ("adder", "sorter"):
        two.write(f"{name}/conftest.py", LOAD.format(name=name, gap="float(path.read_text()) if path else 0"))
    for name, gap in (("a", 0.1), ("b", 3.0)):
        two.write(f"{name}.json", str(gap))
    two.run("--claims-checkpoint", "a.json", "b.json", "--claims-report=report")
    assert two.reports() == {
        f"{system}/{name}": {f"test_{system}": [verdict, "refuted"]}
        for system in ("adder", "sorter")
        for name, verdict in (("a", "holds"), ("b", "refuted"))
    }


@PROCESSES
def test_a_baseline_that_is_a_folder_has_one_for_each_system(two, options):
    two.run("--claims-report=before")
    result = two.run("--claims-report=after", "--claims-baseline=before", *options, plugins=XDIST)
    assert result.ret == 1
    for name in ("adder", "sorter"):
        comparison = two.report(f"after/{name}")["comparison"]
        assert comparison is not None
        assert f"before/{name}/report.json" in str(comparison)
    two.write("adder/conftest.py", LOAD.format(name="adder", gap=1.5))
    two.run("--claims-report=after", "--claims-baseline=before", *options, plugins=XDIST)
    assert any("baseline" in problem for problem in two.report("after/adder")["run"]["problems"])
    assert not any("baseline" in problem for problem in two.report("after/sorter")["run"]["problems"])


def test_a_system_that_the_baseline_lacks_is_a_problem_of_that_system(two):
    assert two.run("adder", "--claims-report=before/adder").ret == 0
    two.write("sorter/conftest.py", LOAD.format(name="sorter", gap=0.3))
    result = two.run("--claims-report=after", "--claims-baseline=before")
    assert result.ret == 1
    assert two.report("after/adder")["exit_code"] == 0
    assert "before/sorter/report.json" in str(two.report("after/sorter")["run"]["problems"])


@PROCESSES
def test_a_baseline_that_is_a_file_is_that_of_the_system_it_is_of(two, options):
    two.run("--claims-report=before")
    result = two.run("--claims-report=after", "--claims-baseline=before/adder/report.json", *options, plugins=XDIST)
    assert result.ret == 1  # of the sorter, as before
    assert "before/adder/report.json" in str(two.report("after/adder")["comparison"])
    assert two.report("after/adder")["exit_code"] == 0
    assert two.report("after/sorter")["comparison"] is None


def test_a_baseline_of_no_system_that_ran_is_a_problem(two):
    two.run("adder", "--claims-report=before")
    (two.path / "adder").rename(two.path / "subtracter")
    result = two.run("--claims-report=after", "--claims-baseline=before/report.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines("problem: nothing was compared with *before/report.json: it is of no suite that ran")


def test_one_system_alone_is_compared_with_its_report_in_the_folder_of_several(two):
    two.run("--claims-report=before")
    assert two.run("adder", "--claims-report=after", "--claims-baseline=before").ret == 0
    assert "before/adder/report.json" in str(two.report("after")["comparison"])


def test_a_baseline_is_not_replaced_by_the_report_of_its_system(two):
    two.run("--claims-report=report")
    before = (two.path / "report" / "adder" / "report.json").read_bytes()
    result = two.run("--claims-report=report", "--claims-baseline=report/adder/report.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines("*report/adder/report.json is the baseline, and was not replaced*")
    assert (two.path / "report" / "adder" / "report.json").read_bytes() == before


def test_a_system_that_cannot_be_loaded_ends_the_run_with_its_name(two):
    two.write("sorter/conftest.py", "def pytest_claims_load():\n    return None\n")
    assert "pytest_claims_load in sorter/conftest.py returned no model" in two.refused()


@PROCESSES
def test_claims_outside_of_every_system_are_refused(two, options):
    two.claims(CLAIM.format(name="stray"), name="stray/test_stray.py")
    line = two.refused(*options, plugins=XDIST)
    assert "stray/test_stray.py::test_stray: no conftest.py says which model this claim is about" in line


def test_a_control_that_edits_the_model_of_one_system_is_noticed_there(two):
    two.claims(
        """
        def edit(model):
            model["system"] = "another"
            return dict(model, gap=7.0)

        @stated(refuted_by=[edit])
        def test_adder(model, measure):
            assert measure("gap", model["gap"]) < 1
        """,
        name="adder/claims/test_adder.py",
    )
    result = two.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines("*test_adder[[]edit[]]: it changed the checkpoint under test*")
