"""Lengths are proved when they are asked for, once, and no longer than it takes to refute."""

import math

import numpy as np
import pytest

from cumsum_model import mutants
from cumsum_model.proof.by_length import ByLength, largest, shortest, smallest
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.proving import prove_each


@pytest.fixture
def squares():
    asked = []

    def square(n):
        asked.append(n)
        return n * n

    lengths = ByLength(5, square)
    lengths.asked = asked
    return lengths


def test_nothing_is_proved_before_it_is_asked_for(squares):
    assert len(squares) == 5
    assert squares.asked == []
    assert squares[-1] == 25
    assert squares.asked == [5]


def test_what_was_proved_is_kept(squares):
    assert list(squares) == list(squares) == [1, 4, 9, 16, 25]
    assert squares[1:3] == [4, 9]
    assert squares.asked == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("index", [5, -6])
def test_a_length_that_there_is_not_is_an_index_error(squares, index):
    with pytest.raises(IndexError):
        squares[index]


def test_what_refutes_stops_the_proof(squares):
    assert shortest(square - 4 for square in squares if square > 1) == 5
    assert squares.asked == [1, 2, 3]
    assert largest(squares, enough=10) == 16
    assert squares.asked == [1, 2, 3, 4]
    assert smallest((-square for square in squares), enough=-10) == -16
    assert squares.asked == [1, 2, 3, 4]


def test_what_refutes_nothing_is_looked_through(squares):
    assert shortest(0 for _ in squares) == 0
    assert largest(squares, enough=25) == 25
    assert smallest(squares, enough=1) == 1
    assert squares.asked == [1, 2, 3, 4, 5]


def test_no_number_is_not_lost_between_numbers():
    assert math.isnan(largest([1.0, math.nan, 2.0], enough=5))
    assert math.isnan(smallest([1.0, math.nan, 2.0], enough=0))


@pytest.mark.parametrize("name", ["shipped", "open_back_door", "attend_to_last"])
def test_each_length_by_itself_is_what_the_certificate_has(reference, name):
    model = reference if name == "shipped" else getattr(mutants, name)(reference)
    certificate, each = certify(model, budget=0), prove_each(model)
    for n in (20, 3, 1):
        for part in ("smallest", "largest", "least", "least_tokens", "right_low", "right_high"):
            assert np.array_equal(getattr(each[n - 1], part), getattr(certificate.lengths[n - 1], part)), (n, part)
