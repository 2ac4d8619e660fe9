"""The weights of least norm: the same function, and the same weights from wherever one starts."""

import pytest
import torch

from cumsum_model import gauge, mutants, ov_circuit
from cumsum_model.config import CumsumConfig
from cumsum_model.data import NEG, POS, ZERO, evaluation_set
from cumsum_model.least_norm import norm_above_least, of_least_norm, squared_norm
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model import statistics
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

each = pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)


@pytest.fixture(scope="module")
def deep():
    """Two layers of two heads, untrained, with biases."""
    cfg = CumsumConfig(max_value=2, n_ctx=8, n_layers=2, n_heads=2, d_model=10, d_head=4, d_mlp=4)
    model = copied(untrained(cfg, seed=0)).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(std=0.3, generator=generator)
    return model


@pytest.fixture(scope="module")
def least(reference):
    return of_least_norm(reference)


@pytest.fixture(scope="module")
def deep_least(deep):
    return of_least_norm(deep)


def readings(model):
    """What a claim might read off raw weights: angles, lengths, biases, neurons by length."""
    unembeddings = [
        statistics.cosine(model.W_U[:, a], model.W_U[:, b]) for a, b in ((NEG, POS), (NEG, ZERO), (ZERO, POS))
    ]
    u = ov_circuit.value_direction(model)
    mlp = model.blocks[0].mlp
    return torch.tensor(
        [
            *unembeddings,
            statistics.cosine(u, model.W_U[:, POS]),
            ov_circuit.value_leak(model),
            ov_circuit.value_slope(model),
            *model.unembed.b_U.tolist(),
            *model.W_E.norm(dim=-1).tolist(),
            *mlp.W_in.norm(dim=0).sort().values.tolist(),
            *mlp.W_out.norm(dim=-1).sort().values.tolist(),
            *mlp.b_in.sort().values.tolist(),
            model.blocks[0].attn.b_O.norm().item(),
            mlp.b_out.norm().item(),
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("name", ["reference", "deep"])
def test_it_is_the_same_function_with_less_norm(request, name):
    model = copied(request.getfixturevalue(name)).double()
    made = of_least_norm(model)
    toks = evaluation_set(model.cfg.max_value, model.cfg.n_ctx).toks[:500]
    torch.testing.assert_close(run(made, toks).softmax(-1), run(model, toks).softmax(-1), atol=1e-10, rtol=0)
    assert squared_norm(made) < squared_norm(model)
    assert squared_norm(of_least_norm(made)) == pytest.approx(squared_norm(made), rel=1e-9)


@each
def test_all_symmetries_of_a_trained_model_lead_to_the_same_weights(reference, least, symmetry):
    """To the rounding of weights to float32; the raw readings of most of them differ by far more."""
    try:
        made = symmetry(reference)
    except CannotBeMade as error:
        pytest.skip(str(error))
    torch.testing.assert_close(readings(of_least_norm(made)), readings(least), atol=1e-4, rtol=0)
    assert squared_norm(of_least_norm(made)) == pytest.approx(squared_norm(least), rel=1e-6)
    unnoticed = {"rotate_stream", "renumber_neurons", "change_b_K", "change_head_basis"}
    raw = (readings(made) - readings(copied(reference).double())).abs().max()
    assert (raw < 1e-3) == (symmetry.__name__ in unnoticed)


@pytest.mark.parametrize(
    "symmetry",
    [
        mutants.fold_b_out_into_readers,
        mutants.move_W_pos_to_biases,
        mutants.change_head_basis,
        mutants.renumber_heads,
        mutants.all_at_once,
    ],
    ids=lambda symmetry: symmetry.__name__,
)
def test_symmetries_of_two_layers_lead_to_the_same_norm(deep, deep_least, symmetry):
    assert squared_norm(of_least_norm(symmetry(deep))) == pytest.approx(squared_norm(deep_least), rel=1e-6)


@each
def test_no_symmetry_lowers_the_norm(least, symmetry):
    try:
        made = symmetry(least)
    except CannotBeMade as error:
        pytest.skip(str(error))
    assert squared_norm(made) > squared_norm(least) * (1 - 1e-9)


def test_every_gauge_is_at_its_balance(least):
    """What the derivative of the norm along each symmetry says where it vanishes.

    To 1e-4: a last sweep that lowers the norm by 1e-12 of 48 leaves derivatives of the root of that, 1e-5.
    """
    attn, mlp = least.blocks[0].attn, least.blocks[0].mlp
    near = {"atol": 1e-4, "rtol": 0}
    assert gauge.basis_imbalance(least) < 1e-4
    assert gauge.unembedding_sum(least) < 1e-4
    assert least.unembed.b_U.sum().abs() < 1e-9
    assert not attn.b_K.any()
    torch.testing.assert_close(least.W_E.sum(0), least.W_pos.sum(0), **near)
    torch.testing.assert_close(attn.b_V[0], attn.W_O[0] @ attn.b_O, **near)
    torch.testing.assert_close(attn.b_O, mlp.W_in @ mlp.b_in + mlp.b_out, **near)
    torch.testing.assert_close(mlp.b_out, least.W_U @ least.unembed.b_U, **near)
    reads = mlp.W_in.square().sum(0) + mlp.b_in.square()
    torch.testing.assert_close(reads, mlp.W_out.square().sum(-1), **near)
    values = attn.W_V[0].T @ attn.W_V[0] + torch.outer(attn.b_V[0], attn.b_V[0])
    torch.testing.assert_close(values, attn.W_O[0] @ attn.W_O[0].T, **near)


@pytest.mark.parametrize("name", ["reference", "seed7", "length40"])
def test_training_ends_within_a_percent_of_it(name):
    trained = read_checkpoint(REFERENCE.parent / f"{name}.safetensors", SYSTEM).model
    assert 0 < norm_above_least(trained) < 0.01
    raw, least = readings(copied(trained).double())[:4], readings(of_least_norm(trained))[:4]
    torch.testing.assert_close(raw, least, atol=0.02, rtol=0)
    assert norm_above_least(mutants.untrained(trained)) > 0.1


def test_a_neuron_that_writes_nothing_reads_nothing(reference):
    silent = of_least_norm(mutants.silence_strongest_neuron(reference))
    dead = silent.blocks[0].mlp.W_out.norm(dim=-1) == 0
    assert dead.sum() == 1
    assert not silent.blocks[0].mlp.W_in[:, dead].any()
    assert not silent.blocks[0].mlp.b_in[dead].any()


def test_a_mutant_in_another_basis_is_found_to_be_the_mutant(reference):
    """And not the model that it was made of."""
    hidden = of_least_norm(mutants.skew_stream(mutants.shout_current_value(reference)))
    plain = of_least_norm(mutants.shout_current_value(reference))
    torch.testing.assert_close(readings(hidden), readings(plain), atol=1e-4, rtol=0)
    assert abs(squared_norm(plain) / squared_norm(of_least_norm(reference)) - 1) > 0.01


def test_nothing_but_zeros_stays_so():
    empty = copied(untrained(CumsumConfig(), seed=0))
    for parameter in empty.parameters():
        parameter.zero_()
    assert squared_norm(of_least_norm(empty)) == 0
    assert norm_above_least(empty) == 0
