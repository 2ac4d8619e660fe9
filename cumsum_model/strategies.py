"""Hypothesis strategies for the inputs that are hard: sums that end next to zero."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def near_zero_values(draw: st.DrawFn, max_value: int, seq_len: int) -> list[int]:
    """Sequences of 1 to `seq_len` values in -max_value .. +max_value whose sum is -1, 0 or +1.

    Some keep to small values, some jump between the extremes, and all are steered so that they arrive:
    each value is drawn from those that leave the goal within reach. Shrinks towards short sequences of
    small values.
    """
    length = draw(st.integers(1, seq_len))
    goal = draw(st.sampled_from([0, 1, -1]))
    largest = draw(st.integers(1, max_value))
    values: list[int] = []
    still_needed = goal
    for places_left in range(length - 1, -1, -1):
        reach = largest * places_left
        low, high = max(-largest, still_needed - reach), min(largest, still_needed + reach)
        value = draw(st.integers(low, high) | st.sampled_from([low, high]))
        values.append(value)
        still_needed -= value
    return values
