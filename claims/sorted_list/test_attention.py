"""Attention: from each number to the next larger one, from SEP to the smallest, with a bias that depends on position"""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_claims import claim

from sorted_list_model import attention, mutants, writeup
from sorted_list_model.attribution import close, share_of, triples
from sorted_list_model.data import FIRST_LISTS, SortedListDataset
from sorted_list_model.decomposition import decompose
from sorted_list_model.hard_inputs import right
from sorted_list_model.heads import of_responsible, responsible_for
from sorted_list_model.scope import (
    no_account_of,
    no_account_of_order,
    no_account_of_triples,
    no_account_of_two_heads,
    not_of_0_to_50,
    not_the_reference,
)
from sorted_list_model.strategies import lists_within
from sorted_list_model.surgery import lesser_head, main_head
from toy_model.engine import run

FROM_THE_WEIGHTS = "the weights, mean over unsorted positions and sorted ones but the last"
BY_POSITION = "the weights, mean over unsorted positions"
SMALL_ENOUGH = 14
"""Up to this smallest number SEP attends to it, of 0 .. 50. Beyond, claims/sorted_list/test_errata.py."""


@claim(
    "Heads attend back to the first number larger than the current one: at more than three quarters of the sorted "
    "numbers it gets the most attention of all tokens in at least one head",
    source=f"{writeup.POST}; {writeup.ATTENTION}",
    over=f"{FIRST_LISTS}, sorted numbers but the last",
    evidence="sampled",
    refuted_by=[
        mutants.transpose_QK,
        mutants.negate_keys,
        mutants.attend_uniformly,
        mutants.see_every_number_one_higher,
        mutants.untrained,
    ],
    unless=no_account_of_order,
)
def test_heads_attend_to_the_next_larger_number(model, measure, computed, lists):
    most = attention.attends_most_to_next(computed(decompose, model, lists), lists)[:, :, 1:]
    assert measure("most attended in some head", most.any(1).double().mean()) > 3 / 4


@claim(
    "Of all numbers larger than the current one, the head that is responsible for the next one attends most to it, in "
    "nine cases of ten where there are several",
    source=f"ours: what {writeup.ATTENTION} says, of the head that copies the number",
    over=f"{FIRST_LISTS}, SEP and the sorted numbers but the last two",
    evidence="sampled",
    refuted_by=[
        mutants.exchange_QK,
        mutants.negate_keys,
        mutants.swap_two_distant_numbers,
    ],
    unless=no_account_of_order,
)
def test_the_responsible_head_prefers_the_next_number(model, measure, computed, lists):
    prefers = attention.prefers_next(computed(decompose, model, lists), lists)
    responsible = of_responsible(prefers, responsible_for(model, lists.targets))[:, :-1]
    assert measure("next number attended to most among the larger ones", responsible.double().mean()) > 0.9


@claim(
    f"SEP attends to the smallest number where that is at most {SMALL_ENOUGH}: in 99 of 100 lists it gets the most "
    "attention of all tokens in the main head",
    source=f"{writeup.ATTENTION}; up to which number is ours",
    over=f"{FIRST_LISTS} whose smallest number is at most {SMALL_ENOUGH}",
    evidence="sampled",
    refuted_by=[mutants.exchange_QK, mutants.take_SEP_for_the_last_number, mutants.negate_keys],
    unless=not_the_reference,
)
def test_SEP_attends_to_the_smallest(model, measure, computed, lists):
    most = attention.attends_most_to_next(computed(decompose, model, lists), lists)[:, main_head(model), 0]
    low = lists.targets[:, 0] <= SMALL_ENOUGH
    assert measure("most attended", most[low].double().mean()) > 0.99


