"""The program equals a model of which all is true that it assumes, and its rivals where theirs is."""

from dataclasses import fields

import pytest
import torch
from sorting_by_hand import (
    HIDDEN,
    LIST_LEN,
    MAX_VALUE,
    N_POS,
    N_TOKENS,
    STRENGTH,
    any_model,
    copying,
    lists,
    looking_for_the_next,
    sorter,
)

from sorted_list_model import explanation
from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.explanation import explain
from sorted_list_model.mutants import exchange_heads
from toy_model.behaviour import divergence
from toy_model.engine import run

RIVALS = (
    explanation.ignoring_position,
    explanation.copying_the_most_attended,
    explanation.sorting_by_the_direct_path,
    explanation.without_the_direct_path,
    explanation.without_cross_terms,
)


def chances(logits):
    return logits.log_softmax(-1)


def assert_same(predicted, model, data):
    theirs = run(model, data.toks, data.scored)
    torch.testing.assert_close(chances(predicted), chances(theirs), atol=1e-9, rtol=0)


def drifting(seed=0):
    """Every position looks for other numbers."""
    return torch.randn(N_POS, N_TOKENS, generator=torch.Generator().manual_seed(seed)).double()


def blurred():
    """Attention to a number moves those next to it, too."""
    copies = copying()
    for number in range(1, MAX_VALUE + 1):
        copies[:, number, number - 1] += STRENGTH / 3
    return copies


def soft():
    """Attention that is spread over all larger numbers, different in each head."""
    return torch.stack([looking_for_the_next() / 20, looking_for_the_next() / 40])


ASSUMED = {
    "plain": {},
    "looks elsewhere at each position": {"drift": drifting(), "looks_for": soft()},
    "attends to itself": {"itself": 95.0},
    "moves neighbours": {"copies": blurred(), "looks_for": soft(), "direct": 2.0},
}


@pytest.mark.parametrize("weights", ASSUMED.values(), ids=ASSUMED)
def test_the_program_is_the_model_where_what_it_assumes_is_true(weights):
    """Unsorted positions are alike, and of the sorted numbers none is attended to but the current one."""
    model, data = sorter(**weights), lists()
    assert_same(explain(model)(data), model, data)


def test_the_program_is_any_model_at_SEP_and_the_first_sorted_number_where_positions_are_alike():
    cfg = SortedListConfig(max_value=9, n_ctx=5, n_heads=3, d_model=12, d_head=5)
    model = any_model(cfg)
    model.W_pos[[0, 1, 3, 4]] = model.W_pos[0].clone()  # SEP's may be any
    data = SortedListDataset(90, 2, 9, seed=0)
    assert_same(explain(model)(data), model, data)


@pytest.mark.parametrize(
    "broken",
    [
        lambda model: model.W_pos[0].mul_(3),  # order matters
        lambda model: model.blocks[0].attn.W_K[:, N_TOKENS + LIST_LEN + 1].mul_(-5 / HIDDEN),  # attended to again
    ],
    ids=["order of the unsorted half", "what was sorted before"],
)
def test_the_program_is_not_the_model_where_it_is_not(broken):
    model, data = sorter(looks_for=soft()), lists()
    broken(model)
    logits = run(model, data.toks, data.scored)
    assert divergence(logits, explain(model)(data)) > 1e-3


def test_the_program_does_not_see_the_order_of_the_unsorted_half():
    data = lists()
    backwards = SortedListDataset.of(data.lists.flip(-1), MAX_VALUE)
    program = explain(any_model())
    torch.testing.assert_close(program(backwards), program(data))


def test_the_program_of_exchanged_heads_is_the_same_function():
    model, data = any_model(), lists()
    torch.testing.assert_close(explain(exchange_heads(model))(data), explain(model)(data))


@pytest.mark.parametrize(
    ("rival", "weights"),
    [
        (explanation.ignoring_position, {"looks_for": soft()}),
        (explanation.ignoring_position, {"itself": 95.0}),
        (explanation.copying_the_most_attended, {"looks_for": 1e6 * looking_for_the_next()}),
        (explanation.sorting_by_the_direct_path, {"copies": 0 * copying()}),
        (explanation.without_the_direct_path, {"direct": 0.0, "looks_for": soft()}),
        (explanation.without_cross_terms, {"looks_for": soft()}),
    ],
)
def test_a_rival_is_the_model_of_which_it_is_true(rival, weights):
    model, data = sorter(**weights), lists()
    torch.testing.assert_close(chances(rival(explain(model))(data)), chances(explain(model)(data)), atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("rival", "weights"),
    [
        (explanation.ignoring_position, {"looks_for": soft(), "drift": drifting()}),
        (explanation.copying_the_most_attended, {"looks_for": soft()}),
        (explanation.sorting_by_the_direct_path, {}),
        (explanation.without_the_direct_path, {"looks_for": soft(), "direct": 9.0}),
        (explanation.without_cross_terms, {"copies": blurred(), "looks_for": soft()}),
    ],
)
def test_a_rival_loses_where_it_is_not_true(rival, weights):
    model, data = sorter(**weights), lists()
    logits = run(model, data.toks, data.scored)
    assert divergence(logits, rival(explain(model))(data)) > 0.01


@pytest.mark.parametrize("rival", RIVALS)
def test_a_rival_leaves_the_explanation_as_it_is(rival):
    program = explain(any_model())
    before = {field.name: getattr(program, field.name).clone() for field in fields(program)}
    rival(program)
    assert all(torch.equal(getattr(program, name), table) for name, table in before.items())


def test_what_a_rival_without_cross_terms_moves():
    """Its own answer as the model does, and of the others each as all of them on average."""
    program = explain(any_model())
    copy = explanation.without_cross_terms(program).copy
    for head in range(2):
        for token in range(N_TOKENS):
            assert copy[head, token, token] == program.copy[head, token, token]
            others = torch.cat([copy[head, token, :token], copy[head, token, token + 1 :]])
            mean = (program.copy[head, token].sum() - program.copy[head, token, token]) / (N_TOKENS - 1)
            torch.testing.assert_close(others, mean.expand_as(others))


def test_a_rival_that_ignores_position_knows_SEP():
    """SEP's table is its own: it stands at one position."""
    program = explain(any_model())
    rival = explanation.ignoring_position(program)
    assert torch.equal(rival.look_for[:, 0], program.look_for[:, 0])
    assert torch.equal(rival.itself[:, 0], program.itself[:, 0])
    torch.testing.assert_close(rival.look_for[:, 1], program.look_for[:, 1:].mean(1))
    assert torch.equal(rival.look_for[:, 1], rival.look_for[:, -1])
