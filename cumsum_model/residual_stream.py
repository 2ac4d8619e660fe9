"""What the residual stream stores along u between attention and MLP."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_direction
from toy_model.engine import CHUNK


@torch.no_grad()
def resid_mid_along_u(model: CumsumTransformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """Projection of the stream between attention and MLP on u, at every position."""
    u = value_direction(model)
    toks = toks.to(model.device)
    return torch.cat(
        [model.run_with_cache(chunk)[1]["blocks.0.hook_resid_mid"].double() @ u for chunk in toks.split(CHUNK)]
    )


def equal_mean_spread(stored: Float[Tensor, "batch pos"], values: Int[Tensor, "batch pos"]) -> float:
    """How far what is stored differs between positions of exactly the same running mean, in its own unit.

    The largest over all means that occur in `values`: 0 if it is a function of the mean.
    """
    sums, stored = values.cpu().cumsum(-1), stored.cpu().flatten()
    counts = torch.arange(1, values.shape[-1] + 1).expand_as(sums)
    shared = torch.gcd(sums, counts)  # the same mean is the same fraction in lowest terms
    fractions = torch.stack([sums // shared, counts // shared], dim=-1).flatten(0, 1)
    _, group = fractions.unique(dim=0, return_inverse=True)
    empty = torch.zeros(int(group.max()) + 1, dtype=stored.dtype)
    highest = empty.scatter_reduce(0, group, stored, "amax", include_self=False)
    lowest = empty.scatter_reduce(0, group, stored, "amin", include_self=False)
    return (highest - lowest).max().item()
