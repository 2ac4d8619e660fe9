"""What a claim says: parameters in braces, runs of parametrised claims, claims in classes and under hypothesis."""

import pytest


def statements(suite):
    return [claim["statement"] for claim in suite.report()["claims"]]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("Times {scale} it is small", "Times 2 it is small"),
        ("Times {scale:.2f} it is small", "Times 2.00 it is small"),
        ("Times {scale!r} it is small", "Times 2 it is small"),
        ("Times {scale:>3} it is small", "Times   2 it is small"),
        ("In {0, 1} it is small", "In {0, 1} it is small"),
        ("W_{OV} is small", "W_{OV} is small"),
        ("{} and {unknown} are small", "{} and {unknown} are small"),
        ("{{scale}} is small", "{2} is small"),
        ("{scale.__class__} is small", "{scale.__class__} is small"),
        ("{scale[0]} is small", "{scale[0]} is small"),
        ("{scale:no such format} is small", "{scale:no such format} is small"),
        ("{model} and {_claims_run} are small", "{model} and {_claims_run} are small"),
        ("100 % of {scale is small", "100 % of {scale is small"),
    ],
)
def test_parameters_in_braces_are_filled_in_and_other_braces_left(suite, statement, said):
    suite.claims(
        f"""
        @pytest.mark.parametrize("scale", [2])
        @stated({statement!r})
        def test_gap(model, measure, scale):
            assert measure("gap", scale * model["gap"]) < 1
        """
    )
    suite.run("--claims-report=report")
    assert statements(suite) == [said]


def test_over_is_filled_in_as_well(suite):
    suite.claims(
        """
        @pytest.mark.parametrize("n", [8, 16])
        @claim("The gap is small", source="us", over="{n} samples", refuted_by=[widen])
        def test_gap(model, measure, n):
            assert measure("gap", model["gap"]) < 1
        """
    )
    suite.run("--claims-report=report")
    assert [claim["over"] for claim in suite.report()["claims"]] == ["8 samples", "16 samples"]


def test_each_set_of_parameters_is_a_claim_with_its_own_controls(suite):
    suite.claims(
        """
        @pytest.mark.parametrize("bound", [1, 0.1], ids=["loose", "tight"])
        @pytest.mark.parametrize("which", ["gap", "mean"])
        @stated("The {which} is below {bound}", refuted_by=[widen, shift])
        def test_small(model, measure, which, bound):
            assert measure(which, model[which] * 0.5) < bound
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts() == {
        "test_small[gap-loose]": ["holds", "refuted", "survived"],
        "test_small[gap-tight]": ["refuted", "refuted", "refuted"],
        "test_small[mean-loose]": ["holds", "survived", "refuted"],
        "test_small[mean-tight]": ["refuted", "refuted", "refuted"],
    }


def test_a_parameter_called_as_a_control_or_the_checkpoint_is_no_other_run(suite):
    suite.claims(
        """
        @pytest.mark.parametrize("of", ["checkpoint", "widen", "a-checkpoint-b"])
        @stated("That of {of} is small")
        def test_gap(model, measure, of):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {
        "test_gap[checkpoint]": ["holds", "refuted"],
        "test_gap[widen]": ["holds", "refuted"],
        "test_gap[a-checkpoint-b]": ["holds", "refuted"],
    }


def test_marks_of_single_parameters_count(suite):
    suite.claims(
        """
        @pytest.mark.parametrize("scale", [1, pytest.param(2, marks=pytest.mark.skip(reason="later"))])
        @stated("Times {scale} it is small")
        def test_gap(model, measure, scale):
            assert measure("gap", scale * model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1, "a claim that did not run"
    assert suite.verdicts() == {"test_gap[1]": ["holds", "refuted"], "test_gap[2]": ["not run", "not run"]}


@pytest.mark.parametrize("mark", ["skip(reason='later')", "skipif(True, reason='later')", "xfail", "xfail(run=False)"])
def test_a_claim_that_is_marked_away_is_not_green(suite, mark):
    suite.claims(
        f"""
        @pytest.mark.{mark}
        @stated()
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 0.1

        @stated()
        def test_other(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts()["test_gap"][0] == "not run"
    assert suite.verdicts()["test_other"] == ["holds", "refuted"]


def test_claims_in_classes_run_as_functions_do(suite):
    suite.claims(
        """
        class TestGap:
            bound = 1

            @stated()
            def test_gap(self, model, measure):
                assert measure("gap", model["gap"]) < self.bound

            class TestDeeper:
                @stated()
                def test_gap(self, model, measure):
                    assert measure("gap", model["gap"]) < 2
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert [claim["id"] for claim in suite.report()["claims"]] == [
        "claims/test_gap.py::TestGap::test_gap",
        "claims/test_gap.py::TestGap::TestDeeper::test_gap",
    ]


def test_claims_that_are_inherited_are_judged_in_every_class(suite):
    suite.claims(
        """
        class Base:
            bound = 1

            @stated()
            def test_gap(self, model, measure):
                assert measure("gap", model["gap"]) < self.bound

        class TestLoose(Base):
            pass

        class TestTight(Base):
            bound = 0.1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert {claim["id"].split("::")[1]: claim["verdict"] for claim in suite.report()["claims"]} == {
        "TestLoose": "holds",
        "TestTight": "refuted",
    }


def test_the_heading_is_the_first_line_of_the_file(suite):
    suite.claims()
    suite.write(
        "claims/test_z.py",
        (suite.path / "claims/test_gap.py").read_text().replace('"""The gap"""', "").replace("gap(", "z("),
    )
    suite.run("--claims-report=report")
    assert [claim["section"] for claim in suite.report()["claims"]] == ["The gap", "test_z.py"]


HYPOTHESIS = """
from hypothesis import given, settings, strategies

settings.register_profile("claims", derandomize=True, database=None, max_examples=20, deadline=None)
settings.load_profile("claims")
"""


@pytest.fixture
def searched(suite):
    pytest.importorskip("hypothesis", reason="hypothesis is not installed")

    def searched(body, *options):
        suite.claims(HYPOTHESIS + body)
        result = suite.run("--claims-report=report", *options, plugins=("claims", "hypothesispytest"), process=True)
        return result, suite.verdicts()

    return searched


@pytest.mark.parametrize(
    "decorators",
    [
        "@stated()\n@given(scale=strategies.integers(1, 3))",
        "@given(scale=strategies.integers(1, 3))\n@stated()",
    ],
    ids=["claim above", "claim below"],
)
def test_a_claim_under_hypothesis_is_searched_on_every_model(searched, decorators):
    check = "@settings(suppress_health_check=list(__import__('hypothesis').HealthCheck))"
    result, verdicts = searched(
        f"""
{check}
{decorators}
def test_gap(model, measure, scale):
    assert measure("gap", scale * model["gap"]) < 1
"""
    )
    assert result.ret == 0, result.stdout.str()
    assert verdicts == {"test_gap": ["holds", "refuted"]}


def test_a_counterexample_that_hypothesis_finds_refutes_the_claim(searched):
    result, verdicts = searched(
        """
@settings(suppress_health_check=list(__import__('hypothesis').HealthCheck))
@given(scale=strategies.integers(1, 30))
@stated()
def test_gap(model, measure, scale):
    assert measure("gap", scale * model["gap"]) < 1
"""
    )
    assert result.ret == 1
    assert verdicts == {"test_gap": ["refuted", "refuted"]}
