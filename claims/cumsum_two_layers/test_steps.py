"""Steps: the second layer does not add up partial sums, nor does it see positions"""

import torch
from pytest_claims import claim, erratum

from cumsum_model import writeup
from cumsum_model.data import EVALUATION_SET, labels_of, tokens_of
from cumsum_model.lengths.sampled import searched
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers.scope import no_account_of, not_beside_one_layer
from cumsum_model.two_layers.second_head import explained_by_position, flips_by_position
from toy_model.behaviour import margins
from toy_model.engine import run


@claim(
    "The second layer's head does not see positions: those of query and key explain less than a tenth of the variance "
    "of a query's scores among its keys",
    source="ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_to_a_window, mutants.attend_to_the_beginning],
    unless=no_account_of,
)
def test_scores_do_not_depend_on_position(model, measure, data):
    assert measure("share of the variance of scores that positions explain", explained_by_position(model, data)) < 0.1


@claim(
    "Of the means that the first layer stored one decides, that at the last position: patched with another sequence's, "
    "it alone turns more than ten times as many answers into that sequence's as any earlier one does, none of which "
    "turns one in twenty",
    source="ours",
    over=f"{EVALUATION_SET}, last answer; what the first layer's head writes at one position is replaced by what it "
    "writes there on the next sequence of the set, if that has another answer",
    evidence="sampled",
    refuted_by=[mutants.silence_first_head, mutants.attend_to_the_beginning],
    unless=no_account_of,
)
def test_the_last_mean_decides(model, measure, data):
    flips = flips_by_position(model, data)
    most = flips[:-1].max()
    assert measure("answers turned by an earlier mean, at most", most) < 1 / 20
    assert measure("answers turned by the last mean", flips[-1]) > 10 * most


@erratum(
    "Two layers split the sum into steps: the second layer's head attends to windows of positions",
    source=f"{writeup.FINDING_U}; that steps are windows, which explain half of the variance, is ours",
    over=EVALUATION_SET,
    true_of=[mutants.attend_to_a_window],
    unless=no_account_of,
)
def test_it_splits_the_sum_into_steps(model, measure, data):
    explained = explained_by_position(model, data)
    assert measure("share of the variance of scores that positions explain", explained) > 1 / 2


@erratum(
    "Two layers do better: what the shipped model of one layer classifies correctly, which is every sequence, they do",
    source=f'{writeup.FINDING_U} ("might do a bit better"); that better means no more mistakes is ours',
    over="the sequence of smallest margin that a search finds: 500 sequences that end next to zero, improved 100 times",
    true_of=[mutants.put_one_layer_in_two],
    unless=not_beside_one_layer,
)
def test_two_layers_do_better(model, measure):
    found = searched(model, rounds=100)
    values = torch.tensor([found.values])
    margin = margins(run(model, tokens_of(values, model.cfg.max_value)), labels_of(values))[0, -1]
    assert measure("smallest margin found", margin, "logits") > 0, f"values {found.values}"
