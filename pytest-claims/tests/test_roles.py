"""Roles: claims that hold, rival accounts that lose, known limits, errata; and what stands behind them."""

import pytest


@pytest.fixture
def judged(suite):
    def judged(declaration, assertion, *options):
        suite.claims(
            f"""
def as_wide(model):
    \"\"\"A model of which it is true.\"\"\"
    return {{**model, "gap": 4.0}}

@{declaration}
def test_gap(model, measure):
    {assertion}
"""
        )
        result = suite.run("--claims-report=report", *options)
        return result, suite.verdicts().get("test_gap")

    return judged


SMALL, WIDE = 'assert measure("gap", model["gap"]) < 1', 'assert measure("gap", model["gap"]) > 1'
RIVAL = 'claim("The gap is wide", source="them", over="everything", role="alternative", true_of=[as_wide])'
LIMIT = 'claim("The gap is tiny", source="us", over="everything", role="stress")'
BROKEN_LIMIT = 'claim("The gap is tiny", source="us", over="everything", role="stress", refuted_by=[as_wide])'
ERRATUM = 'erratum("The gap is wide", source="them", over="everything", true_of=[as_wide])'
TINY = 'assert measure("gap", model["gap"]) < 0.1'


@pytest.mark.parametrize(
    ("declaration", "assertion", "verdicts", "code"),
    [
        (RIVAL, WIDE, ["loses", "confirmed"], 0),
        (RIVAL, SMALL, ["wins", "not confirmed"], 1),
        (RIVAL, 'assert measure("gap", model["gap"]) > 0', ["wins", "confirmed"], 1),
        (RIVAL, 'assert measure("gap", model["gap"]) > 9', ["loses", "not confirmed"], 1),
        (RIVAL, "raise ValueError", ["error", "error"], 1),
        (ERRATUM, WIDE, ["refuted as published", "confirmed"], 0),
        (ERRATUM, 'assert measure("gap", model["gap"]) > 0', ["stands", "confirmed"], 1),
        (ERRATUM, 'assert measure("gap", model["gap"]) > 9', ["refuted as published", "not confirmed"], 1),
        (BROKEN_LIMIT, TINY, ["known limit", "refuted"], 0),
        (BROKEN_LIMIT, SMALL, ["holds", "refuted"], 0),
        (BROKEN_LIMIT, 'assert measure("gap", model["gap"]) > 0', ["holds", "survived"], 1),
        (BROKEN_LIMIT, "raise ValueError", ["error", "error"], 1),
    ],
)
def test_what_a_role_makes_of_a_verdict(suite, judged, declaration, assertion, verdicts, code):
    suite.claims(name="claims/test_a.py")
    result, actual = judged(declaration, assertion)
    assert actual == verdicts
    assert result.ret == code


def test_a_known_limit_needs_no_control(suite, judged):
    suite.claims(name="claims/test_a.py")
    result, verdicts = judged(LIMIT, TINY)
    assert verdicts == ["known limit"]
    assert result.ret == 0
    assert suite.report()["summary"].endswith("; known limits 1 of 1 stress tests")


