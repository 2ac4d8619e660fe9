"""Hypothesis strategies for the inputs that are hard: long sequences of large values whose sum ends next to zero."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def near_zero_values(draw: st.DrawFn, max_value: int, seq_len: int) -> list[int]:
    """Sequences of 1 to `seq_len` values in -max_value .. +max_value whose sum is -1, 0 or +1.

    Some keep to small values, some jump between the extremes, and all are steered so that they arrive:
    each value leaves the goal within reach. Shrinks towards short sequences of small values.
    """
    length = draw(st.integers(1, seq_len))
    goal = draw(st.sampled_from([0, 1, -1]))
    largest = draw(st.integers(1, max_value))
    return _arriving(draw, length, goal, largest)


@st.composite
def long_cancellations(draw: st.DrawFn, max_value: int, seq_len: int) -> list[int]:
    """Long sequences with a sum of -1, 0 or +1 and a given last value: a run one way, then a run back.

    Few different values, each many times, in blocks: what differs in each value or position adds up
    instead of cancelling. Of between half of `seq_len` and all of it. Shrinks towards short sequences.
    """
    length = draw(st.integers(max(seq_len // 2, 1), seq_len))
    goal = draw(st.sampled_from([1, -1, 0]))
    values = st.integers(-max_value, max_value)
    last = draw(st.sampled_from([-max_value, max_value]) | values)
    blocks = draw(st.lists(st.tuples(values, st.integers(1, seq_len)), max_size=3))
    run = [value for value, times in blocks for _ in range(times)][: length - 1]
    # As much of the run as leaves the goal within reach; the rest of the way is drawn.
    while run and abs(goal - last - sum(run)) > max_value * (length - 1 - len(run)):
        run.pop()
    still_needed = goal - last - sum(run)
    places_left = length - 1 - len(run)
    if abs(still_needed) > max_value * places_left:  # only for the shortest: there is no way there
        return _arriving(draw, length, goal, max_value)
    return [*run, *_arriving(draw, places_left, still_needed, max_value), last]


def _arriving(draw: st.DrawFn, length: int, goal: int, largest: int) -> list[int]:
    """`length` values of at most `largest` in size whose sum is `goal`; there has to be such a sequence.

    Wishes are drawn, all at once, and each value is the nearest to its wish that leaves the goal within reach.
    """
    wishes = draw(st.lists(st.integers(-largest, largest), min_size=length, max_size=length))
    values: list[int] = []
    still_needed = goal
    for places_left, wish in zip(range(length - 1, -1, -1), wishes, strict=True):
        reach = largest * places_left
        low, high = max(-largest, still_needed - reach), min(largest, still_needed + reach)
        value = min(max(wish, low), high)
        values.append(value)
        still_needed -= value
    return values
