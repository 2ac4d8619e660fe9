"""The embedding and W_L: numbers lie on a few circles, and all answers come from them"""

from pytest_claims import claim

import controls
import fourier
from paper import EVERY_PAIR, NANDA, WEIGHTS


@claim(
    "W_L is sparse in the Fourier basis: at most five of fifteen frequencies, the key ones, have more than an even "
    "share of its power, and together they have 95% of it",
    source=f"{NANDA}, section 4.2",
    over=WEIGHTS,
    refuted_by=[controls.untrained, controls.stop_before_generalising],
    evidence="exact",
)
def test_few_frequencies_are_key(model, measure):
    every = fourier.frequencies(model.config.p)
    assert measure("key frequencies", len(fourier.key_frequencies(model))) <= len(every) / 3
    assert measure("power of W_L at them", fourier.power_at(model, fourier.W_L(model).T)) > 0.95


@claim(
    "W_E is sparse in the Fourier basis: 95% of its power is at the key frequencies, which W_L alone has chosen",
    source=f"{NANDA}, section 4.1",
    over=WEIGHTS,
    refuted_by=[controls.shuffle_the_tokens, controls.draw_orthogonal_embeddings, controls.stop_before_generalising],
    evidence="exact",
)
def test_embedding_is_sparse(model, measure):
    assert measure("power of W_E", fourier.power_at(model, fourier.number_embeddings(model))) > 0.95


@claim(
    "At each key frequency the numbers lie on a circle: no axis is shorter than nine tenths of the other",
    source=f"{NANDA}, section 3.1",
    over=WEIGHTS,
    refuted_by=[controls.flatten_a_circle, controls.untrained],
    evidence="exact",
)
def test_numbers_lie_on_circles(model, measure):
    roundness = min(fourier.roundness(model, k) for k in fourier.key_frequencies(model))
    assert measure("shorter over longer axis, of the flattest", roundness) > 0.9


@claim(
    "W_E uses all frequencies equally: none has more than twice an even share of its power",
    source="ours: a rival account",
    over=WEIGHTS,
    true_of=[controls.untrained, controls.draw_orthogonal_embeddings],
    evidence="exact",
    role="alternative",
)
def test_all_frequencies_are_used(model, measure):
    shares = fourier.spectrum(fourier.number_embeddings(model))
    assert measure("largest share over an even one", shares.max() * len(shares)) <= 2


@claim(
    "The other frequencies of W_E are not used: without them every pair is answered right",
    source=f"{NANDA}, section 4.4, there of the logits",
    over=EVERY_PAIR,
    refuted_by=[controls.quieten_a_frequency, controls.stop_before_generalising, controls.shuffle_the_tokens],
    evidence="exact",
)
def test_other_frequencies_are_not_used(model, measure):
    key = fourier.key_frequencies(model)
    others = [k for k in fourier.frequencies(model.config.p) if k not in key]
    acts = fourier.without_frequencies(model, others)
    assert measure("accuracy with the key frequencies alone", fourier.accuracy(acts.logits, acts.answers)) == 1


@claim(
    "The key frequencies of W_E are all that is used: without them no more pairs are answered right than one answer "
    "to all of them gets, one in 31",
    source=f"{NANDA}, section 4.4, there of the logits",
    over=EVERY_PAIR,
    refuted_by=[controls.answer_from_a_table, controls.quieten_a_frequency],
    evidence="exact",
)
def test_key_frequencies_are_all_that_is_used(model, measure):
    acts = fourier.without_frequencies(model, fourier.key_frequencies(model))
    right = measure("pairs answered right without key frequencies", (acts.logits.argmax(1) == acts.answers).sum())
    assert right <= model.config.p


@claim(
    "Every key frequency is needed: without any one of them in W_E more than a third of the pairs is answered wrong",
    source=f"{NANDA}, section 4.4, there of the logits",
    over=EVERY_PAIR,
    refuted_by=[controls.answer_from_a_table, controls.echo_a_frequency],
    evidence="exact",
)
def test_every_key_frequency_is_needed(model, measure):
    best = max(accuracy_without(model, k) for k in fourier.key_frequencies(model))
    assert measure("accuracy without the one that is missed least", best) < 2 / 3


def accuracy_without(model, k):
    acts = fourier.without_frequencies(model, [k])
    return fourier.accuracy(acts.logits, acts.answers)
