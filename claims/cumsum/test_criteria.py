"""Criteria of the literature: the live neurons as a circuit, causal scrubbing of resid_mid, dose-response"""

import numpy as np
import pytest
from pytest_claims import claim, erratum

from cumsum_model import criteria, mutants, scrubbing
from cumsum_model.criteria import NOTHING
from cumsum_model.dose_response import PAIRS, move_the_mean, swap_what_lies_beside
from cumsum_model.scope import no_account_of
from cumsum_model.scrubbing import same_last_value, same_sign, same_sum, scrub
from cumsum_model.subsets import (
    SET_OF_SUBSETS,
    all_neurons_live,
    first_of_evaluation_set,
    no_subsets_of,
    subset_losses,
)
from toy_model.behaviour import label_entropy
from toy_model.uncertainty import clopper_pearson, percentile_interval, resampled_means

EVERY_SET = f"all sets of neurons, the others zero-, mean- or resample-ablated; {SET_OF_SUBSETS}"
BOOTSTRAP = "intervals: 95% bootstrap over sequences"
REDRAWN = (
    f"{SET_OF_SUBSETS}; at every position resid_mid exchanged at random within its class "
    f"(seed {scrubbing.SCRUBBING_SEED})"
)
NEARLY_ALL = 0.99
"""Of a hundred answers at most one may differ, and of what neurons gain at most a hundredth may be missing."""


@pytest.fixture(scope="module")
def few(checkpoint):
    return first_of_evaluation_set(checkpoint)


def sampled(criterion, F, *arguments):
    """A criterion on the sample, and the interval that the bootstrap gives it; 0 for a least one of no neurons."""
    value = criterion(F, *arguments)
    if np.isinf(value):
        return 0.0, None
    return value, percentile_interval(criterion(F.resampled, *arguments), around=value)


def gain(F, M):
    """What all neurons gain over none, in nats."""
    return F(NOTHING) - F(M)


