"""Interventions: what g reads of resid_mid decides the answer, and nothing else does"""

import torch
from pytest_claims import claim

from cumsum_model import mutants, ov_circuit, reading, variants, writeup
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, VOCAB_OUT, running_means
from cumsum_model.proof.answers import answers, may_differ, spreads_within_last_token
from cumsum_model.proof.by_length import largest, shortest
from cumsum_model.scope import no_account_of
from toy_model import intervention
from toy_model.behaviour import resid_mid
from toy_model.engine import run

PAIRS = f"{EVALUATION_SET}, each with the same position of another sequence (seed 1)"
NEARLY_ALL = 0.99
"""Of a hundred answers at most one may differ."""


def partners(data):
    """For every sequence another one, by one seeded permutation."""
    return torch.randperm(len(data), generator=torch.Generator().manual_seed(1))


def answers_when_moved(model, data, distance):
    """Answers when every resid_mid is moved by its own distance, in units of mean, along what OV writes for one."""
    shift = distance[..., None].to(model.device) * ov_circuit.value_step(model)
    return intervention.run_under(model, data.toks, intervention.move_resid_mid(shift)).argmax(-1).cpu()


def transitions(data, partner):
    """Where the label is one thing and the other sequence's another: a mask and a name for each pair of labels."""
    for before, name_before in enumerate(VOCAB_OUT):
        for after, name_after in enumerate(VOCAB_OUT):
            if before != after:
                mask = (data.labels == before) & (data.labels[partner] == after)
                yield f"{name_before} to {name_after}", mask


def fraction(measure, name, right):
    """Measure how many of some answers are as they should be: of this data set, in which positions are not independent.

    With independent positions and intervals: dose-response, claims/cumsum/test_criteria.py.
    """
    return measure(name, right.double().mean() if len(right) else 0.0)


@claim(
    "Moving resid_mid along u to where another mean would put it makes the model answer as for that mean",
    source=f"our test of {writeup.FINDING_U}",
    over=PAIRS,
    evidence="sampled",
    refuted_by=[
        mutants.silence_mlp,
        mutants.count_signs,
        mutants.attend_to_last,
        mutants.unembed_neg_apart_from_pos,
    ],
    unless=no_account_of,
)
def test_moving_along_u_moves_the_answer(model, measure, data):
    partner, means = partners(data), running_means(data.values)
    moved = answers_when_moved(model, data, means[partner] - means)
    for name, mask in transitions(data, partner):
        followed = (moved == data.labels[partner])[mask]
        assert fraction(measure, f"{name}: fraction that follows", followed) > NEARLY_ALL


@claim(
    "Swapping what g reads of two sequences, by moving each along u, swaps their answers",
    source=f"our test of {writeup.FINDING_U}",
    over=f"{PAIRS} whose labels differ",
    evidence="sampled",
    refuted_by=[mutants.let_size_vote_zero, mutants.untrained],
    unless=no_account_of,
)
def test_swapping_the_mean_swaps_answers(model, measure, data):
    partner, read = partners(data), reading.stored_mean(model, data.toks).cpu()
    moved = answers_when_moved(model, data, read[partner] - read)
    swapped = moved == run(model, data.toks).argmax(-1).cpu()[partner]
    differ = data.labels != data.labels[partner]
    assert fraction(measure, "fraction of swapped answers", swapped[differ]) > NEARLY_ALL


@claim(
    "Everything else can be exchanged: resid_mid of another sequence, moved along u until g reads what it read before, "
    "leaves the answer",
    source=f"our test of {writeup.FINDING_U}: nothing beside the mean is used",
    over=f"{PAIRS} whose labels differ",
    evidence="sampled",
    refuted_by=[mutants.let_size_vote_zero, mutants.untrained],
    unless=no_account_of,
)
def test_all_but_the_mean_can_be_exchanged(model, measure, data):
    partner, read = partners(data), reading.stored_mean(model, data.toks)
    back = (read - read[partner])[..., None] * ov_circuit.value_step(model)
    exchanged = resid_mid(model, data.toks)[partner] + back
    moved = intervention.run_under(model, data.toks, intervention.replace_resid_mid(exchanged)).argmax(-1).cpu()
    differ = data.labels != data.labels[partner]
    same = (moved == run(model, data.toks).argmax(-1).cpu())[differ]
    assert fraction(measure, "fraction of answers that stay", same) > NEARLY_ALL


@claim(
    "Of what the head writes for a token only the part along u matters: with the rest removed every class of length, "
    "last value and sum gets the same one answer as before",
    source=f"our test of {writeup.FIRST_PASS}",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.let_size_vote_zero, mutants.untrained],
    unless=no_account_of,
)
def test_only_u_of_the_head_matters(model, measure, proved):
    reduced = proved(answers, variants.with_head_along_the_step(model))
    classes = shortest(may_differ(proved(answers, model), reduced))
    assert measure("classes of one length in which a change is not excluded", classes) == 0


@claim(
    "Without the part along u only the current value is left: no logit difference depends on any other value by a "
    "hundredth of what a unit of sum does at full length",
    source=f"our test of {writeup.FIRST_PASS}",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.let_size_vote_zero, mutants.untrained],
    unless=no_account_of,
)
def test_without_u_nothing_is_left(model, measure, proved):
    bound = reading.unit_of_sum(model) / 100
    spread = largest(spreads_within_last_token(proved(answers, variants.without_the_step(model))), enough=bound)
    assert measure("largest difference by earlier values", spread, "logits") < bound
