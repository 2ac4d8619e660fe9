"""Figures that an independent audit measured of the shipped checkpoints: ours are the same. See docs/statements.md."""

import pytest
import torch

from cumsum_model import gauge, mutants, rivals, variants
from cumsum_model.data import POS, ZERO, evaluation_set, running_means
from cumsum_model.neurons import read_neurons
from cumsum_model.proof.answers import answers
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.residual_stream import stored
from cumsum_model.rivals import times_worse_line, times_worse_linear
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model import statistics, surgery
from toy_model.behaviour import behaviour, cross_entropies
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.intervention import all_neurons, neuron_costs, run_under


@pytest.fixture(scope="module")
def data():
    return evaluation_set(5, 20)


def another(name):
    """A further shipped checkpoint."""
    return read_checkpoint(REFERENCE.with_name(f"{name}.safetensors"), SYSTEM).model


def test_without_relus(reference, data):
    linear = variants.without_relus(reference)
    proof = certify(linear, budget=0)
    assert proof.proved_right
    assert proof.smallest_margin == pytest.approx(0.2851522, abs=1e-5)
    assert certify(reference, budget=0).smallest_margin == pytest.approx(0.2851522, abs=1e-6)
    assert behaviour(linear, data).cross_entropy == pytest.approx(0.0724, abs=5e-5)


def test_at_a_mean_of_an_eighth_two_neurons_can_be_silent(reference):
    """So it is below 1/8 that all of them fire, which is claimed, and not at 1/8."""
    values = torch.tensor([[-1, -3, -5, 2, -3, -3, -1, -3, 4, 1, 0, -1, 1, 1, 4, 5]])
    assert running_means(values)[0, -1] == -1 / 8
    pre = reference.run_with_cache(values + 5)[1]["blocks.0.mlp.hook_pre"][0, -1]
    assert (pre < 0).nonzero().flatten().tolist() == [2, 7]


@pytest.mark.parametrize("name", ["seed7", "length40"])
def test_other_checkpoints_keep_their_smallest_margin_without_relus(name):
    model = another(name)
    with_relus, without = (certify(which, budget=0).smallest_margin for which in (model, variants.without_relus(model)))
    assert without == pytest.approx(with_relus, abs=1e-4)


def test_eight_times_louder(reference, data):
    louder = behaviour(surgery.louder(reference, 8), data)
    assert louder.cross_entropy == pytest.approx(0.0002, abs=5e-5)
    assert louder.p_min == pytest.approx(0.96, abs=5e-3)


def test_how_much_worse_linear_maps_are(reference, data, monkeypatch):
    monkeypatch.setattr(rivals, "SEQUENCES", len(data))  # as the audit fitted them; the claim takes fewer
    assert times_worse_linear(reference, data) == (pytest.approx(20, abs=0.5), 0)
    assert times_worse_line(reference, data) == (pytest.approx(58, abs=0.5), 0)
    assert times_worse_linear(another("seed7"), data) == (pytest.approx(3.2, abs=0.05), 0)


def test_values_move_the_probability_at_one_sum(reference):
    full = answers(reference)[-1]
    least, most = full.probabilities(POS)
    of_sum = full.sums == 1
    assert least[of_sum].min() == pytest.approx(0.550, abs=1e-3)
    assert most[of_sum].max() == pytest.approx(0.688, abs=1e-3)


def test_exactly_uniform_attention(reference):
    uniform = variants.with_uniform_attention(reference)
    toks = torch.tensor([[5] * 7 + [4, 5] + [-5] * 10 + [5]]) + 5
    moved = run(reference, toks).double().softmax(-1) - run(uniform, toks).double().softmax(-1)
    assert moved[0, -1].abs().max() == pytest.approx(0.0115, abs=1e-4)
    assert certify(uniform, budget=0).smallest_margin == pytest.approx(0.281, abs=5e-4)


@pytest.mark.parametrize("change", [None, mutants.rescale_stream, mutants.shear_stream, mutants.rotate_stream])
def test_the_least_gap_is_the_same_in_every_basis(reference, change):
    model = change(reference) if change else reference
    gap = min((bounds.n * bounds.gaps).min() for bounds in stored(model))
    assert gap == pytest.approx(0.6789, abs=1e-4)


def test_loss_without_the_mlp_at_zeros_and_elsewhere(reference, data):
    loss = cross_entropies(run_under(reference, data.toks, all_neurons(reference)), data.labels)
    zeros = data.labels == ZERO
    assert loss[zeros].mean().item() == pytest.approx(0.519, abs=5e-4)
    assert loss[~zeros].mean().item() == pytest.approx(0.523, abs=5e-4)


def test_cost_and_strength_of_neuron_2(reference, data):
    helpful = [0, 1, 3, 4, 7]
    costs, strength = neuron_costs(reference, data), read_neurons(reference).strength
    assert (costs[2] / costs[helpful].mean()).item() == pytest.approx(4.01, abs=5e-3)
    assert (strength[2] / strength[helpful].mean()).item() == pytest.approx(2.02, abs=5e-3)


def test_unembeddings_add_up_to_a_hundredth(reference):
    assert gauge.unembedding_sum(reference) == pytest.approx(0.01, abs=5e-4)


@pytest.mark.parametrize(("length", "expected"), [(20, 0.435), (10, 0.562)])
def test_how_well_the_mean_predicts_the_sum_is_a_fact_about_the_data(length, expected):
    """Whatever stores the mean has this R^2 against the sum, so it says nothing of a model."""
    data = evaluation_set(5, length)
    assert statistics.r_squared(data.values.cumsum(1), running_means(data.values)) == pytest.approx(expected, abs=5e-4)
