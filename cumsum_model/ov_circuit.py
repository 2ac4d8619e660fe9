"""The OV circuit, in float64: what the heads write for each value, and where each value lands along u.

Quantities come from the weights alone unless a function takes sequences. Those that speak of "every
sequence" are exact: they optimise over all of them in closed form rather than sample.
"""

from __future__ import annotations

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from cumsum_model.model import CumsumTransformer


def W_OV(model: CumsumTransformer) -> Float[Tensor, "d_model d_model"]:
    """`W_V @ W_O`, summed over the heads of the first layer: what they write for each direction that they read."""
    attn = model.blocks[0].attn
    return einsum(attn.W_V.double(), attn.W_O.double(), "head i d_head, head d_head j -> i j")


def centred_unembedding(model: CumsumTransformer) -> Float[Tensor, "d_model d_vocab_out"]:
    """`W_U` less the mean of its columns: what all three have in common moves all logits alike, and no probability."""
    W_U = model.W_U.double()
    return W_U - W_U.mean(-1, keepdim=True)


def value_outputs(model: CumsumTransformer) -> Float[Tensor, "d_vocab d_model"]:
    """`W_E @ W_OV`: what the heads write for each value when they give that value all their attention."""
    return model.W_E.double() @ W_OV(model)


def value_direction(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """u: the direction that carries the values, of length 1, larger values projecting higher.

    The first right singular vector of `W_E @ W_OV`. Source: write-up, First pass.
    """
    outputs = value_outputs(model)
    u = torch.linalg.svd(outputs, full_matrices=False).Vh[0]
    values = token_values(model)
    return u if (outputs @ u) @ values >= 0 else -u


def value_projections(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """How far along u each value is moved, from -max_value to +max_value."""
    return value_outputs(model) @ value_direction(model)


def value_slope(model: CumsumTransformer) -> float:
    """How far along u one unit of value is moved: the least-squares slope of the projections."""
    values = token_values(model)
    projections = value_projections(model)
    return ((values @ (projections - projections.mean())) / (values @ values)).item()


def value_step(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The vector that the heads write per unit of value: the least-squares slope of `W_E @ W_OV` against the values.

    One unit of running mean moves resid_mid by this much under uniform attention. It points along u where OV has rank
    one, and has its length, `value_slope`.
    """
    outputs, v = value_outputs(model), token_values(model)
    return v @ outputs / (v @ v)  # the values add up to zero, so a constant drops out


def value_spacing_error(model: CumsumTransformer) -> float:
    """The largest distance of a value's projection from the least-squares line, in units of value."""
    projections = value_projections(model)
    slope = value_slope(model)
    line = projections.mean() + slope * token_values(model)
    return ((projections - line).abs().max() / abs(slope)).item()


def value_leak(model: CumsumTransformer) -> float:
    """How far any value is moved *off* u, in units of what one unit of value moves along u.

    Only differences between values count: what is the same for all of them tells them apart no more
    than a bias does.
    """
    outputs = value_outputs(model)
    u = value_direction(model)
    off_u = outputs - (outputs @ u)[:, None] * u
    return ((off_u - off_u.mean(0)).norm(dim=-1).max() / abs(value_slope(model))).item()


def token_values(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float64, device=model.device)
