"""Hypothesis strategies for lists that are hard: large jumps, close triples, high lists."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def lists_with_large_jump(draw: st.DrawFn, least: int, max_value: int = 50, list_len: int = 10) -> list[int]:
    """Lists, in order, in which two successive numbers are at least `least` apart."""
    most = max_value - (list_len - 2)
    gap = draw(st.integers(least, most))
    d = draw(st.integers(0, max_value - gap))
    outside = [number for number in range(max_value + 1) if not d <= number <= d + gap]
    return sorted([d, d + gap, *draw(_some_of(outside, list_len - 2))])


@st.composite
def lists_with_close_triple(draw: st.DrawFn, max_value: int = 50, list_len: int = 10) -> list[int]:
    """Lists, in order, that contain d, d+1 and d+2."""
    d = draw(st.integers(0, max_value - 2))
    others = [number for number in range(max_value + 1) if not d <= number <= d + 2]
    return sorted([d, d + 1, d + 2, *draw(_some_of(others, list_len - 3))])


@st.composite
def lists_within(draw: st.DrawFn, low: int, high: int, list_len: int = 10) -> list[int]:
    """Lists, in order, of numbers in `low` .. `high`."""
    return sorted(draw(_some_of(list(range(low, high + 1)), list_len)))


def _some_of(numbers: list[int], n: int) -> st.SearchStrategy[list[int]]:
    """`n` different ones, one draw each: a permutation of all of them would not shrink beside a jump that does."""
    return st.lists(st.sampled_from(numbers), min_size=n, max_size=n, unique=True) if n else st.just([])
