"""Boosts and cross terms, against what the model's own activations add to its logits."""

import math

import pytest
import torch
from einops import einsum
from sorting_by_hand import LIST_LEN, MAX_VALUE, N_TOKENS, STRENGTH, any_model, copying, lists, sorter

from sorted_list_model import attribution
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import decompose
from sorted_list_model.mutants import exchange_heads, shift_unembeddings


@pytest.fixture(scope="module")
def model():
    return any_model()


@pytest.fixture(scope="module")
def data():
    return lists(30)


def contributions(model, data):
    """What each head adds to each logit from each position, less the mean over answers: from activations alone."""
    cache = model.run_with_cache(data.toks)[1]
    pattern, v = cache["blocks.0.attn.hook_pattern"], cache["blocks.0.attn.hook_v"]
    written = einsum(v, model.blocks[0].attn.W_O, "batch key head d_head, head d_head d -> batch head key d")
    centred = written - written.mean(-1, keepdim=True)
    added = (centred * model.ln_final.w) @ model.W_U
    added = added - added.mean(-1, keepdim=True)
    scale = cache["ln_final.hook_scale"]
    return einsum(pattern, added, "b head query key, b head key tok -> b head query key tok") / scale[:, None, :, None]


def test_boosts_are_what_attention_to_each_number_adds(model, data):
    added, boosts = contributions(model, data), attribution.boosts_of_triples(decompose(model, data), data)
    for i, row in enumerate(data.toks.tolist()):
        for triple in range(LIST_LEN - 2):
            query = LIST_LEN + 1 + triple
            y, z = row[query + 1], row[query + 2]
            for source, answer, found in (
                (y, y, boosts.y_to_y),
                (y, z, boosts.y_to_z),
                (z, y, boosts.z_to_y),
                (z, z, boosts.z_to_z),
            ):
                expected = added[i, :, query, row.index(source), answer]
                torch.testing.assert_close(found[i, :, triple], expected, atol=1e-10, rtol=0)


def test_totals_are_of_what_reaches_one_answer(model, data):
    boosts = attribution.boosts_of_triples(decompose(model, data), data)
    torch.testing.assert_close(boosts.total_to_y, boosts.y_to_y + boosts.z_to_y)
    torch.testing.assert_close(boosts.total_to_z, boosts.y_to_z + boosts.z_to_z)


def test_without_cross_terms_these_contributions_are_zero_and_nothing_else_is_changed(model, data):
    """Logits added up again from all contributions, with two of each head set to zero."""
    added, parts = contributions(model, data), decompose(model, data)
    zeroed = added.clone()
    for i, row in enumerate(data.toks.tolist()):
        for query in range(LIST_LEN + 1, 2 * LIST_LEN - 1):
            y, z = row[query + 1], row[query + 2]
            zeroed[i, :, query, row.index(y), z] = 0
            zeroed[i, :, query, row.index(z), y] = 0
    logits = model(data.toks)
    expected = (logits + (zeroed - added).sum((1, 3)))[:, LIST_LEN + 1 : 2 * LIST_LEN - 1]
    found = attribution.without_cross_terms(parts, data)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    changed = (found - parts.logits[:, 1:-1]).abs() > 1e-12
    assert (changed.sum(-1) == 2).all()


def test_cross_terms_are_subtracted_from_a_copy(model, data):
    parts = decompose(model, data)
    before = parts.logits.clone()
    attribution.without_cross_terms(parts, data)
    assert torch.equal(parts.logits, before)


def test_cross_terms_of_a_model_that_was_made_to_have_none(data):
    """Copies move their own answer alone: relative to the mean, all others alike."""
    parts = decompose(sorter(), data)
    boosts = attribution.boosts_of_triples(parts, data)
    share = -1 / N_TOKENS
    for own, other in ((boosts.y_to_y, boosts.y_to_z), (boosts.z_to_z, boosts.z_to_y)):
        torch.testing.assert_close(other, own * share / (1 + share))
        assert (own.sum(1) > 0).all()


def test_cross_terms_decide_in_a_model_that_was_made_so():
    """Both numbers get half of the attention, the larger raises the smaller and not the other way round."""
    copies = copying()
    for number in range(1, MAX_VALUE + 1):
        copies[:, number, number - 1] += STRENGTH / 2
    looks_for = torch.zeros(N_TOKENS, N_TOKENS)
    data = SortedListDataset.of(torch.tensor([[5, 3, 4, 6]]), MAX_VALUE)
    looks_for[3, [4, 5]] = torch.tensor([100.0, 101.0])
    parts = decompose(sorter(copies, looks_for), data)
    assert parts.logits[0, 1].argmax() == 4
    assert attribution.without_cross_terms(parts, data)[0, 0].argmax() == 5


def test_what_a_head_adds_is_what_it_adds_from_everywhere(model, data):
    added, parts = contributions(model, data).sum(3), decompose(model, data)
    for head in range(2):
        found = attribution.head_output(parts, head)
        torch.testing.assert_close(found, added[:, head, LIST_LEN + 1 : 2 * LIST_LEN - 1], atol=1e-10, rtol=0)


def test_the_other_head_is_the_one_that_is_not_responsible(model, data):
    parts = decompose(model, data)
    responsible = torch.arange(len(data) * (LIST_LEN - 2)).view(len(data), -1) % 2
    found = attribution.of_other_head(parts, responsible)
    for i in range(len(data)):
        for triple in range(LIST_LEN - 2):
            expected = attribution.head_output(parts, 1 - int(responsible[i, triple]))[i, triple]
            assert torch.equal(found[i, triple], expected)


def test_exchanging_heads_exchanges_boosts_and_leaves_what_is_without_cross_terms(model, data):
    parts, theirs = decompose(model, data), decompose(exchange_heads(model), data)
    mine, others = (attribution.boosts_of_triples(each, data) for each in (parts, theirs))
    for name in ("y_to_y", "y_to_z", "z_to_y", "z_to_z"):
        torch.testing.assert_close(getattr(others, name), getattr(mine, name).flip(1))
    without = attribution.without_cross_terms(parts, data)
    torch.testing.assert_close(attribution.without_cross_terms(theirs, data), without)


def test_no_boost_depends_on_what_all_logits_have_in_common(model, data):
    """The same vector added to every unembedding: no probability changes, so nothing said of answers may."""
    parts, theirs = decompose(model, data), decompose(shift_unembeddings(model), data)
    mine, others = (attribution.boosts_of_triples(each, data) for each in (parts, theirs))
    torch.testing.assert_close(others.z_to_y, mine.z_to_y, atol=1e-9, rtol=0)
    without = [attribution.without_cross_terms(each, data).log_softmax(-1) for each in (parts, theirs)]
    torch.testing.assert_close(without[1], without[0], atol=1e-9, rtol=0)


def test_triples_and_which_of_them_are_close():
    data = SortedListDataset.of(torch.tensor([[9, 3, 4, 5, 7], [0, 2, 4, 6, 8]]), max_value=9)
    x, y, z = attribution.triples(data)
    assert torch.stack([x, y, z], -1)[0].tolist() == [[3, 4, 5], [4, 5, 7], [5, 7, 9]]
    assert attribution.close(data).tolist() == [[True, False, False], [False, False, False]]


def test_share_of_what_holds_among_what():
    condition, among = torch.tensor([True, False, True, True]), torch.tensor([True, True, True, False])
    assert attribution.share_of(condition, among) == pytest.approx(2 / 3)
    assert math.isnan(attribution.share_of(condition, torch.zeros(4, dtype=torch.bool)))
