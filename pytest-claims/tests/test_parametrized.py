"""Claims about several parameters, and claims whose inputs are searched for counterexamples."""

import pytest
from one_file import HOLDS, summary


def test_parametrized_claims_are_claims_of_their_own(run_claims):
    result = run_claims(
        HOLDS.replace("@stated", '@pytest.mark.parametrize("bound", [1, 2])\n    @stated')
        .replace("measure)", "measure, bound)")
        .replace("< 1", "< bound")
    )
    assert result.ret == 0
    assert summary(result) == "2 claims: 2 hold; controls refuted 2/2; assertions shown to fail 2/2"


def test_a_search_reports_the_worst_it_found(run_claims):
    result = run_claims(
        """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @stated(widen_gap)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11, f"x = {x}"
    """
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gap (worst of * 2.5 *< 11 *slack 8.5", "*widen_gap (40)*"])


PARAMETRIZED_FIXTURE = """
    @pytest.fixture(params=["p1", "p2"])
    def bound(request):
        return {"p1": 1, "p2": 2}[request.param]
""" + HOLDS.replace("measure)", "measure, bound)").replace("< 1", "< bound")


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_parametrized_fixtures_make_claims_of_their_own(run_claims, processes):
    result = run_claims(PARAMETRIZED_FIXTURE, *processes, process=True)
    assert result.ret == 0
    assert summary(result) == "2 claims: 2 hold; controls refuted 2/2; assertions shown to fail 2/2"


def test_given_may_stand_above_the_claim(run_claims):
    result = run_claims(
        """
    from hypothesis import HealthCheck, given, settings, strategies as st

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], database=None, derandomize=True)
    @given(x=st.integers(0, 10))
    @stated(widen_gap)
    def test_gap(model, measure, x):
        assert measure("gap", model["gap"] * x) < 11
    """
    )
    assert summary(result) == "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1"
