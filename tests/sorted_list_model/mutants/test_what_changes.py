"""Each mutant does what its name and docstring say, where this can be read off activations or weights."""

import pytest
import torch
from sorting_by_hand import LIST_LEN, MAX_VALUE, N_TOKENS, copying, sorter
from sorting_by_hand import lists as short_lists

from sorted_list_model import mutants, ov_circuit
from sorted_list_model.data import SortedListDataset, evaluation_set
from sorted_list_model.direct_path import direct_path
from sorted_list_model.heads import costs
from sorted_list_model.scope import reference_model
from sorted_list_model.surgery import lesser_head, main_head
from toy_model.engine import run

DATA = evaluation_set().first(100)
PATTERN, SCORES = "blocks.0.attn.hook_pattern", "blocks.0.attn.hook_attn_scores"
N = MAX_VALUE + 1


def cached(model, toks=DATA.toks):
    return model.run_with_cache(toks)[1]


@pytest.fixture(scope="module")
def before():
    return cached(reference_model())


@pytest.fixture(scope="module")
def finite(before):
    """Of earlier keys: scores of later ones are minus infinity."""
    return before[SCORES].isfinite()


def circuits():
    """Different in each head, with neighbours that are moved otherwise above than below."""
    generator = torch.Generator().manual_seed(0)
    return copying() + torch.rand(2, N_TOKENS, N_TOKENS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("mutant", "factor"),
    [
        (mutants.negate_keys, -1),
        (mutants.double_scores, 2),
        (mutants.halve_scores, 1 / 2),
        (mutants.soften_scores, 4 / 5),
        (mutants.attend_uniformly, 0),
    ],
)
def test_all_scores_are_multiplied(before, finite, mutant, factor):
    scores = cached(mutant(reference_model()))[SCORES]
    torch.testing.assert_close(scores[finite], factor * before[SCORES][finite], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("mutant", "head"),
    [(mutants.attend_uniformly_in_main_head, main_head), (mutants.attend_uniformly_in_lesser_head, lesser_head)],
)
def test_one_head_attends_uniformly(before, mutant, head):
    chosen = head(reference_model())
    pattern = cached(mutant(reference_model()))[PATTERN]
    torch.testing.assert_close(pattern[:, chosen, 10, :11], torch.full((100, 11), 1 / 11))
    torch.testing.assert_close(pattern[:, 1 - chosen], before[PATTERN][:, 1 - chosen])


def test_heads_exchange_what_they_look_for(before):
    after = cached(mutants.exchange_QK(reference_model()))
    torch.testing.assert_close(after[PATTERN], before[PATTERN].flip(1))
    torch.testing.assert_close(after["blocks.0.attn.hook_v"], before["blocks.0.attn.hook_v"])


def test_queries_and_keys_exchange_their_matrices(before):
    after = cached(mutants.transpose_QK(reference_model()))
    torch.testing.assert_close(after["blocks.0.attn.hook_q"], before["blocks.0.attn.hook_k"])
    torch.testing.assert_close(after["blocks.0.attn.hook_k"], before["blocks.0.attn.hook_q"])


def test_the_number_below_the_next_is_attended_to():
    """The one that looks as if it were the next, in a list that has it."""
    model, data = sorter(), SortedListDataset.of(torch.tensor([[6, 1, 5, 3]]), MAX_VALUE)
    pattern = cached(mutants.see_every_number_one_higher(model), data.toks)[PATTERN][0, 0]
    at_1, at_3 = (pattern[LIST_LEN + 1 + i, :LIST_LEN] for i in (0, 1))
    assert data.lists[0, at_1.argmax()] == 1  # seen as 2, the next after 1
    assert data.lists[0, at_3.argmax()] == 3
    assert cached(model, data.toks)[PATTERN][0, 0, LIST_LEN + 1, :LIST_LEN].argmax() == 3


