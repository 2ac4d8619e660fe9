"""Controls that cannot be made of a model: they are named, and they neither refute a claim nor excuse one."""

import pytest
from one_file import HOLDS, NOT_OF_THIS_MODEL


def test_a_control_that_the_model_leaves_no_room_for_is_told_and_does_not_fail(run_claims):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_gap)")
    result = run_claims(body)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*controls refuted 1/1: widen_gap (4)",
            "*control widen_a_second_gap cannot be made of this model: there is no second gap",
            "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1",
        ]
    )
    assert run_claims(body, "-n", "2").ret == 0


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_a_claim_is_not_shown_to_fail_by_controls_that_cannot_be_made(run_claims, processes):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_a_third_gap)")
    result = run_claims(body, *processes)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*nothing shows that it can fail on this model: none of its controls can be made of it",
            "*control widen_a_second_gap cannot be made of this model: there is no second gap",
            "*control widen_a_third_gap cannot be made of this model: there is no third gap",
        ]
    )


def test_a_control_that_cannot_be_made_does_not_hide_one_that_survives(run_claims):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, leave_alone)")
    result = run_claims(body)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control leave_alone survived: *"])


def test_a_control_that_cannot_be_made_beside_others_that_were_not_selected_accuses_nobody(run_claims):
    body = NOT_OF_THIS_MODEL + HOLDS.replace("(widen_gap)", "(widen_a_second_gap, widen_gap)")
    ids = [f"test_suite.py::test_gap[{subject}]" for subject in ("checkpoint", "widen_a_second_gap")]
    result = run_claims(body, *ids)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*nothing shows that it can fail*")


def test_a_control_that_spoils_the_checkpoint_and_then_cannot_be_made_is_an_error(run_claims):
    fingerprint = """
    import pytest

    @pytest.fixture(autouse=True, scope="session")
    def see_changes(request):
        class Sees:
            def pytest_claims_fingerprint(self, model):
                return str(model)
        request.config.pluginmanager.register(Sees())
"""
    spoils = """
    def spoil(model):
        model["gap"] = 0.5
        raise NotOfThisModel("there is no second gap")
"""
    body = fingerprint + NOT_OF_THIS_MODEL + spoils + HOLDS.replace("(widen_gap)", "(spoil, widen_gap)")
    result = run_claims(body)
    assert result.ret == 1
    assert "it changed the checkpoint under test" in result.stdout.str()


def test_only_an_exception_that_says_so_means_that_a_control_cannot_be_made(run_claims):
    body = NOT_OF_THIS_MODEL.replace("cannot_be_made = True", "pass") + HOLDS.replace(
        "(widen_gap)", "(widen_a_second_gap, widen_gap)"
    )
    assert run_claims(body).ret == 1