@claim(
    "Faithfulness: the live neurons alone save at least 99% of the loss that all neurons save, which is more than "
    "half of what it is without them, under zero, mean and resample ablation",
    source="criterion of Miller et al. 2024 (arXiv 2407.08734); the circuit is that of the write-up, Analysing neurons",
    over=f"{EVERY_SET}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[
        mutants.silence_mlp,
        mutants.lean_on_a_dead_neuron,
        *mutants.BASELINES,
    ],
    unless=no_subsets_of,
)
def test_the_live_neurons_are_faithful(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        saved, saved_interval = sampled(gain, F, F.everything)
        remaining = F(F.everything)
        assert measure(f"{kind}: loss saved by all neurons", saved, "nats", interval=saved_interval) > remaining
        recovered, interval = sampled(criteria.faithfulness, F, F.live, F.everything)
        assert measure(f"{kind}: faithfulness", recovered, interval=interval) >= NEARLY_ALL


@claim(
    "The live neurons alone have the loss of the whole model on every sequence, to within 1% of what all neurons save "
    "on average",
    source="ours, in place of the test of equivalence of Shi et al. 2024 (arXiv 2410.13032), which tests for ties",
    over=EVERY_SET,
    evidence="sampled",
    refuted_by=[mutants.lean_on_a_dead_neuron, mutants.let_a_dead_neuron_heed_the_token],
    unless=no_subsets_of,
)
def test_the_live_neurons_lose_on_no_sequence(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        differences = np.abs(F.of_sequences(F.live) - F.of_sequences(F.everything))
        bound = (1 - NEARLY_ALL) * gain(F, F.everything)
        assert measure(f"{kind}: largest difference of a sequence's loss", differences.max(), "nats") < bound


@claim(
    "Under resample ablation faithfulness rises with every live neuron that is added, strongest first, and stays "
    "within 0.05 of that of the best set of as many neurons",
    source="the faithfulness curve of Mueller et al. 2025 (MIB, arXiv 2504.13151); the statement is ours",
    over=f"all sets of neurons, the others resample-ablated; {SET_OF_SUBSETS}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[mutants.flip_strongest_neuron, *mutants.BASELINES],
    unless=no_subsets_of,
)
def test_faithfulness_rises_with_every_live_neuron(model, measure, few, computed):
    F = computed(subset_losses, model, few)["resample"]
    order = [neuron for neuron in F.by_strength if neuron in F.live]

    def least_rise(F):
        return np.diff(criteria.faithfulness_curve(F, order, everything), axis=0).min(0, initial=np.inf)

    everything = F.everything
    rise, interval = sampled(least_rise, F)
    assert measure("least rise of faithfulness by a neuron", rise, interval=interval) > 0
    short, interval = sampled(criteria.shortfall, F, order, everything)
    assert measure("largest shortfall from the best set of a size", short, interval=interval) < 0.05


@claim(
    "Completeness: whichever live neurons are removed, the dead ones change the loss by less than a tenth of what all "
    "neurons save",
    source="criterion of Wang et al. 2022 (IOI, arXiv 2211.00593)",
    over=f"{EVERY_SET}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[mutants.lean_on_a_dead_neuron, mutants.let_a_dead_neuron_heed_the_token],
    unless=no_subsets_of,
)
def test_the_live_neurons_are_complete(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        missing, interval = sampled(criteria.completeness, F, F.live, F.everything)
        bound = gain(F, F.everything) / 10
        assert measure(f"{kind}: largest difference to the whole model", missing, "nats", interval=interval) < bound


@claim(
    "Minimality: no live neuron is idle; with some others removed, each of them changes the loss by more than 1% of "
    "what all neurons save, and by more than all dead ones together ever do",
    source="criterion of Wang et al. 2022 (IOI, arXiv 2211.00593); the bound is ours",
    over=f"{EVERY_SET}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[mutants.boast_in_vain, mutants.lean_on_a_dead_neuron, mutants.silence_mlp],
    unless=no_subsets_of,
)
def test_no_live_neuron_is_idle(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        dead, dead_interval = sampled(criteria.completeness, F, F.live, F.everything)
        bound = measure(f"{kind}: most that the dead neurons change", dead, "nats", interval=dead_interval)
        idlest, interval = sampled(criteria.minimality, F, F.live)
        idle = measure(f"{kind}: most that the idlest live neuron changes", idlest, "nats", interval=interval)
        assert idle > bound
        assert idle > gain(F, F.everything) / 100


@claim(
    "Uniqueness: exactly one set of neurons is minimal among those within 1% of the loss of the whole model, the set "
    "of live ones",
    source="criterion of Meloux et al. 2025 (arXiv 2502.20914)",
    over=EVERY_SET,
    evidence="sampled",
    refuted_by=[mutants.boast_in_vain, mutants.clip_values, mutants.count_signs, *mutants.BASELINES],
    unless=no_subsets_of,
)
def test_the_circuit_is_unique(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        minimal = criteria.minimal_sets(F, F.everything, tolerance=F(F.everything) / 100)
        assert measure(f"{kind}: minimal sets", len(minimal)) == 1
        unlike = min(len(circuit ^ F.live) for circuit in minimal)
        assert measure(f"{kind}: neurons that are in one and not in the other", unlike) == 0


def no_other_set(model):
    return no_subsets_of(model) or all_neurons_live(model)


@claim(
    "Sufficiency: the live neurons are the best set of their size, and more than half of all sets of that size save "
    "less than 99% of what all neurons save",
    source="criterion of Shi et al. 2024 (arXiv 2410.13032), with every set of the size in place of random ones",
    over=f"{EVERY_SET}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[mutants.boast_in_vain, mutants.offset_values, *mutants.BASELINES],
    unless=no_other_set,
)
def test_the_live_neurons_are_the_best_of_their_size(model, measure, few, computed):
    for kind, F in computed(subset_losses, model, few).items():
        assert measure(f"{kind}: rank", criteria.rank_among_equals(F, F.live, F.everything)) == 1
        median, interval = sampled(median_faithfulness, F, F.live, F.everything)
        assert measure(f"{kind}: median faithfulness of the size", median, interval=interval) < NEARLY_ALL


def median_faithfulness(F, C, M):
    """The median over all sets of the size of C."""
    losses = np.median(criteria.of_size(F, len(C), M), axis=0)
    return criteria.faithfulness(lambda S: losses if S == C else F(S), C, M)


def moved_over_any(model, few, computed, hypothesis):
    """How far margins move if resid_mid is redrawn from alike sequences, over how far they move if from any.

    By position, without the first, at which a sum is a value: on the sample, and on its resamples.
    """
    alike, unlike = (computed(scrub, model, few, same).margin_change for same in (hypothesis, scrubbing.nothing))
    both = np.stack([alike.numpy(), unlike.numpy()], axis=-1)[:, 1:]
    return tuple(means[..., 0] / means[..., 1] for means in (both.mean(0), resampled_means(both)))


@claim(
    "Causal scrubbing: at every position, redrawing resid_mid from a sequence of the same sum moves margins by less "
    "than a twentieth of what redrawing it from any sequence does; the same sign or the same last value are not "
    "enough",
    source="ours, by the method of Chan et al. 2022; of what resid_mid holds, the write-up, Finding u in resid mid",
    over=f"{REDRAWN}; {BOOTSTRAP}",
    evidence="sampled",
    refuted_by=[
        mutants.shout_current_value,
        mutants.attend_to_last,
        mutants.hold_the_sign_alone,
        *mutants.BASELINES,
    ],
    unless=no_account_of,
)
def test_scrubbing_leaves_the_sum(model, measure, few, computed):
    by_sum, resampled = moved_over_any(model, few, computed, same_sum)
    interval = percentile_interval(resampled.max(-1), around=by_sum.max())
    assert measure("same sum: moved over any redraw, most", by_sum.max(), interval=interval) < 1 / 20
    # Both hypotheses miss at least twice as much as is allowed to the first.
    for name, hypothesis in (("same sign", same_sign), ("same last value", same_last_value)):
        missed, resampled = moved_over_any(model, few, computed, hypothesis)
        interval = percentile_interval(resampled.min(-1), around=missed.min())
        assert measure(f"{name}: moved over any redraw, least", missed.min(), interval=interval) > 1 / 10


def nothing_to_recover(model):
    reason = no_account_of(model)
    if reason is None:
        few = first_of_evaluation_set(model)
        if scrub(model, few, same_sum).loss.mean() >= label_entropy(few.labels):
            reason = "this is about the loss recovered, the model's is no better than a guess"
    return reason


@erratum(
    "The fraction of the mean loss recovered distinguishes the hypothesis that resid_mid holds the sum from the one "
    "that it holds the sign of the sum: the two differ by more than 0.01",
    source="our wording of what causal scrubbing is used for (Chan et al. 2022); the tolerance is ours",
    over=REDRAWN,
    true_of=[mutants.fork_the_stream],
    unless=nothing_to_recover,
)
def test_the_mean_loss_recovered_distinguishes_hypotheses(model, measure, few):
    baseline = label_entropy(few.labels)
    by_sum, by_sign = (scrubbing.recovered(scrub(model, few, one), baseline) for one in (same_sum, same_sign))
    assert measure("difference of the fractions recovered", abs(by_sum - by_sign)) > 0.01


# What is true instead: within a label sequences exchange their losses, so that the mean stays as it was for every model
# that reads resid_mid alone, an untrained one included. Position by position they differ: the claim above.


@claim(
    "Dose-response: resid_mid moved along what OV writes per unit of value gets the answer of the mean that it is "
    "moved to, at any dose of the way to another mean and beyond, and no answer goes back as the dose grows",
    source="ours; interchange interventions after Geiger et al. 2021, here of growing strength",
    over=f"{PAIRS}, where the sum is then 0 or at least 1 in size; intervals: 95% Clopper-Pearson",
    evidence="sampled",
    refuted_by=[mutants.count_signs, mutants.swap_verdicts, *mutants.BASELINES],
    unless=no_account_of,
)
def test_answers_follow_the_dose(model, measure, data):
    response = move_the_mean(model, data)
    for dose, (right, judged) in zip(response.doses, response.follow(), strict=True):
        interval = clopper_pearson(right, judged)
        assert measure(f"answers that follow at dose {dose:g}", right / judged, interval=interval) > NEARLY_ALL
    assert measure("steps of an answer against the dose", response.steps_back()) == 0


@claim(
    "Specificity: resid_mid moved by the same doses towards the other sequence's, in all but what the decision reads, "
    "is still answered rightly",
    source="ours; g = (I + W_in W_out)(W_U[:, pos] - W_U[:, neg]) is what the decision reads where all neurons fire",
    over=f"{PAIRS}; intervals: 95% Clopper-Pearson",
    evidence="sampled",
    refuted_by=[mutants.let_size_vote_zero, mutants.shout_off_u, *mutants.BASELINES],
    unless=no_account_of,
)
def test_answers_stay_when_the_rest_is_moved(model, measure, data):
    response = swap_what_lies_beside(model, data)
    for dose, (right, judged) in zip(response.doses, response.stay(), strict=True):
        interval = clopper_pearson(right, judged)
        assert measure(f"answers that stay right at dose {dose:g}", right / judged, interval=interval) > NEARLY_ALL
