"""Two reports side by side: what counts as lost, won, shrunk, or no longer comparable."""

import pytest
from made_results import claim
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.html import render_page
from pytest_claims.report.baseline import Kind, compare
from pytest_claims.report.report import Report
from pytest_claims.verdict import WITHOUT_CONTROL, Verdict


def kinds(before, after, **options):
    return [(difference.kind, difference.fails) for difference in compare("b", before, after, **options).differences]


def test_the_same_is_the_same():
    comparison = compare("b", [claim(), claim("width")], [claim(), claim("width")])
    assert (comparison.differences, comparison.n_same, comparison.fails) == ((), 2, False)
    assert comparison.lines() == ["against b: 2 as before"]


@pytest.mark.parametrize("verdict", [Verdict.REFUTED, Verdict.ERROR, Verdict.NOT_RUN])
def test_what_held_and_does_not_is_newly_refuted(verdict):
    assert kinds([claim()], [claim(verdict=verdict, slack=-1, reason="too wide")]) == [(Kind.REFUTED, True)]


def test_a_claim_whose_control_survives_is_no_longer_shown_to_be_able_to_fail():
    broken = claim()
    broken.controls[0].verdict = Verdict.SURVIVED
    assert kinds([claim()], [broken]) == [(Kind.CONTROLS, True)]


def test_a_changed_claim_that_is_refuted_is_no_less_refuted():
    assert kinds([claim()], [claim(verdict=Verdict.REFUTED, source_id="other")]) == [(Kind.REFUTED, True)]


def test_what_is_gone_is_missing():
    assert kinds([claim(), claim("width")], [claim()]) == [(Kind.MISSING, True)]
    renamed = compare("b", [claim()], [claim("renamed")])
    assert [d.kind for d in renamed.differences] == [Kind.MISSING, Kind.ADDED]


def test_what_was_not_selected_is_missing():
    unselected = claim()
    unselected.checkpoint = None
    assert kinds([claim()], [unselected]) == [(Kind.MISSING, True)]
    assert kinds([unselected], [claim()]) == [(Kind.ADDED, False)]


def test_a_control_that_is_gone_is_missing():
    two = claim(controls=("widen", "widen_further"))
    assert kinds([two], [claim()]) == [(Kind.MISSING, True)]
    assert kinds([claim()], [two]) == []
    (difference,) = compare("b", [two], [claim(source_id="other")]).differences
    assert (difference.kind, difference.fails) == (Kind.NOT_COMPARABLE, False)
    assert "controls that it no longer names: widen_further" in difference.text
    assert kinds([two], [claim(source_id="other", controls=())]) == [(Kind.MISSING, True), (Kind.NOT_COMPARABLE, False)]


@pytest.mark.parametrize(("same_model", "fails"), [(True, True), (False, False)])
def test_a_control_that_suddenly_cannot_be_made_fails_for_the_very_same_model(same_model, fails):
    before = claim(controls=("widen", "tilt"))
    after = claim(controls=("widen", "tilt"))
    after.controls[1].verdict = Verdict.NOT_ABOUT
    assert after.good
    (difference,) = compare("b", [before], [after], same_model=same_model).differences
    assert difference.fails is fails
    assert "tilt" in difference.text
    after.controls[0].verdict = Verdict.NOT_ABOUT
    assert not after.good
    assert render_page(Report([after], []), Illustrations()).count(f'<p class="told">{WITHOUT_CONTROL}') == 1


def test_what_is_suddenly_not_about_the_model_fails_unless_it_is_about_one_model_only():
    away = claim(verdict=Verdict.NOT_ABOUT, reason="two layers")
    assert kinds([claim()], [away]) == [(Kind.NOT_ABOUT, True)]
    of_one = claim(verdict=Verdict.NOT_ABOUT, reason="another checkpoint", one_model_only=True)
    assert kinds([claim(one_model_only=True)], [of_one]) == [(Kind.NOT_ABOUT, False)]
    assert kinds([claim(one_model_only=True)], [of_one], same_model=True) == [(Kind.NOT_ABOUT, True)]
    assert kinds([claim()], [of_one]) == [(Kind.NOT_ABOUT, True)]  # it was made one only afterwards
    bad = claim(verdict=Verdict.REFUTED, slack=-1)
    assert kinds([bad], [away]) == [(Kind.NOT_ABOUT, False)]  # that is not to be fixed
    assert kinds([away], [away]) == []
    assert kinds([away], [claim()]) == [(Kind.ADDED, False)]


def test_reasons_that_are_the_same_are_told_once():
    def away(name):
        return claim(name, verdict=Verdict.NOT_ABOUT, reason="another checkpoint", one_model_only=True)

    before = [claim("a", one_model_only=True), claim("b", one_model_only=True)]
    lines = compare("b", before, [away("a"), away("b")]).lines()
    assert lines[1:] == ["note  not about this model: 2 claims: another checkpoint", "      test_a, test_b"]


def test_what_was_bad_is_fixed_or_as_bad_as_before():
    bad = claim(verdict=Verdict.REFUTED, slack=-1)
    assert kinds([bad], [claim()]) == [(Kind.FIXED, False)]
    assert kinds([bad], [bad]) == [(Kind.STILL, False)]


