"""OV readouts against the model's own activations, and on a model that was made to copy."""

import pytest
import torch
from sorting_by_hand import (
    LIST_LEN,
    MAX_VALUE,
    N_POS,
    N_TOKENS,
    OF_HEAD_1,
    STRENGTH,
    any_model,
    copying,
    sorter,
)

from sorted_list_model import ov_circuit
from sorted_list_model.config import SortedListConfig
from sorted_list_model.heads import responsible_heads
from sorted_list_model.mutants import exchange_heads

NUMBERS = torch.arange(MAX_VALUE + 1)


@pytest.fixture(scope="module")
def model():
    return any_model()


def test_a_readout_is_what_attention_adds_to_the_logits_times_the_final_scale(model):
    """With one head attending to one place alone, less the logits with it attending to nothing."""
    source, place, query = 6, 2, LIST_LEN + 1
    toks = torch.full((1, N_POS), 3)
    toks[0, place] = source
    for head in range(2):

        def attend(pattern, head=head):
            attended = torch.zeros_like(pattern)
            attended[:, head, query, place] = 1
            return attended

        def logits_less_bias(hooks):
            """At the query, before the division by the final scale."""
            whole = {**hooks, "ln_final.hook_scale": torch.ones_like}
            return model.run_with_hooks(toks, whole)[0, query]

        moved = logits_less_bias({"blocks.0.attn.hook_pattern": attend})
        moved = moved - logits_less_bias({"blocks.0.attn.hook_pattern": torch.zeros_like})
        expected = (moved - moved.mean())[NUMBERS]
        torch.testing.assert_close(ov_circuit.by_position(model)[head, place, source], expected)


def test_circuit_and_diagonal_are_means_over_unsorted_positions(model):
    every = ov_circuit.by_position(model)
    assert every.shape == (2, LIST_LEN, MAX_VALUE + 1, MAX_VALUE + 1)
    torch.testing.assert_close(ov_circuit.ov_circuit(model), sum(every[:, pos] for pos in range(LIST_LEN)) / LIST_LEN)
    for number in NUMBERS.tolist():
        mean = every[:, :, number, number].mean(1)
        torch.testing.assert_close(ov_circuit.diagonals(model)[:, number], mean)


def test_a_model_that_was_made_to_copy_copies():
    """Less what is added to the mean of all answers, of which there are as many as tokens."""
    found = ov_circuit.ov_circuit(sorter())
    expected = torch.zeros_like(found)
    for number in NUMBERS.tolist():
        expected[int(number in OF_HEAD_1), number] = -STRENGTH / N_TOKENS
        expected[int(number in OF_HEAD_1), number, number] += STRENGTH
    torch.testing.assert_close(found, expected)


def test_copied_is_what_raises_its_own_logit_most():
    of_second = torch.tensor([number in OF_HEAD_1 for number in NUMBERS.tolist()])
    assert torch.equal(ov_circuit.copied(sorter()), torch.stack([~of_second, of_second]))
    assert torch.equal(responsible_heads(sorter()), of_second.int().long())
    copies = copying()
    copies[0, 2, 3] = STRENGTH + 1  # attention to 2 raises 3 more
    assert ov_circuit.copied(sorter(copies))[0].nonzero().flatten().tolist() == [0, 1, 3, 4, 5, 6, 9]


def test_a_head_that_anti_copies_is_not_responsible():
    copies = copying()
    copies[1, 2, 2] = -2 * STRENGTH
    assert responsible_heads(sorter(copies))[2] == 0


def test_copied_means_at_every_position():
    """A number that one position keeps from being copied is not copied, whatever the mean is."""
    model = sorter()
    of_second = torch.tensor([number in OF_HEAD_1 for number in NUMBERS.tolist()])
    model.blocks[0].attn.W_O[0, N_TOKENS + 1, -N_TOKENS + 4] = STRENGTH + 1  # position 1 answers 4
    mean = ov_circuit.ov_circuit(model)[0]
    assert torch.equal(mean.argmax(-1) == NUMBERS, ~of_second)
    assert ov_circuit.copied(model)[0].nonzero().flatten().tolist() == [4]


def test_exchanging_heads_exchanges_roles(model):
    theirs = exchange_heads(model)
    torch.testing.assert_close(ov_circuit.diagonals(theirs), ov_circuit.diagonals(model).flip(0))
    assert torch.equal(ov_circuit.copied(theirs), ov_circuit.copied(model).flip(0))
    assert torch.equal(responsible_heads(theirs), 1 - responsible_heads(model))
    theirs = exchange_heads(sorter())
    assert torch.equal(responsible_heads(theirs), 1 - responsible_heads(sorter()))


def test_boosts_are_those_of_the_head_that_is_named_for_each_source(model):
    heads = torch.tensor([0, 1] * ((MAX_VALUE + 1) // 2))
    found, circuit = ov_circuit.boosts(model, heads), ov_circuit.ov_circuit(model)
    for source in NUMBERS.tolist():
        row = circuit[source % 2, source]
        torch.testing.assert_close(found[source], row - row.mean())


def test_boosts_by_offset():
    boost = torch.arange(16.0).view(4, 4)  # boost[source, answer] = 4 source + answer
    assert ov_circuit.boosts_by_offset(boost, -1).tolist() == [boost[s, s - 1] for s in range(1, 4)]
    assert ov_circuit.boosts_by_offset(boost, 2).tolist() == [boost[s, s + 2] for s in range(2)]


@pytest.mark.parametrize("within", [1, 2, 5])
def test_suppressors_are_counted_pair_by_pair(model, within):
    boost = ov_circuit.boosts(model, responsible_heads(model))
    expected = [
        bool(boost[z, y] > boost[y, z]) for y in NUMBERS.tolist() for z in NUMBERS.tolist() if 0 < z - y <= within
    ]
    assert 0 < sum(expected) < len(expected)
    assert ov_circuit.suppressors(boost, within) == (sum(expected), len(expected))


def test_suppressors_of_a_model_that_was_made_to_suppress():
    copies = copying()
    for head in range(2):
        copies[head, :-1, :-1] += torch.ones(MAX_VALUE + 1, MAX_VALUE + 1).tril(-1) * STRENGTH / 10
    model = sorter(copies)
    n, pairs = ov_circuit.suppressors(ov_circuit.boosts(model, responsible_heads(model)))
    assert n == pairs == 9 + 8 + 7 + 6 + 5


def test_the_drawn_circuit_is_the_exact_one_where_layer_norm_only_scales():
    """There it is smaller by the first scale, and has no positions."""
    model = sorter()
    _, cache = model.run_with_cache(torch.zeros(1, N_POS, dtype=torch.long))
    scale = cache["blocks.0.ln1.hook_scale"][0, 0, 0]
    for head in range(2):
        drawn = ov_circuit.without_layer_norm(model, head)[: MAX_VALUE + 1, : MAX_VALUE + 1] / scale
        exact = ov_circuit.ov_circuit(model)[head]
        # Up to what every source adds, of which centring leaves a part.
        rest = exact - drawn
        torch.testing.assert_close(rest, rest[:1].expand_as(rest))


def test_one_head_is_responsible_for_everything():
    model = any_model(SortedListConfig(max_value=5, n_ctx=5, n_heads=1, d_model=8, d_head=4))
    assert not responsible_heads(model).any()
