"""The task: it classifies running sums correctly, and is mostly sure of it"""

from cumsum_model import behaviour, mutants
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim


@claim(
    "Every running sum is classified correctly",
    source="write-up, Setup",
    over=EVALUATION_SET,
    refuted_by=[mutants.attend_to_last, mutants.swap_verdicts, mutants.clip_values, mutants.silence_mlp],
)
def test_every_answer_is_right(model, measure, data):
    shown = behaviour.behaviour(model, data)
    assert measure("accuracy", shown.accuracy) == 1.0


@claim(
    "Its loss is less than a tenth of what the label frequencies alone would leave",
    source="write-up, Setup",
    over=EVALUATION_SET,
    refuted_by=[mutants.speak_timidly, mutants.attend_to_large_values, mutants.untrained],
)
def test_loss_is_small(model, measure, data):
    shown = behaviour.behaviour(model, data)
    bound = behaviour.label_entropy(data.labels) / 10
    measured = measure("cross entropy", shown.cross_entropy, "nats", published=0.077)
    assert measured < bound
    assert measured.as_published(within=1 / 5)


@claim(
    "The right label always has the majority, nine tenths on average, and mostly near certainty",
    source="write-up, Setup",
    over=EVALUATION_SET,
    refuted_by=[mutants.speak_timidly, mutants.attend_to_large_values],
)
def test_right_label_is_likely(model, measure, data):
    shown = behaviour.behaviour(model, data)
    measured = measure("mean P(right)", shown.p_mean, published=0.936)
    assert measured > 0.9
    assert measured.as_published(within=1 / 5)
    measured = measure("median P(right)", shown.p_median, published=0.999)
    assert measured > 0.99
    assert measured.as_published(within=1 / 5)
    measured = measure("smallest P(right)", shown.p_min, published=0.551)
    assert measured > 0.5
    assert measured.as_published(within=1 / 5)
