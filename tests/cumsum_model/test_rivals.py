"""Rivals are fitted as well as they can be, and win where they are right."""

import functools

import pytest
import torch

from cumsum_model import mutants, rivals
from cumsum_model.data import CumsumDataset, running_means
from cumsum_model.explanation import explain
from toy_model.behaviour import divergence
from toy_model.engine import run

DATA = CumsumDataset(40, 5, 20, seed=4)


def test_the_best_constant_is_the_mean_of_the_probabilities():
    """A known optimum: logits that do not look lose least with the average probabilities."""
    wanted = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    fit = rivals.fitted(lambda p: p.expand(200, 3), torch.zeros(3), wanted)
    torch.testing.assert_close(fit[0].softmax(-1), wanted.double().softmax(-1).mean(0), atol=1e-6, rtol=0)


def test_a_linear_program_finds_the_parameters_that_made_the_target():
    generator = torch.Generator().manual_seed(1)
    design = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    true = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    fit = rivals.fitted(lambda p: design @ p, torch.zeros(4, 3), design @ true)
    assert divergence(design @ true, fit) < 1e-10
    # No step in any direction loses less, where the target is out of reach: a gradient of zero.
    wanted = design @ true + torch.randn(300, 3, generator=generator, dtype=torch.float64)
    best = divergence(wanted, rivals.fitted(lambda p: design @ p, true, wanted))
    for _ in range(20):
        refit = rivals.fitted(lambda p: design @ p, torch.randn(4, 3, generator=generator), wanted)
        assert divergence(wanted, refit) == pytest.approx(best, abs=1e-8)


@functools.cache
def fits(which):
    """Run a comparison and look at each fit in it: the KL at the start and at the end, and what was returned."""
    seen = []
    original = rivals.fitted

    def watched(program, start, wanted):
        fit = original(program, start, wanted)
        seen.append((divergence(wanted, program(start.double())), divergence(wanted, fit)))
        return fit

    from cumsum_model.scope import reference_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "fitted", watched)
        result = RIVALS[which](reference_model())
    return seen, result


RIVALS = {
    "the sum": lambda model: rivals.times_worse_reading(model, DATA, lambda values: values.cumsum(1)),
    "the last value": lambda model: rivals.times_worse_reading(model, DATA, lambda values: values),
    "signs": lambda model: rivals.times_worse_reading(model, DATA, lambda values: running_means(values.sign())),
    "a linear map": lambda model: rivals.times_worse_linear(model, DATA),
}


@pytest.mark.parametrize("which", RIVALS)
def test_a_fit_loses_no_more_than_the_least_squares_it_starts_from(which):
    ((start, end),), _ = fits(which)
    assert end <= start
    assert end < 0.999 * start  # it is the KL that is fitted, and least squares are not the best for it


@pytest.mark.parametrize("which", RIVALS)
def test_a_fit_is_a_minimum(which, reference):
    """What is reported is the KL of the fitted rival over that of the explanation."""
    ((_, end),), result = fits(which)
    loss = divergence(run(reference, DATA.toks), explain(reference)(DATA.values))
    times = result[0] if isinstance(result, tuple) else result
    assert times == pytest.approx(end / loss, rel=1e-6)


def test_the_mean_itself_is_no_worse(reference):
    """With the feature that the explanation has the rival has its form, and a scale and an offset besides."""
    assert rivals.times_worse_reading(reference, DATA, running_means) <= 1.000001


def test_where_the_sum_is_read_its_program_is_better(reference):
    adds = mutants.add_instead_of_averaging(reference)
    assert rivals.times_worse_reading(adds, DATA, lambda values: values.cumsum(1)) < 1
    assert fits("the sum")[1] > 10


def test_where_signs_are_counted_their_program_is_better(reference):
    counts = mutants.count_signs(reference)
    assert rivals.times_worse_reading(counts, DATA, lambda values: running_means(values.sign())) < 1


def test_a_linear_model_is_a_linear_map(reference):
    """Without ReLUs nothing is left that a linear map has not; the explanation loses what it leaves out."""
    times, differ = rivals.times_worse_linear(mutants.fold_the_mlp_away(reference), DATA)
    assert times < 1
    assert differ == 0


def test_a_comparison_repeats_and_draws_nothing(reference):
    before = torch.get_rng_state()
    assert RIVALS["the last value"](reference) == fits("the last value")[1]
    assert torch.equal(torch.get_rng_state(), before)
