"""What the MLP is for: it makes the answers louder, eightfold next to zero, and needs no ReLU"""

import numpy as np
from pytest_claims import claim

from cumsum_model import mutants, reading, variants, writeup
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, NEG, POS, ZERO, running_means
from cumsum_model.mutants.symmetries import FIGURES
from cumsum_model.proof.answers import answers, missed, wrong_answers
from cumsum_model.proof.by_length import largest, shortest, smallest
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.proving import prove_each
from cumsum_model.scope import no_account_of, no_account_of_long, not_the_reference
from cumsum_model.writeup import SIBLING, not_of_the_published_sizes
from toy_model.behaviour import behaviour, cross_entropies, label_entropy, right_label_probabilities
from toy_model.engine import run
from toy_model.intervention import all_neurons, loss_under, run_under
from toy_model.surgery import without_neurons

SOURCE = writeup.NEURONS
OVER = f"all neurons zero-ablated, {EVALUATION_SET}"
SIDES = (("negative", NEG), ("positive", POS))


def without_mlp(model):
    return without_neurons(model, range(model.cfg.d_mlp))


@claim(
    "Where all neurons fire, they multiply what a unit of mean does to pos minus neg by at least four",
    source="ours: what the neurons are for, in place of a nonlinearity",
    over="the weights (exact)",
    evidence="exact",
    refuted_by=[mutants.silence_mlp, mutants.fold_the_mlp_away, mutants.untrained],
    unless=no_account_of,
    exhaustive=True,
)
def test_neurons_amplify(model, measure):
    # Twice what direct path and neurons would do if they shared the work equally.
    assert measure("logits per unit of mean, with the neurons over without", reading.amplification(model)) > 4


@claim(
    "No ReLU is needed: with every one an identity, folded into the unembedding, no sequence is misclassified, and the "
    "smallest margin is the same to a hundredth",
    source=f"ours, against {writeup.TASK} and {writeup.SUMMARY}",
    over=f"{EVERY_SEQUENCE}; neurons that are silent at a mean of zero left out",
    evidence="proved",
    refuted_by=[mutants.silence_near_zero, mutants.open_back_door, mutants.move_kinks],
    unless=no_account_of,
)
def test_no_relu_is_needed(model, measure, proved):
    linear = proved(prove_each, variants.without_relus(model))
    wrong = shortest((~length.right).sum() for length in linear)
    assert measure("classes of one length that may be misclassified without ReLUs", wrong) == 0
    with_relus, without = (min(each.smallest_margin for each in of) for of in (proved(prove_each, model), linear))
    assert measure("change of the smallest margin", abs(without - with_relus), "logits") < 0.01


@claim(
    "Nor do ReLUs make it more confident: without them the cross entropy is no larger, at means of every size",
    source=f"ours, against {writeup.SUMMARY}",
    over=f"{EVALUATION_SET}, by the size of the mean",
    evidence="sampled",
    refuted_by=[mutants.silence_near_zero, mutants.detect_zero_by_silence],
    unless=no_account_of,
)
def test_relus_do_not_lower_the_loss(model, measure, data):
    with_relus, without = (
        cross_entropies(run(which, data.toks), data.labels).cpu() for which in (model, variants.without_relus(model))
    )
    sizes = running_means(data.values).abs()
    for name, low, high in (("up to 1/4", 0, 1 / 4), ("up to 1", 1 / 4, 1), ("above", 1, sizes.max())):
        chosen = (sizes > low) & (sizes <= high)
        if not chosen.any():  # values of at most 1 in size have no mean above it
            continue
        rise = (without - with_relus)[chosen].mean()
        # A thousandth of a nat is a seventieth of what the model loses in all.
        assert measure(f"|mean| {name}: rise without ReLUs", rise, "nats") < 0.001


