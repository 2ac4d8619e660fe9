"""Ablation costs and roles of heads, against forward passes and on a model whose heads were given their roles."""

import pytest
import torch
from sorting_by_hand import LIST_LEN, MAX_VALUE, OF_HEAD_1, any_model, lists, sorter

from sorted_list_model import heads
from sorted_list_model.hard_inputs import right
from sorted_list_model.mutants import exchange_heads
from toy_model.intervention import HEAD_ABLATIONS, positional_mean_heads, zero_heads

Z = "blocks.0.attn.hook_z"


@pytest.fixture(scope="module")
def model():
    return any_model()


@pytest.fixture(scope="module")
def made():
    return sorter()


def test_the_model_that_was_made_to_sort_sorts(made):
    assert right(made, lists()).all()


@pytest.mark.parametrize("head", [0, 1])
def test_the_fall_is_that_of_the_right_answers_log_probability(model, head):
    """With the z of the head replaced by hand."""
    data = lists()

    def replace(z):
        z = z.clone()
        z[:, :, head] = z[:, :, head].mean(0)
        return z

    fallen = heads.falls_in_log_probability(model, data, head)
    whole, ablated = model(data.toks).log_softmax(-1), model.run_with_hooks(data.toks, {Z: replace}).log_softmax(-1)
    for query in range(LIST_LEN):
        at, answer = LIST_LEN + query, data.targets[:, query]
        rows = torch.arange(len(data))
        torch.testing.assert_close(fallen[:, query], whole[rows, at, answer] - ablated[rows, at, answer])


def test_costs_are_means_over_all_answers(model):
    data = lists()
    costs = heads.costs(model, data)
    for head in range(2):
        assert costs[head].item() == pytest.approx(heads.falls_in_log_probability(model, data, head).mean().item())


def test_a_kind_of_ablation_can_be_asked_for(model):
    data = lists()
    costs = torch.stack([heads.costs(model, data, ablate) for ablate in HEAD_ABLATIONS.values()])
    assert len(costs[:, 0].round(decimals=6).unique()) == len(HEAD_ABLATIONS)
    assert torch.equal(heads.costs(model, data), heads.costs(model, data, positional_mean_heads))


def test_a_head_is_worth_the_answers_that_it_copies(made):
    """Without it these are lost, and no other is."""
    data = lists(200)
    of_second = torch.isin(data.targets, torch.tensor(OF_HEAD_1))
    for head, served in enumerate((~of_second, of_second)):
        fallen = heads.falls_in_log_probability(made, data, head, zero_heads)
        assert (fallen[served] > 0.5).all()
        assert fallen[~served].max() < fallen[served].min()


def test_the_head_that_serves_more_numbers_is_the_main_one(made):
    data = lists(200)
    assert heads.by_importance(made, data) == [0, 1]
    assert heads.by_importance(exchange_heads(made), data) == [1, 0]


def test_costlier_targets_are_those_that_the_head_copies(made):
    data = lists(200)
    served = torch.isin(torch.arange(MAX_VALUE + 1), torch.tensor(OF_HEAD_1))
    assert torch.equal(heads.costlier_targets(made, data, 1, than=0), served)
    assert torch.equal(heads.costlier_targets(made, data, 0, than=1), ~served)
    theirs = exchange_heads(made)
    assert torch.equal(heads.costlier_targets(theirs, data, 0, than=1), served)


def test_costlier_targets_are_means_number_by_number(model):
    data = lists(200)
    differences = heads.falls_in_log_probability(model, data, 0) - heads.falls_in_log_probability(model, data, 1)
    found = heads.costlier_targets(model, data, 0, than=1)
    for number in range(MAX_VALUE + 1):
        assert found[number] == (differences[data.targets == number].mean() > 0)
    assert found.any()
    assert not found.all()


def test_the_responsible_head_of_each_number(made):
    numbers = torch.tensor([[0, 7], [8, 9]])
    assert heads.responsible_for(made, numbers).tolist() == [[0, 1], [1, 0]]


def test_what_is_measured_is_taken_of_the_responsible_head():
    per_head = torch.arange(12).view(2, 2, 3)  # batch, head, query
    responsible = torch.tensor([[0, 1, 0], [1, 1, 0]])
    assert heads.of_responsible(per_head, responsible).tolist() == [[0, 4, 2], [9, 10, 8]]


def test_exchanging_heads_exchanges_costs(model):
    data = lists()
    torch.testing.assert_close(heads.costs(exchange_heads(model), data), heads.costs(model, data).flip(0))
