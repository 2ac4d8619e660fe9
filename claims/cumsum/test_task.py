"""The task: it classifies running sums correctly, and is nearly certain of most"""

from pytest_claims import claim

from cumsum_model import mutants, writeup
from cumsum_model.data import EVALUATION_SET, ZERO
from cumsum_model.model import answers_to
from cumsum_model.proof.rounding import margin_error
from cumsum_model.scope import not_the_reference
from cumsum_model.writeup import SIBLING, not_of_the_published_sizes, too_small_for_the_examples
from toy_model import behaviour, engine, intervention


@claim(
    "The printed examples are labelled as printed: 0 where the running sum is negative, 1 where it is zero, 2 where it "
    "is positive",
    source=f"challenge post; {writeup.TASK}",
    over="the two printed sequences, every position",
    evidence="exact",
    refuted_by=[mutants.swap_verdicts, mutants.attend_to_last, mutants.untrained],
    unless=too_small_for_the_examples,
)
def test_printed_examples(model, measure):
    for printed, values, labels in writeup.EXAMPLES:
        answered = answers_to(model, values)
        wrong = sum(answer != label for answer, label in zip(answered, labels, strict=True))
        assert measure(f"wrong answers on {printed}", wrong) == 0


@claim(
    "Every running sum of the evaluation set is classified correctly",
    source=writeup.SETUP,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_to_last, mutants.swap_verdicts, mutants.clip_values, mutants.silence_mlp],
)
def test_every_answer_is_right(model, measure, data):
    assert measure("accuracy", behaviour.behaviour(model, data).accuracy) == 1.0


@claim(
    "The cross entropy is less than a tenth of the entropy of the labels",
    source=writeup.SETUP,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.speak_timidly, mutants.attend_to_large_values, mutants.untrained],
)
def test_loss_is_small(model, measure, data):
    bound = behaviour.label_entropy(data.labels) / 10
    assert measure("cross entropy", behaviour.behaviour(model, data).cross_entropy, "nats") < bound


@claim(
    "The right label always has a probability above 1/2, on average above 0.9 and in the median above 0.99",
    source=writeup.SETUP,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.speak_timidly, mutants.attend_to_large_values],
)
def test_right_label_is_likely(model, measure, data):
    shown = behaviour.behaviour(model, data)
    assert measure("mean P(right)", shown.p_mean) > 0.9
    assert measure("median P(right)", shown.p_median) > 0.99
    assert measure("smallest P(right)", shown.p_min) > 0.5


@claim(
    "Cross entropy and the probability of the right label (mean, median, minimum) are the published ones to a fifth",
    source=f"{writeup.SETUP}; the tolerance is ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.raise_confidence, mutants.train_briefly, mutants.untrained],
    unless=not_of_the_published_sizes,
)
def test_behaviour_is_as_published(model, measure, data):
    shown = behaviour.behaviour(model, data)
    assert measure("cross entropy", shown.cross_entropy, "nats", published=0.077).as_published(within=SIBLING)
    assert measure("mean P(right)", shown.p_mean, published=0.936).as_published(within=SIBLING)
    assert measure("median P(right)", shown.p_median, published=0.999).as_published(within=SIBLING)
    assert measure("smallest P(right)", shown.p_min, published=0.551).as_published(within=SIBLING)


@claim(
    "On the sequence whose probabilities are printed the model is uncertain in the second half only, and never between "
    "neg and pos where the sum is not zero",
    source=f"{writeup.SETUP} (heat map)",
    over="sequence 1 of CumsumDataset(1000, seed=42)",
    evidence="exact",
    refuted_by=[mutants.raise_confidence, mutants.attend_to_first, mutants.untrained],
    unless=not_of_the_published_sizes,
)
def test_printed_sequence(model, measure, data):
    probabilities, labels = engine.run(model, data.toks[1:2])[0].double().softmax(-1).cpu(), data.labels[1]
    p_right = probabilities.gather(-1, labels[:, None])[:, 0]
    half = len(labels) // 2
    assert measure("smallest P(right) in the first half", p_right[:half].min()) > 0.9
    assert measure("positions of the second half with P(right) below 0.9", (p_right[half:] < 0.9).sum()) > 0
    side = labels != ZERO
    p_wrong_side = probabilities.gather(-1, 2 - labels[:, None])[:, 0]
    assert measure("largest probability of the opposite sign", p_wrong_side[side].max()) < 0.05


@claim(
    "It is one layer of one attention head and an MLP that moves the logits, without layer norm before the unembedding",
    source=f"challenge post; {writeup.TASK}",
    over="sizes; the logits of the evaluation set with and without the MLP, and with a constant added to the stream",
    evidence="sampled",
    refuted_by=[
        mutants.add_a_head,
        mutants.add_a_layer,
        mutants.silence_mlp,
        mutants.normalise_before_unembedding,
    ],
    unless=not_the_reference,
)
def test_architecture(model, measure, data):
    assert measure("layers", model.cfg.n_layers) == 1
    assert measure("heads", model.cfg.n_heads) == 1
    logits = engine.run(model, data.toks)
    without = intervention.run_under(model, data.toks, intervention.all_neurons(model))
    assert measure("largest change of a logit without the MLP", (without - logits).abs().max(), "logits") > 1
    # Without layer norm a constant in the stream adds the same to the logits of every position.
    pos = model.W_U[:, 2]
    moved = intervention.run_under(model, data.toks, intervention.add_to_mlp_out(pos)) - logits
    departure = (moved - pos @ model.W_U).abs().max()
    rounding = margin_error(model)
    assert measure("largest departure from what a constant in the stream adds", departure, "logits") < rounding
