"""The task: each of the 961 pairs is answered, and not by heart"""

import math

import torch
from pytest_claims import claim

import controls
import fourier
from modadd import every_pair
from paper import EVERY_PAIR, NANDA


@claim(
    "The model adds modulo p: no pair is answered wrong",
    source=f"{NANDA}, section 3",
    over=EVERY_PAIR,
    refuted_by=[controls.stop_before_generalising, controls.shuffle_the_tokens, controls.untrained],
    evidence="exact",
)
def test_every_pair_is_answered(model, measure, computed):
    acts = computed(fourier.run, model)
    assert measure("pairs answered wrong", (acts.logits.argmax(1) != acts.answers).sum()) == 0


@claim(
    "Addition commutes: swapping a and b moves no logit by half of the smallest margin of a right answer, which is "
    "positive",
    source="ours",
    over=EVERY_PAIR,
    refuted_by=[controls.prefer_a, controls.attend_to_a_alone, controls.untrained],
    evidence="exact",
)
def test_order_does_not_matter(model, measure, computed):
    acts = computed(fourier.run, model)
    p = model.config.p
    swapped = acts.logits.view(p, p, p).transpose(0, 1).reshape(p * p, p)
    # Two logits that each move by less than half of the margin between them do not change places.
    half_a_margin = fourier.margins(acts).min() / 2
    assert measure("smallest margin of a right answer, halved", half_a_margin, "logits") > 0
    assert measure("largest change of a logit", fourier.moved(acts.logits, swapped), "logits") < half_a_margin


@claim(
    "The model knows its training half by heart: on the other pairs its loss is at least that of a guess, ln 31",
    source=f"{NANDA}, section 5: the memorisation phase",
    over="the half of all pairs that it was not trained on",
    true_of=[controls.stop_before_generalising],
    evidence="exact",
    role="alternative",
)
def test_it_memorised(model, measure, computed):
    acts = computed(fourier.run, model)
    others = ~model.trained_on
    on_others = fourier.loss(acts.logits[others], acts.answers[others])
    assert measure("loss on pairs not trained on", on_others, "nats") >= math.log(model.config.p)


@claim(
    "The model answers from a alone: more than half of the variance of its logits depends on nothing else",
    source="ours: a rival account",
    over=EVERY_PAIR,
    true_of=[controls.attend_to_a_alone],
    evidence="exact",
    role="alternative",
)
def test_it_reads_a_alone(model, measure, computed):
    assert measure("variance explained by a", fourier.explained_by_a(computed(fourier.run, model))) > 1 / 2


@claim(
    "Noise half as large as the number vectors costs no answer",
    source="ours: a known limit",
    over="20 seeded draws of Gaussian noise on every number vector, every pair with each",
    refuted_by=[controls.untrained, controls.stop_before_generalising],
    evidence="sampled",
    role="stress",
)
def test_answers_survive_noise(model, measure):
    worst = min(accuracy_under_noise(model, 1 / 2, seed) for seed in range(20))
    assert measure("smallest accuracy of a draw", worst) == 1


def accuracy_under_noise(model, size, seed):
    """Accuracy with noise on the rows of W_E whose expected length is `size` times that of a number vector."""
    p = model.config.p
    scale = fourier.number_embeddings(model).square().mean().sqrt().item()
    noise = torch.randn(p, model.config.d_model, generator=torch.Generator().manual_seed(seed)) * size * scale
    noisy = noise[every_pair(p)]
    acts = fourier.run(model, embed=lambda out: torch.cat([out[:, :2] + noisy, out[:, 2:]], dim=1))
    return fourier.accuracy(acts.logits, acts.answers)


@claim(
    "All pairs are answered alike: the smallest margin of a right answer is nine tenths of the mean one",
    source=f"{NANDA}, section 3.1: sums of cos(w (a + b - c)) give every pair the same margin",
    over=EVERY_PAIR,
    refuted_by=[controls.untrained, controls.stop_before_generalising],
    evidence="exact",
    role="stress",
)
def test_margins_are_alike(model, measure, computed):
    margins = fourier.margins(computed(fourier.run, model))
    assert measure("smallest margin over the mean", margins.min() / margins.mean().abs()) > 0.9
