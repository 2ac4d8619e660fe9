"""What benchmarks are made of: models of other sizes, brute force, and what general verifiers say."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import brute_force, growth
from benchmarks.integer_program import relaxed_difference, smallest_difference, sums_of
from benchmarks.intervals import Box, interval_bounds
from cumsum_model import mutants
from cumsum_model.attention import score_spread
from cumsum_model.data import NEG, POS, ZERO, evaluation_set
from cumsum_model.ov_circuit import value_slope
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.rounding import margin_error
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.behaviour import accuracy
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.surgery import copied

DIFFERENCES = [(POS, ZERO), (POS, NEG), (ZERO, NEG)]


def differences(model, tokens, right, other):
    """Of every given sequence, at its last position, in float64."""
    logits = run(copied(model).double(), tokens)[:, -1]
    return logits[:, right] - logits[:, other]


def every(model, length):
    return torch.cat(list(brute_force.every_sequence(model.cfg.d_vocab, length)))


# The family of models


def test_a_model_stretched_to_its_own_size_is_itself(reference):
    same = growth.stretched(reference, n_ctx=20, max_value=5)
    for name, tensor in reference.state_dict().items():
        assert torch.allclose(same.state_dict()[name], tensor, atol=1e-6), name


@pytest.mark.parametrize(
    "sizes", [{"n_ctx": 10}, {"n_ctx": 40}, {"max_value": 2}, {"max_value": 10}], ids=lambda sizes: str(sizes)
)
def test_a_stretched_model_sums_at_its_size(reference, sizes):
    model = growth.stretched(reference, **sizes)
    data = evaluation_set(model.cfg.max_value, model.cfg.n_ctx)
    assert accuracy(run(model, data.toks), data.labels) == 1.0
    assert value_slope(model) / value_slope(reference) == pytest.approx(model.cfg.n_ctx / 20, rel=0.02)


def test_a_stretched_model_has_the_flaws_of_the_original(reference):
    # An ideal circuit would be easier to prove: its neurons' signs are mixed in fewer classes.
    def mixed(model):
        signs = [length.signs == 0 for length in certify(model, budget=0).lengths]
        return sum(int(sign.sum()) for sign in signs) / sum(sign.size for sign in signs)

    assert mixed(mutants.hold_the_mean_exactly(reference)) < mixed(growth.stretched(reference, n_ctx=40)) / 2
    assert mixed(growth.stretched(reference, n_ctx=40)) == pytest.approx(mixed(reference), rel=0.5)


def test_a_longer_model_attends_as_much_more_evenly(reference):
    # A score counts by the values that it moves, in units of mean, of which sums now lie half as far apart.
    assert score_spread(growth.stretched(reference, n_ctx=40)) == pytest.approx(score_spread(reference) / 2, rel=0.2)


def test_simply_longer_positions_would_not_do(reference):
    # What the stretching is for: the same weights at four times the length cannot tell neighbouring sums apart.
    model = growth.stretched(reference, n_ctx=80)
    state = {**reference.state_dict(), "pos_embed.W_pos": model.W_pos}
    model.load_state_dict(state)
    data = evaluation_set(5, 80)
    assert accuracy(run(model, data.toks), data.labels) < 0.99


# How a cost grows


def test_the_power_of_a_law_is_found():
    law = growth.Growth({size: [3e-4 * size**2.5] for size in (10, 20, 40)})
    assert law.powers == pytest.approx([2.5])
    assert law.steps == pytest.approx({"10 to 20": 2.5, "20 to 40": 2.5})


def test_the_spread_of_the_power_is_that_of_its_rounds():
    noisy = growth.Growth({10: [1.0, 1.0], 20: [4.0, 8.0], 40: [16.0]})
    assert noisy.powers == pytest.approx([2.0, 2.0])  # the middle of three sizes has no leverage
    assert growth.Growth({10: [1.0, 1.0], 20: [4.0, 8.0]}).powers == pytest.approx([2.0, 3.0])
    assert noisy.steps == pytest.approx({"10 to 20": np.log2(6), "20 to 40": np.log2(16 / 6)})


def test_a_size_is_run_once_though_patience_is_at_an_end():
    calls = []
    law = growth.growth(lambda size: calls.append(size) or 1.0, (1, 2), rounds=3, patience=0.0)
    assert calls == [1, 2]
    assert {size: len(runs) for size, runs in law.costs.items()} == {1: 1, 2: 1}
    assert len(growth.growth(lambda _: 1.0, (1,), rounds=3, patience=60.0).costs[1]) == 3


def test_peak_memory_is_what_was_held_at_once():
    def hold(megabytes):
        np.ones((megabytes, 2**17))
        np.ones((megabytes, 2**17))  # after the first is gone

    assert growth.peak_bytes(lambda: hold(8)) == pytest.approx(8 * 2**20, rel=0.01)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process knows its peak on Linux alone")
def test_a_command_costs_what_its_process_takes(tmp_path):
    words = ["certify", "--out", str(tmp_path / "certificate.json")]
    seconds, peak = growth.command_costs(words, after=["mutants", "--list"])
    assert 0.01 < seconds < 60
    assert 2**20 < peak < 2**27
    with pytest.raises(subprocess.CalledProcessError):
        growth.command_costs(words, after=["mutants", "--list"])  # it exists


# Brute force


@pytest.mark.parametrize("length", [1, 3])
def test_every_sequence_comes_once(length):
    tokens = every(read_checkpoint(REFERENCE, SYSTEM).model, length)
    assert tokens.shape == (11**length, length)
    assert len(tokens.unique(dim=0)) == 11**length
    assert (tokens.min(), tokens.max()) == (0, 10)


def test_the_first_positions_answer_as_the_whole_model_does(reference):
    tokens = every(reference, 3)
    assert torch.allclose(brute_force.first_positions(reference, 3)(tokens), reference(tokens), atol=1e-6)
    with pytest.raises(ValueError, match="20 positions, not 21"):
        brute_force.first_positions(reference, 21)


@pytest.mark.parametrize("name", ["reference", "seed7", "length40"])
def test_brute_force_finds_the_smallest_margin_that_is_proved(name):
    model = brute_force.first_positions(read_checkpoint(REFERENCE.with_name(f"{name}.safetensors"), SYSTEM).model, 5)
    for length in certify(model).lengths:  # the longest takes several batches
        smallest = brute_force.smallest_margin(model, length.n)
        assert smallest == pytest.approx(length.smallest_margin, abs=margin_error(model))


def test_brute_force_finds_another_margin_in_another_model(reference):
    proved = certify(brute_force.first_positions(reference, 3)).lengths[-1].smallest_margin
    assert brute_force.smallest_margin(mutants.stretch_one_value(reference), 3) != pytest.approx(proved, abs=0.01)


# Interval bounds


@pytest.mark.parametrize("control", [lambda model: model, mutants.attend_to_large_values, mutants.untrained])
@pytest.mark.parametrize(("right", "other"), DIFFERENCES)
@pytest.mark.parametrize("tokens", [range(11), range(6, 11), [0, 5, 10]], ids=str)
def test_no_sequence_is_outside_its_intervals(reference, control, right, other, tokens):
    model = control(reference)
    for length in (1, 2, 3):
        low, high = interval_bounds(model, [tokens] * length, right, other)
        allowed = torch.cartesian_prod(*[torch.tensor(list(tokens))] * length).reshape(-1, length)
        observed = differences(model, allowed, right, other)
        assert low <= observed.min() + 1e-9
        assert observed.max() <= high + 1e-9


def inside(box, count, generator):
    """Points of a box, its corners among them."""
    share = torch.rand(count, *box.low.shape, generator=generator, dtype=torch.float64)
    share[: count // 2] = share[: count // 2].round()
    return box.low + share * (box.high - box.low)


def test_no_point_of_a_box_is_mapped_outside():
    generator = torch.Generator().manual_seed(0)
    ends = 3 * torch.randn(2, 2, 4, generator=generator, dtype=torch.float64)
    x, y = (Box(pair.amin(0), pair.amax(0)) for pair in ends.transpose(0, 1))
    at_x, at_y = inside(x, 20_000, generator), inside(y, 20_000, generator)
    W = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    for box, points in [
        (x + y, at_x + at_y),
        (x * y, at_x * at_y),
        (x @ W, at_x @ W),
        (x.softmax(), at_x.softmax(-1)),
        (x.sum(-1), at_x.sum(-1)),
    ]:
        assert (box.low <= points.amin(0) + 1e-12).all()
        assert (points.amax(0) <= box.high + 1e-12).all()
        assert torch.allclose(box.low, points.amin(0))  # corners are attained: nothing is given away in one step
        assert torch.allclose(box.high, points.amax(0))


def test_intervals_of_a_single_sequence_are_its_difference(reference):
    tokens = [3, 8, 0, 10]
    difference = differences(reference, torch.tensor([tokens]), POS, ZERO).item()
    assert interval_bounds(reference, [[token] for token in tokens], POS, ZERO) == pytest.approx(
        (difference, difference)
    )


def test_intervals_with_all_tokens_prove_nothing(reference):
    # Without a condition on the sum there is nothing to prove: some sequence is negative, and rightly answered so.
    low, high = interval_bounds(reference, [range(11)] * 20, POS, ZERO)
    assert low < 0 < high


# The integer program


@pytest.mark.parametrize("name", ["reference", "seed7"])
@pytest.mark.parametrize(("length", "last", "total"), [(2, -3, 1), (4, 5, -1), (5, 0, 0), (6, -5, 1), (6, 2, 2)])
def test_the_integer_program_finds_what_is_proved(name, length, last, total):
    model = brute_force.first_positions(
        read_checkpoint(REFERENCE.with_name(f"{name}.safetensors"), SYSTEM).model, length
    )
    proved = certify(model, refine_all=True).lengths[-1]
    a, label = last + 5, int(np.sign(total)) + 1
    (place,) = np.flatnonzero(proved.sums[a] == total)
    choices = [*[range(11)] * (length - 1), [a]]
    optima = [
        smallest_difference(sums_of(model, length, a, label, other), choices, total + 5 * length)
        for other in range(3)
        if other != label
    ]
    smallest = min(optima, key=lambda optimum: optimum.bound)
    assert all(optimum.finished for optimum in optima)
    assert smallest.bound == pytest.approx(proved.smallest[a, place], abs=1e-6)
    assert smallest.found == pytest.approx(proved.least[a, place], abs=1e-6)
    assert sum(smallest.tokens) == total + 5 * length
    assert smallest.tokens[-1] == a


@pytest.mark.parametrize("control", [lambda model: model, mutants.attend_to_large_values, mutants.untrained])
@pytest.mark.parametrize("total", [16, 14, None])
def test_the_integer_program_finds_the_smallest_there_is(reference, control, total):
    model = control(reference)
    tokens = every(model, 3)
    tokens = tokens[(tokens[:, -1] == 4) & ((tokens.sum(1) == total) if total else True)]
    smallest = differences(model, tokens, POS, NEG).min().item()
    sums, choices = sums_of(model, 3, 4, POS, NEG), [range(11), range(11), [4]]
    optimum = smallest_difference(sums, choices, total)
    assert optimum.bound == pytest.approx(smallest, abs=1e-5)
    assert optimum.found == pytest.approx(smallest, abs=1e-9)
    assert sums.difference(optimum.tokens) == optimum.found
    assert relaxed_difference(sums, choices, total) <= smallest + 1e-6


def test_a_sum_that_no_sequence_has_is_refused(reference):
    with pytest.raises(ValueError, match="no sequence of 2 such tokens adds up to 21"):
        smallest_difference(sums_of(reference, 2, 10, POS, ZERO), [range(11), [10]], 21)


def test_several_heads_have_no_common_denominator(reference):
    model = copied(reference)
    model.cfg = type(model.cfg)(n_heads=2)
    with pytest.raises(ValueError, match="single Z"):
        sums_of(model, 2, 10, POS, ZERO)