@claim(
    f"SEP attends to the smallest number where that is at most {SMALL_ENOUGH}, whatever the others are: no list was "
    "found on which another token gets more attention in the main head",
    source=f"ours: {writeup.ATTENTION}, searched",
    over=f"what a search finds: hypothesis, ten numbers in ascending order, the smallest at most {SMALL_ENOUGH}",
    evidence="searched",
    refuted_by=[mutants.exchange_QK, mutants.take_SEP_for_the_last_number, mutants.negate_keys],
    unless=not_the_reference,
)
@settings(max_examples=settings().max_examples // 2)
@given(search=st.data())
def test_SEP_attends_to_the_smallest_of_any_list(model, measure, search):
    smallest = search.draw(st.integers(0, SMALL_ENOUGH), label="smallest")
    numbers = search.draw(lists_within(smallest, 50), label="numbers")
    if numbers[0] > SMALL_ENOUGH:
        numbers = [smallest, *numbers[1:]]
    data = SortedListDataset.of(torch.tensor([numbers]))
    _, cache = model.run_with_cache(data.toks.to(model.device))
    weights = cache["blocks.0.attn.hook_pattern"][0, main_head(model), model.cfg.list_len]
    most = data.toks[0, int(weights.argmax())].item()
    ahead = weights[0] - weights[1:].max()
    assert measure("attention weight of the smallest over that of any other token", ahead) > 0, (
        f"list {numbers}: SEP attends most to {most}"
    )


@claim(
    "Sometimes the number after the next gets more attention than the next one, in the head responsible for the next: "
    "at more than one number in a hundred, and more than five times as often at d of d, d+1, d+2",
    source=f"{writeup.TRIPLES}; how often is ours",
    over=f"{FIRST_LISTS}, sorted numbers but the last two",
    evidence="sampled",
    refuted_by=[mutants.exchange_QK, mutants.attend_uniformly, mutants.see_every_number_one_higher],
    unless=no_account_of_triples,
)
def test_the_second_next_number_sometimes_gets_more(model, measure, computed, lists):
    parts = computed(decompose, model, lists)
    _, y, _ = triples(lists)
    ahead = of_responsible(attention.attends_more_to_second(parts, lists), responsible_for(model, y))
    anywhere, in_triples = ahead.double().mean(), share_of(ahead, close(lists))
    assert measure("at all numbers", anywhere) > 0.01
    assert measure("at d of d, d+1, d+2, over that", in_triples / anywhere) > 5


@claim(
    "Most numbers look for those slightly above them: the number that each looks for most is at most five above it, "
    "for two thirds of all, in the head responsible for the number above it",
    source=writeup.QK,
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[mutants.exchange_QK, mutants.negate_keys, mutants.untrained_attention_scores],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_numbers_look_for_those_slightly_above(model, measure):
    n = model.cfg.max_value + 1
    current = torch.arange(n - 1)
    circuit = attention.token_circuit(model)[:, : n - 1, :n]
    most = circuit[responsible_for(model, current + 1), current].argmax(-1)
    close_above = (most > current) & (most <= current + 5)
    assert measure("looking most for one of the five above", close_above.double().mean()) > 2 / 3


@claim(
    "28 and 29 are among the three numbers that 25 looks for most, in the lesser head",
    source=f"{writeup.QK} (28 and 29 are its two most attended; with layer norm and positions, two of three)",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[mutants.exchange_QK, mutants.negate_keys, mutants.see_every_number_one_higher],
    unless=not_the_reference,
    exhaustive=True,
)
def test_what_25_looks_for(model, measure):
    row = attention.token_circuit(model)[lesser_head(model), 25, :51]
    ranks = row.argsort(descending=True).argsort()
    assert measure("rank of 28, counted from 0", ranks[28]) < 3
    assert measure("rank of 29, counted from 0", ranks[29]) < 3


@claim(
    "Numbers above 35 look for very small ones, and late positions are biased against these: in the lesser head, 40, "
    "44 and 48 prefer 0, 1 and 2 to the two numbers above them at the first sorted position and no more at the ninth, "
    "where their scores have fallen by more than 2 in comparison",
    source=writeup.QK,
    over=BY_POSITION,
    evidence="exact",
    refuted_by=[mutants.forget_sorted_positions, mutants.reverse_sorted_positions, mutants.exchange_QK],
    unless=not_the_reference,
    exhaustive=True,
)
def test_late_positions_are_biased_against_small_numbers(model, measure):
    for current in (40, 44, 48):
        bias = attention.bias_to_smallest(model, current)[lesser_head(model)]
        assert measure(f"{current}: preference for 0, 1, 2 at first", bias[0], "score") > 0
        assert measure(f"{current}: preference for 0, 1, 2 at last", bias[-1], "score") < 0
        assert measure(f"{current}: fall in between", bias[0] - bias[-1], "score") > 2


@claim(
    "The circuit that is drawn agrees: W_pos W_QK W_E falls from the first sorted position to the ninth for 0 .. 4 and "
    "rises for 35 .. 50, in every head, by more than a tenth of its largest entry",
    source=f"{writeup.QK}; the tenth is ours",
    over="the weights, means over the tokens",
    evidence="exact",
    refuted_by=[mutants.forget_sorted_positions, mutants.reverse_sorted_positions, mutants.negate_keys],
    unless=not_of_0_to_50,
    exhaustive=True,
)
def test_the_position_circuit_tilts(model, measure):
    circuit = attention.position_circuit(model)[:, 1:, :51]
    rise = (circuit[:, -1] - circuit[:, 0]) / circuit.abs().amax((1, 2))[:, None].clamp(min=1e-12)
    assert measure("largest rise for 0 .. 4, of the largest entry", rise[:, :5].mean(-1).max()) < -0.1
    assert measure("smallest rise for 35 .. 50, of the largest entry", rise[:, 35:].mean(-1).min()) > 0.1


@claim(
    "Position in the sorted half matters: with one position for all sorted numbers, more than five times as many "
    "answers are wrong",
    source=f"ours: what follows from {writeup.QK}",
    over=f"{FIRST_LISTS}; the mean of the sorted positions in place of each",
    evidence="sampled",
    refuted_by=[mutants.forget_sorted_positions, mutants.attend_to_next_alone],
    unless=no_account_of_triples,
)
def test_sorted_positions_matter(model, measure, lists):
    wrong = (~right(model, lists)).sum()
    forgetful = (~right(mutants.forget_sorted_positions(model), lists)).sum()
    assert measure("wrong answers, over those with positions", forgetful / wrong.clamp(min=1)) > 5


@claim(
    "Position in the unsorted half does not matter: with one position for all unsorted numbers, or the list in another "
    "order, fewer than one answer in a thousand is another one",
    source="ours: the task does not depend on it",
    over=f"{FIRST_LISTS}; the mean of the unsorted positions in place of each; lists reversed",
    evidence="sampled",
    refuted_by=[mutants.shun_the_first_number, mutants.exaggerate_unsorted_positions],
    unless=no_account_of,
)
def test_unsorted_positions_do_not_matter(model, measure, lists):
    answers = run(model, lists.toks, lists.scored).argmax(-1)
    as_one = run(mutants.take_unsorted_positions_for_one(model), lists.toks, lists.scored).argmax(-1)
    assert measure("answers that differ with one position", (as_one != answers).double().mean()) < 0.001
    backwards = SortedListDataset.of(lists.lists.flip(-1), lists.max_value)
    reordered = run(model, backwards.toks, backwards.scored).argmax(-1)
    assert measure("answers that differ with the list reversed", (reordered != answers).double().mean()) < 0.001


@claim(
    "Scores depend on which number is at an unsorted position and hardly on which position that is: in every head they "
    "differ more than fifty times as much between numbers as between positions",
    source="ours: why order does not matter",
    over="the weights, medians of ranges over every number and sorted position but the last",
    evidence="exact",
    refuted_by=[mutants.exaggerate_unsorted_positions, mutants.untrained],
    unless=no_account_of_two_heads,
    exhaustive=True,
)
def test_scores_hardly_depend_on_the_unsorted_position(model, measure):
    over_positions, over_numbers = attention.spread_over_unsorted_positions(model)
    ratio = (over_numbers / over_positions.clamp(min=1e-12)).min()
    assert measure("range over numbers, over the range over positions, smaller of the heads", ratio) > 50
