"""What is allowed for float32 is enough, and needed."""

import numpy as np

from toy_model.arithmetic.float32 import EXP_ULPS, Computed, attention_error


def test_float32_sums_are_within_their_bound_and_need_it():
    """One and many halves of its last place: float32 loses every one of them, whatever the order of adding."""
    row = np.array([[1.0, *[2.0**-25] * 23]])
    W = np.ones((24, 1))
    product = Computed(abs(row), np.zeros_like(row)).times(W)
    lost = (row @ W).item() - float((np.float32(row) @ np.float32(W)).item())
    sequential = np.float32(0)
    for number in row[0]:
        sequential = np.float32(sequential + np.float32(number))
    lost = max(lost, (row @ W).item() - float(sequential))
    assert 0 < lost <= product.error.item() < 1e-5
    uncertain = Computed(abs(row), np.full_like(row, 0.5)).times(W)
    assert uncertain.error.item() >= 24 * 0.5
    # What is added to a product may be added first, and lose every one of its terms.
    bias = Computed(np.array([[1.0]]), np.array([[0.25]]))
    row[0, 0] = 0
    added = Computed(abs(row), np.zeros_like(row)).times(W, bias)
    sequential = np.float32(1)
    for number in row[0]:
        sequential = np.float32(sequential + np.float32(number))
    lost = 1 + row.sum() - float(sequential)
    assert 0 < lost + 0.25 <= added.error.item() < 0.25 + 1e-5
    assert Computed(abs(row), np.zeros_like(row)).times(W).error.item() < lost


def test_an_attention_weight_is_off_by_twice_what_a_score_is():
    q, k = (Computed(np.full((1, 1), 1.0), np.full((1, 1), 0.125)) for _ in range(2))
    weight = attention_error(q, k.most(0), n=4)
    score = 0.125 + 0.125 + 0.125**2
    assert weight.item() >= np.expm1(2 * score)
    still = Computed(np.zeros((1, 1)), np.zeros((1, 1)))
    none = Computed(np.zeros(1), np.zeros(1))
    assert attention_error(still, none, n=4).item() >= 2 * EXP_ULPS * 2.0**-24