@claim(
    "Without the MLP the cross entropy is at least five times as large, yet lower than the entropy of the labels",
    source=SOURCE,
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.silence_mlp, mutants.untrained, mutants.let_neurons_read_backwards],
    unless=no_account_of_long,
)
def test_loss_without_mlp(model, measure, data):
    without = loss_under(model, data, all_neurons(model))
    assert measure("cross entropy", without, "nats") < label_entropy(data.labels)
    assert measure("over that of the whole model", without / behaviour(model, data).cross_entropy) > 5


@claim(
    "Without the MLP cross entropy and P(right) (mean, median) are the published ones to a fifth",
    source=f"{SOURCE}; the tolerance is ours",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.untrained, mutants.speak_timidly, mutants.attend_to_last],
    unless=not_of_the_published_sizes,
)
def test_figures_without_mlp_are_as_published(model, measure, data):
    logits = run_under(model, data.toks, all_neurons(model))
    loss, p_right = cross_entropies(logits, data.labels).mean(), right_label_probabilities(logits, data.labels)
    assert measure("cross entropy", loss, "nats", published=0.536).as_published(within=SIBLING)
    assert measure("mean P(right)", p_right.mean(), published=0.637).as_published(within=SIBLING)
    assert measure("median P(right)", p_right.median(), published=0.614).as_published(within=SIBLING)


@claim(
    "Without the MLP the smallest P(right) is the published one to a fifth",
    source=f"{SOURCE}; the tolerance is ours, and as an extreme it is kept by few retrained checkpoints",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.untrained, mutants.attend_to_last],
    unless=not_the_reference,
    depends_on=(FIGURES,),
)
def test_smallest_probability_without_mlp_is_as_published(model, measure, data):
    p_right = right_label_probabilities(run_under(model, data.toks, all_neurons(model)), data.labels)
    assert measure("smallest P(right)", p_right.min(), published=0.159).as_published(within=SIBLING)


@claim(
    "Without the MLP more than half of all sequences of every length are still answered rightly, but not all",
    source=f"{writeup.SUMMARY}; {SOURCE}",
    over="all neurons zero-ablated; all sequences of each length (counted from the weights, in real arithmetic)",
    evidence="exact",
    refuted_by=[mutants.swap_verdicts, mutants.let_size_vote_zero, mutants.fold_the_mlp_away],
    unless=no_account_of,
    exhaustive=True,
)
def test_accuracy_without_mlp(model, measure, proved):
    certificate = proved(certify, without_mlp(model))
    lowest = min(length.accuracy[0] for length in certificate.lengths)
    assert measure("exact accuracy at the worst length, at least", float(lowest)) > 0.5
    assert measure("exact accuracy at full length, at most", float(certificate.lengths[-1].accuracy[1])) < 1


@claim(
    'Without the MLP it is "zero" by default: no zero is missed, and whatever is answered wrongly is answered "zero"',
    source=f"{writeup.SUMMARY}; {SOURCE}",
    over=f"all neurons zero-ablated; {EVERY_SEQUENCE}",
    evidence="proved",
    refuted_by=[
        mutants.shun_zero,
        mutants.swap_verdicts,
        mutants.attend_to_last,
        mutants.lean_on_a_dead_neuron,
        mutants.fold_the_mlp_away,
    ],
    unless=no_account_of,
)
def test_it_is_zero_by_default(model, measure, proved):
    lengths = proved(answers, without_mlp(model))
    assert measure('classes of another sign that may be answered "neg"', shortest(wrong_answers(lengths, NEG))) == 0
    assert measure('classes of another sign that may be answered "pos"', shortest(wrong_answers(lengths, POS))) == 0
    assert measure("classes of sum zero that may be answered otherwise", shortest(missed(lengths, ZERO))) == 0
    by_default = shortest(length.sequences(length.always[ZERO] & (length.labels != ZERO)) for length in lengths)
    assert measure('sequences of another sum and one length that are answered "zero", at least', by_default) > 0


