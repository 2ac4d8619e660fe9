"""What the study takes from a proof: shares rounded outwards, and how the margin falls."""

import math
from fractions import Fraction

import pytest

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import ZERO
from cumsum_model.lengths.proved import _rounded, fitted_power, proved
from cumsum_model.lengths.shipped import FOLDER
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import THOROUGH_BUDGET, certify
from cumsum_model.scope import reference_model
from cumsum_model.task import TASK
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.surgery import copied


def test_of_a_model_that_is_right_it_says_so():
    of_reference = proved(reference_model())
    assert of_reference.right_up_to == 20
    assert set(of_reference.wrong) == {(0.0, 0.0)}
    assert of_reference.smallest_margin <= min(of_reference.found) == pytest.approx(0.2851523, abs=1e-6)


def test_of_one_that_is_wrong_it_says_on_how_many():
    broken = mutants.open_back_door(reference_model())
    of_broken = proved(broken)
    assert of_broken.right_up_to == 19
    low, high = of_broken.wrong[-1]
    exact = Fraction(17291, 11**20)
    assert Fraction(low) <= exact <= Fraction(high)
    assert high / low < 1.001


def test_shares_are_those_of_the_certificate_to_the_outside():
    broken = mutants.silence_strongest_neuron(reference_model())
    for (low, high), length in zip(proved(broken).wrong, certify(broken, budget=THOROUGH_BUDGET).lengths, strict=True):
        right_low, right_high = length.accuracy
        assert Fraction(low) <= 1 - right_high
        assert 1 - right_low <= Fraction(high)


@pytest.mark.parametrize("share", [Fraction(1, 3), Fraction(7, 11**160), Fraction(9999999, 10**7), Fraction(1)])
def test_rounding_goes_outwards(share):
    low, high = _rounded(share, math.floor), _rounded(share, math.ceil)
    assert Fraction(low) <= share * (1 + Fraction(1, 2**50))
    assert Fraction(high) >= share * (1 - Fraction(1, 2**50))
    assert high - low <= 1.01e-3 * high


def test_of_two_layers_nothing_is_proved():
    assert proved(CumsumTransformer(CumsumConfig(n_layers=2, n_ctx=4))) is None


def test_the_fitted_power_is_that_of_a_power_law():
    lengths = range(1, 41)
    assert fitted_power(lengths, [3 / n**1.5 for n in lengths]) == pytest.approx(-1.5)
    # Short lengths and what is not positive are left out.
    assert fitted_power(lengths, [9.0] * 4 + [3 / n for n in range(5, 31)] + [-1.0] * 10) == pytest.approx(-1)
    assert fitted_power(range(1, 7), [1.0] * 6) is None


def test_the_best_bias_is_where_both_sides_have_the_same_margin():
    """What is reckoned from one proof is proved of the model whose bias was moved."""
    model = reference_model()
    before = proved(model)
    moved = copied(model)
    moved.unembed.b_U[ZERO] -= before.balance
    after = proved(moved)
    assert min(after.zero) == pytest.approx(min(after.signed), abs=1e-5)
    assert after.smallest_margin == pytest.approx(before.balanced_margin, abs=1e-5)
    assert before.balanced_margin > before.smallest_margin


def test_one_number_makes_a_wrong_model_of_40_values_right_everywhere():
    model = read_checkpoint(FOLDER / "length40-layers1.safetensors", TASK).model
    before = proved(model)
    assert before.right_up_to < 40
    moved = copied(model)
    moved.unembed.b_U[ZERO] -= before.balance
    after = proved(moved)
    assert after.right_up_to == 40
    assert after.smallest_margin == pytest.approx(before.balanced_margin, abs=1e-4)
    assert after.smallest_margin > 0.1
