"""Errata: published statements that are false of the model and true of another."""

from one_file import summary

ERRATUM = """
    from pytest_claims import erratum

    @erratum("The gap is 4", source="them", over="everything", true_of=[widen_gap])
    def test_gap(model, measure):
        assert measure("gap", model["gap"]) == 4
"""


def test_an_erratum_is_refuted_here_and_true_elsewhere(run_claims):
    result = run_claims(ERRATUM)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["ERRATUM   Published, in our words: The gap is 4", "*holds where it should 1/1: widen_gap*"]
    )
    assert summary(result).endswith("errata refuted as published 1/1")


def test_an_erratum_that_is_true_after_all_turns_the_run_red(run_claims):
    result = run_claims(ERRATUM.replace("== 4", "> 0"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["STANDS    *", "*the published statement is true of this model*"])


def test_an_erratum_that_is_true_of_nothing_turns_the_run_red(run_claims):
    result = run_claims(ERRATUM.replace("== 4", "< 0"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*control widen_gap not confirmed: the statement fails even where*"])


def test_an_erratum_needs_a_model_of_which_it_is_true(run_claims):
    result = run_claims(ERRATUM.replace("[widen_gap]", "[]"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gap names no model of which it is true*"])
