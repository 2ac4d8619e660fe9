"""What is read of resid_mid is a fact about the function: no basis, gauge, scale or numbering changes it."""

import functools

import pytest
import torch

from cumsum_model import mutants, ov_circuit, reading, residual_stream
from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset, evaluation_set, running_means
from cumsum_model.model import CumsumTransformer
from toy_model.behaviour import resid_mid
from toy_model.surgery import CannotBeMade

DATA = CumsumDataset(50, 5, 20, seed=3)

CLOSE = 1e-4
"""Of what is read, relative to its size; of errors, in units of mean. New weights are rounded to float32."""


def facts(model):
    """Everything that this module reads of a model, in a form that has no order of neurons and no constants."""
    stored = reading.stored_mean(model, DATA.toks)
    along, *neurons = reading.pushes_towards_a_side(model)
    readouts = reading.readouts(model)
    covectors = torch.stack(
        sorted(readouts.values(), key=lambda covector: reading.value_spacing_error(model, covector))
    )
    read = ov_circuit.value_outputs(model) @ covectors.T
    return {
        "amplification": torch.tensor(reading.amplification(model)),
        "zero": torch.tensor(reading.zero_against_the_sides(model)),
        "values": reading.value_readings(model) - reading.value_readings(model).mean(),
        "stored": stored - stored.mean(),
        "slopes": reading.slope_by_length(stored, DATA.values),
        "pushes": torch.tensor([along, *sorted(neurons)]),
        "readouts": read - read.mean(0),
        "repetition": torch.tensor(reading.stored_of(model, (1, 1, 2)) - reading.stored_of(model, (1, 2))),
        "spacing": torch.tensor(reading.value_spacing_error(model)),
        "steps": torch.tensor(reading.value_step_error(model)),
        "info weighting": torch.tensor(reading.info_weighting_error(model)),
    }


@functools.cache
def facts_of_the_original():
    return facts(original())


@functools.cache
def original():
    """The shipped model with a second direction that "zero" reads: where bases matter, as OV has rank two."""
    from cumsum_model.scope import reference_model

    return mutants.let_size_vote_zero(reference_model())


@pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)
def test_no_symmetry_changes_what_is_read(symmetry):
    try:
        model = symmetry(original())
    except CannotBeMade as error:
        pytest.skip(str(error))
    measured = facts(model)
    for name, expected in facts_of_the_original().items():
        torch.testing.assert_close(
            measured[name], expected, rtol=CLOSE, atol=CLOSE, msg=lambda text, of=name: f"{of}: {text}"
        )


def test_projections_on_u_are_no_such_fact(reference):
    """Where the naive reading fails: by an angle, which the basis decides."""
    skewed = mutants.skew_stream(original())
    toks = DATA.toks
    naive = [
        residual_stream.resid_mid_along_u(model, toks) / ov_circuit.value_slope(model) for model in (original(), skewed)
    ]
    before, after = (projections - projections.mean() for projections in naive)
    assert (before - after).abs().max() > 100 * CLOSE


def test_a_broken_model_is_read_otherwise(reference):
    for mutant in (mutants.shout_current_value, mutants.silence_strongest_neuron, mutants.stretch_one_value):
        measured = facts(mutant(reference))
        assert any((measured[name] - value).abs().max() > 0.01 for name, value in facts(reference).items()), mutant


def test_the_step_is_along_u_on_the_shipped_checkpoint(reference):
    u = ov_circuit.value_slope(reference) * ov_circuit.value_direction(reference)
    torch.testing.assert_close(reading.value_step(reference), u, atol=1e-3, rtol=0)
    assert reading.value_step(reference) @ reading.mean_readout(reference) == pytest.approx(1, abs=1e-12)


def test_the_running_mean_is_what_is_stored(reference):
    """To a fiftieth of a unit, plus a constant, on every position of the evaluation set."""
    data = evaluation_set(5, 20)
    rest = reading.stored_mean(reference, data.toks) - running_means(data.values)
    assert (rest - rest.mean()).abs().max() < 0.02
    assert reading.stored_of(reference, data.values[3, :7].tolist()) == pytest.approx(
        reading.stored_mean(reference, data.toks)[3, 6].item(), abs=1e-5
    )
    # What the current token writes past the head is read too.
    shouted = reading.stored_mean(mutants.shout_current_value(reference), data.toks) - running_means(data.values)
    assert (shouted - shouted.mean()).abs().max() > 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_the_readout_is_the_slope_of_the_logit_difference(reference, seed):
    """By differences through the model itself, at a mean of zero, where every live neuron fires."""
    direction = torch.randn(24, generator=torch.Generator().manual_seed(seed))
    toks = torch.full((1, 20), 5)
    live = reading.mean_readout(mutants.deafen_dead_neurons(reference))
    step = {}
    for size in (-1e-2, 1e-2):
        shift = size * direction
        logits = (
            mutants.deafen_dead_neurons(reference)
            .run_with_hooks(toks, {"blocks.0.hook_resid_mid": lambda resid, shift=shift: resid + shift})[0, -1]
            .double()
        )
        step[size] = (logits[2] - logits[0]).item()
    slope = (step[1e-2] - step[-1e-2]) / 2e-2
    g = reading.sign_readout(mutants.deafen_dead_neurons(reference))
    assert slope == pytest.approx((direction.double() @ g).item(), rel=1e-3, abs=1e-2)
    torch.testing.assert_close(live, g / (reading.value_step(reference) @ g), atol=1e-3, rtol=0)


