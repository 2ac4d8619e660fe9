"""Every sequence: what is proved of all there are, 11^20 of the published length, where tests can only sample"""

import numpy as np
import torch
from pytest_claims import claim

from cumsum_model import mutants, writeup
from cumsum_model.data import EVERY_SEQUENCE, NEG, POS, VOCAB_OUT, ZERO, labels_of, tokens_of
from cumsum_model.explanation import explain
from cumsum_model.mutants.symmetries import EVERYTHING, NEURON_NUMBERS
from cumsum_model.neurons import dead_neurons, live_neurons, no_live_neurons
from cumsum_model.proof.answers import answers, may_be_wrong
from cumsum_model.proof.by_length import largest, shortest, smallest
from cumsum_model.proof.certificate import simplest_wrong
from cumsum_model.proof.explanation import distance
from cumsum_model.proof.proving import prove_each
from cumsum_model.proof.rounding import margin_error
from cumsum_model.reading import unit_of_sum
from cumsum_model.scope import no_account_of, not_the_reference
from cumsum_model.surgery import one_neuron_a_side
from toy_model.behaviour import margins
from toy_model.engine import run
from toy_model.surgery import without_neurons


def counterexample(model, lengths):
    """The simplest sequence that the proof found to be wrong, and the model's own logits for it."""
    values = simplest_wrong(lengths)
    if values is None:
        return "no wrong sequence is known"
    logits = run(model, tokens_of(torch.tensor([values], device=model.device), model.cfg.max_value))[0, -1]
    right = VOCAB_OUT[labels_of(torch.tensor([values]))[0, -1]]
    said = ", ".join(f"{name} {logit:+.3f}" for name, logit in zip(VOCAB_OUT, logits.tolist(), strict=True))
    return f"values {values}, sum {sum(values):+d}: right is {right}, the model's logits are {said}"


@claim(
    "No sequence is misclassified at any position, of all that there are",
    source=f"{writeup.SETUP} (accuracy on a sample); that it holds for all is our proof",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[
        mutants.open_back_door,
        mutants.silence_strongest_neuron,
        mutants.favour_zero,
        mutants.shun_zero,
        mutants.swap_verdicts,
    ],
    unless=no_account_of,
)
def test_no_sequence_is_misclassified(model, measure, proved):
    lengths = proved(prove_each, model)
    wrong = shortest((~each.right).sum() for each in lengths)
    assert measure("classes of one length that may be misclassified", wrong) == 0, counterexample(model, lengths)
    smallest_margin = smallest((length.smallest_margin for length in lengths), enough=0)
    assert measure("smallest margin", smallest_margin, "logits") > 0


@claim(
    "Rounding changes no answer: the smallest margin is larger than the largest error of a margin in float32",
    source="ours: what ships computes in float32",
    over="every sequence, sums in any order, exp within 4 units in the last place (forward error bound)",
    evidence="proved",
    refuted_by=[mutants.open_back_door, mutants.shun_zero, mutants.favour_zero],
    unless=no_account_of,
    depends_on=EVERYTHING,
)
def test_rounding_changes_no_answer(model, measure, proved):
    rounding = measure("largest error of a margin in float32", margin_error(model), "logits")
    smallest_margin = smallest((length.smallest_margin for length in proved(prove_each, model)), enough=rounding)
    assert measure("smallest margin", smallest_margin, "logits") > rounding


@claim(
    "The model agrees with the proof: on the hardest sequence of every class it has the proved margin, up to rounding",
    source="ours: what ties the proof to the forward pass",
    over="of every length, last value and sum the sequence with the smallest margin, found by the proof",
    evidence="searched",
    refuted_by=[mutants.add_instead_of_averaging, mutants.add_head_output_twice, mutants.add_mlp_output_twice],
    unless=no_account_of,
    instrument=True,
)
def test_the_model_agrees_with_the_proof(model, measure, proved):
    rounding = measure("largest error of a margin in float32", margin_error(model), "logits")
    furthest = largest((difference_from_the_proof(model, length) for length in proved(prove_each, model)), rounding)
    assert measure("largest difference from the proof", furthest, "logits") < rounding


def difference_from_the_proof(model, length):
    """The largest difference of a margin as the model has it and as the proof does, of the hardest of each class."""
    tokens = torch.from_numpy(length.least_witness.reshape(-1, length.n))
    measured = margins(run(model, tokens), labels_of(tokens - model.cfg.max_value))[:, -1].double().cpu().numpy()
    return np.abs(measured - length.least.ravel()).max()


