"""What is allowed for float32 is enough, and needed."""

from fractions import Fraction

import numpy as np
import pytest
from hostile_float32 import added, normalised

from toy_model.arithmetic.balls import SINGLE, exact, gamma
from toy_model.arithmetic.float32 import (
    EXP_ULPS,
    QUOTIENT_ULPS,
    Computed,
    Traced,
    attention_error,
    exponent_error,
    layer_norm,
    mean_error,
    scale_error,
    score_error,
    softmax_sum_error,
    sum_error,
)

EPSILON = 1e-5


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


def test_a_sum_whose_terms_cancel_loses_half_of_what_its_magnitudes_allow_and_no_less():
    """The lost ones are as large as can be lost, at a partial sum that is as large as can be."""
    terms = np.array([1.0, *[SINGLE] * 38, -1.0])
    lost = float(np.float32(terms).cumsum(dtype=np.float32)[-1]) - terms.sum()
    error = sum_error(abs(terms).sum(), abs(terms.sum()), len(terms))
    assert abs(lost) == 38 * SINGLE
    assert abs(lost) <= error < 1.1 * abs(lost)
    assert gamma(len(terms), SINGLE) * abs(terms).sum() > 2 * abs(lost)


@pytest.mark.parametrize("seed", range(50))
def test_float32_products_are_within_the_error_of_their_sum(seed):
    generator = np.random.default_rng(seed)
    a, b = (generator.normal(size=30).astype(np.float32) for _ in range(2))
    exactly = [Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)]
    size, total = np.array(float(sum(map(abs, exactly)))), np.array(float(abs(sum(exactly))))
    for computed in (added(a * b, 0), a @ b, (a * b).cumsum(dtype=np.float32)[-1]):
        assert abs(Fraction(float(computed)) - sum(exactly)) <= sum_error(size, total, 30).item()


