"""Attention: every token of the prefix gets the same share"""

import torch

from cumsum_model import circuit, intervention, mutants
from cumsum_model.behaviour import run
from cumsum_model.circuit import no_account_of, no_account_of_heads
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim

EVERY_SEQUENCE = "every sequence, query and key position (exact, from the weights)"


@claim(
    "Every earlier token gets the same attention: the head averages the prefix",
    source="write-up, First pass",
    over=EVERY_SEQUENCE,
    refuted_by=[
        mutants.attend_to_last,
        mutants.attend_to_large_values,
        mutants.untrained_attention_scores,
        mutants.attend_a_little_to_recent,
    ],
    unless=no_account_of,
)
def test_attention_is_uniform(model, measure):
    assert measure("largest |pattern - 1/n|", circuit.uniformity_gap(model)) < 1e-3


@claim(
    "QK is zero: no entry is above a hundredth of what entries were before training",
    source='write-up, First pass ("identically zero", which no entry is)',
    over="the weights",
    refuted_by=[mutants.untrained_attention_scores, mutants.untrained],
    unless=no_account_of,
)
def test_QK_is_zero(model, measure):
    largest = max(circuit.W_QK(model, head).abs().max() for head in range(model.cfg.n_heads))
    assert measure("largest |W_Q W_K^T| entry", largest) < circuit.initial_W_QK_std(model) / 100


@claim(
    "Scores are functionally zero: no query sees two that make a hundredth of a difference to a share",
    source="our analysis of the write-up's First pass",
    over=EVERY_SEQUENCE,
    refuted_by=[mutants.attend_a_little_to_recent, mutants.untrained_attention_scores],
    unless=no_account_of,
)
def test_scores_make_no_difference(model, measure):
    # A spread of s between two scores makes their shares differ by a factor of at most e^s.
    assert measure("largest spread of scores", circuit.score_spread(model)) < 0.01


@claim(
    "Nothing is lost by making attention exactly uniform: no answer changes, no probability by a hundredth",
    source="our analysis of the write-up's First pass",
    over=EVALUATION_SET,
    refuted_by=[mutants.attend_to_last, mutants.attend_to_large_values, mutants.leak_next_token],
    unless=no_account_of,
)
def test_uniform_attention_answers_alike(model, measure, data):
    averaged = intervention.run_under(model, data.toks, intervention.uniform_attention())
    logits = run(model, data.toks)
    assert measure("answers that change", (averaged.argmax(-1) != logits.argmax(-1)).sum()) == 0
    change = (averaged.softmax(-1) - logits.softmax(-1)).abs().max()
    assert measure("largest change of a probability", change) < 0.01


@claim(
    "Attention weighted by what it moves is proportional to |value|: rounding it gives the value's size",
    source="write-up, First pass",
    over=EVALUATION_SET,
    refuted_by=[
        mutants.attend_to_last,
        mutants.attend_to_large_values,
        mutants.count_signs,
        mutants.square_values,
    ],
    unless=no_account_of_heads,
)
def test_info_weighted_attention_is_proportional_to_size(model, measure, data):
    n = torch.arange(1, model.cfg.n_ctx + 1, device=model.device)[:, None]
    seen = torch.ones(len(n), len(n), dtype=torch.bool, device=model.device).tril()
    sizes = data.values.to(model.device).abs()[:, None, :].expand(-1, len(n), -1)
    # In units of value: the share 1/n taken out, and the length of a unit step.
    weighted = circuit.info_weighted_attention(model, data.toks) * n / abs(circuit.value_slope(model))
    told = weighted[:, seen], sizes[:, seen]
    assert measure("R^2 against |value|", circuit.r_squared(*told)) > 0.99
    assert measure("largest distance from |value|", (told[0] - told[1]).abs().max(), "units") < 0.5
