"""The exact quantities, each against brute force over everything on a model small enough for it."""

import dataclasses
import itertools
from fractions import Fraction

import pytest
import torch

from cumsum_model import attention, mutants, ov_circuit, reading, residual_stream
from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset
from cumsum_model.explanation import explain
from cumsum_model.model import CumsumTransformer
from cumsum_model.task import untrained
from toy_model import statistics

SMALL = CumsumConfig(max_value=1, n_ctx=5, n_heads=2, d_model=8, d_head=4, d_mlp=3)


@pytest.fixture(scope="module")
def small():
    """A model whose attention is far from uniform, in more than one way, biases included."""
    model = untrained(SMALL, seed=1)
    attn = model.blocks[0].attn
    attn.W_Q.mul_(4)
    attn.b_Q.copy_(torch.linspace(-1, 1, 8).reshape(2, 4))
    attn.b_K.copy_(torch.linspace(2, -1, 8).reshape(2, 4))
    return model


def every_sequence(cfg):
    return torch.tensor(list(itertools.product(range(cfg.d_vocab), repeat=cfg.n_ctx)))


def test_scores_are_those_of_the_forward_pass(small):
    toks = every_sequence(SMALL)
    _, cache = small.run_with_cache(toks)
    for head in range(SMALL.n_heads):
        scores = attention.attention_scores(small, head)
        for n in range(SMALL.n_ctx):
            for j in range(n + 1):
                expected = scores[n, toks[:, n], j, toks[:, j]]
                run = cache["blocks.0.attn.hook_attn_scores"][:, head, n, j].double()
                torch.testing.assert_close(run, expected, atol=1e-5, rtol=0)


def test_uniformity_gap_is_the_worst_of_all_sequences_and_is_attained(small):
    _, cache = small.run_with_cache(every_sequence(SMALL))
    pattern = cache["blocks.0.attn.hook_pattern"].double()
    counts = torch.arange(1, SMALL.n_ctx + 1)[:, None]
    gaps = (pattern - 1 / counts).abs().tril()
    assert attention.uniformity_gap(small) == pytest.approx(gaps.max().item(), abs=1e-6)


def test_score_spread_is_the_widest_of_all_sequences(small):
    _, cache = small.run_with_cache(every_sequence(SMALL))
    scores = cache["blocks.0.attn.hook_attn_scores"].double()
    widest = scores.amax(-1) - scores.masked_fill(scores.isinf(), torch.inf).amin(-1)
    assert attention.score_spread(small) == pytest.approx(widest.max().item(), abs=1e-5)


@pytest.mark.parametrize("mutant", [mutants.attend_to_last, mutants.attend_to_large_values, mutants.untrained])
def test_uniformity_gap_bounds_what_any_data_shows(reference, mutant):
    model = mutant(reference)
    _, cache = model.run_with_cache(CumsumDataset(500, 5, 20, seed=9).toks)
    pattern = cache["blocks.0.attn.hook_pattern"].double()
    shown = (pattern - 1 / torch.arange(1, 21)[:, None]).abs().tril().max().item()
    assert 0.1 * attention.uniformity_gap(model) < shown <= attention.uniformity_gap(model) + 1e-6


@pytest.mark.parametrize("step", [300.0, 1e4, 1e6])
def test_uniformity_gap_of_extreme_scores(reference, step, monkeypatch):
    """One token can get all the attention: the gap is 1 - 1/n, however large the scores are."""
    monkeypatch.setattr("cumsum_model.mutants.attention.SCORE_STEP", step)
    gap = attention.uniformity_gap(mutants.attend_to_large_values(reference))
    assert gap == pytest.approx(1 - 1 / 20, abs=1e-6)
    assert attention.score_spread(mutants.attend_to_large_values(reference)) > step


def test_figures_of_the_independent_reproduction(reference):
    """Measured by a separate implementation of the same recipe, to the digits it reported."""
    assert attention.W_QK(reference).abs().max().item() == pytest.approx(5.9e-5, abs=1e-6)
    assert attention.uniformity_gap(reference) <= 1.4e-4
    values = torch.linalg.svdvals(ov_circuit.value_outputs(reference))[:2].tolist()
    assert values == pytest.approx([22.01, 7.8e-4], rel=1e-2)
    reported = [-10.585, -8.478, -6.391, -4.285, -2.190, -0.094, 2.000, 4.109, 6.208, 8.301, 10.410]
    assert ov_circuit.value_projections(reference).tolist() == pytest.approx(reported, abs=1e-3)
    assert ov_circuit.value_slope(reference) == pytest.approx(2.099, abs=1e-3)
    residual = ov_circuit.value_spacing_error(reference) * ov_circuit.value_slope(reference)
    assert residual == pytest.approx(0.0087, abs=1e-4)


