"""Attention: every token of the prefix gets the same attention weight"""

import torch
from pytest_claims import claim

from cumsum_model import attention, mutants, reading, variants, writeup
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, tokens_of
from cumsum_model.least_norm import as_training_leaves
from cumsum_model.mutants.symmetries import STREAM_BASIS
from cumsum_model.proof.answers import answers, may_differ
from cumsum_model.proof.by_length import shortest
from cumsum_model.scope import no_account_of, no_account_of_heads, not_the_reference
from toy_model.engine import run

FROM_THE_WEIGHTS = "every sequence, query and key position (exact, from the weights)"


@claim(
    "Attention is uniform over the prefix: no attention weight differs from 1/n by more than a hundredth of it",
    source=f"{writeup.SUMMARY}; {writeup.FIRST_PASS}",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[
        mutants.attend_to_last,
        mutants.attend_to_large_values,
        mutants.untrained_attention_scores,
        mutants.attend_a_little_to_recent,
    ],
    unless=no_account_of,
    exhaustive=True,
)
def test_attention_is_uniform(model, measure):
    assert measure("largest |n pattern - 1|", attention.relative_uniformity_gap(model)) < 0.01


@claim(
    "QK is zero: no entry of W_Q W_K^T exceeds a hundredth of the standard deviation of entries at initialisation",
    source=f'{writeup.FIRST_PASS} ("identically zero", which no entry is)',
    over="the weights, in the basis and gauge that weight decay leaves",
    evidence="exact",
    refuted_by=[mutants.untrained_attention_scores, mutants.untrained],
    unless=no_account_of,
    depends_on=(STREAM_BASIS,),
    exhaustive=True,
)
def test_QK_is_zero(model, measure):
    model = as_training_leaves(model)
    largest = max(attention.W_QK(model, head).abs().max() for head in range(model.cfg.n_heads))
    assert measure("largest |W_Q W_K^T| entry", largest) < attention.initial_W_QK_std(model) / 100


@claim(
    "Attention scores are functionally zero: no two scores visible to one query differ by more than 0.01",
    source=f"ours: what {writeup.FIRST_PASS} says of QK, in any basis",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[mutants.attend_a_little_to_recent, mutants.untrained_attention_scores],
    unless=no_account_of,
    exhaustive=True,
)
def test_scores_make_no_difference(model, measure):
    # A spread of s between two scores makes their attention weights differ by a factor of at most e^s.
    assert measure("largest spread of scores", attention.score_spread(model)) < 0.01


@claim(
    "Exactly uniform attention changes no answer: with it and without it every class of length, last value and sum "
    "gets one and the same answer, so that all that matters of the head is what it moves",
    source=f"ours: what {writeup.FIRST_PASS} concludes from uniform patterns",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.attend_to_last, mutants.attend_to_large_values, mutants.attend_a_little_to_recent],
    unless=no_account_of,
)
def test_uniform_attention_answers_alike(model, measure, proved):
    uniform = proved(answers, variants.with_uniform_attention(model))
    classes = shortest(may_differ(proved(answers, model), uniform))
    assert measure("classes of one length in which a change is not excluded", classes) == 0


@claim(
    "Exactly uniform attention moves no probability by a twentieth, neither on the evaluation set nor where the scores "
    "that there are matter more: after seven fives, a four, a five, ten negative fives and a five",
    source=f"ours: what {writeup.FIRST_PASS} concludes from uniform patterns",
    over=f"{EVALUATION_SET}; the last position of that one sequence, which was searched for",
    evidence="sampled",
    refuted_by=[mutants.attend_to_last, mutants.attend_to_large_values, mutants.attend_a_little_to_recent],
    unless=not_the_reference,
)
def test_uniform_attention_hardly_moves_probabilities(model, measure, data):
    values = torch.tensor([[5] * 7 + [4, 5] + [-5] * 10 + [5]])
    on_the_set = probability_moved_by_uniform_attention(model, data.toks)
    assert measure("evaluation set: largest change of a probability", on_the_set.max()) < 1 / 20
    on_the_sequence = probability_moved_by_uniform_attention(model, tokens_of(values, model.cfg.max_value))
    assert measure("that sequence: largest change at its end", on_the_sequence[0, -1].max()) < 1 / 20


def probability_moved_by_uniform_attention(model, toks):
    """By how much the probability of each label changes, at every position."""
    uniform = variants.with_uniform_attention(model)
    return (run(model, toks).double().softmax(-1) - run(uniform, toks).double().softmax(-1)).abs()


@claim(
    "Attention weighted by what it moves is proportional to |value|: in units of value it rounds to the size of the "
    "source token",
    source=writeup.FIRST_PASS,
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[
        mutants.attend_to_last,
        mutants.attend_to_large_values,
        mutants.count_signs,
        mutants.square_values,
    ],
    unless=no_account_of_heads,
    exhaustive=True,
)
def test_info_weighted_attention_is_proportional_to_size(model, measure):
    # What is moved is read as the rest of the model reads it, so that no length in the stream enters.
    assert measure("largest distance from |value|", reading.info_weighting_error(model), "units of value") < 0.5
