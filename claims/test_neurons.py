"""The neurons: which of them the answers depend on"""

import torch

from cumsum_model import intervention, mutants
from cumsum_model.checkpoint import not_the_reference
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim


@claim(
    "Neuron 2 matters most: zeroing it costs half as much again as zeroing any other",
    source="write-up, Analysing neurons",
    over=f"zero-ablation at every position, {EVALUATION_SET}",
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons],
    unless=not_the_reference,
)
def test_neuron_2_matters_most(model, measure, data):
    costs = intervention.neuron_costs(model, data)
    others = costs[torch.arange(model.cfg.d_mlp) != 2]
    next_most = measure("cost of the next, times 1.5", 1.5 * others.max(), "nats")
    assert measure("rise in cross entropy without neuron 2", costs[2], "nats", published=0.0951) > next_most