def normal(x, w, b):
    """Layer norm in float64."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * w + b


def norm_of(x, error):
    """Layer norm of one row that is off by `error`, with weights one and biases zero."""
    return layer_norm(exact(x[None]), error[None], np.ones(len(x)), np.zeros(len(x)), EPSILON)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("loudness", [1e-3, 1e-2, 1.0, 100.0])
def test_a_layer_norm_of_float32_is_within_its_error(seed, loudness):
    generator = np.random.default_rng(seed)
    x = (loudness * generator.normal(size=(5, 24))).astype(np.float32)
    x[1] += np.float32(20 * loudness)  # a mean that is rounded
    w, b = (generator.normal(size=24).astype(np.float32) for _ in range(2))
    M = generator.normal(size=(24, 3))
    traced = layer_norm(exact(x), np.zeros(x.shape), w.astype(float), b.astype(float), EPSILON)
    off = normalised(x, w, b) - normal(x.astype(float), w.astype(float), b.astype(float))
    assert (abs(off) <= traced.error).all()
    assert (abs(off @ M) <= traced.error_of(exact(M))).all()
    # And from numbers that are off themselves, by so much that float64 need not be distinguished from real numbers.
    error = 1e-4 * loudness * abs(generator.normal(size=x.shape))
    traced = layer_norm(exact(x), error, w.astype(float), b.astype(float), EPSILON)
    for _ in range(20):
        moved = x + error * generator.choice([-1, 1], x.shape)
        off = normal(moved, w, b) - normal(x.astype(float), w, b)
        assert (abs(off) <= traced.error).all()
        assert (abs(off @ M) <= traced.error_of(exact(M))).all()


def test_an_error_of_one_coordinate_reaches_the_others_through_the_scale():
    x = np.zeros(50)
    x[:2] = 1.0, -1.0
    error = np.zeros(50)
    error[0] = 1e-3
    off = (normal(x + error, 1, 0) - normal(x, 1, 0))[1]
    through_the_mean = error.mean() / np.sqrt(x.var())
    assert abs(off) > 20 * through_the_mean
    assert abs(off) <= norm_of(x, error).error[0, 1] < 10 * abs(off)


def test_a_mean_that_is_rounded_moves_all_coordinates_together():
    generator = np.random.default_rng(0)
    x = (1000 + generator.normal(size=64)).astype(np.float32)
    off = (normalised(x, np.float32(1), np.float32(0)) - normal(x.astype(float), 1, 0)).mean()
    shift = mean_error(abs(x[None]).astype(float)).item() / x.std()
    traced = norm_of(x, np.zeros(64))
    assert 10 * SINGLE < abs(off) <= shift <= traced.error.min()
    # What a weight adds up to zero along is left as it was.
    ones = np.ones(64)
    ones[32:] = -1
    assert traced.error_of(exact(ones[:, None])).item() < traced.error_of(exact(np.ones((64, 1)))).item() / 5


def test_quotients_and_the_sum_of_squares_are_rounded_within_the_error():
    apart = exact([[1.0], [-1.0], *[[0.0]] * 198])  # what all coordinates are off by alike cancels
    x = np.float32([1.0, -1.0, *[2.0**-12, -(2.0**-12)] * 99])
    off = normalised(x, np.float32(1), np.float32(0)) - normal(x.astype(float), 1, 0)
    lost = abs(off[0] - off[1])
    size = abs(normal(x.astype(float), 1, 0)[0])
    assert lost > 2 * 45 * SINGLE * size  # one half of a unit of the variance for each of 198 squares
    assert lost <= norm_of(x.astype(float), np.zeros(200)).error_of(apart).item() < 6 * lost
    # With few coordinates, what quotients may be off is most of it.
    few = norm_of(np.array([1.0, -1.0]), np.zeros(2)).error_of(exact([[1.0], [-1.0]])).item()
    assert 2 * 2 * QUOTIENT_ULPS * SINGLE <= few < 2 * 4 * QUOTIENT_ULPS * SINGLE


def test_a_scale_that_may_be_all_wrong_is_refused():
    with pytest.raises(OverflowError, match="as much as layer norm divides by"):
        scale_error(np.array([0.01]), np.array([0.0]), 0.01, 10)
    with pytest.raises(OverflowError):
        norm_of(np.zeros(4), np.full(4, 0.01))
    with pytest.raises(OverflowError, match="may overflow"):
        norm_of(np.array([1e20, -1e20]), np.zeros(2))


def scores_of(q, k, off_q, off_k):
    """How far scores may be off of queries and keys that are off by this much, in any direction."""
    return score_error(Traced(exact(q), np.broadcast_to(off_q, q.shape)), Traced(exact(k), np.full(k.shape, off_k)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("off", [(1e-2, 0.0), (0.0, 1e-2), (0.1, 0.1)])
def test_scores_are_within_their_error_of_what_is_the_same_for_all_keys(seed, off):
    generator = np.random.default_rng(seed)
    q, k = generator.normal(size=(4, 6)), generator.normal(size=(5, 6)) + 2
    scores, error = scores_of(q, k, *off)
    for _ in range(20):
        moved_q, moved_k = (m + o * generator.choice([-1, 1], m.shape) for m, o in ((q, off[0]), (k, off[1])))
        moved = moved_q @ moved_k.T / np.sqrt(6) - q @ k.T / np.sqrt(6)
        assert ((moved - error).max(1) <= (moved + error).min(1)).all()
    np.testing.assert_allclose(scores.mid, q @ k.T / np.sqrt(6))


def test_each_part_of_a_score_error_is_needed():
    q, k = np.array([[3.0]]), np.array([[1.0], [5.0]])
    _, of_q = scores_of(q, k, 0.1, 0.0)
    assert of_q == pytest.approx(0.1 * 2, rel=1e-3)  # half of how the two scores come apart
    _, of_k = scores_of(q, k, 0.0, 0.1)
    assert of_k == pytest.approx(0.1 * 3, rel=1e-3)
    _, of_both = scores_of(q, k, 0.1, 0.1)
    assert (of_both > of_q + of_k + 0.1 * 0.1 - 1e-5).all()
    # In float32 alone: a sum whose terms are lost, and a root that is rounded.
    q = np.array([[1.0, *[SINGLE] * 22, -1.0]])
    _, error = scores_of(q, np.ones((1, 24)), 0.0, 0.0)
    assert 22 * SINGLE / np.sqrt(24) < error.item() < 2 * 22 * SINGLE / np.sqrt(24)
    _, error = scores_of(np.ones((1, 1)), np.ones((1, 1)), 0.0, 0.0)
    assert error.item() >= 4 * SINGLE


def test_errors_pass_through_products_with_all_that_cancels():
    rows = Traced(exact([[1.0, 1.0]]), np.array([[0.5, 0.25]]), along=((np.array([[0.1]]), exact([[1.0, -1.0]])),))
    through = rows.times(np.array([[1.0], [1.0]]), np.array([1.0]))
    assert through.exact.mid.item() == 3.0
    assert through.error.item() == pytest.approx(0.75, abs=1e-5)
    assert through.error.item() > 0.75 + SINGLE * 2
    assert rows.times(np.array([[1.0], [-1.0]]), np.array([1.0])).error.item() == pytest.approx(0.95, abs=1e-5)
    # A product that is read by a matrix: what it was made of passes through both.
    W, M = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[1.0], [1.0]])
    both = rows.times(W, np.zeros(2)).error_of(exact(M)).item()
    assert both == pytest.approx(0.5 * 2 + 0.1 * 2, abs=1e-5)
    twice = rows.of_rows(np.array([0, 0])).times(W, np.zeros(2))
    assert twice.error_of(exact(M)).tolist() == [[both], [both]]


def test_attention_weights_are_proportional_to_exponentials_within_their_error():
    generator = np.random.default_rng(0)
    scores = (20 * generator.normal(size=(1000, 21))).astype(np.float32)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / added(weights, -1)[:, None]
    exactly = scores.astype(float)
    exactly = exactly - np.log(np.exp(exactly).sum(-1, keepdims=True))
    off = np.where(weights > 1e-30, np.log(np.maximum(weights, 1e-30).astype(float)) - exactly, 0)
    allowed = exponent_error(abs(scores).max(-1), np.zeros(1000)) + np.log1p(softmax_sum_error(21))
    assert (abs(off).max(-1) <= allowed).all()
    assert abs(off).max() > allowed.max() / 20
    assert exponent_error(np.zeros(1), np.ones(1)).item() >= 1 + (2 * EXP_ULPS + 2) * SINGLE


def test_a_sum_of_exponentials_that_loses_most_of_them_is_within_its_error():
    exponentials = np.float32([1.0, *[SINGLE] * 20])
    weights = exponentials.astype(float) / float(added(exponentials, 0))
    assert weights.sum() - 1 == 20 * SINGLE
    assert weights.sum() - 1 <= softmax_sum_error(21) < 2 * (weights.sum() - 1)