def test_equal_means_project_alike_as_reported(reference):
    def along_u(*values):
        return residual_stream.resid_mid_along_u(reference, torch.tensor([values]) + 5)[0, -1].item()

    reported = {(1, 1, 2): 2.786, (1, 1, 2, 1, 1, 2): 2.788, (1, 2): 3.137, (1, 2, 1, 2): 3.139}
    for values, projection in reported.items():
        assert along_u(*values) == pytest.approx(projection, abs=1e-3)


def test_u_has_length_one_and_points_to_larger_values(reference):
    u = ov_circuit.value_direction(reference)
    assert u.norm().item() == pytest.approx(1)
    assert ov_circuit.value_slope(reference) > 0
    flipped = mutants.swap_verdicts(reference)
    flipped.embed.W_E.copy_(reference.W_E.flip(0))
    assert ov_circuit.value_slope(flipped) > 0


def test_equal_mean_spread_is_the_worst_of_all_pairs(reference):
    values = CumsumDataset(40, 5, 12, seed=3).values
    means = [Fraction(int(total), n) for row in values.cumsum(1).tolist() for n, total in enumerate(row, start=1)]
    stored = reading.stored_mean(reference, values + 5)
    by_mean = {}
    for mean, read in zip(means, stored.flatten().tolist(), strict=True):
        by_mean.setdefault(mean, []).append(read)
    worst = max(max(same) - min(same) for same in by_mean.values())
    assert worst > 1e-3
    assert residual_stream.equal_mean_spread(stored, values) == pytest.approx(worst)
    ideal = mutants.hold_the_mean_exactly(reference)
    assert residual_stream.equal_mean_spread(reading.stored_mean(ideal, values + 5), values) < 1e-5


def test_relative_uniformity_gap_is_the_worst_of_all_sequences_and_is_attained(small):
    _, cache = small.run_with_cache(every_sequence(SMALL))
    pattern = cache["blocks.0.attn.hook_pattern"].double()
    counts = torch.arange(1, SMALL.n_ctx + 1)[:, None]
    gaps = (counts * pattern - 1).tril().abs()
    assert attention.relative_uniformity_gap(small) == pytest.approx(gaps.max().item(), abs=1e-5)
    # It is no multiple of the other: the worst of one is at a shorter length than the worst of the other.
    assert attention.relative_uniformity_gap(small) > attention.uniformity_gap(small)


def test_a_centred_unembedding_gives_the_same_probabilities(reference):
    centred = ov_circuit.centred_unembedding(reference)
    assert centred.sum(-1).abs().max() < 1e-12
    shifted = ov_circuit.centred_unembedding(mutants.shift_unembeddings_at_random(reference))
    torch.testing.assert_close(shifted, centred, atol=1e-5, rtol=0)
    x = torch.randn(50, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close((x @ centred).softmax(-1), (x @ reference.W_U.double()).softmax(-1))


def test_several_heads_add_up(reference):
    """The head split into two that share its work is the same model, and reads the same."""
    cfg = dataclasses.replace(reference.cfg, n_heads=2)
    split = CumsumTransformer(cfg)
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
        state[f"blocks.0.attn.{name}"] = state[f"blocks.0.attn.{name}"].repeat_interleave(2, 0)
    state["blocks.0.attn.W_O"] *= torch.tensor([0.25, 0.75])[:, None, None]
    split.load_state_dict(state)
    split.requires_grad_(False)
    data = CumsumDataset(50, 5, 20, seed=3)
    torch.testing.assert_close(split(data.toks), reference(data.toks), atol=1e-4, rtol=0)
    assert ov_circuit.value_slope(split) == pytest.approx(ov_circuit.value_slope(reference))
    torch.testing.assert_close(explain(split)(data.values), explain(reference)(data.values))


@pytest.mark.parametrize("seed", range(20))
def test_monotone_resolution_is_the_worst_of_all_pairs(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 12, (60,), generator=generator).double()
    y = (x + 2 * torch.randn(60, generator=generator, dtype=torch.float64)).round()
    worst = max(
        (b - a).item() for a, p in zip(x, y, strict=True) for b, q in zip(x, y, strict=True) if b > a and q <= p
    )
    assert statistics.monotone_resolution(x, y) == worst


def test_monotone_resolution_of_a_rising_function_is_zero():
    x = torch.tensor([3.0, 1.0, 2.0, 2.0])
    assert statistics.monotone_resolution(x, 2 * x) == 0
    assert statistics.monotone_resolution(x, torch.zeros(4)) == 2
