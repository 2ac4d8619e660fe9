"""The explanation as a program: it can stand in for the model, and its rivals cannot"""

from pytest_claims import claim

from sorted_list_model import explanation, mutants
from sorted_list_model.data import EVALUATION_SET
from sorted_list_model.explanation import explain
from sorted_list_model.scope import no_account_of
from toy_model.behaviour import divergence
from toy_model.engine import run

WORSE = 5
"""How many times more a rival has to lose than the explanation does, in nats per answer."""

RIVALS = "our test of the solution's explanation against others"


def times_worse(model, computed, data, rival):
    """What a rival loses, over what the explanation loses."""
    program, logits = computed(explain, model), run(model, data.toks, data.scored).cpu()
    own, others = (divergence(logits, each(data)) for each in (program, rival(program)))
    return others / max(own, 1e-12)


@claim(
    "Look for numbers by a table, copy them by another, and suppress the current one by a third: a program that knows "
    "no order of the unsorted half and nothing sorted before gives the model's answer in 99 cases of 100, and loses "
    "less than a fiftieth of a nat",
    source="the solution as a whole, read as a program",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.exaggerate_unsorted_positions, mutants.attend_uniformly, mutants.shun_the_first_number],
    unless=no_account_of,
)
def test_the_program_answers_as_the_model_does(model, measure, data):
    predicted, logits = explain(model)(data), run(model, data.toks, data.scored).cpu()
    same = predicted.argmax(-1) == logits.argmax(-1)
    assert measure("answers in common", same.double().mean()) > 0.99
    assert measure("KL(model || program)", divergence(logits, predicted), "nats") < 1 / 50


@claim(
    "It looks for different numbers early and late: a program that ignores how far the list is sorted loses more than "
    "five times as much",
    source=RIVALS,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.forget_sorted_positions, mutants.attend_uniformly, mutants.untrained],
    unless=no_account_of,
)
def test_rival_ignoring_position(model, measure, computed, data):
    worse = times_worse(model, computed, data, explanation.ignoring_position)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not copy the one token that each head attends to most: a program that does loses more than five times as "
    "much",
    source=RIVALS,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_uniformly, mutants.exaggerate_unsorted_positions, mutants.untrained],
    unless=no_account_of,
)
def test_rival_copying_the_most_attended(model, measure, computed, data):
    worse = times_worse(model, computed, data, explanation.copying_the_most_attended)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not sort by the direct path: a program whose heads copy nothing loses more than five times as much",
    source=RIVALS,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_uniformly, mutants.exaggerate_unsorted_positions, mutants.untrained],
    unless=no_account_of,
)
def test_rival_sorting_by_the_direct_path(model, measure, computed, data):
    worse = times_worse(model, computed, data, explanation.sorting_by_the_direct_path)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "The direct path matters: a program without it loses more than five times as much",
    source=RIVALS,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.cut_direct_path, mutants.attend_uniformly, mutants.exaggerate_unsorted_positions],
    unless=no_account_of,
)
def test_rival_without_the_direct_path(model, measure, computed, data):
    worse = times_worse(model, computed, data, explanation.without_the_direct_path)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "Attention to a number moves other logits, each differently: a program in which it moves all others alike loses "
    "more than five times as much",
    source=RIVALS,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_uniformly, mutants.exaggerate_unsorted_positions, mutants.untrained],
    unless=no_account_of,
)
def test_rival_without_cross_terms(model, measure, computed, data):
    worse = times_worse(model, computed, data, explanation.without_cross_terms)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE
