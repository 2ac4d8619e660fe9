"""The adversary draws what it says, and can draw what is hard."""

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from cumsum_model.strategies import long_cancellations, near_zero_values

sizes = pytest.mark.parametrize(("max_value", "seq_len"), [(5, 20), (1, 1), (1, 4), (3, 2)])


@sizes
@given(draw=st.data())
def test_near_zero_values_end_next_to_zero(max_value, seq_len, draw):
    values = draw.draw(near_zero_values(max_value, seq_len))
    assert 1 <= len(values) <= seq_len
    assert abs(sum(values)) <= 1
    assert max(map(abs, values)) <= max_value


@sizes
@given(draw=st.data())
def test_long_cancellations_are_long_and_end_next_to_zero(max_value, seq_len, draw):
    values = draw.draw(long_cancellations(max_value, seq_len))
    assert max(seq_len // 2, 1) <= len(values) <= seq_len
    assert abs(sum(values)) <= 1
    assert max(map(abs, values)) <= max_value


@pytest.mark.parametrize(
    "hard",
    [
        lambda values: len(values) == 20 and values[-1] == -5 and sum(values) == 1,
        lambda values: len(values) == 20 and values.count(1) >= 12,
        lambda values: len(values) >= 19 and values[:9] == [-4] * 9 and 5 in values,
        lambda values: len(values) == 20 and set(map(abs, values[:10])) == {5},
    ],
    ids=["the class of the smallest margin", "a long run of ones", "a run and its way back", "jumps between extremes"],
)
def test_it_can_draw_what_the_proof_finds_hard(hard):
    profile = settings(max_examples=20_000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    values = find(near_zero_values(5, 20) | long_cancellations(5, 20), hard, settings=profile)
    assert hard(values)
