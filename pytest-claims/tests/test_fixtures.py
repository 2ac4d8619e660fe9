"""Fixtures of the suite's own: those that have the names of the plugin's, and those that build on them."""

import pytest

OWN = """
import pytest

@pytest.fixture
def {name}():
    return "a {name} of the suite's own"
"""


@pytest.fixture(params=["model", "checkpoint", "measure", "computed"])
def hidden(request, suite):
    """A suite whose plain tests have long had a fixture of a name that the plugin uses."""
    suite.conftest(OWN.format(name=request.param))
    suite.write(
        "tests/test_plain.py",
        f"""
        def test_plain({request.param}):
            assert {request.param} == "a {request.param} of the suite's own"
        """,
    )
    suite.name = request.param
    return suite


def test_plain_tests_get_their_own_fixtures(hidden):
    result = hidden.run()
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_a_claim_below_a_fixture_that_hides_the_plugins_gets_one_line(hidden):
    hidden.claims(
        f"""
        @stated()
        def test_gap(model, measure{"" if hidden.name in ("model", "measure") else ", " + hidden.name}):
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = hidden.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    said = [line for line in result.outlines if "hides the plugin's" in line]
    assert len(said) == 1
    assert f"its fixture '{hidden.name}' is that of conftest.py:" in said[0]
    assert "Traceback" not in result.stdout.str()


def test_claims_in_a_folder_beside_that_fixture_are_not_concerned(suite):
    suite.write("tests/conftest.py", OWN.format(name="model"))
    suite.write("tests/test_plain.py", "def test_plain(model): assert isinstance(model, str)")
    suite.claims()
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_a_fixture_that_hides_one_that_the_claim_does_not_use_is_none_of_its_business(suite):
    suite.conftest(OWN.format(name="computed"))
    suite.claims()
    assert suite.run("--claims-report=report").ret == 0


@pytest.mark.parametrize("place", ["conftest.py", "claims/conftest.py", "claims/test_gap.py"])
def test_a_fixture_that_takes_the_plugins_and_wraps_it_is_welcome(suite, place):
    wraps = """
import pytest

@pytest.fixture
def model(model):
    return {**model, "wrapped": True}
"""
    body = """
@stated()
def test_gap(model, measure):
    assert model["wrapped"]
    assert measure("gap", model["gap"]) < 1
"""
    if place == "conftest.py":
        suite.conftest(wraps)
    elif place == "claims/conftest.py":
        suite.write(place, wraps)
    suite.claims((wraps if place.endswith("gap.py") else "") + body)
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_a_fixture_that_depends_on_the_model_is_made_of_each_control(suite):
    suite.conftest(
        """
        import pytest

        @pytest.fixture
        def doubled(model):
            return 2 * model["gap"]
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, doubled, measure):
            assert measure("twice the gap", doubled) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_a_fixture_of_the_session_that_depends_on_the_model_is_refused_by_pytest(suite):
    suite.conftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def doubled(model):
            return 2 * model["gap"]
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, doubled, measure):
            assert measure("twice the gap", doubled) < 1
        """
    )
    result = suite.run("--claims-report=report")
    assert result.ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "error"]}
    assert "ScopeMismatch" in result.stdout.str()


def test_a_plain_test_may_ask_for_the_checkpoint(suite):
    suite.claims()
    suite.write("tests/test_plain.py", "def test_plain(checkpoint): assert checkpoint['gap'] == 0.25")
    result = suite.run("--claims-report=report")
    assert result.ret == 0
    result.assert_outcomes(passed=3)


def test_a_plain_test_that_asks_for_the_model_without_a_suite_fails_in_one_line(suite):
    suite.conftest("", loads=False)
    suite.write("test_plain.py", "def test_plain(checkpoint): pass")
    result = suite.run()
    assert result.ret == 1
    assert "the fixture 'checkpoint': no conftest.py says which model this claim is about" in result.stdout.str()


def test_fixtures_of_the_session_are_made_once_for_all_claims_and_controls(suite):
    suite.conftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def data(checkpoint):
            print("drawing data")
            return checkpoint["gap"]
        """
    )
    suite.claims(
        """
        @stated()
        def test_gap(model, data, measure):
            assert measure("gap", model["gap"]) < 4 * data

        @stated()
        def test_gap_again(model, data, measure):
            assert measure("gap", model["gap"]) < 2 * data
        """
    )
    result = suite.run("-s")
    assert result.ret == 0
    assert result.stdout.str().count("drawing data") == 1


def test_the_checkpoint_is_at_hand_on_a_control(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, checkpoint, measure):
            assert measure("times the gap of the checkpoint", model["gap"] / checkpoint["gap"]) < 2
        """
    )
    suite.run("--claims-report=report")
    assert suite.verdicts() == {"test_gap": ["holds", "refuted"]}


def test_two_fixtures_that_are_parametrised_multiply_the_runs_of_a_claim(suite):
    suite.conftest(
        """
        import pytest

        @pytest.fixture(params=[1, 2])
        def scale(request):
            return request.param
        """
    )
    suite.claims(
        """
        @stated("Times {scale} the gap is small")
        def test_gap(model, scale, measure):
            assert measure("gap", scale * model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_gap[1]": ["holds", "refuted"], "test_gap[2]": ["holds", "refuted"]}
    assert [claim["statement"] for claim in suite.report()["claims"]] == [
        "Times 1 the gap is small",
        "Times 2 the gap is small",
    ]
