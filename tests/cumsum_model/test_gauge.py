"""The basis and the gauge that weight decay leaves: how near trained models are, and what is the same in any basis."""

import pytest
import torch
import torch.nn.functional as F

from cumsum_model import gauge, mutants, scope
from cumsum_model.config import CumsumConfig
from cumsum_model.data import NEG, POS, ZERO, evaluation_set
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model import statistics
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.surgery import copied

CHANGES_OF_BASIS = (mutants.rescale_stream, mutants.shear_stream, mutants.rotate_stream, mutants.skew_stream)

named = pytest.mark.parametrize("change", CHANGES_OF_BASIS, ids=lambda change: change.__name__)


def with_biases(cfg, seed=0):
    """An untrained model with biases: in float64, so that what is shown is algebra and no rounding."""
    model = copied(untrained(cfg, seed)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(std=0.3, generator=generator)
    return model


@pytest.fixture(scope="module")
def deep():
    return with_biases(CumsumConfig(max_value=2, n_ctx=8, n_layers=2, n_heads=2, d_model=10, d_head=4, d_mlp=4))


@pytest.fixture(scope="module")
def wide():
    """A stream of 40 dimensions, along most of which nothing is written or read."""
    return with_biases(CumsumConfig(max_value=2, n_ctx=4, d_model=40, d_head=2, d_mlp=2))


@pytest.fixture(params=["reference", "seed7", "length40"])
def trained(request):
    return read_checkpoint(REFERENCE.parent / f"{request.param}.safetensors", SYSTEM).model


def squared_norm(model):
    parts = [*gauge.written_to_stream(model), *gauge.read_from_stream(model)]
    return sum(part.double().square().sum().item() for part in parts)


def test_trained_models_are_near_the_basis_of_least_norm(trained):
    """By half of what is allowed."""
    assert gauge.not_in_the_basis_of_training(trained) is None
    assert gauge.basis_imbalance(trained) < gauge.MAX_IMBALANCE / 2
    assert gauge.unembedding_sum(trained) < gauge.MAX_UNEMBEDDING_SUM / 2
    assert 0 < gauge.excess_norm(trained) < 0.01


@pytest.mark.parametrize(
    ("mutant", "reason"),
    [
        (mutants.rescale_stream, "what is written to the stream and what is read from it differ by"),
        (mutants.shear_stream, "what is written to the stream and what is read from it differ by"),
        (mutants.skew_stream, "what is written to the stream and what is read from it differ by"),
        (mutants.shift_unembeddings, "what is written to the stream and what is read from it differ by"),
        (mutants.unembed_zero_as_pos, "centred; in this model they add up to 49% of the longest"),
        (mutants.untrained, "what is written to the stream and what is read from it differ by"),
        (mutants.hold_the_mean_exactly, "what is written to the stream and what is read from it differ by"),
        (mutants.rotate_stream, None),
        (mutants.renumber_neurons, None),
        (mutants.change_b_K, None),
        (mutants.shift_logits_by_a_constant, None),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_which_models_are_elsewhere(reference, mutant, reason):
    said = gauge.not_in_the_basis_of_training(mutant(reference))
    assert said is None if reason is None else reason in said


def test_a_small_common_vector_is_noticed_by_the_sum_alone(reference):
    mutant = copied(reference)
    mutant.unembed.W_U += 0.15 * reference.W_U[:, [POS]]
    assert gauge.basis_imbalance(mutant) < gauge.MAX_IMBALANCE
    assert "centred; in this model they add up to" in gauge.not_in_the_basis_of_training(mutant)


def test_other_reasons_come_first(deep):
    assert gauge.not_in_the_basis_of_training(deep) == scope.no_account_of(deep) is not None


def test_of_no_weights_no_number_is_made_up():
    empty = copied(untrained(CumsumConfig(), seed=0))
    for parameter in empty.parameters():
        parameter.zero_()
    assert gauge.basis_imbalance(empty) == gauge.unembedding_sum(empty) == gauge.excess_norm(empty) == 0


def test_the_loss_does_not_change_along_a_change_of_basis(deep):
    """Its derivative by M at M = 1: what the weights' derivatives say of x M and M^-1 r together."""
    model = copied(deep).requires_grad_(True)
    data = evaluation_set(2, 8)
    F.cross_entropy(model(data.toks[:200]).flatten(0, 1), data.labels[:200].flatten()).backward()
    along = torch.zeros(10, 10, dtype=torch.float64)
    scale = 0.0
    for x in gauge.written_to_stream(model):
        along += x.detach().reshape(-1, 10).T @ x.grad.reshape(-1, 10)
    for r in gauge.read_from_stream(model):
        by_r = r.grad @ r.detach().mT
        along -= by_r if by_r.ndim == 2 else by_r.sum(0)
        scale = max(scale, by_r.abs().max().item())
    assert along.abs().max() < 1e-10 * scale


@named
def test_the_balanced_basis_is_the_same_for_a_model_in_any_basis(reference, change):
    """Products of all that is written and of all that is read; to float32 rounding of the weights."""
    made = change(reference)
    mine, theirs = gauge.balanced_basis(made), gauge.balanced_basis(reference)
    for name in ("W_E", "W_pos", "W_O", "W_out"):
        torch.testing.assert_close(
            gram(mine.vector(rows(made, name))), gram(theirs.vector(rows(reference, name))), atol=1e-5, rtol=0
        )
    for name in ("W_U", "W_in", "W_V"):
        torch.testing.assert_close(
            gram(mine.covector(rows(made, name)).T),
            gram(theirs.covector(rows(reference, name)).T),
            atol=1e-5,
            rtol=0,
        )


def rows(model, name):
    parameters = {kind.rpartition(".")[2]: weights for kind, weights in model.named_parameters()}
    weights = parameters[name]
    return weights[0] if weights.ndim == 3 else weights


def gram(vectors):
    return vectors @ vectors.T


@named
def test_cosines_of_unembeddings_are_invariant_in_it_and_not_out_of_it(reference, change):
    made = change(reference)
    for first, second in ((NEG, POS), (NEG, ZERO), (ZERO, POS)):
        before, after = (
            statistics.cosine(*gauge.balanced_basis(model).covector(model.W_U[:, [first, second]]).T)
            for model in (reference, made)
        )
        assert after == pytest.approx(before, abs=1e-6)
    raw = [statistics.cosine(model.W_U[:, ZERO], model.W_U[:, POS]) for model in (reference, made)]
    assert (abs(raw[0] - raw[1]) < 1e-6) == (change is mutants.rotate_stream)


def test_in_the_balanced_basis_a_trained_model_looks_as_it_does(trained):
    """Which is what weight decay is said to do: the cosines of the unembeddings agree to a hundredth."""
    balanced = gauge.in_balanced_basis(trained)
    for first, second in ((NEG, POS), (NEG, ZERO), (ZERO, POS)):
        raw, inside = (statistics.cosine(model.W_U[:, first], model.W_U[:, second]) for model in (trained, balanced))
        assert raw == pytest.approx(inside, abs=0.01)


@pytest.mark.parametrize("name", ["reference", "deep", "wide"])
def test_it_is_the_same_function_and_balanced(request, name):
    model = copied(request.getfixturevalue(name)).double()
    balanced = gauge.in_balanced_basis(model)
    toks = evaluation_set(model.cfg.max_value, model.cfg.n_ctx).toks[:500]
    torch.testing.assert_close(run(balanced, toks), run(model, toks), atol=1e-6, rtol=0)
    assert gauge.basis_imbalance(balanced) < 1e-6
    assert gauge.excess_norm(balanced) == pytest.approx(0, abs=1e-9)
    assert squared_norm(balanced) <= squared_norm(model)
    assert squared_norm(balanced) == pytest.approx(squared_norm(model) / (1 + gauge.excess_norm(model)), rel=1e-9)


@pytest.mark.parametrize("name", ["reference", "deep"])
def test_its_metric_solves_the_equation_of_a_stationary_point(request, name):
    model = request.getfixturevalue(name)
    basis = gauge.balanced_basis(model)
    A, B = (torch.zeros(model.cfg.d_model, model.cfg.d_model, dtype=torch.float64) for _ in range(2))
    for x in gauge.written_to_stream(model):
        A += x.double().reshape(-1, model.cfg.d_model).T @ x.double().reshape(-1, model.cfg.d_model)
    for r in gauge.read_from_stream(model):
        by_head = r.double() @ r.double().mT
        B += by_head if by_head.ndim == 2 else by_head.sum(0)
    torch.testing.assert_close(basis.S @ A @ basis.S, B, atol=1e-9 * B.norm().item(), rtol=0)
    torch.testing.assert_close(basis.M @ basis.N, torch.eye(model.cfg.d_model, dtype=torch.float64), atol=1e-6, rtol=0)
    assert torch.linalg.eigvalsh(basis.S).min() > 0


@pytest.mark.parametrize("name", ["reference", "deep"])
def test_no_basis_around_it_has_a_smaller_norm(request, name):
    """Random search: 300 changes of basis at three distances, each of which raises the norm, far ones more."""
    balanced = gauge.in_balanced_basis(copied(request.getfixturevalue(name)).double())
    generator = torch.Generator().manual_seed(0)
    d_model = balanced.cfg.d_model
    least = squared_norm(balanced)
    rises = []
    for distance in (0.003, 0.03, 0.3):
        norms = []
        for _ in range(100):
            step = torch.empty(d_model, d_model, dtype=torch.float64).normal_(generator=generator)
            step = distance * step / torch.linalg.matrix_norm(step, 2)
            step = (step + step.T) / 2  # what is left is a rotation, to first order, which keeps every norm
            norms.append(squared_norm(gauge.change_basis(balanced, torch.matrix_exp(step))))
        rises.append(min(norms) / least - 1)
    assert 0 < rises[0] < rises[1] < rises[2]


def test_a_direction_that_nothing_reads_has_no_length(wide):
    basis = gauge.balanced_basis(wide)
    read = torch.cat([r.movedim(-2, 0).reshape(40, -1) for r in gauge.read_from_stream(wide)], dim=1)
    unread = torch.linalg.svd(read).U[:, -1]
    assert basis.M.shape == (40, 11)  # 2 columns each of W_Q, W_K, W_V and W_in, 3 of W_U
    assert basis.vector(unread).norm() < 1e-9
    torch.testing.assert_close(basis.vector(wide.W_E) @ basis.covector(wide.W_U), wide.W_E @ wide.W_U)
