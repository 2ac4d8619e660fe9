"""Statistics of what is measured: how far from a line, from rank one, from increasing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def monotone_resolution(
    x: Float[Tensor, " n"], y: Float[Tensor, " n"], up_to: Float[Tensor, " n"] | None = None
) -> float:
    """The largest x_j - x_i > 0 with y_j <= y_i: how far y is from strictly increasing in x.

    Where each y is only known to lie between `y` and `up_to`: how far it can be.

    >>> x = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> monotone_resolution(x, torch.tensor([0.0, 1.0, 2.0, 3.0]))
    0.0
    >>> monotone_resolution(x, torch.tensor([0.0, 2.5, 2.0, 2.4]))
    2.0
    >>> monotone_resolution(x, torch.tensor([0.0, 1.0, 2.0, 3.0]), up_to=torch.tensor([0.0, 2.0, 2.5, 3.0]))
    1.0
    """
    order = x.argsort(stable=True)
    x, low, high = x[order], y[order], (y if up_to is None else up_to)[order]
    # The running maximum rises along x, so the earliest point at or above y_j is found by bisection.
    earliest = torch.searchsorted(high.cummax(0).values, low)
    return (x - x[earliest]).clamp(min=0).max().item()


def second_singular_share(matrix: Float[Tensor, "m n"]) -> float:
    """The second singular value over the first: 0 for a matrix of rank one."""
    values = torch.linalg.svdvals(matrix)
    return (values[1] / values[0]).item()


def r_squared(x: Tensor, y: Tensor) -> float:
    """Share of the variance of y that a straight line in x explains, in float64."""
    x, y = x.double().flatten(), y.double().flatten()
    x, y = x - x.mean(), y - y.mean()
    return ((x @ y) ** 2 / ((x @ x) * (y @ y))).item()


def slope(x: Tensor, y: Tensor) -> float:
    """The slope of the straight line in x that is closest to y, in float64."""
    x, y = x.double().flatten(), y.double().flatten()
    x = x - x.mean()
    return (x @ y / (x @ x)).item()


def cosine(a: Float[Tensor, " d"], b: Float[Tensor, " d"]) -> float:
    """Cosine of the angle between two vectors, in float64."""
    a, b = a.double(), b.double()
    return (a @ b / (a.norm() * b.norm())).item()
