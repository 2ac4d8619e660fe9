"""The second layer: its head attends to values on the side of the mean that the first layer stored"""

from pytest_claims import claim

from cumsum_model.data import EVALUATION_SET, running_means
from cumsum_model.mutants import untrained
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers import second_head as head
from cumsum_model.two_layers.scope import no_account_of
from toy_model.behaviour import accuracy

NEAR = 1 / 20
"""Ours: a mean of at most this size is that of a sum of -1, 0 or +1 at full length."""


@claim(
    "What the second layer's queries ask is the running mean: it explains more than 90% of the variance of how "
    "strongly they ask",
    source="ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.ask_alike, mutants.silence_first_head, mutants.let_second_layer_ask_by_itself],
    unless=no_account_of,
)
def test_queries_ask_for_the_mean(model, measure, data):
    explained = head.explained_by(head.second_head(model, data).query, running_means(data.values))
    assert measure("R^2 of the query on the running mean", explained) > 0.9


@claim(
    "The second layer's keys answer with value and running mean, which explain more than 95% of the variance of how "
    "strongly they answer",
    source="ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.square_keys, untrained],
    unless=no_account_of,
)
def test_keys_answer_with_value_and_mean(model, measure, data):
    key, values, means = head.second_head(model, data).key, data.values.double(), running_means(data.values)
    assert measure("R^2 of the key on value and running mean", head.explained_by(key, values, means)) > 0.95


@claim(
    "So is what the second layer's head moves: value and running mean explain more than 95% of its variance along the "
    "direction in which it varies most, and the next direction has less than a twentieth of its size",
    source="ours: as of one layer, whose OV is essentially one-dimensional",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.square_what_is_moved, mutants.move_alike, untrained],
    unless=no_account_of,
)
def test_it_moves_values(model, measure, data):
    read, values, means = head.second_head(model, data), data.values.double(), running_means(data.values)
    explained = head.explained_by(read.moved, values, means)
    assert measure("R^2 of what is moved on value and running mean", explained) > 0.95
    assert measure("second singular value over the first", read.rest_of_moved) < 1 / 20


@claim(
    "The second layer's scores have rank one: of the next pair of a number asked and a number answered there is less "
    "than a twentieth",
    source="ours",
    over=f"every query and every key of {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=[mutants.let_second_layer_ask_by_itself, untrained],
    unless=no_account_of,
)
def test_scores_have_rank_one(model, measure, data):
    rest = head.second_head(model, data).rest_of_scores
    assert measure("second singular value over the first", rest) < 1 / 20


@claim(
    "The second layer's head attends to values of the sign that the running sum has: they get more attention weight "
    "than under uniform attention, by more than a twentieth where the sum is negative and where it is positive",
    source="ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_to_the_other_sign, mutants.attend_evenly_in_second_layer, mutants.ask_alike],
    unless=no_account_of,
)
def test_it_attends_to_values_of_the_sign_of_the_sum(model, measure, data):
    gained = head.weight_gained(model, data)
    assert measure("attention weight gained by negative values where the sum is negative", gained[-1]) > 1 / 20
    assert measure("attention weight gained by positive values where the sum is positive", gained[+1]) > 1 / 20


@claim(
    "Thereby it amplifies: next to a mean of zero what the head writes changes more than three times as much per unit "
    "of mean as it would under uniform attention",
    source="ours",
    over=f"{EVALUATION_SET} with a mean of at most 1/20",
    evidence="sampled",
    refuted_by=[mutants.attend_evenly_in_second_layer, mutants.attend_to_the_other_sign, mutants.answer_alike],
    unless=no_account_of,
)
def test_it_amplifies_the_mean(model, measure, data):
    ratio = head.amplification(head.second_head(model, data), running_means(data.values), NEAR)
    assert measure("slope of what is written, over that under uniform attention", ratio) > 3


@claim(
    "How much it amplifies is decided by how the values vary: next to a mean of zero what the head writes beyond the "
    "uniform average is the query times the covariance of keys and what is moved, which explains more than 90% of the "
    "variance that the query alone leaves",
    source="ours: the derivative of a softmax average by its score is a covariance",
    over=f"{EVALUATION_SET} with a mean of at most 1/20, from the second value on",
    evidence="sampled",
    refuted_by=[mutants.attend_to_the_beginning, mutants.attend_to_a_window],
    unless=no_account_of,
)
def test_it_amplifies_by_the_covariance(model, measure, data):
    read = head.second_head(model, data)
    near = running_means(data.values).abs() <= NEAR
    near[:, 0] = False
    beyond = (read.written - head.prefix_mean(read.moved))[near]
    predicted = (read.query * head.prefix_covariance(read.key, read.moved))[near]
    left = 1 - head.explained_by(beyond, read.query[near])
    explained = 1 - (1 - head.explained_by(beyond, predicted)) / left
    assert measure("share that is explained of what the query leaves", explained) > 0.9


@claim(
    "It is needed: under uniform attention in the second layer more than 5 of 100 answers become wrong",
    source="ours",
    over=f"{EVALUATION_SET}, all scores of the second layer replaced by zeros",
    evidence="sampled",
    refuted_by=[mutants.attend_evenly_in_second_layer, mutants.answer_alike, mutants.silence_second_head],
    unless=no_account_of,
)
def test_second_attention_is_needed(model, measure, data):
    toks = data.toks.to(model.device)
    evenly = model.run_with_hooks(toks, {head.SCORES: head.uniform})
    lost = accuracy(model(toks), data.labels) - accuracy(evenly, data.labels)
    assert measure("accuracy lost", lost) > 0.05