@claim(
    "Neurons 5 and 6 are needed by no sequence; without neuron 0, or without 2, some are misclassified",
    source=writeup.NEURONS,
    over=f"zero-ablation at every position; {EVERY_SEQUENCE}",
    evidence="proved",
    refuted_by=[mutants.renumber_neurons, mutants.split_strongest_neuron, mutants.fold_the_mlp_away],
    unless=not_the_reference,
    depends_on=(NEURON_NUMBERS,),
)
def test_what_neurons_are_needed_for(model, measure, proved):
    useless = shortest(may_be_wrong(proved(answers, without_neurons(model, [5, 6]))))
    assert measure("classes of one length that may be misclassified without 5 and 6", useless) == 0
    for neuron in (0, 2):
        full = proved(prove_each, without_neurons(model, [neuron]))[-1]
        wrong = full.sequences - full.answered_rightly[1]
        assert measure(f"sequences of full length that are wrong without {neuron}, at least", wrong) > 0


@claim(
    "Dead neurons are needed by no sequence: without any of them none is misclassified",
    source="ours: neurons 5 and 6 of the write-up, whichever numbers they have",
    over=f"those of less than 1/20 of the strongest's strength zero-ablated; {EVERY_SEQUENCE}",
    evidence="proved",
    refuted_by=[mutants.lean_on_a_dead_neuron, mutants.favour_zero, mutants.silence_mlp],
    unless=no_live_neurons,
)
def test_dead_neurons_are_needed_by_no_sequence(model, measure, proved):
    dead = dead_neurons(model)
    assert measure("dead neurons", len(dead)) < model.cfg.d_mlp
    without = shortest(may_be_wrong(proved(answers, without_neurons(model, dead))))
    assert measure("classes of one length that may be misclassified without them", without) == 0


@claim(
    "Each side is needed for its own sign, and both for zero: without the live neurons of one side some sums of that "
    "sign are misclassified, none of the other sign, and every zero",
    source="ours: what is true of the neurons whichever way they are numbered",
    over=f"all live neurons of one side zero-ablated; {EVERY_SEQUENCE}",
    evidence="proved",
    refuted_by=[mutants.let_neurons_read_backwards, mutants.flip_strongest_neuron, mutants.fold_the_mlp_away],
    unless=no_live_neurons,
)
def test_each_side_is_needed_for_its_own_sign(model, measure, proved):
    # At zero both sides fire and hold each other in balance, so either alone tips it.
    for side, own, opposite in (("neg", NEG, POS), ("pos", POS, NEG)):
        without = without_neurons(model, live_neurons(model, side))
        lengths, full = proved(answers, without), proved(prove_each, without)[-1]
        of_own = (full.counts - full.right_high)[full.labels == own].sum()
        of_other = smallest((each.ahead[opposite][each.labels == opposite].min() for each in lengths), enough=0)
        of_zero = largest((each.behind[ZERO][each.labels == ZERO].max() for each in lengths), enough=0)
        assert measure(f"without {side}: sequences of full length of that sign that are wrong, at least", of_own) > 0
        assert measure(f"without {side}: smallest margin of the other sign", of_other, "logits") > 0
        assert measure(f"without {side}: largest margin of a zero", of_zero, "logits") <= 0


@claim(
    "Two neurons suffice: with one in place of all that fire on a side, reading and writing what they do together, no "
    "sequence is misclassified",
    source="ours: what is true of the neurons whichever way they are numbered",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.lean_on_a_dead_neuron, mutants.boast_in_vain],
    unless=no_account_of,
)
def test_one_neuron_a_side_would_do(model, measure, proved):
    lengths = proved(answers, one_neuron_a_side(model))
    assert measure("classes of one length that may be misclassified", shortest(may_be_wrong(lengths))) == 0
    smallest_margin = smallest((length.smallest_margin for length in lengths), enough=0)
    assert measure("smallest margin", smallest_margin, "logits") > 0


@claim(
    "Read as a program, the explanation is right on every sequence, and no logit of it is off by a quarter of what a "
    "unit of sum does at full length",
    source="the write-up as a whole, read as a program",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.favour_zero, mutants.shun_zero, mutants.attend_to_last],
    unless=no_account_of,
)
def test_the_program_is_right_on_every_sequence(model, measure, proved):
    between = proved(program_and_model, model)
    assert measure("classes in which the program is wrong", between.wrong_answers) == 0
    assert measure("largest difference of a logit, centred", between.proved, "logits") < unit_of_sum(model) / 4


def program_and_model(model):
    return distance(model, explain(model))