def test_what_is_new_fails_only_if_it_is_bad():
    assert kinds([], [claim()]) == [(Kind.ADDED, False)]
    assert kinds([], [claim(verdict=Verdict.REFUTED, slack=-1)]) == [(Kind.ADDED, True)]


@pytest.mark.parametrize(("slack", "shrink", "noticed"), [(0.51, 0.5, False), (0.49, 0.5, True), (0.49, 0.6, False)])
def test_slack_that_shrank_is_told_beyond_the_share(slack, shrink, noticed):
    assert kinds([claim()], [claim(slack=slack)], shrink=shrink) == [(Kind.SHRUNK, False)] * noticed
    assert kinds([claim()], [claim(slack=slack)], shrink=shrink, fail_on_shrink=True) == [(Kind.SHRUNK, True)] * noticed


def bound(result, bound, operator="<"):
    result.checkpoint.measurements[0].comparisons[0].bound = bound
    result.checkpoint.measurements[0].comparisons[0].operator = operator
    return result


def test_slack_against_another_bound_of_changed_source_is_not_compared():
    changed = bound(claim(slack=0.01, source_id="other"), "0.5")
    assert kinds([claim()], [changed], fail_on_shrink=True) == [(Kind.NOT_COMPARABLE, False)]
    same_bound = claim(slack=0.01, source_id="other")
    assert kinds([claim()], [same_bound], fail_on_shrink=True) == [(Kind.SHRUNK, True), (Kind.NOT_COMPARABLE, False)]
    unknown = claim(source_id="")
    assert kinds([unknown], [unknown]) == [(Kind.NOT_COMPARABLE, False)]


@pytest.mark.parametrize(
    ("operator", "limit", "noticed"),
    [
        ("<", "3.9", True),
        ("<", "0.5", False),
        ("<=", "1", True),
        (">", "1", True),
        ("<", "1,000", True),
        ("<", "?", True),
    ],
)
def test_a_bound_that_leaves_more_room_is_told_though_the_source_is_the_same(operator, limit, noticed):
    differences = compare("b", [claim()], [bound(claim(), limit, operator)]).differences
    assert [d.kind for d in differences] == [Kind.NOT_COMPARABLE] * noticed
    if noticed:
        assert f"gap: the bound was < 1, is {operator} {limit}" in differences[0].text


@pytest.mark.parametrize("field", ["statement", "over", "source"])
def test_a_claim_that_says_something_else_is_told(field):
    changed = claim()
    setattr(changed.checkpoint, field, "something else")
    assert kinds([claim()], [changed]) == [(Kind.NOT_COMPARABLE, False)]


def test_an_erratum_is_another_thing_than_a_claim():
    assert kinds([claim(erratum=True, verdict=Verdict.AS_PUBLISHED)], [claim()]) == [(Kind.MISSING, True)]


def test_what_is_no_longer_measured_is_told():
    assert kinds([claim()], [claim(measured="another")]) == [(Kind.NOT_COMPARABLE, False)]


def test_assertions_that_are_gone_or_new_are_told():
    def asserting(*assertions):
        result = claim()
        result.checkpoint.assertions, result.controls[0].broken = list(assertions), list(assertions)
        return result

    first, second = asserting("gap <"), asserting("gap <", "gap >")
    assert kinds([first], [first]) == kinds([claim()], [first]) == []
    for before, after, where in (
        (second, first, "in the baseline, not here"),
        (first, second, "here, not in the baseline"),
    ):
        (difference,) = compare("b", [before], [after]).differences
        assert (difference.kind, difference.fails) == (Kind.NOT_COMPARABLE, False)
        assert difference.text == f"asserted {where}: gap >"


def test_an_assertion_that_is_no_longer_shown_to_fail_is_lost():
    def asserting(broken):
        result = claim()
        result.checkpoint.assertions, result.controls[0].broken = ["gap <"], broken
        return result

    shown, unshown = asserting(["gap <"]), asserting([])
    assert (shown.good, unshown.good) == (True, False)
    (difference,) = compare("b", [shown], [unshown]).differences
    assert (difference.kind, difference.fails) == (Kind.CONTROLS, True)
    assert difference.text == "was: holds; now: holds (no control breaks: gap <)"
    assert kinds([unshown], [shown]) == [(Kind.FIXED, False)]


def test_endless_and_empty_slack_are_compared_without_a_stumble():
    endless, none = claim(slack=float("inf")), claim(slack=0.0)
    assert kinds([endless], [endless]) == kinds([none], [none]) == kinds([none], [endless]) == []
    assert kinds([endless], [claim()]) == [(Kind.SHRUNK, False)]
    assert kinds([claim()], [none]) == [(Kind.SHRUNK, False)]


def test_failures_are_told_first():
    after = [claim("a", slack=0.1), claim("b", verdict=Verdict.REFUTED, slack=-1), claim("d")]
    before = [claim("a"), claim("b"), claim("c")]
    comparison = compare("b", before, after)
    assert [d.kind for d in comparison.differences] == [Kind.REFUTED, Kind.MISSING, Kind.SHRUNK, Kind.ADDED]
    assert (
        comparison.summary == "1 newly refuted (1 failing), 1 missing (1 failing), 1 slack shrank, 1 added, 0 as before"
    )
    assert comparison.n_lost == 2
    assert [line.split()[0] for line in comparison.lines()[1::2]] == ["FAILS", "FAILS", "note", "note"]
