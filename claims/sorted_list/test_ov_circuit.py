"""OV: attention to a number copies it, and boosts what is just below it; the heads share the numbers out"""

import torch
from pytest_claims import claim

from sorted_list_model import mutants, ov_circuit, writeup
from sorted_list_model.heads import responsible_heads
from sorted_list_model.scope import no_account_of, no_account_of_triples, not_the_reference
from sorted_list_model.surgery import lesser_head, main_head

FROM_THE_WEIGHTS = "every number at every unsorted position (exact, from the weights)"
OF_MEANS = "every number (exact, from the weights; mean over unsorted positions)"
ROW_MEAN = f"{OF_MEANS}; relative to the mean over numbers"


@claim(
    "Heads predict what they attend to: for every number there is a head in which attention to it raises its own logit "
    "more than any other",
    source=f"{writeup.POST}; {writeup.OV} (strong diagonals)",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[
        mutants.silence_main_head,
        mutants.copy_one_higher,
        mutants.answer_one_higher,
        mutants.negate_OV,
        mutants.swap_two_numbers,
    ],
    unless=no_account_of,
    exhaustive=True,
)
def test_every_number_is_copied_by_a_head(model, measure):
    copied = ov_circuit.copied(model).any(0)
    assert measure("numbers that no head copies", (~copied).sum()) == 0


@claim(
    "The heads split the vocabulary: the lesser head copies every number of 28 .. 37, and the main head every other",
    source=f"{writeup.HEADS}; {writeup.OV}",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[
        mutants.silence_lesser_head,
        mutants.copy_one_higher_in_main_head,
        mutants.copy_one_higher_in_lesser_head,
        mutants.swap_two_distant_numbers,
    ],
    unless=not_the_reference,
    exhaustive=True,
)
def test_the_heads_split_the_vocabulary(model, measure):
    copied, inside = ov_circuit.copied(model), torch.zeros(51, dtype=torch.bool)
    inside[list(writeup.OF_LESSER_HEAD)] = True
    assert measure("copied by the lesser head, of 28 .. 37", copied[lesser_head(model)][inside].sum()) == 10
    assert measure("copied by the main head, of the others", copied[main_head(model)][~inside].sum()) == 41


@claim(
    "The numbers that the lesser head copies more strongly than the main one are exactly 28 .. 35",
    source=f"ours: {writeup.OV}, through layer norm and position",
    over=OF_MEANS,
    evidence="exact",
    refuted_by=[mutants.silence_lesser_head, mutants.swap_two_distant_numbers, mutants.copy_in_both_heads],
    unless=not_the_reference,
    exhaustive=True,
)
def test_which_head_copies_more(model, measure):
    lesser = ov_circuit.diagonals(model).argmax(0) == lesser_head(model)
    wanted = torch.zeros(51, dtype=torch.bool)
    wanted[28:36] = True
    assert measure("numbers that are not as said", (lesser != wanted).sum()) == 0


@claim(
    "Where the lesser head does not copy a number it anti-copies it: of the numbers outside 28 .. 37, attention to "
    "more than nine in ten lowers their own logit, relative to the mean over numbers",
    source=writeup.OV,
    over=ROW_MEAN,
    evidence="exact",
    refuted_by=[mutants.silence_lesser_head, mutants.copy_in_both_heads],
    unless=not_the_reference,
    exhaustive=True,
)
def test_the_lesser_head_anti_copies(model, measure):
    head = torch.full((51,), lesser_head(model))
    diagonal = ov_circuit.boosts(model, head).diagonal()
    outside = [number for number in range(51) if number not in writeup.OF_LESSER_HEAD]
    assert measure("numbers anti-copied, of 41", (diagonal[outside] < 0).sum()) > 0.9 * len(outside)


@claim(
    "Attention to s raises the logit of s - 1 above the average, for nine in ten s, in the head that copies s",
    source=f"{writeup.POST}; {writeup.TRIPLES}",
    over=ROW_MEAN,
    evidence="exact",
    refuted_by=[mutants.sharpen_unembedding, mutants.negate_OV, mutants.untrained],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_what_is_just_below_is_boosted(model, measure):
    boosts = ov_circuit.boosts_by_offset(ov_circuit.boosts(model, responsible_heads(model)), -1)
    assert measure("s with a boost of s - 1", (boosts > 0).double().mean()) > 0.9


@claim(
    "Attention to s lowers the logit of s + 1 below the average, for four in five s, in the head that copies s",
    source=f"{writeup.POST}; {writeup.TRIPLES}",
    over=ROW_MEAN,
    evidence="exact",
    refuted_by=[mutants.blur_unembedding, mutants.blur_unembedding_upwards, mutants.mirror_cross_terms],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_what_is_just_above_is_suppressed(model, measure):
    boosts = ov_circuit.boosts_by_offset(ov_circuit.boosts(model, responsible_heads(model)), +1)
    assert measure("s with suppression of s + 1", (boosts < 0).double().mean()) > 0.8


@claim(
    "Of two numbers y < z at most five apart, attention to z does more for y than attention to y for z, in nine pairs "
    "of ten",
    source=f"{writeup.TRIPLES}, from the weights alone",
    over=ROW_MEAN,
    evidence="exact",
    refuted_by=[mutants.sharpen_unembedding, mutants.mirror_cross_terms, mutants.copy_one_higher, mutants.untrained],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_the_larger_of_two_boosts_the_smaller(model, measure):
    more, pairs = ov_circuit.suppressors(ov_circuit.boosts(model, responsible_heads(model)))
    assert measure("pairs in which it does", more / pairs) > 0.9


@claim(
    "No logit can be moved alone: the unembedding distinguishes 51 numbers by fewer than 26 directions, all further "
    "singular values being less than a hundredth of the largest",
    source="ours: why attention to a number also moves those close to it",
    over="W_U of all numbers (exact), relative to the mean over numbers",
    evidence="exact",
    refuted_by=[mutants.untrained, mutants.shuffle_weights, mutants.add_much_noise],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_the_unembedding_has_a_low_rank(model, measure):
    n = model.cfg.max_value + 1
    values = torch.linalg.svdvals(model.W_U[:, :n].double() - model.W_U[:, :n].double().mean(-1, keepdim=True))
    assert measure("directions", (values > values[0] / 100).sum()) < n / 2
