"""Edits of matrices do what was asked and nothing else, where the weights can express it."""

import pytest
import torch
from sorting_by_hand import LIST_LEN, MAX_VALUE, N_TOKENS, OF_HEAD_1, SIZES, any_model, copying, lists, sorter

from sorted_list_model import surgery
from sorted_list_model.config import SortedListConfig
from sorted_list_model.decomposition import ov_readouts
from sorted_list_model.heads import costs, responsible_heads
from sorted_list_model.mutants import exchange_heads
from sorted_list_model.ov_circuit import ov_circuit
from sorted_list_model.task import untrained
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

N = MAX_VALUE + 1
SEP = MAX_VALUE + 1


@pytest.fixture(scope="module")
def linear():
    """First layer norm divides by one number, so that what is read is a sum of token and position; all else random."""
    model, other = sorter(), any_model(SIZES)
    for name in ("W_V", "W_O", "b_V"):
        getattr(model.blocks[0].attn, name).copy_(getattr(other.blocks[0].attn, name))
    model.unembed.W_U.copy_(other.W_U)
    model.ln_final.w.copy_(other.ln_final.w)
    return model


@pytest.mark.parametrize("head", [0, 1])
def test_a_circuit_gets_what_is_added(linear, head):
    """Exactly, of whatever mean over numbers and answers; other head, SEP and positions stay."""
    added = torch.randn(N, N, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 2
    mutant = copied(linear)
    surgery.rewrite_ov(mutant, head, added)
    before, after = ov_circuit(linear), ov_circuit(mutant)
    torch.testing.assert_close(after[head], before[head] + added)
    torch.testing.assert_close(after[1 - head], before[1 - head])
    whole_before, whole_after = ov_readouts(linear), ov_readouts(mutant)
    torch.testing.assert_close(whole_after[:, LIST_LEN, SEP], whole_before[:, LIST_LEN, SEP])
    moved = (whole_after - whole_before)[head, : 2 * LIST_LEN, :N, :N]
    torch.testing.assert_close(moved, added.expand_as(moved))


def test_only_values_and_outputs_of_the_head_are_rewritten(linear):
    mutant = copied(linear)
    surgery.rewrite_ov(mutant, 0, torch.ones(N, N))
    changed = {
        name for name, weights in mutant.state_dict().items() if not torch.equal(weights, linear.get_parameter(name))
    }
    assert changed == {"blocks.0.attn.W_V", "blocks.0.attn.b_V", "blocks.0.attn.W_O"}
    for name in ("W_V", "b_V", "W_O"):
        mine, theirs = (getattr(model.blocks[0].attn, name)[1] for model in (mutant, linear))
        assert torch.equal(mine, theirs)


def test_adding_nothing_changes_nothing(linear):
    mutant = copied(linear)
    surgery.rewrite_ov(mutant, 1, torch.zeros(N, N))
    answers = slice(0, 2 * LIST_LEN)  # what comes after the last number is nobody's business
    torch.testing.assert_close(run(mutant, lists().toks)[:, answers], run(linear, lists().toks)[:, answers])


def test_what_the_unembedding_cannot_distinguish_is_not_added(linear):
    """Two answers with the same unembedding get the mean of what was asked for them."""
    mutant = copied(linear)
    mutant.W_U[:, 4] = mutant.W_U[:, 3].clone()
    before = ov_circuit(mutant)[0]
    added = torch.zeros(N, N, dtype=torch.float64)
    added[6, 3] = 1
    surgery.rewrite_ov(mutant, 0, added)
    moved = ov_circuit(mutant)[0] - before
    assert moved[6, [3, 4]].tolist() == pytest.approx([0.5, 0.5])
    moved[6, [3, 4]] = 0
    assert moved.abs().max() < 1e-9


def test_a_head_of_few_dimensions_gets_the_nearest_circuit():
    """Of its rank: with fewer dimensions than numbers not all that is asked for."""
    model = any_model(SortedListConfig(max_value=9, n_ctx=9, d_model=30, d_head=3))
    surgery.rewrite_ov(model, 0, 10 * torch.eye(10))
    W_OV = model.blocks[0].attn.W_V[0] @ model.blocks[0].attn.W_O[0]
    assert torch.linalg.matrix_rank(W_OV, rtol=1e-9) == 3


@pytest.mark.parametrize("by", [1, -1, 3])
def test_reading_again_takes_each_number_for_another(by):
    """The OV circuit of values read that way has the rows of other numbers; SEP's is its own, as are positions."""
    model = sorter(copying() + torch.rand(2, N_TOKENS, N_TOKENS, generator=torch.Generator().manual_seed(0)))
    mutant, matrix = copied(model), surgery.reread(model, by)
    for head in range(2):
        mutant.blocks[0].attn.W_V[head] = matrix @ model.blocks[0].attn.W_V[head]
    before, after = ov_readouts(model), ov_readouts(mutant)
    for number in range(N):
        seen_as = min(max(number + by, 0), MAX_VALUE)
        torch.testing.assert_close(after[:, : 2 * LIST_LEN, number], before[:, : 2 * LIST_LEN, seen_as])
    torch.testing.assert_close(after[:, : 2 * LIST_LEN, SEP], before[:, : 2 * LIST_LEN, SEP])


def test_reading_as_it_is_changes_nothing(linear):
    torch.testing.assert_close(surgery.reread(linear, 0), torch.eye(SIZES.d_model, dtype=torch.float64))


def test_main_and_lesser_head_of_the_shipped_model(trained):
    """As published: 0.1 and 0.0, whatever their numbers are."""
    assert (surgery.main_head(trained), surgery.lesser_head(trained)) == (1, 0)
    theirs = exchange_heads(trained)
    assert (surgery.main_head(theirs), surgery.lesser_head(theirs)) == (0, 1)


def test_main_and_lesser_head_are_those_of_most_and_least_cost():
    model = any_model(SortedListConfig(max_value=9, n_ctx=9, n_heads=3, d_model=10, d_head=4))
    lists = surgery.evaluation_set(9, 4).lists[: surgery.ENOUGH]
    found = costs(model, surgery.SortedListDataset.of(lists, 9))
    assert surgery.main_head(model) == found.argmax()
    assert surgery.lesser_head(model) == found.argmin()
    assert len(responsible_heads(sorter())) - int(responsible_heads(sorter()).sum()) == N - len(OF_HEAD_1)
    assert (surgery.main_head(sorter()), surgery.lesser_head(sorter())) == (0, 1)


@pytest.mark.parametrize(
    "needs_two",
    [
        surgery.main_head,
        surgery.lesser_head,
        surgery.require_two_heads,
        lambda model: surgery.exchange(model, surgery.QK),
    ],
)
def test_a_single_head_has_no_other(needs_two):
    model = untrained(SortedListConfig(max_value=9, n_ctx=9, n_heads=1), seed=0)
    with pytest.raises(CannotBeMade, match="a single head"):
        needs_two(model)


def test_exchanging_parameters_of_three_heads_leaves_the_third():
    model = any_model(SortedListConfig(max_value=9, n_ctx=9, n_heads=3, d_model=10, d_head=4))
    mutant = copied(model)
    surgery.exchange(mutant, ("W_Q",))
    assert torch.equal(mutant.blocks[0].attn.W_Q, model.blocks[0].attn.W_Q[[1, 0, 2]])
    changed = [
        name for name, weights in mutant.state_dict().items() if not torch.equal(weights, model.get_parameter(name))
    ]
    assert changed == ["blocks.0.attn.W_Q"]
