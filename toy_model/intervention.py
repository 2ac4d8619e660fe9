"""Interventions: what changes when a part of the computation is replaced.

An intervention is a mapping from hook names to functions, for `model.run_with_hooks`. Which kind of
ablation is meant changes the numbers, so every function here is named for its kind. Mean- and
resample-ablation take their values from the batch that is run, so run whole data sets at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.behaviour import cross_entropy
from toy_model.dataset import Dataset
from toy_model.engine import require_finite
from toy_model.transformer import Hook, Transformer

Intervention = Mapping[str, Hook]
Ablation = Callable[[Iterable[int]], Intervention]

RESAMPLING_SEED = 0


def zero_neurons(neurons: Iterable[int], layer: int = 0) -> Intervention:
    """Zero-ablation: the given neurons output 0 at every position."""
    return _replace_neurons(neurons, layer, torch.zeros_like)


def mean_neurons(neurons: Iterable[int], layer: int = 0) -> Intervention:
    """Mean-ablation: the given neurons output their mean over all sequences and positions of the batch."""
    return _replace_neurons(neurons, layer, lambda post: post.mean((0, 1), keepdim=True).expand_as(post))


def resample_neurons(neurons: Iterable[int], layer: int = 0, seed: int = RESAMPLING_SEED) -> Intervention:
    """Resample-ablation: the given neurons output what they do at the same position of another sequence.

    The other sequence is drawn from the batch, by one permutation from `seed` for all neurons.
    """

    def resample(post: Float[Tensor, "batch pos n"]) -> Float[Tensor, "batch pos n"]:
        order = torch.randperm(len(post), generator=torch.Generator().manual_seed(seed))
        return post[order.to(post.device)]

    return _replace_neurons(neurons, layer, resample)


def zero_heads(heads: Iterable[int], layer: int = 0) -> Intervention:
    """Zero-ablation: the given heads write nothing (their z is 0) at every position."""
    return _replace_heads(heads, layer, torch.zeros_like)


def mean_heads(heads: Iterable[int], layer: int = 0) -> Intervention:
    """Mean-ablation: the z of the given heads is its mean over all sequences and positions of the batch."""
    return _replace_heads(heads, layer, lambda z: z.mean((0, 1), keepdim=True).expand_as(z))


def positional_mean_heads(heads: Iterable[int], layer: int = 0) -> Intervention:
    """Mean-ablation by position: the z of the given heads is its mean over the sequences of the batch."""
    return _replace_heads(heads, layer, lambda z: z.mean(0, keepdim=True).expand_as(z))


def resample_heads(heads: Iterable[int], layer: int = 0, seed: int = RESAMPLING_SEED) -> Intervention:
    """Resample-ablation: the given heads write what they do at the same position of another sequence of the batch."""

    def resample(z: Float[Tensor, "batch pos head d_head"]) -> Float[Tensor, "batch pos head d_head"]:
        order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
        return z[order.to(z.device)]

    return _replace_heads(heads, layer, resample)


HEAD_ABLATIONS: dict[str, Ablation] = {
    "zero": zero_heads,
    "mean": mean_heads,
    "mean by position": positional_mean_heads,
    "resample": resample_heads,
}


ABLATIONS: dict[str, Ablation] = {
    "zero": zero_neurons,
    "mean": mean_neurons,
    "resample": resample_neurons,
}


def _replace_heads(heads: Iterable[int], layer: int, replacement: Hook) -> Intervention:
    chosen = list(heads)

    def replace(z: Float[Tensor, "batch pos head d_head"]) -> Float[Tensor, "batch pos head d_head"]:
        replaced = z.clone()
        replaced[:, :, chosen] = replacement(z)[:, :, chosen]
        return replaced

    return {f"blocks.{layer}.attn.hook_z": replace}


def _replace_neurons(neurons: Iterable[int], layer: int, replacement: Hook) -> Intervention:
    chosen = list(neurons)

    def replace(post: Float[Tensor, "batch pos d_mlp"]) -> Float[Tensor, "batch pos d_mlp"]:
        replaced = post.clone()
        replaced[..., chosen] = replacement(post)[..., chosen]
        return replaced

    return {f"blocks.{layer}.mlp.hook_post": replace}


def uniform_attention(layer: int = 0) -> Intervention:
    """Replace every pattern by the exact average over the prefix: 1/n for each of n tokens."""

    def average(pattern: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        counts = torch.arange(1, pattern.shape[-1] + 1, device=pattern.device, dtype=pattern.dtype)
        return torch.ones_like(pattern).tril() / counts[:, None]

    return {f"blocks.{layer}.attn.hook_pattern": average}


def cut_direct_path() -> Intervention:
    """Zero-ablation of the direct path of a one-layer model: the stream is what attention writes, nothing else."""
    return scale_direct_path(0)


def scale_direct_path(factor: float) -> Intervention:
    """Multiply what reaches the end of a one-layer model past attention: its embeddings."""
    written: list[Tensor] = []

    def remember(attn_out: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        written[:] = [attn_out]
        return attn_out

    def scale(resid_post: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        return written[0] + factor * (resid_post - written[0])

    return {"blocks.0.hook_attn_out": remember, "blocks.0.hook_resid_post": scale}


def move_resid_mid(shift: Float[Tensor, "batch pos d_model"], layer: int = 0) -> Intervention:
    """Add `shift` to the stream between attention and MLP: the skip connection carries it too."""
    return {f"blocks.{layer}.hook_resid_mid": lambda resid: resid + shift.to(resid)}


def replace_resid_mid(wanted: Float[Tensor, "batch pos d_model"], layer: int = 0) -> Intervention:
    """Put `wanted` in place of the stream between attention and MLP: the skip connection carries it too."""
    return {f"blocks.{layer}.hook_resid_mid": lambda resid: wanted.to(resid)}


def add_to_mlp_out(constant: Float[Tensor, " d_model"], layer: int = 0) -> Intervention:
    """Add one vector to what the MLP writes, at every position."""
    return {f"blocks.{layer}.hook_mlp_out": lambda mlp_out: mlp_out + constant.to(mlp_out)}


@torch.no_grad()
def run_under(
    model: Transformer, toks: Int[Tensor, "batch pos"], intervention: Intervention
) -> Float[Tensor, "batch pos d_vocab_out"]:
    """Logits with `intervention` in place, of the whole batch at once. As `run`, ValueError if not finite."""
    return require_finite(model.run_with_hooks(toks.to(model.device), intervention))


def loss_under(model: Transformer, data: Dataset, intervention: Intervention) -> float:
    """Cross entropy in nats over the scored positions of `data`, with `intervention` in place."""
    logits = run_under(model, data.toks, intervention)
    return cross_entropy(logits[:, data.scored], data.labels[:, data.scored]).item()


def neuron_costs(model: Transformer, data: Dataset, ablate: Ablation = zero_neurons) -> Float[Tensor, " d_mlp"]:
    """The rise in cross entropy (nats) over the scored positions when each neuron alone is ablated."""
    whole = loss_under(model, data, {})
    rises = [loss_under(model, data, ablate([neuron])) - whole for neuron in range(model.cfg.d_mlp)]
    return torch.tensor(rises, dtype=torch.float64)


def all_neurons(model: Transformer, ablate: Ablation = zero_neurons) -> Intervention:
    """`ablate` on every neuron of the first layer at once."""
    return ablate(range(model.cfg.d_mlp))