def test_positions():
    model, n = reference_model(), 10
    W_pos = model.W_pos
    assert torch.equal(mutants.take_SEP_for_the_last_number(model).W_pos[n], W_pos[n - 1])
    forgetful = mutants.forget_sorted_positions(model).W_pos
    torch.testing.assert_close(forgetful[n + 1 :], W_pos[n + 1 : 2 * n].mean(0).expand(n, -1))
    assert torch.equal(forgetful[: n + 1], W_pos[: n + 1])
    turned = mutants.reverse_sorted_positions(model).W_pos
    assert all(torch.equal(turned[n + 1 + i], W_pos[2 * n - 1 - i]) for i in range(n - 1))
    exaggerated = mutants.exaggerate_unsorted_positions(model).W_pos[:n]
    torch.testing.assert_close(exaggerated.mean(0), W_pos[:n].mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(exaggerated[0] - exaggerated[1], 50 * (W_pos[0] - W_pos[1]), atol=1e-4, rtol=0)
    as_one = mutants.take_unsorted_positions_for_one(model).W_pos
    torch.testing.assert_close(as_one[:n], W_pos[:n].mean(0).expand(n, -1))
    assert torch.equal(as_one[n:], W_pos[n:])


def test_the_first_number_is_shunned_by_those_that_count(before):
    pattern = cached(mutants.shun_the_first_number(reference_model()))[PATTERN]
    assert torch.equal(pattern[:, :, :10], before[PATTERN][:, :, :10])
    odds, were = (each[:, :, 10:, 0] / each[:, :, 10:, 1] for each in (pattern, before[PATTERN]))
    torch.testing.assert_close(odds, were * torch.e**-8, rtol=1e-3, atol=0)


def test_every_query_attends_to_itself():
    toks = torch.arange(21)[None]
    after = cached(mutants.attend_to_the_current_number(reference_model()), toks)
    assert torch.equal(after["blocks.0.attn.hook_z"], after["blocks.0.attn.hook_v"])


@pytest.mark.parametrize(
    ("mutant", "rank"), [(mutants.attend_to_next_alone, 0), (mutants.attend_to_second_next_alone, 1)]
)
def test_the_larger_number_of_a_rank_is_all_that_is_attended_to(mutant, rank):
    """In batches of any size, one after the other, and of models whose stream is written otherwise."""
    for model in (mutant(reference_model()), mutant(mutants.rotate_stream(reference_model()))):
        for some in DATA.toks[:30].split(7):
            pattern = cached(model, some)[PATTERN]
            for row, of_row in zip(some.tolist(), pattern, strict=True):
                for query in range(10, 20 - rank):
                    assert (of_row[:, query, row.index(row[query + 1 + rank])] == 1).all()
            assert torch.equal(pattern[:, :, 10:].sum(-1), torch.ones(len(some), 2, 11))


@pytest.mark.parametrize(
    ("mutant", "head"), [(mutants.silence_main_head, main_head), (mutants.silence_lesser_head, lesser_head)]
)
def test_a_silent_head_costs_nothing(mutant, head):
    silent = mutant(reference_model())
    after = costs(silent, DATA)
    assert after[head(reference_model())].abs() < 1e-6
    assert after[1 - head(reference_model())].abs() > 0.1


def test_what_was_added_is_taken_away():
    mine, theirs = (ov_circuit.ov_circuit(each) for each in (mutants.negate_OV(sorter()), sorter()))
    torch.testing.assert_close(mine, -theirs)


@pytest.mark.parametrize(
    ("mutant", "heads"),
    [
        (mutants.copy_one_higher, [0, 1]),
        (mutants.copy_one_higher_in_main_head, [0]),
        (mutants.copy_one_higher_in_lesser_head, [1]),
    ],
)
def test_numbers_are_copied_as_the_one_above(mutant, heads):
    """The main head is the one that copies more numbers."""
    model = sorter(circuits())
    before, after = ov_circuit.ov_circuit(model), ov_circuit.ov_circuit(mutant(model))
    for head in range(2):
        shifted = before[head][[*range(1, N), N - 1]]
        torch.testing.assert_close(after[head], shifted if head in heads else before[head])


def expected_of(mutant, circuits):
    """The circuits that the mutant asks for, of each entry by its sentence."""
    N = circuits.shape[-1]
    means = circuits.mean(-1, keepdim=True)
    wanted = circuits.clone()
    for head in range(2):
        for s in range(N):
            for a in range(N):
                below, above = s - a, a - s
                own, mean = circuits[head, s], means[head, s, 0]
                if mutant is mutants.boost_nothing_below and below > 0:
                    wanted[head, s, a] = mean
                if mutant is mutants.suppress_nothing_above and above > 0:
                    wanted[head, s, a] = mean
                if mutant is mutants.copy_small_numbers_more:
                    wanted[head, s, a] += (1 - 2 * s / (N - 1)) * (own[a] - mean)
                if mutant is mutants.mirror_cross_terms and 0 < abs(below) <= min(5, s, N - 1 - s):
                    wanted[head, s, a] = own[2 * s - a]
                if mutant is mutants.copy_exactly:
                    wanted[head, s, a] = own[s] - mean if s == a else 0
                if mutant is mutants.copy_in_both_heads:
                    wanted[head, s, a] = circuits[:, s, a].mean()
    return wanted


@pytest.mark.parametrize(
    "mutant",
    [
        mutants.boost_nothing_below,
        mutants.suppress_nothing_above,
        mutants.copy_small_numbers_more,
        mutants.mirror_cross_terms,
        mutants.copy_exactly,
        mutants.copy_in_both_heads,
    ],
)
def test_circuits_are_what_the_mutant_asks_for_where_weights_allow_it(mutant):
    model = sorter(circuits())
    before, after = ov_circuit.ov_circuit(model), ov_circuit.ov_circuit(mutant(model))
    torch.testing.assert_close(after, expected_of(mutant, before))
    assert not torch.allclose(after, before, atol=0.1)


@pytest.mark.parametrize(
    ("mutant", "least", "most"),
    [
        (mutants.boost_nothing_below, 0.2, 0.4),
        (mutants.suppress_nothing_above, 0.2, 0.4),
        (mutants.mirror_cross_terms, 0.1, 0.3),
        (mutants.copy_exactly, 0.4, 0.6),
        (mutants.copy_in_both_heads, 0.8, 0.95),
        (mutants.copy_small_numbers_more, 0.1, 0.4),
    ],
)
def test_how_far_the_ranks_of_the_shipped_model_let_them_come(mutant, least, most):
    """The share of what is asked for, relative to the mean over answers, that is made."""
    before, after = (relative(ov_circuit.ov_circuit(each)) for each in (reference_model(), mutant(reference_model())))
    wanted = relative(expected_of(mutant, ov_circuit.ov_circuit(reference_model())))
    for head in range(2):
        made = 1 - (after[head] - wanted[head]).norm() / (wanted[head] - before[head]).norm()
        assert least < made < most
        if mutant is mutants.copy_small_numbers_more:
            strengths = (after[head] * before[head]).sum(-1) / before[head].square().sum(-1)
            assert 1.65 < strengths[0] < 1.8
            assert 0.4 < strengths[50] < 0.7


def relative(circuit):
    return circuit - circuit.mean(-1, keepdim=True)


def test_the_lesser_head_does_what_both_did_with_36_and_37():
    """As nearly as the rank of the unembedding allows; the sum of both heads stays."""
    model = reference_model()
    before, after = ov_circuit.ov_circuit(model), ov_circuit.ov_circuit(mutants.share_out_as_published(model))
    lesser, main, handed = lesser_head(model), main_head(model), [36, 37]
    were, diagonals = (each.diagonal(dim1=-2, dim2=-1) for each in (before, after))
    assert (were[lesser] < were[main])[handed].all()
    assert (diagonals[lesser] > diagonals[main] + 0.1)[handed].all()
    assert (diagonals[main] < 0.6 * were[main])[handed].all()
    torch.testing.assert_close(after.sum(0), before.sum(0), atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("mutant", "changes"),
    [
        (mutants.blur_unembedding, lambda U, a: U[a] + 0.3 * (U.get(a - 1, 0) + U.get(a + 1, 0))),
        (mutants.blur_unembedding_upwards, lambda U, a: U[a] + 0.3 * U.get(a - 1, 0)),
        (mutants.sharpen_unembedding, lambda U, a: U[a] - 0.3 * U.get(a + 1, 0)),
        (mutants.answer_one_higher, lambda U, a: U[(a - 1) % 51]),
        (mutants.forget_the_largest_number, lambda U, a: 0.4 * U[49] if a == 50 else U[a]),
        (mutants.raise_confidence, lambda U, a: 3 * U[a]),
        (mutants.lower_confidence, lambda U, a: U[a] / 2),
    ],
)
def test_unembeddings(mutant, changes):
    numbers = dict(enumerate(reference_model().W_U.T[:51]))
    after = mutant(reference_model()).W_U.T
    for answer in range(51):
        torch.testing.assert_close(after[answer], changes(numbers, answer))
    if mutant not in (mutants.raise_confidence, mutants.lower_confidence):
        assert torch.equal(after[51], reference_model().W_U[:, 51])


@pytest.mark.parametrize(("mutant", "factor"), [(mutants.raise_confidence, 3), (mutants.lower_confidence, 0.5)])
def test_confidence_is_a_factor_of_all_logits(mutant, factor):
    theirs = run(reference_model(), DATA.toks)
    torch.testing.assert_close(run(mutant(reference_model()), DATA.toks), factor * theirs, atol=1e-3, rtol=1e-4)


def test_blurring_upwards_boosts_what_is_above_and_sharpening_no_longer_what_is_below():
    model = sorter()
    above, below = (
        (ov_circuit.ov_circuit(mutant(model)) - ov_circuit.ov_circuit(model)).diagonal(offset, -2, -1).sum(0)
        for mutant, offset in ((mutants.blur_unembedding_upwards, 1), (mutants.sharpen_unembedding, -1))
    )
    assert (above > 2).all()
    assert (below < -2).all()


@pytest.mark.parametrize(
    ("mutant", "a", "b"), [(mutants.swap_two_numbers, 20, 21), (mutants.swap_two_distant_numbers, 30, 40)]
)
def test_two_numbers_are_taken_for_each_other(mutant, a, b):
    toks = DATA.toks.clone()
    swapped = torch.where(toks == a, b, torch.where(toks == b, a, toks))
    mine, theirs = run(mutant(reference_model()), toks), run(reference_model(), swapped)
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=0)
    assert not torch.equal(toks, swapped)


