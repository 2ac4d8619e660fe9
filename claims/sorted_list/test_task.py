"""The task: it writes numbers down in order, with hardly a mistake"""

from pytest_claims import claim

from sorted_list_model import mutants, writeup
from sorted_list_model.data import EVALUATION_SET, VALIDATION_SET
from sorted_list_model.hard_inputs import right
from sorted_list_model.scope import not_of_0_to_50, not_the_reference
from sorted_list_model.writeup import not_of_the_published_sizes
from toy_model.behaviour import behaviour, right_label_probabilities
from toy_model.engine import run
from toy_model.intervention import run_under

SIBLING = 1 / 5
"""Ours: a figure of a sibling run counts as the published one if it is within a fifth of it."""


@claim(
    "At least 998 of 1,000 answers are right",
    source=f"{writeup.SETUP} (validation accuracy 0.9989)",
    over=VALIDATION_SET,
    evidence="sampled",
    refuted_by=[
        mutants.double_scores,
        mutants.exchange_QK,
        mutants.swap_two_numbers,
        mutants.take_SEP_for_the_last_number,
        mutants.silence_lesser_head,
        mutants.train_briefly,
    ],
)
def test_accuracy(model, measure, computed, validation):
    accuracy = computed(right, model, validation).double().mean()
    assert measure("accuracy", accuracy) > 0.998


@claim(
    "Cross entropy and the mean and median probability of the right answer are the published ones to a fifth",
    source=f"{writeup.SETUP}; the tolerance is ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.soften_scores, mutants.lower_confidence, mutants.raise_confidence, mutants.untrained],
    unless=not_of_the_published_sizes,
)
def test_behaviour_is_as_published(model, measure, data):
    shown = behaviour(model, data)
    assert measure("cross entropy", shown.cross_entropy, "nats", published=0.039).as_published(within=SIBLING)
    assert measure("mean P(right)", shown.p_mean, published=0.966).as_published(within=SIBLING)
    assert measure("median P(right)", shown.p_median, published=0.981).as_published(within=SIBLING)


@claim(
    "It is sometimes nearly certain of a wrong answer: the smallest probability of a right one is 0.001, to a half",
    source=f"{writeup.SETUP}; the tolerance is ours, as one digit is printed",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.lower_confidence, mutants.raise_confidence, mutants.attend_to_next_alone],
    unless=not_the_reference,
)
def test_smallest_probability(model, measure, data):
    smallest = behaviour(model, data).p_min
    assert measure("smallest P(right)", smallest, published=0.001).as_published(within=1 / 2)


@claim(
    "Every answer on the list whose probabilities are drawn is right, with a probability of more than 4/5",
    source=f"{writeup.SETUP} (heat map)",
    over="list 0 of the evaluation set",
    evidence="exact",
    refuted_by=[mutants.lower_confidence, mutants.exchange_QK, mutants.attend_uniformly],
    unless=not_of_the_published_sizes,
)
def test_printed_list(model, measure, data):
    logits = run(model, data.toks[:1], data.scored)
    smallest = right_label_probabilities(logits, data.targets[:1]).min()
    assert measure("smallest P(right)", smallest) > 4 / 5


@claim(
    "Once nine numbers are written down, the largest is missed in fewer than one list of 10,000",
    source="ours: the published accuracy, position by position",
    over=VALIDATION_SET,
    evidence="sampled",
    refuted_by=[mutants.forget_sorted_positions, mutants.silence_main_head, mutants.forget_the_largest_number],
    unless=not_of_0_to_50,
)
def test_the_largest_number_is_not_missed(model, measure, computed, validation):
    answered = computed(right, model, validation)[:, -1].double().mean()
    assert measure("accuracy at the ninth sorted number", answered) > 0.9999


@claim(
    "The smallest number is missed in fewer than one list of a thousand, and more than nine errors in ten are made "
    "between the smallest and the largest",
    source="ours: the published accuracy, position by position",
    over=VALIDATION_SET,
    evidence="sampled",
    refuted_by=[mutants.take_SEP_for_the_last_number, mutants.attend_to_next_alone, mutants.silence_main_head],
    unless=not_the_reference,
)
def test_errors_by_position(model, measure, computed, validation):
    answered = computed(right, model, validation).double().mean(0)
    assert measure("accuracy at SEP", answered[0]) > 0.999
    wrong = 1 - answered
    in_between = wrong[1:-1].sum() / wrong.sum().clamp(min=1e-12)
    assert measure("errors in between, of all", in_between) > 0.9


@claim(
    "It is one layer of two attention heads with layer norm before the unembedding: twice the stream has the same "
    "logits, to a tenth of the largest, as far as epsilon lets it",
    source=f"challenge post of October; {writeup.TASK}",
    over=f"sizes; {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=[mutants.add_a_head, mutants.add_a_layer, mutants.unembed_without_layer_norm],
    unless=not_the_reference,
)
def test_architecture(model, measure, data):
    assert measure("layers", model.cfg.n_layers) == 1
    assert measure("heads", model.cfg.n_heads) == 2
    logits = run(model, data.toks, data.scored)
    last = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    largest = logits.abs().max()
    doubled = run_under(model, data.toks, {last: lambda resid: 2 * resid})[:, data.scored] - logits
    assert measure("doubled: largest change of a logit, over the largest", doubled.abs().max() / largest) < 0.1
