"""What is said of attention, against the patterns of the model itself and of one that was made to attend."""

import pytest
import torch
from sorting_by_hand import LIST_LEN, MAX_VALUE, N_POS, N_TOKENS, any_model, lists, looking_for_the_next, sorter

from sorted_list_model import attention
from sorted_list_model.attribution import close
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import decompose
from sorted_list_model.mutants import exchange_heads

PATTERN, SCORES = "blocks.0.attn.hook_pattern", "blocks.0.attn.hook_attn_scores"


@pytest.fixture(scope="module")
def model():
    return any_model()


def test_most_attended_is_where_the_pattern_is_largest(model):
    data = lists()
    found = attention.attends_most_to_next(decompose(model, data), data)
    pattern = model.run_with_cache(data.toks)[1][PATTERN][:, :, data.scored]
    toks, n_true = data.toks.tolist(), 0
    for i, (row, targets) in enumerate(zip(toks, data.targets.tolist(), strict=True)):
        for head in range(2):
            for query, target in enumerate(targets):
                # In the unsorted half: a number that is yet to come is nowhere else.
                expected = int(pattern[i, head, query].argmax()) == row.index(target)
                assert found[i, head, query] == expected
                n_true += expected
    assert 0 < n_true < found.numel()


def test_the_preferred_number_gets_the_most_of_all_larger_ones(model):
    data = lists()
    found = attention.prefers_next(decompose(model, data), data)
    pattern = model.run_with_cache(data.toks)[1][PATTERN][:, :, data.scored]
    for i, (row, current) in enumerate(zip(data.toks.tolist(), data.current.tolist(), strict=True)):
        for query, number in enumerate(current):
            floor = -1 if number > MAX_VALUE else number
            larger = [place for place in range(LIST_LEN) if row[place] > floor]
            smallest = min(larger, key=lambda place, row=row: row[place])
            for head in range(2):
                most = max(larger, key=lambda place, at=pattern[i, head, query]: at[place])
                assert found[i, head, query] == (most == smallest)
    assert found[..., -1].all()  # where one number is left there is nothing to prefer to it
    assert not found[..., :-1].all()


def test_the_second_next_is_compared_with_the_next(model):
    data = lists()
    found = attention.attends_more_to_second(decompose(model, data), data)
    assert found.shape == (len(data), 2, LIST_LEN - 2)
    pattern = model.run_with_cache(data.toks)[1][PATTERN]
    for i, row in enumerate(data.toks.tolist()):
        for triple in range(LIST_LEN - 2):
            y, z = (row.index(row[LIST_LEN + 2 + triple + ahead]) for ahead in range(2))
            of_query = pattern[i, :, LIST_LEN + 1 + triple]
            assert torch.equal(found[i, :, triple], of_query[:, z] > of_query[:, y])
    assert found.any()
    assert not found.all()


def test_a_model_that_was_made_to_attend_to_the_next_number_does():
    data, parts = lists(), decompose(sorter(), lists())
    assert attention.attends_most_to_next(parts, data).all()
    assert attention.prefers_next(parts, data).all()
    assert not attention.attends_more_to_second(parts, data).any()


def test_a_model_that_was_made_to_skip_a_number_does_where_there_is_one():
    data = lists(200)
    parts = decompose(sorter(looks_for=looking_for_the_next(rank=1)), data)
    in_triples = close(data)
    assert in_triples.any()
    second = attention.attends_more_to_second(parts, data)
    assert second.transpose(1, 2)[in_triples].all()
    assert not attention.attends_most_to_next(parts, data)[:, :, 1:-1].transpose(1, 2)[in_triples].any()
    _, y = attention.pairs(data)
    assert torch.equal(second[:, 0], data.jumps[:, :-1] == 1)
    assert y.shape == (len(data), LIST_LEN - 1)


def test_exchanging_heads_exchanges_what_is_said_of_them(model):
    data = lists()
    parts, others = decompose(model, data), decompose(exchange_heads(model), data)
    for measure in (attention.attends_most_to_next, attention.prefers_next, attention.attends_more_to_second):
        assert not torch.equal(measure(parts, data)[:, 0], measure(parts, data)[:, 1])
        assert torch.equal(measure(parts, data), measure(others, data).flip(1))


def test_larger_numbers_are_larger_and_all_are_at_SEP():
    data = SortedListDataset.of(torch.tensor([[5, 9, 2, 7]]), MAX_VALUE)
    larger = attention.larger_numbers(data)[0]
    assert larger.tolist() == [
        [True, True, True, True],
        [True, True, False, True],
        [False, True, False, True],
        [False, True, False, False],
    ]