@claim(
    "Without the MLP means close to zero are hard and no others: at full length more than half of all sequences with "
    "sum -1 or +1 are misclassified, and none of any length whose mean is larger than a tenth of the largest value",
    source=f"{writeup.SUMMARY}; {SOURCE} (neg and pos classified fairly well); the tenth is ours",
    over=f"all neurons zero-ablated; {EVERY_SEQUENCE}",
    evidence="proved",
    refuted_by=[mutants.swap_verdicts, mutants.let_size_vote_zero, mutants.fold_the_mlp_away],
    unless=no_account_of_long,
)
def test_only_means_close_to_zero_are_hard(model, measure, proved):
    lengths = proved(certify, without_mlp(model)).lengths
    furthest = max((np.abs(length.sums) / length.n)[~length.right].max(initial=0) for length in lengths)
    within = model.cfg.max_value / 10
    assert measure("largest |mean| that may be misclassified", furthest, "units of mean") < within
    full = lengths[-1]
    next_to_zero = np.abs(full.sums) == 1
    wrong, right = (full.counts - full.right_high)[next_to_zero].sum(), full.right_high[next_to_zero].sum()
    assert measure("sums of -1 or +1 at full length: fraction wrong, at least", float(wrong / (wrong + right))) > 1 / 2


@claim(
    'Without the MLP it is biased towards "zero": of all sequences of full length at least twice as many get that '
    "answer as have a sum of zero",
    source=SOURCE,
    over="all neurons zero-ablated; every sequence of full length (counted from the weights, in real arithmetic)",
    evidence="exact",
    refuted_by=[mutants.shun_zero, mutants.attend_to_last],
    unless=no_account_of_long,
    exhaustive=True,
)
def test_it_is_biased_towards_zero(model, measure, proved):
    full = proved(answers, without_mlp(model))[-1]
    ratio = full.sequences(full.always[ZERO]) / full.sequences(full.labels == ZERO)
    assert measure('answers "zero" over zeros, at least', ratio) > 2


@claim(
    "Where the sum is zero little is lost without the MLP: P(zero) falls by less than a quarter on any sequence",
    source=SOURCE,
    over=f"all neurons zero-ablated; {EVERY_SEQUENCE} with sum zero",
    evidence="proved",
    refuted_by=[mutants.lean_on_a_dead_neuron],
    unless=no_account_of,
)
def test_little_is_lost_at_zero(model, measure, proved):
    falls = (
        (whole.probabilities(ZERO)[1] - without.probabilities(ZERO)[0])[whole.sums == 0].max()
        for whole, without in zip(proved(answers, model), proved(answers, without_mlp(model)), strict=True)
    )
    assert measure("largest fall of P(zero)", largest(falls, enough=0.25)) < 0.25


@claim(
    "The mean has to be extreme before it is confident without the MLP: between 1/3 and 1/2 on either side P(zero) is "
    "above a twentieth on every sequence, and below a hundredth with the MLP",
    source=SOURCE,
    over=f"all neurons zero-ablated; {EVERY_SEQUENCE} with a mean between 1/3 and 1/2 in size, each side by itself",
    evidence="proved",
    refuted_by=[mutants.shun_zero, mutants.silence_mlp, mutants.move_kinks],
    unless=no_account_of,
)
def test_P_zero_against_the_mean(model, measure, proved):
    for name, side in SIDES:
        with_mlp = (p_zero(length, side)[1].max(initial=0) for length in proved(answers, model))
        without = (p_zero(length, side)[0].min(initial=1) for length in proved(answers, without_mlp(model)))
        assert measure(f"{name} means: largest P(zero) with the MLP", largest(with_mlp, enough=0.01)) < 0.01
        assert measure(f"{name} means: smallest P(zero) without it", smallest(without, enough=0.05)) > 0.05


def p_zero(answers_of_length, side):
    """The least and the largest P(zero) of each class of this sign with a mean between 1/3 and 1/2 in size."""
    sizes = abs(answers_of_length.sums) / answers_of_length.n
    middling = (answers_of_length.labels == side) & (sizes >= 1 / 3) & (sizes <= 1 / 2)
    return [bound[middling] for bound in answers_of_length.probabilities(ZERO)]
