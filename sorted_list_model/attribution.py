"""How the next number y wins although the one after it, z, may get more attention: boosts and suppression.

x < y < z are three successive numbers of a list and x is the current one. Attention to y moves the logits of both y
and z, and so does attention to z. The two *cross terms* are what attention to y adds to the logit of z, and what
attention to z adds to that of y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sorted_list_model.attention import pairs
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import Decomposition


@dataclass(frozen=True)
class Boosts:
    """What attention to y and to z adds to the logits of y and of z, by head, for every triple of a data set.

    y_to_z is what attention to y adds to the logit of z. In logits.
    """

    y_to_y: Float[Tensor, "batch head triple"]
    y_to_z: Float[Tensor, "batch head triple"]
    z_to_y: Float[Tensor, "batch head triple"]
    z_to_z: Float[Tensor, "batch head triple"]

    @property
    def total_to_y(self) -> Float[Tensor, "batch head triple"]:
        return self.y_to_y + self.z_to_y

    @property
    def total_to_z(self) -> Float[Tensor, "batch head triple"]:
        return self.y_to_z + self.z_to_z


def boosts_of_triples(parts: Decomposition, data: SortedListDataset) -> Boosts:
    """Those of every triple: the queries are the sorted numbers but the last two."""
    y, z = pairs(data)
    return Boosts(
        y_to_y=parts.attribution(y, y)[:, :, 1:],
        y_to_z=parts.attribution(y, z)[:, :, 1:],
        z_to_y=parts.attribution(z, y)[:, :, 1:],
        z_to_z=parts.attribution(z, z)[:, :, 1:],
    )


def without_cross_terms(parts: Decomposition, data: SortedListDataset) -> Float[Tensor, "batch triple answer"]:
    """The logits at every triple with the cross terms of both heads subtracted, and nothing else changed."""
    y, z = (toks[:, 1:, None] for toks in pairs(data))
    boosts = boosts_of_triples(parts, data)
    logits = parts.logits[:, 1:-1].clone()
    logits.scatter_add_(-1, z, -boosts.y_to_z.sum(1)[..., None])
    return logits.scatter_add_(-1, y, -boosts.z_to_y.sum(1)[..., None])


def head_output(parts: Decomposition, head: int) -> Float[Tensor, "batch triple answer"]:
    """What one head adds to all logits at every triple, from all sources."""
    of_source = parts.ov[head, torch.arange(parts.sources.shape[1]), parts.sources]
    added = parts.pattern[:, head, 1:-1] @ of_source
    return added / parts.scale[:, 1:-1, None]


def of_other_head(
    parts: Decomposition, responsible: Int[Tensor, "batch triple"]
) -> Float[Tensor, "batch triple answer"]:
    """The same of the head that is not responsible, where there are two."""
    first, second = (head_output(parts, head) for head in range(2))
    return torch.where((responsible == 0)[..., None], second, first)


def triples(data: SortedListDataset) -> tuple[Int[Tensor, "batch triple"], Int[Tensor, "batch triple"], Tensor]:
    """x, y and z of every triple."""
    y, z = pairs(data)
    return data.current.cpu()[:, 1:-1], y[:, 1:], z[:, 1:]


def close(data: SortedListDataset) -> Bool[Tensor, "batch triple"]:
    """Which triples are d, d+1, d+2."""
    x, y, z = triples(data)
    return (y == x + 1) & (z == x + 2)


def share_of(condition: Tensor, among: Tensor) -> float:
    """How often `condition` holds where `among` does; nan where that is nowhere."""
    return (condition & among).sum().item() / among.sum().item() if among.any() else float("nan")
