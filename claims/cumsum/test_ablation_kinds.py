"""Ablation kinds: which statements survive zero-, mean- and resample-ablation, on which data"""

import pytest
import torch
from pytest_claims import claim

from cumsum_model import mutants, writeup
from cumsum_model.data import EVALUATION_SET, NEAR_ZERO_SET, ZERO, near_zero_set
from cumsum_model.mutants.symmetries import NEURON_NUMBERS
from cumsum_model.scope import no_account_of_long, not_the_reference
from toy_model import intervention
from toy_model.intervention import ABLATIONS, all_neurons, loss_under, mean_neurons, neuron_costs, run_under

OVER = f"each kind on {EVALUATION_SET}, and on {NEAR_ZERO_SET}"


@pytest.fixture(scope="module")
def data_sets(data, checkpoint):
    return {
        "evaluation set": data,
        "near-zero sums": near_zero_set(checkpoint.cfg.max_value, checkpoint.cfg.n_ctx),
    }


def cells(data_sets):
    """Every kind of ablation on every data set, with the name of the cell."""
    return [(f"{kind}, {name}", ablate, data) for name, data in data_sets.items() for kind, ablate in ABLATIONS.items()]


def answers_without_neurons(model, data, ablate):
    logits = run_under(model, data.toks, all_neurons(model, ablate))
    return logits.argmax(-1).cpu()[:, data.scored], data.labels[:, data.scored]


@claim(
    "Neuron 2 costs most under every kind of ablation and on either data set (nats without it, against the next)",
    source=f"{writeup.NEURONS}, for zero-ablation; ours for the rest",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons],
    unless=not_the_reference,
    depends_on=(NEURON_NUMBERS,),
)
def test_neuron_2_costs_most_in_every_kind(model, measure, data_sets, computed):
    for cell, ablate, data in cells(data_sets):
        costs = computed(neuron_costs, model, data, ablate)
        next_most = costs[torch.arange(model.cfg.d_mlp) != 2].max()
        assert measure(cell, costs[2], "nats") > next_most


@claim(
    "Neurons 5 and 6 cost under a hundredth of neuron 2 under every kind of ablation and on either data set",
    source=f"{writeup.NEURONS}, for zero-ablation; ours for the rest",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons, mutants.wake_weakest_neuron],
    unless=not_the_reference,
    depends_on=(NEURON_NUMBERS,),
)
def test_neurons_5_and_6_cost_nothing_in_every_kind(model, measure, data_sets, computed):
    for cell, ablate, data in cells(data_sets):
        costs = computed(neuron_costs, model, data, ablate)
        assert measure(cell, costs[[5, 6]].max(), "nats") < costs[2] / 100


@claim(
    'Without the MLP it defaults to "zero" if neurons are zeroed or held at their mean, not if they are resampled '
    '(answers "zero" over zeros)',
    source=f"{writeup.NEURONS}, for one kind; ours for the rest",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.shun_zero, mutants.silence_mlp, mutants.untrained],
    unless=no_account_of_long,
)
def test_what_it_defaults_to_depends_on_the_kind(model, measure, data_sets):
    for cell, ablate, data in cells(data_sets):
        answered, labels = answers_without_neurons(model, data, ablate)
        bias = measure(
            cell,
            (answered == ZERO).double().mean() / (labels == ZERO).double().mean(),
        )
        if ablate is intervention.resample_neurons and data.scored == slice(None):
            assert bias < 1
        elif ablate is not intervention.resample_neurons:
            assert bias > 2
        else:  # resampled from sequences that all end next to zero, it answers "zero" more often, no more than that
            assert bias < 2


@claim(
    "Without the MLP more than half of the answers are right on the evaluation set, but not on near-zero sums, nor if "
    "neurons are resampled (accuracy)",
    source=f"{writeup.NEURONS}, for one kind; ours for the rest",
    over=OVER,
    evidence="sampled",
    refuted_by=[mutants.swap_verdicts, mutants.silence_mlp, mutants.fold_the_mlp_away],
    unless=no_account_of_long,
)
def test_accuracy_depends_on_the_kind_and_the_data(model, measure, data_sets):
    for cell, ablate, data in cells(data_sets):
        answered, labels = answers_without_neurons(model, data, ablate)
        accuracy = measure(cell, (answered == labels).double().mean())
        if ablate is not intervention.resample_neurons and data.scored == slice(None):
            assert accuracy > 0.5
        else:
            assert accuracy < 0.5


@claim(
    "Mean-ablating all neurons costs at least a fifth more than zeroing them: a figure that does not name its kind of "
    "ablation cannot be checked",
    source=f"ours; {writeup.NEURONS} calls the plot of P(zero) mean-ablated, its figures are of zeroed neurons",
    over=f"all neurons at every position, {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=[mutants.silence_mlp, mutants.untrained],
    unless=no_account_of_long,
)
def test_kind_of_ablation_changes_the_figures(model, measure, data):
    zeroed, averaged = (
        loss_under(model, data, all_neurons(model, ablate)) for ablate in (intervention.zero_neurons, mean_neurons)
    )
    assert measure("cross entropy mean-ablated over zero-ablated", averaged / zeroed) > 1.2