def test_roles_are_counted_apart(suite):
    suite.claims(
        """
        def as_wide(model):
            return {**model, "gap": 4.0}

        @stated(evidence="proved")
        def test_small(model, measure):
            assert measure("gap", model["gap"]) < 1

        @stated(evidence="sampled")
        def test_smaller(model, measure):
            assert measure("gap", model["gap"], interval=(0, 2 * model["gap"])) < 2

        @claim("The gap is wide", source="them", over="everything", role="alternative", true_of=[as_wide])
        def test_wide(model, measure):
            assert measure("gap", model["gap"]) > 1

        @claim("The gap is tiny", source="us", over="everything", role="stress")
        def test_tiny(model, measure):
            assert measure("gap", model["gap"]) < 0.1
        """
    )
    result = suite.run("--claims-report=report")
    assert result.ret == 0
    assert suite.report()["headline"] == "All 2 claims hold (1 proved, 1 sampled)"
    summary = suite.report()["summary"]
    assert summary.startswith("2 claims: 2 hold (1 over every input; 1 proved, 1 sampled); controls refuted 2/2")
    assert "rival accounts that lose 1/1; known limits 1 of 1 stress tests" in summary


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ('stated(role="secondary")', "has the role 'secondary'; there are: primary, alternative, stress"),
        ('stated(evidence="felt")', "has the evidence 'felt'; there are: proved, exact, sampled, searched"),
        ("stated(refuted_by=[])", "has no control, so nothing shows that it can fail"),
        ("stated(true_of=[shift])", "names controls both by refuted_by and by true_of"),
        ("stated(refuted_by=[], true_of=[shift])", "names models of which it is true: that is for errata"),
        ('stated(role="alternative")', "names no model of which it is true"),
        ('erratum("It is wide", source="us", over="all")', "names no model of which it is true"),
        ('stated("")', "has a statement that is no text: ''"),
        ("stated(None)", "has a statement that is no text: None"),
        ("stated(depends_on=[3])", "depends on what is no text: 3"),
        ("stated(refuted_by=[widen, widen])", "names a control twice: widen, widen"),
        ("stated(refuted_by=[lambda model: {}])", "has a control without a name ('<lambda>')"),
        ("stated(refuted_by=[named_checkpoint])", 'has a control named "checkpoint"'),
        ("stated(refuted_by=[3])", "has a control without a name ('')"),
    ],
)
def test_a_declaration_that_proves_nothing_is_refused_in_one_line(suite, declaration, said):
    suite.claims(
        f"""
        def named_checkpoint(model):
            return dict(model)
        named_checkpoint.__name__ = "checkpoint"

        @{declaration}
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = suite.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    lines = [line for line in result.outlines if "test_gap " in line and said in line]
    assert len(lines) == 1, result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("@stated()\ndef test_gap(measure):\n    pass", "does not take `model`"),
        ("@stated()\ndef test_gap(model):\n    pass", "does not take `measure`"),
        (
            "@stated()\ndef gap(model, measure):\n    pass",
            "gap is a claim, but pytest only runs functions named test_*",
        ),
    ],
)
def test_a_claim_that_could_not_run_as_one_is_refused_in_one_line(suite, body, said):
    suite.claims(body)
    result = suite.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert sum(said in line for line in result.outlines) >= 1
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_plain(): pass", "test_plain is not a claim: decorate it with @claim or @timing"),
        ("class TestPlain:\n    def test_plain(self): pass", "test_plain is not a claim"),
        (
            "import unittest\nclass Plain(unittest.TestCase):\n    def test_plain(self): pass",
            "Plain is a unittest.TestCase",
        ),
        (
            "class Gap:\n    @stated()\n    def test_gap(self, model, measure): pass",
            "Gap holds claims, but pytest only looks into classes named Test*",
        ),
    ],
)
def test_where_every_test_has_to_be_a_claim_others_are_refused(suite, body, said):
    suite.write("pytest.ini", "[pytest]\nclaims_paths = claims\n")
    suite.claims(body)
    suite.write("tests/test_plain.py", "def test_plain(): pass")
    assert suite.run("tests").ret == 0
    result = suite.run("claims")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said in result.stdout.str()


@pytest.mark.parametrize(
    ("unless", "verdicts", "code"),
    [
        ("lambda model: None", ["holds", "refuted"], 0),
        ("lambda model: 'it has two layers'", ["not about this model", "not about this model"], 1),
        ("lambda model: True", ["error", "error"], 1),
        ("lambda model: ''", ["error", "error"], 1),
    ],
)
def test_a_claim_says_itself_which_models_it_is_not_about(judged, unless, verdicts, code):
    result, actual = judged(f"stated(unless={unless})", SMALL)
    assert actual == verdicts
    assert result.ret == code


def test_a_model_that_most_claims_are_not_about_may_be_allowed(judged):
    result, _ = judged("stated(unless=lambda model: 'it has two layers')", SMALL, "--claims-allow-partial")
    assert result.ret == 0
