import pytest
import torch

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import POS, CumsumDataset, evaluation_set
from cumsum_model.explanation import explain, first_layer
from cumsum_model.neurons import read_neurons
from cumsum_model.ov_circuit import value_slope
from cumsum_model.proof.explanation import distance
from cumsum_model.rivals import times_worse_line, times_worse_linear
from cumsum_model.task import untrained
from toy_model.behaviour import divergence, resid_mid
from toy_model.engine import run


def test_the_program_is_exact_where_the_explanation_is(reference):
    """On the ideal circuit nothing is left out, so only float32 rounding separates the two."""
    ideal = mutants.hold_the_mean_exactly(reference)
    data = CumsumDataset(300, 5, 20, seed=8)
    torch.testing.assert_close(explain(ideal)(data.values), run(ideal, data.toks).double(), atol=2e-3, rtol=0)


def test_positions_and_biases_are_accounted_for(reference):
    ideal = mutants.drift_with_position(mutants.hold_the_mean_exactly(reference))
    ideal.blocks[0].attn.b_V.add_(0.3)
    ideal.blocks[0].mlp.b_out.add_(torch.linspace(-1, 1, 24))
    data = CumsumDataset(300, 5, 20, seed=8)
    torch.testing.assert_close(explain(ideal)(data.values), run(ideal, data.toks).double(), atol=2e-3, rtol=0)


def test_another_number_can_stand_in_for_the_mean(reference):
    data = evaluation_set(5, 20)
    program = explain(reference)
    with_zeros = program(data.values, torch.zeros(data.values.shape, dtype=torch.float64))
    assert divergence(run(reference, data.toks), with_zeros) > 100 * divergence(
        run(reference, data.toks), program(data.values)
    )


def test_a_line_in_the_mean_loses_no_less_than_any_linear_map(reference):
    """It is one: the search has to end at least as low where it may do more."""
    data = evaluation_set(5, 20)
    (line, _), (linear, _) = times_worse_line(reference, data), times_worse_linear(reference, data)
    assert 1 < linear < line


def test_two_layers_are_another_story():
    with pytest.raises(ValueError, match="the explanation is of one layer, the model has 2"):
        explain(untrained(CumsumConfig(n_layers=2), seed=0))


@pytest.mark.parametrize("n", [1, 7, 20])
def test_the_table_says_what_the_program_says(reference, n):
    program = explain(reference)
    values = CumsumDataset(500, 5, 20, seed=8).values[:, :n]
    extremes = torch.tensor([[5] * n, [-5] * n])
    for some in (values, extremes):
        torch.testing.assert_close(program.tabulated()(some).double(), program(some), atol=1e-4, rtol=0)


def test_what_is_proved_of_the_table_is_proved_of_what_it_says(reference):
    program = explain(reference)
    table = program.tabulated()
    before = distance(reference, table)
    table.logits[11, 3, 100 + 8] += 10  # position 12, value -2, sum +8; all three logits, which changes no probability
    assert distance(reference, table).found == pytest.approx(before.found, abs=1e-5)
    table.logits[11, 3, 100 + 8, POS] += 10  # two thirds of it are left when the logits are centred
    proved = distance(reference, table)
    assert proved.found > 6
    assert (len(proved.witness), proved.witness[-1], sum(proved.witness)) == (12, -2, 8)
    values = torch.tensor([proved.witness])
    apart = table(values)[0, -1] - run(reference, values + 5)[0, -1]
    assert (apart - apart.mean()).abs().max().item() == pytest.approx(proved.found, abs=1e-3)


def test_divergence_is_zero_only_of_equals():
    logits = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert divergence(logits, logits + 1) == pytest.approx(0, abs=1e-12)
    assert divergence(logits, -logits) > 0.1


def test_neurons_are_read_as_the_forward_pass_has_them(reference):
    """At the average token and position the pre-activation is the line, and the push what the logits gain."""
    neurons, mlp = read_neurons(reference), reference.blocks[0].mlp
    # A sequence of one value repeated has that value as its mean; what else is written is averaged over tokens and
    # positions, as what a position writes is not what the value does.
    toks = torch.arange(11)[:, None].expand(-1, 20)
    pre = (resid_mid(reference, toks) @ mlp.W_in.double() + mlp.b_in.double()).mean(1)
    average = pre.mean(0)
    torch.testing.assert_close(neurons.bias, average, atol=2e-3, rtol=0)
    for neuron in neurons.live.nonzero().flatten():
        assert neurons.slope[neuron] * neurons.kink[neuron] + neurons.bias[neuron] == pytest.approx(0, abs=1e-12)
    # Per unit of mean, 2.0986 times what the slope per unit of u was measured to be; the push centred.
    reported = [-0.896, -0.861, 1.399, -0.918, -1.051, -0.139, -0.013, 1.168]
    assert (neurons.slope / value_slope(reference)).tolist() == pytest.approx(reported, abs=1e-3)
    common = (-2.974 + 0.081 + 2.887) / 3
    assert neurons.push[2].tolist() == pytest.approx([-2.974 - common, 0.081 - common, 2.887 - common], abs=1e-3)
    common = (1.826 + 0.093 - 1.916) / 3
    assert neurons.push[0].tolist() == pytest.approx([1.826 - common, 0.093 - common, -1.916 - common], abs=1e-3)
    assert neurons.live.tolist() == [True, True, True, True, True, False, False, True]


def test_the_first_layer_of_several_is_read_as_if_it_were_the_only_one(reference):
    deeper = mutants.add_a_layer(reference)
    for name, weights in vars(first_layer(deeper)).items():
        torch.testing.assert_close(weights, getattr(explain(reference), name), atol=1e-12, rtol=0)
