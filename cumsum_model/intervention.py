"""Interventions: what changes when a part of the computation is replaced.

An intervention is a mapping from hook names to functions, for `model.run_with_hooks`. Which kind of
ablation is meant changes the numbers, so every function here is named for its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.behaviour import cross_entropy
from cumsum_model.data import CumsumDataset
from cumsum_model.model import CumsumTransformer, Hook

Intervention = Mapping[str, Hook]


def zero_neurons(neurons: Iterable[int], layer: int = 0) -> Intervention:
    """Zero-ablation: the given neurons output 0 at every position."""
    chosen = list(neurons)

    def silence(post: Float[Tensor, "batch pos d_mlp"]) -> Float[Tensor, "batch pos d_mlp"]:
        post = post.clone()
        post[..., chosen] = 0
        return post

    return {f"blocks.{layer}.mlp.hook_post": silence}


def uniform_attention(layer: int = 0) -> Intervention:
    """Replace every pattern by the exact average over the prefix: 1/n for each of n tokens."""

    def average(pattern: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        counts = torch.arange(1, pattern.shape[-1] + 1, device=pattern.device, dtype=pattern.dtype)
        return torch.ones_like(pattern).tril() / counts[:, None]

    return {f"blocks.{layer}.attn.hook_pattern": average}


@torch.no_grad()
def neuron_costs(
    model: CumsumTransformer,
    data: CumsumDataset,
    ablate: Callable[[Iterable[int], int], Intervention] = zero_neurons,
    layer: int = 0,
) -> Float[Tensor, " d_mlp"]:
    """The rise in cross entropy (nats) over `data` when each neuron alone is ablated."""
    toks = data.toks.to(model.device)
    whole = cross_entropy(model(toks), data.labels)
    ablated = [
        cross_entropy(model.run_with_hooks(toks, ablate([neuron], layer)), data.labels)
        for neuron in range(model.cfg.d_mlp)
    ]
    return torch.stack(ablated) - whole