def test_direct_paths():
    model, data = sorter(direct=-3.0), short_lists()
    none = cached(mutants.cut_direct_path(model), data.toks)
    assert torch.equal(none["blocks.0.hook_resid_post"], none["blocks.0.hook_attn_out"])
    turned = cached(mutants.reverse_direct_path(model), data.toks)
    expected = turned["blocks.0.hook_attn_out"] - turned["blocks.0.hook_resid_pre"]
    torch.testing.assert_close(turned["blocks.0.hook_resid_post"], expected)
    assert direct_path(model).diagonal().max() < 0


def test_frozen_scales_are_the_mean_and_a_forgotten_epsilon_is_taken_off(before):
    ln1, final = "blocks.0.ln1", "ln_final"
    for mutant, norm in ((mutants.freeze_first_scale, ln1), (mutants.freeze_final_scale, final)):
        after = cached(mutant(reference_model()))[f"{norm}.hook_scale"]
        torch.testing.assert_close(after, before[f"{norm}.hook_scale"].mean().expand_as(after))
    after = cached(mutants.forget_epsilon(reference_model()))[f"{ln1}.hook_scale"]
    torch.testing.assert_close(
        after, before["blocks.0.hook_resid_pre"].std(-1, correction=0, keepdim=True), rtol=1e-3, atol=0
    )


def test_enlarged_embeddings_are_divided_by_about_one():
    scale = cached(mutants.enlarge_embeddings(reference_model()))["blocks.0.ln1.hook_scale"]
    assert scale.mean().item() == pytest.approx(1, abs=0.15)
    before = cached(reference_model())["blocks.0.ln1.hook_scale"]
    assert before.mean() < 0.05


def test_noise_is_a_fifth_of_each_matrix():
    noisy = mutants.add_much_noise(reference_model())
    for name, weights in reference_model().named_parameters():
        if weights.numel() > 1_000:
            off = (noisy.get_parameter(name) - weights).square().mean().sqrt() / weights.square().mean().sqrt()
            assert off.item() == pytest.approx(0.2, rel=0.05)


def test_weights_are_shuffled_within_each_parameter():
    shuffled = mutants.shuffle_weights(reference_model())
    for name, weights in reference_model().named_parameters():
        mine = shuffled.get_parameter(name)
        assert torch.equal(mine.flatten().sort().values, weights.flatten().sort().values)


def test_the_final_layer_norm_divides_by_nothing():
    scale = cached(mutants.unembed_without_layer_norm(reference_model()))["ln_final.hook_scale"]
    assert (scale == 1).all()
