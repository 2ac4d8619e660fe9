"""Attention: every token of the prefix gets the same share"""

import torch

from cumsum_model import circuit, intervention, mutants
from cumsum_model.behaviour import run
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim


@claim(
    "Every earlier token gets the same attention: the head averages the prefix",
    source="write-up, First pass",
    over="every sequence, query and key position (exact, from the weights)",
    refuted_by=[
        mutants.attend_to_last,
        mutants.attend_to_large_values,
        mutants.untrained_attention_scores,
    ],
)
def test_attention_is_uniform(model, measure):
    assert measure("largest |pattern - 1/n|", circuit.uniformity_gap(model)) < 1e-3


@claim(
    "QK is zero: no entry is above a hundredth of what entries were before training",
    source='write-up, First pass ("identically zero", which no entry is)',
    over="the weights",
    refuted_by=[mutants.untrained_attention_scores],
)
def test_QK_is_zero(model, measure):
    largest = max(circuit.W_QK(model, head).abs().max() for head in range(model.cfg.n_heads))
    assert measure("largest |W_Q W_K^T| entry", largest) < circuit.initial_W_QK_std(model) / 100


@claim(
    "Nothing is lost by making attention exactly uniform: no answer changes",
    source="our analysis of the write-up's First pass",
    over=EVALUATION_SET,
    refuted_by=[mutants.attend_to_last, mutants.attend_to_large_values],
)
def test_uniform_attention_answers_alike(model, measure, data):
    toks = data.toks.to(model.device)
    with torch.no_grad():
        averaged = model.run_with_hooks(toks, intervention.uniform_attention())
    changed = (averaged.argmax(-1) != run(model, toks).argmax(-1)).sum()
    assert measure("answers that change", changed) == 0
