"""Numbers that are measured of a model to be drawn, and the ways in which there may be none."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from pytest_claims.drawing.figure import NotDrawn
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


def measured(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(*args)` for a function that runs a model. NotDrawn where the logits are not finite."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:  # `engine.require_finite`
        raise NotDrawn(str(error)) from None


def finite(*numbers: Tensor) -> None:
    """NotDrawn where a number that is to be drawn is not finite."""
    if not all(bool(torch.isfinite(some).all()) for some in numbers):
        raise NotDrawn("some of the numbers are not finite")