@pytest.fixture
def by_hand():
    """Values are read on axis 0 and written twice as long on axis 1; one neuron passes axis 1 on to axis 2."""
    model = CumsumTransformer(CumsumConfig(max_value=2, n_ctx=6, d_model=4, d_head=1, d_mlp=2)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.embed.W_E[:, 0] = torch.arange(-2.0, 3.0)
    attn, mlp = model.blocks[0].attn, model.blocks[0].mlp
    attn.W_V[0, 0, 0], attn.W_O[0, 0, 1] = 1, 2
    mlp.W_in[1, 0], mlp.W_out[0, 2], mlp.b_in[0] = 1, 1, 100
    model.unembed.W_U[1] = torch.tensor([-1.0, 4.0, 3.0])
    model.unembed.W_U[2] = torch.tensor([0.0, 1.0, 5.0])
    return model


def close(*numbers):
    return pytest.approx(numbers, abs=1e-12)


def test_a_model_made_by_hand_is_read_as_it_was_made(by_hand):
    assert reading.value_step(by_hand).tolist() == close(0, 2, 0, 0)
    # pos - neg reads 4 on axis 1 and 5 on axis 2; the neuron adds another 5 to axis 1.
    assert reading.sign_readout(by_hand).tolist() == close(0, 9, 5, 0)
    assert reading.mean_readout(by_hand).tolist() == close(0, 9 / 18, 5 / 18, 0)
    assert reading.amplification(by_hand) == pytest.approx(9 / 4)
    # Per unit of axis 1 the logits move by (-1, 4, 3) past the neuron: zero, centred, by 2 against 4; then (-1, 5, 8).
    assert reading.zero_against_the_sides(by_hand) == close(1 / 2, 1 / 9)
    assert {name: covector.tolist() for name, covector in reading.readouts(by_hand).items()} == {
        "neuron 0": close(0, 1 / 2, 0, 0),
        "pos - neg": close(0, 1 / 2, 5 / 8, 0),
        "pos - zero": close(0, 1 / 2, -2, 0),
    }
    # Centred, (-1, 4, 3) is (-3, 2, 1) and the neuron's (0, 1, 5) is (-2, -1, 3).
    assert reading.pushes_towards_a_side(by_hand) == close(4 / (14 * 2) ** 0.5, 5 / (14 * 2) ** 0.5)


def test_what_is_written_is_read_in_units_of_value(by_hand):
    assert reading.value_readings(by_hand).tolist() == close(-2, -1, 0, 1, 2)
    assert reading.value_spacing_error(by_hand) == pytest.approx(0, abs=1e-12)
    assert reading.value_step_error(by_hand) == pytest.approx(0, abs=1e-12)
    assert reading.info_weighting_error(by_hand) == pytest.approx(0, abs=1e-12)
    assert reading.stored_of(by_hand, (1, 1, 2)) == pytest.approx(4 / 3, abs=1e-6)
    assert reading.stored_of(by_hand, (1, 1, 2, 1, 1, 2)) == pytest.approx(4 / 3, abs=1e-6)
    # 2 read as 3: then the slope is 1.2 and the readings are -2, -1, 0, 1, 3 over 1.2.
    by_hand.embed.W_E[4, 0] = 3
    stretched = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0], dtype=torch.float64) / 1.2
    assert reading.value_readings(by_hand).tolist() == pytest.approx(stretched.tolist(), abs=1e-12)
    assert reading.value_step_error(by_hand) == pytest.approx(2 / 1.2 - 1)
    rest = stretched - stretched.mean() - torch.arange(-2.0, 3.0)
    assert reading.value_spacing_error(by_hand) == pytest.approx(rest.abs().max().item(), abs=1e-6)
    moved = (stretched - stretched.mean()).abs() - torch.arange(-2.0, 3.0).abs()
    assert reading.info_weighting_error(by_hand) == pytest.approx(moved.abs().max().item(), abs=1e-6)


def test_attention_that_is_not_uniform_is_no_weight_of_values(reference):
    """Against every query and key of a data set: the bound is above what is shown, and of its size."""
    model = mutants.attend_to_last(reference)
    _, cache = model.run_with_cache(DATA.toks)
    pattern, n = cache["blocks.0.attn.hook_pattern"][:, 0].double(), torch.arange(1, 21)[:, None]
    moved = reading.value_readings(model)
    sizes = (moved - moved.mean()).abs()[DATA.toks]
    shown = (n * pattern * sizes[:, None] - DATA.values.abs()[:, None]).tril().abs().max().item()
    assert shown <= reading.info_weighting_error(model) + 1e-4
    assert shown > reading.info_weighting_error(model) / 2
    assert reading.info_weighting_error(reference) < 0.1


def test_slopes_by_length_tell_the_mean_from_the_sum():
    values = DATA.values
    lengths = torch.arange(1, 21)
    mean, sums = running_means(values) + 7, values.cumsum(1).double()
    assert reading.slope_by_length(mean, values).tolist() == pytest.approx([1] * 20)
    assert reading.slope_by_length(sums, values).tolist() == pytest.approx(lengths.tolist())
    last = reading.slope_by_length(values.double(), values)
    assert last[0] == pytest.approx(1)
    assert (last[1:] - 1).abs().max() > 0.2


def test_the_stream_is_read_in_float64(reference):
    stored = reading.stored_mean(reference, DATA.toks)
    assert stored.dtype == torch.float64
    torch.testing.assert_close(stored, resid_mid(reference, DATA.toks) @ reading.mean_readout(reference))
