"""Balls hold the exact result, and are no narrower than they have to be."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx

from toy_model.arithmetic import balls
from toy_model.arithmetic.balls import Ball, exact, square_root


def enclosed(ball, exactly):
    """Whether every entry of a ball holds the exact number, given as a function of the index."""
    ctx.prec = 400
    for index in np.ndindex(ball.shape):
        distance = abs(arb(float(ball.mid[index])) - exactly(index))
        assert distance <= arb(float(ball.rad[index])), index


def test_exp_is_within_its_ulps():
    generator = np.random.default_rng(0)
    arguments = np.concatenate([-np.logspace(-20, 2.84, 4000), -generator.uniform(0, 700, 20_000), [0.0]])
    ball = exact(arguments).exp()
    ctx.prec = 200
    for argument, mid in zip(arguments, ball.mid, strict=True):
        true = arb(float(argument)).exp()
        assert abs(arb(float(mid)) - true) <= balls.EXP_ULPS * arb(2.0**-52) * true


@pytest.mark.parametrize("seed", range(20))
def test_balls_hold_the_exact_result(seed):
    generator = np.random.default_rng(seed)
    a, b = (generator.normal(size=(3, 3)) * 10.0 ** generator.integers(-6, 6) for _ in range(2))
    A, B = [[arb(float(x)) for x in row] for row in a], [[arb(float(x)) for x in row] for row in b]
    ctx.prec = 400
    product = exact(a) @ exact(b)
    enclosed(product, lambda i: sum(A[i[0]][k] * B[k][i[1]] for k in range(3)))
    enclosed(
        product * exact(b) - exact(a),
        lambda i: sum(A[i[0]][k] * B[k][i[1]] for k in range(3)) * B[i[0]][i[1]] - A[i[0]][i[1]],
    )
    enclosed(exact(a).inverse(), lambda i: 1 / A[i[0]][i[1]])
    enclosed(exact(a).T, lambda i: A[i[1]][i[0]])
    enclosed((exact(a) * exact(a)).sqrt(), lambda i: abs(A[i[0]][i[1]]))
    small = exact(np.clip(a, -50, 0))
    enclosed(
        (small @ exact(np.eye(3) / 3)).exp(),
        lambda i: (arb(float(small.mid[i])) * arb(float((np.eye(3) / 3)[0, 0]))).exp(),
    )


def test_a_ball_that_holds_too_much_is_refused():
    with pytest.raises(ZeroDivisionError):
        Ball(np.array([1e-9]), np.array([1e-8])).inverse()
    with pytest.raises(ValueError, match="no square root"):
        Ball(np.array([1e-9]), np.array([1e-8])).sqrt()
    with pytest.raises(OverflowError, match="too badly"):
        Ball(np.array([0.0]), np.array([2.0])).exp()
    with pytest.raises(OverflowError), np.errstate(over="ignore"):
        exact(np.array([1e200])) * exact(np.array([1e200]))


def test_balls_carry_the_radius_of_either_operand():
    ball, point = Ball(np.full((2, 2), 3.0), np.full((2, 2), 0.5)), exact(np.full((2, 2), 2.0))
    for product, wide in (
        (ball @ point, 2 * 0.5 * 2),
        (point @ ball, 2 * 0.5 * 2),
        (ball * point, 1.0),
        (point * ball, 1.0),
    ):
        assert (product.rad >= wide).all()
    third = exact(np.array([1.0])) * exact(np.array([1.0 / 3.0]))
    assert third.rad >= 2.0**-53 / 3
    inverse = Ball(np.array([4.0]), np.array([1.0])).inverse()
    assert inverse.mid - inverse.rad <= 1 / 5
    assert inverse.mid + inverse.rad >= 1 / 3
    root = square_root(12)
    assert Fraction(float(root.mid - root.rad)) ** 2 < 12 < Fraction(float(root.mid + root.rad)) ** 2
    assert square_root(9).rad == 0
