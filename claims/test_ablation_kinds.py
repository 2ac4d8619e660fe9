"""Ablation kinds: which statements survive zero-, mean- and resample-ablation, on which data"""

import pytest
import torch

from cumsum_model import intervention, mutants
from cumsum_model.checkpoint import not_the_reference
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, NEAR_ZERO_SET, ZERO, near_zero_set
from cumsum_model.intervention import ABLATIONS, all_neurons, neuron_costs, run_under
from cumsum_model.verification import claim

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
    "Neuron 2 costs most whatever the kind and whatever the data (nats without it, against the next)",
    source="write-up, Analysing neurons, for zero-ablation; ours for the rest",
    over=OVER,
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_neuron_2_costs_most_in_every_kind(model, measure, data_sets, computed):
    for cell, ablate, data in cells(data_sets):
        costs = computed(neuron_costs, model, data, ablate)
        next_most = costs[torch.arange(model.cfg.d_mlp) != 2].max()
        assert measure(cell, costs[2], "nats") > next_most


@claim(
    "Neurons 5 and 6 cost under a hundredth of neuron 2 whatever the kind and the data (nats without one)",
    source="write-up, Analysing neurons, for zero-ablation; ours for the rest",
    over=OVER,
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons, mutants.wake_weakest_neuron],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_neurons_5_and_6_cost_nothing_in_every_kind(model, measure, data_sets, computed):
    for cell, ablate, data in cells(data_sets):
        costs = computed(neuron_costs, model, data, ablate)
        assert measure(cell, costs[[5, 6]].max(), "nats") < costs[2] / 100


@claim(
    'Without the MLP it defaults to "zero" if neurons are zeroed or held at their mean, not if resampled '
    '("zero" said over "zero" true)',
    source="write-up, Analysing neurons, for one kind; ours for the rest",
    over=OVER,
    refuted_by=[mutants.shun_zero, mutants.untrained],
    unless=no_account_of,
)
def test_what_it_defaults_to_depends_on_the_kind(model, measure, data_sets):
    for cell, ablate, data in cells(data_sets):
        said, labels = answers_without_neurons(model, data, ablate)
        lean = measure(
            cell,
            (said == ZERO).double().mean() / (labels == ZERO).double().mean(),
        )
        if ablate is intervention.resample_neurons and data.scored == slice(None):
            assert lean < 1
        elif ablate is not intervention.resample_neurons:
            assert lean > 2
        else:  # resampled from sequences that all end next to zero, it says "zero" more often, no more than that
            assert lean < 2


@claim(
    "Without the MLP more than half of the answers are right only on ordinary data, and not if resampled (accuracy)",
    source="write-up, Analysing neurons, for one kind; ours for the rest",
    over=OVER,
    refuted_by=[mutants.swap_verdicts, mutants.silence_mlp, mutants.attend_to_first],
    unless=no_account_of,
)
def test_accuracy_depends_on_the_kind_and_the_data(model, measure, data_sets):
    for cell, ablate, data in cells(data_sets):
        said, labels = answers_without_neurons(model, data, ablate)
        accuracy = measure(cell, (said == labels).double().mean())
        if ablate is not intervention.resample_neurons and data.scored == slice(None):
            assert accuracy > 0.5
        else:
            assert accuracy < 0.5
