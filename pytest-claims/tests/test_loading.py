"""A claim is about a model that its suite loads; where it does not, the run ends with exit code 4 and one line."""

import pytest

XDIST = {"plugins": ("claims", "xdist")}


def test_without_the_hook_one_line_says_what_to_define(suite):
    suite.conftest("", loads=False)
    suite.claims()
    line = suite.refused()
    assert "claims/test_gap.py::test_gap" in line
    assert "define pytest_claims_load(path, device)" in line


def test_without_the_hook_a_checkpoint_that_was_named_is_read_by_nobody(suite):
    suite.conftest("", loads=False)
    suite.claims()
    suite.checkpoint("seed0.json")
    assert "--claims-checkpoint seed0.json is read by nobody" in suite.refused("--claims-checkpoint", "seed0.json")


def test_without_the_hook_a_run_in_several_processes_ends_as_well(suite):
    suite.conftest("", loads=False)
    suite.claims()
    assert "define pytest_claims_load(path, device)" in suite.refused("-n2", **XDIST)


REFUSED = {
    "missing.json": "No such file or directory (missing.json)",
    "empty.json": "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (conftest.py:5)",
    "none.json": "pytest_claims_load in ./conftest.py returned no model",
}


@pytest.mark.parametrize("file", REFUSED)
def test_a_path_that_cannot_be_loaded_is_refused_in_one_line(suite, file):
    suite.write("empty.json", "")
    suite.write("none.json", "null")
    suite.claims()
    assert f"--claims-checkpoint {file}: {REFUSED[file]}" in suite.refused(f"--claims-checkpoint={file}")


@pytest.mark.parametrize("options", [("-n2",), ("--dist=load", "--tx=popen")], ids=["-n2", "--tx"])
def test_a_path_that_cannot_be_loaded_is_refused_in_several_processes_too(suite, options):
    suite.claims()
    line = suite.refused(*options, "--claims-checkpoint=missing.json", **XDIST)
    assert f"--claims-checkpoint missing.json: {REFUSED['missing.json']}" in line


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("KeyError('W_E')", "KeyError: 'W_E' (conftest.py:6)"),
        ("ValueError('two\\nlines')", "ValueError: two (conftest.py:6)"),
        ("ValueError()", "ValueError: ValueError (conftest.py:6)"),
        ("AssertionError", "AssertionError: AssertionError (conftest.py:6)"),
        ("pytest.skip.Exception('no weights here')", "no weights here"),
        ("pytest.fail.Exception('no weights here')", "no weights here"),
        ("SystemExit('no weights here')", "no weights here"),
        ("SystemExit(0)", "SystemExit: 0"),
        ("ExceptionGroup('some', [ValueError()])", "some (1 sub-exception)"),
    ],
)
def test_whatever_loading_raises_refuses_the_model_in_one_line(suite, raised, said):
    suite.conftest(f"import pytest\n\n\ndef pytest_claims_load(path):\n    # line 5\n    raise {raised}\n", loads=False)
    suite.claims()
    line = suite.refused()
    assert "the model under test: " in line
    assert said in line


def test_a_usage_error_of_the_suite_is_shown_as_it_stands(suite):
    suite.conftest(
        """
        import pytest

        def pytest_claims_load(device):
            raise pytest.UsageError(f"--claims-device {device}: there is none on this machine")
        """,
        loads=False,
    )
    suite.claims()
    assert suite.refused("--claims-device=cuda") == "ERROR: --claims-device cuda: there is none on this machine"


def test_a_checkpoint_that_no_claim_is_about_is_refused(suite):
    suite.write("test_plain.py", "def test_plain(): pass")
    suite.checkpoint("seed0.json")
    assert "no claim was collected that could be about it" in suite.refused("--claims-checkpoint=seed0.json")


@pytest.mark.parametrize("named", ["test_missing.py", "test_plain.py::test_missing"])
def test_a_test_that_does_not_exist_is_named_and_not_the_checkpoint(suite, named):
    suite.write("test_plain.py", "def test_plain(): pass")
    suite.checkpoint("seed0.json")
    told = suite.refused(named, "--claims-checkpoint=seed0.json")
    assert "not found" in told
    assert named in told


@pytest.mark.parametrize("plain", ["def test_plain(): pass", ""], ids=["a test", "no test"])
def test_a_checkpoint_that_no_claim_is_about_is_refused_in_several_processes(suite, plain):
    suite.write("test_plain.py", plain)
    suite.checkpoint("seed0.json")
    assert "no claim was collected" in suite.refused("-n2", "--claims-checkpoint=seed0.json", **XDIST)


def test_an_empty_path_as_of_a_variable_that_is_not_set_is_refused(suite):
    suite.claims()
    result = suite.run("--claims-checkpoint=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*argument --claims-checkpoint: the path is empty")


def test_a_refused_model_leaves_no_report_that_could_be_taken_for_one(suite):
    suite.claims()
    assert suite.run("--claims-report=report").ret == 0
    suite.refused("--claims-report=report", "--claims-checkpoint=missing.json")
    assert suite.report()["exit_code"] is None
    assert "never finished" in (suite.path / "report/report.md").read_text()


def test_nothing_runs_when_the_model_is_refused(suite):
    suite.claims()
    suite.write("claims/test_a.py", "def test_plain(): open('ran', 'w')")
    suite.refused("--claims-checkpoint=missing.json")
    assert not (suite.path / "ran").exists()


def test_nothing_runs_when_the_model_is_refused_in_several_processes(suite):
    suite.claims()
    suite.write("claims/test_a.py", "def test_plain(): open('ran', 'w')")
    suite.refused("-n2", "--claims-checkpoint=missing.json", **XDIST)
    assert not (suite.path / "ran").exists()


def test_the_device_and_the_path_reach_the_suite(suite):
    suite.conftest(
        """
        def pytest_claims_load(path, device):
            return {"gap": 0.25, "device": device, "path": str(path)}

        def pytest_claims_subject(model, path):
            return f"{model['path']} on {model['device']}"
        """,
        loads=False,
    )
    suite.claims()
    suite.run("--claims-checkpoint=a/b.json", "--claims-device=mps").stdout.fnmatch_lines("a/b.json on mps")
    suite.run().stdout.fnmatch_lines("None on cpu")


def test_the_model_is_named_before_anything_runs(suite):
    suite.claims()
    result = suite.run()
    lines = result.outlines
    named = next(i for i, line in enumerate(lines) if line.startswith("dict, sha256 "))
    assert named < next(i for i, line in enumerate(lines) if line.startswith("claims/test_gap.py"))


def test_the_model_is_loaded_once(suite):
    suite.conftest(
        """
        def pytest_claims_load(path):
            print("loading")
            return {"gap": 0.25}
        """,
        loads=False,
    )
    suite.claims()
    assert suite.run("-s").stdout.str().count("loading") == 1


def test_collecting_alone_loads_nothing(suite):
    suite.claims()
    result = suite.run("--collect-only", "-q", "--claims-checkpoint=missing.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["claims/test_gap.py::test_gap[[]checkpoint[]]", "claims/test_gap.py::test_gap[[]widen[]]"]
    )
