"""Properties of a claim: those that it records itself, and those that the plugin leaves in the file of --junitxml."""

import xml.etree.ElementTree as ElementTree

import pytest


def properties(suite, name):
    """The properties of a test case, in order, as pairs."""
    root = ElementTree.parse(suite.path / "junit.xml").getroot()
    (case,) = [case for case in root.iter("testcase") if case.get("name") == name]
    return [(element.get("name"), element.get("value")) for element in case.iter("property")]


@pytest.fixture(params=[(), ("-n2",)], ids=["one process", "two"])
def judged(request, suite):
    def judged(body):
        suite.claims(body)
        options = ("--junitxml=junit.xml", "--claims-report=report", *request.param)
        result = suite.run(*options, plugins=("claims", *(["xdist"] if request.param else [])))
        return result, suite.verdicts()

    return judged


def test_a_test_case_says_what_was_claimed_measured_and_required(suite, judged):
    judged(
        """
        @claim("The gap is small", source="Nanda et al.", over="the weights", refuted_by=[widen])
        def test_gap(model, measure):
            gap = measure("gap", model["gap"], "nats", published=0.25)
            assert gap < 1
            assert gap.as_published(within=0.1)
        """
    )
    assert properties(suite, "test_gap[checkpoint]") == [
        ("verdict", "holds"),
        ("subject", "checkpoint"),
        ("statement", "The gap is small"),
        ("source", "Nanda et al."),
        ("over", "the weights"),
        ("measured[gap]", "0.25"),
        ("bound[gap]", "< 1"),
        ("slack[gap]", "0.75"),
        ("bound[gap]", "== 0.25 ± 10%"),
        ("slack[gap]", "0.025"),
    ]
    control = dict(properties(suite, "test_gap[widen]"))
    assert control["verdict"] == "refuted"
    assert control["subject"] == "widen"
    assert control["reason"] == "gap 4 nats < 1"


def test_a_claim_that_is_refuted_or_in_error_says_so_in_its_test_case(suite, judged):
    judged(
        """
        @stated()
        def test_refuted(model, measure):
            assert measure("gap", model["gap"]) < 0.1

        @stated()
        def test_crashes(model, measure):
            raise ValueError("no such head")

        @stated()
        def test_fails_in_its_fixture(model, measure, no_such_fixture):
            pass
        """
    )
    assert dict(properties(suite, "test_refuted[checkpoint]"))["verdict"] == "refuted"
    assert dict(properties(suite, "test_crashes[checkpoint]"))["reason"] == "ValueError: no such head"
    assert dict(properties(suite, "test_fails_in_its_fixture[checkpoint]"))["verdict"] == "error"


def test_what_a_claim_records_itself_comes_first(suite, judged):
    result, verdicts = judged(
        """
        @stated()
        def test_gap(model, measure, record_property):
            record_property("seed", 3)
            record_property("layers", [1, {"of": (2, None)}])
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert result.ret == 0
    assert verdicts == {"test_gap": ["holds", "refuted"]}
    recorded = properties(suite, "test_gap[checkpoint]")
    assert [name for name, _ in recorded][:3] == ["seed", "layers", "verdict"]
    assert dict(recorded)["seed"] == "3"


@pytest.mark.parametrize("value", ["decimal.Decimal('0.1')", "object()", "{1, 2}", "[type]"])
def test_what_cannot_travel_between_processes_is_an_error_of_the_claim(judged, value):
    result, verdicts = judged(
        f"""
        import decimal

        @stated()
        def test_gap(model, measure, record_property):
            record_property("kept", 1)
            record_property("exact", {value})
            assert measure("gap", model["gap"]) < 1

        @stated()
        def test_other(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert result.ret == 1
    assert verdicts == {"test_gap": ["error", "error"], "test_other": ["holds", "refuted"]}
    assert "recorded property 'exact'" in result.stdout.str()


def test_scalars_of_numpy_are_recorded_as_numbers(suite, judged):
    pytest.importorskip("numpy", reason="numpy is not installed")
    result, _ = judged(
        """
        import numpy

        @stated()
        def test_gap(model, measure, record_property):
            record_property("loss", numpy.float32(0.5))
            assert measure("gap", numpy.float64(model["gap"])) < numpy.int64(1)
        """
    )
    assert result.ret == 0
    recorded = dict(properties(suite, "test_gap[checkpoint]"))
    assert recorded["loss"] == "0.5"
    assert recorded["measured[gap]"] == "0.25"


def test_a_property_of_the_whole_suite_is_kept(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, measure, record_testsuite_property):
            record_testsuite_property("machine", "ours")
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--junitxml=junit.xml").ret == 0
    assert 'name="machine" value="ours"' in (suite.path / "junit.xml").read_text()


def test_text_that_xml_cannot_hold_is_spelled_out(suite):
    suite.claims(
        r"""
        @claim("A\x1b[31m \x00 \ud800 gap", source="us\ufffe", over="\x07", refuted_by=[widen])
        def test_gap(model, measure):
            assert measure("gap\x1b", model["gap"]) < 1
        """
    )
    assert suite.run("--junitxml=junit.xml", process=True).ret == 0
    recorded = dict(properties(suite, "test_gap[checkpoint]"))
    assert recorded["statement"] == r"A\x1b[31m \x00 \ud800 gap"
    assert recorded[r"measured[gap\x1b]"] == "0.25"


def test_numbers_are_given_in_full(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, measure):
            assert measure("gap", model["gap"] / 3) < 1
        """
    )
    suite.run("--junitxml=junit.xml")
    assert dict(properties(suite, "test_gap[checkpoint]"))["measured[gap]"] == repr(0.25 / 3)
