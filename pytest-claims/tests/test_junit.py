"""JUnit files say of each test case what was claimed, measured and found."""

from xml.etree import ElementTree

import pytest
from hostile import HOSTILE, hostile_suite
from one_file import HOLDS, SURVIVED
from pytest_claims.text import readable

xunit2 = pytest.importorskip("junitparser.xunit2", reason="junitparser is not installed")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_junit_files_are_well_formed_whatever_a_claim_says(run_claims, pytester, text):
    run_claims(hostile_suite(text), "--junitxml=junit.xml")
    ElementTree.parse(pytester.path / "junit.xml")
    junit = xunit2.JUnitXml.fromfile(str(pytester.path / "junit.xml"))
    properties = {p.name: p.value for suite in junit for case in suite for p in case.properties()}
    assert properties["statement"].split() == readable(text).split()


def test_junit_carries_measured_bound_and_verdict(run_claims, pytester):
    run_claims(HOLDS, "--junitxml=junit.xml")
    junit = xunit2.JUnitXml.fromfile(str(pytester.path / "junit.xml"))
    cases = {case.name: {p.name: p.value for p in case.properties()} for suite in junit for case in suite}
    claim = cases["test_gap[checkpoint]"]
    assert claim["verdict"] == "holds"
    assert float(claim["measured[gap]"]) == 0.25
    assert claim["bound[gap]"] == "< 1"
    assert float(claim["slack[gap]"]) == 0.75
    assert (claim["statement"], claim["over"], claim["source"]) == ("The gap is small", "everything", "us")
    control = cases["test_gap[widen_gap]"]
    assert (control["verdict"], control["subject"], control["measured[gap]"]) == ("refuted", "widen_gap", "4.0")


def test_junit_is_the_same_in_two_processes(run_claims, pytester):
    def told(*arguments):
        run_claims(SURVIVED, "--junitxml=junit.xml", *arguments)
        junit = xunit2.JUnitXml.fromfile(str(pytester.path / "junit.xml"))
        return sorted((case.name, [(p.name, p.value) for p in case.properties()]) for s in junit for case in s)

    assert told() == told("-n", "2")
