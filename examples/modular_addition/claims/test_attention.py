"""Attention: the heads read a and b, and how they divide their weight between them matters"""

import torch
from pytest_claims import claim, erratum

import controls
import fourier
from paper import EVERY_PAIR, NANDA, ZHONG


@claim(
    "What `=` attends to itself does not matter: with that weight shared out between a and b, no logit moves by half "
    "of the smallest margin of a right answer, which is positive",
    source=f"{NANDA}, appendix A.1, which neglects that weight",
    over=EVERY_PAIR,
    refuted_by=[controls.attend_to_equals_too, controls.untrained],
    evidence="exact",
)
def test_attention_to_equals_does_not_matter(model, measure, computed):
    acts = computed(fourier.run, model)
    without = fourier.run(model, pattern=ignore_equals)
    half_a_margin = fourier.margins(acts).min() / 2
    assert measure("smallest margin of a right answer, halved", half_a_margin, "logits") > 0
    assert measure("largest change of a logit", fourier.moved(acts.logits, without.logits), "logits") < half_a_margin


def ignore_equals(pattern):
    kept = pattern * torch.tensor([1.0, 1, 0])
    return kept / kept.sum(-1, keepdim=True)


@claim(
    "Attention scores are periodic: 95% of the variance over numbers of every head's score is at the key frequencies",
    source=f"{NANDA}, section 4.1",
    over="every number and head",
    refuted_by=[controls.shuffle_the_tokens, controls.stop_before_generalising, controls.untrained],
    evidence="exact",
)
def test_scores_are_periodic(model, measure):
    at_key = [fourier.power_at(model, head[:, None]) for head in fourier.scores_of_numbers(model).T]
    assert measure("variance at key frequencies, of the least periodic head", min(at_key)) > 0.95


@claim(
    "The heads only average a and b, as in a pizza: with attention divided equally every answer stays what it is",
    source=f"{ZHONG}, of models with constant attention",
    over=EVERY_PAIR,
    true_of=[controls.attend_equally],
    evidence="exact",
    role="alternative",
)
def test_attention_only_averages(model, measure, computed):
    acts = computed(fourier.run, model)
    equal = fourier.run(model, pattern=lambda pattern: torch.tensor([0.5, 0.5, 0]).expand_as(pattern))
    changed = (acts.logits.argmax(1) != equal.logits.argmax(1)).sum()
    assert measure("answers changed by equal attention", changed) == 0


@claim(
    "Attention decides between a and b: every head gives more than nine tenths of its weight to a on some pairs, and "
    "to b on others",
    source="ours",
    over=EVERY_PAIR,
    refuted_by=[controls.attend_equally, controls.attend_to_a_alone, controls.untrained],
    evidence="exact",
)
def test_attention_decides(model, measure, computed):
    most = computed(fourier.run, model).pattern.amax(0)
    assert measure("largest weight on a, of the least decided head", most[:, 0].min()) > 0.9
    assert measure("largest weight on b, of the least decided head", most[:, 1].min()) > 0.9


@erratum(
    "Attention is linear: a constant and multiples of the cosines and sines of a and b at one frequency explain 97.9% "
    "of the variance of every head's weight on a",
    source=f"{NANDA}, appendix C.1.2 (97.9% to 99.1% in the paper's model, p = 113)",
    over=EVERY_PAIR,
    true_of=[controls.attend_linearly],
)
def test_attention_is_linear(model, measure, computed):
    _, explained = fourier.best_linear_pattern(computed(fourier.run, model))
    assert measure("variance explained, of the least linear head", explained.min()) >= 0.979
