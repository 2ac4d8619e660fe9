"""A report is about a model that can be named: one of which nobody can say which it was is not green."""

OPAQUE = """
class Model:
    __slots__ = ("measured",)

def pytest_claims_load():
    model = Model()
    model.measured = lambda: 0.25
    return model
"""

CLAIM = """
def widest(model):
    wide = type(model)()
    wide.measured = lambda: 9.0
    return wide

@stated(refuted_by=[widest])
def test_gap(model, measure):
    assert measure("gap", model.measured()) < 1
"""

NAMELESS = "nobody can say which model this is about"


def test_a_model_without_state_that_can_be_read_turns_the_run_red(suite):
    suite.conftest(OPAQUE, loads=False)
    suite.claims(CLAIM)
    result = suite.run("--claims-report=report")
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}
    document = suite.report()
    assert document["tone"] == "bad"
    assert document["exit_code"] == 1
    assert NAMELESS in document["run"]["problems"][0]
    result.stdout.fnmatch_lines(f"problem: {NAMELESS}: define pytest_claims_fingerprint(model)*")


def test_it_is_red_without_a_report_and_in_several_processes_too(suite):
    suite.conftest(OPAQUE, loads=False)
    suite.claims(CLAIM)
    for options in ((), ("-n2",)):
        result = suite.run(*options, plugins=("claims", "xdist"))
        assert result.ret == 1
        assert NAMELESS in result.stdout.str()


def test_a_fingerprint_of_the_suite_names_it(suite):
    suite.conftest(OPAQUE + "\ndef pytest_claims_fingerprint(model):\n    return str(model.measured())\n", loads=False)
    suite.claims(CLAIM)
    assert suite.run("--claims-report=report").ret == 0


def test_a_subject_of_the_suite_names_it(suite):
    suite.conftest(OPAQUE + "\ndef pytest_claims_subject(model):\n    return 'seed 0'\n", loads=False)
    suite.claims(CLAIM)
    assert suite.run("--claims-report=report").ret == 0
    assert suite.report()["subject"]["line"] == "seed 0"


def test_a_subject_of_nothing_but_spaces_names_nothing(suite):
    suite.conftest(OPAQUE + "\ndef pytest_claims_subject(model):\n    return ' '\n", loads=False)
    suite.claims(CLAIM)
    assert suite.run("--claims-report=report").ret == 1


def test_a_path_alone_does_not_name_it(suite):
    suite.conftest(OPAQUE, loads=False)
    suite.claims(CLAIM)
    suite.write("seed0.pt", "")
    assert suite.run("--claims-checkpoint=seed0.pt").ret == 1


def test_a_subject_of_many_lines_is_told_on_one(suite):
    suite.conftest(
        OPAQUE + "\ndef pytest_claims_subject(model):\n    return 'seed 0\\n\\x1b[31mepoch 3'\n", loads=False
    )
    suite.claims(CLAIM)
    suite.run("--claims-report=report")
    assert suite.report()["subject"]["line"] == r"seed 0 \x1b[31mepoch 3"


def test_a_subject_is_no_workflow_command(suite):
    suite.conftest(OPAQUE + "\ndef pytest_claims_subject(model):\n    return '::error::not a command'\n", loads=False)
    suite.claims(CLAIM)
    result = suite.run()
    assert "not a command" in result.stdout.str()
    assert not any(line.lstrip().startswith("::") for line in result.outlines)


def test_hooks_that_fail_to_name_it_end_the_run_in_one_line(suite):
    for hook in ("subject", "fingerprint"):
        suite.conftest(OPAQUE + f"\ndef pytest_claims_{hook}(model):\n    raise KeyError('{hook}')\n", loads=False)
        suite.claims(CLAIM)
        line = suite.refused(process=True)
        assert f"pytest_claims_{hook}: KeyError: '{hook}' (conftest.py:" in line