def test_the_token_circuit_is_the_mean_score(model):
    """Of one number after the other, at every unsorted and every sorted position but the last."""
    current, key = 3, 6
    total = 0.0
    for query in range(LIST_LEN + 1, 2 * LIST_LEN):
        toks = torch.full((1, N_POS), key)
        toks[0, query] = current
        found = model.run_with_cache(toks)[1][SCORES][0, :, query, :LIST_LEN]
        total += found.mean(-1) / (LIST_LEN - 1)
    torch.testing.assert_close(attention.token_circuit(model)[:, current, key], total)


def test_the_token_circuit_is_what_a_model_was_made_to_look_for():
    """Up to what is common to all keys of a query."""
    found, made = attention.token_circuit(sorter())[..., :-1], looking_for_the_next()[:, :-1]
    rest = found - made
    torch.testing.assert_close(rest, rest[..., :1].expand_as(rest))


def drifting():
    """Each position prefers small numbers 2 less than the one before it, 0 .. 2, and only these."""
    drift = torch.zeros(N_POS, N_TOKENS, dtype=torch.float64)
    drift[:, :3] = -2 * torch.arange(N_POS)[:, None]
    return drift


def test_the_bias_to_the_smallest_numbers_falls_as_it_was_made_to():
    model = sorter(looks_for=torch.zeros(N_TOKENS, N_TOKENS), drift=drifting())
    bias = attention.bias_to_smallest(model, current=5)
    assert bias.shape == (2, LIST_LEN - 1)
    expected = -2.0 * torch.arange(LIST_LEN + 1, 2 * LIST_LEN, dtype=torch.float64)
    torch.testing.assert_close(bias, expected.expand(2, -1))


def test_the_bias_is_against_the_numbers_just_above():
    looks_for = torch.zeros(N_TOKENS, N_TOKENS)
    looks_for[5, [6, 7]] = torch.tensor([3.0, 5.0])  # 8 and 9 do not count
    looks_for[5, :3] = torch.tensor([1.0, 1.0, 4.0])
    looks_for[5, 8] = looks_for[4, 6] = 100
    bias = attention.bias_to_smallest(sorter(looks_for=looks_for), current=5)
    torch.testing.assert_close(bias, torch.full_like(bias, 2 - 4))


def test_the_position_circuit_is_what_positions_add():
    """Less what is common to all keys or all positions, and in its own units: no scale, no sqrt(d_head)."""
    model = sorter(looks_for=torch.zeros(N_TOKENS, N_TOKENS), drift=drifting())
    found = attention.position_circuit(model)
    wanted = drifting()[LIST_LEN : 2 * LIST_LEN].expand_as(found)
    _, cache = model.run_with_cache(lists(1).toks)
    units = cache["blocks.0.ln1.hook_scale"][0, 0, 0] ** 2 * model.cfg.d_head**0.5
    torch.testing.assert_close(_twice_centred(found) / units, _twice_centred(wanted))


def _twice_centred(table):
    return table - table.mean(-1, keepdim=True) - table.mean(-2, keepdim=True) + table.mean((-2, -1), keepdim=True)


def test_spread_over_positions_and_numbers(model):
    """By brute force; and nothing of it is due to positions where no weight reads them."""
    over_positions, over_numbers = attention.spread_over_unsorted_positions(model)
    queries = range(LIST_LEN + 1, 2 * LIST_LEN)
    numbers = torch.arange(MAX_VALUE + 1)
    per_key = torch.zeros(2, len(queries), len(numbers), LIST_LEN, len(numbers), dtype=torch.float64)
    for i, query in enumerate(queries):
        for key in numbers.tolist():
            toks = torch.full((len(numbers), N_POS), key)
            toks[:, query] = numbers
            found = model.run_with_cache(toks)[1][SCORES][:, :, query, :LIST_LEN]
            per_key[:, i, :, :, key] = found.transpose(0, 1)
    for head in range(2):
        spread = per_key[head].amax(2) - per_key[head].amin(2)
        assert over_positions[head].item() == pytest.approx(spread.flatten().median().item())
        spread = per_key[head].amax(3) - per_key[head].amin(3)
        assert over_numbers[head].item() == pytest.approx(spread.flatten().median().item())
    over_positions, over_numbers = attention.spread_over_unsorted_positions(sorter())
    assert over_positions.max() < 1e-9
    assert over_numbers.min() > 1
