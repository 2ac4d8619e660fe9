"""The sizes of a model, read off the shapes of its parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from toy_model.checkpoint.refusal import CheckpointError, one_line
from toy_model.config import AXES, Config, parameter_kinds
from toy_model.task import Task

MAX_STATES = 10_000
"""Models with more (position, token) pairs are refused: attention over all pairs of them would not fit in memory."""

MAX_HEADS = 256
"""Models with more are refused: each has an attention pattern of its own, for every sequence that is tried."""

MAX_LAYERS = 1_000
"""Models with more are refused before a name is made for every parameter of each."""

MAY_BE_EMPTY = "d_mlp"
"""A model may have an MLP without neurons, which adds its bias and nothing else."""


MLP, NORM = r"(^|\.)mlp\.", r"(^|\.)(ln|ln_?\d|ln_final|ln_f|norm\d?)\."
"""What names of parameters of an MLP and of a layer norm look like, also in models of others."""


def with_mlp(state: Mapping[str, Tensor], config: type[Config]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The parameters, with an MLP of no neurons in every block of a model that has none, and a note that says so.

    An MLP without neurons whose bias is zero adds nothing: the model is the same.
    """
    parameters = dict(state)
    W_E = state.get("embed.W_E")
    layers = {int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,4})\.attn\.", name))}
    if config.attn_only or not layers or any(".mlp." in name for name in state) or W_E is None or W_E.dim() != 2:
        return parameters, ()
    d_model = W_E.shape[1]
    for layer in layers:
        parameters |= {
            f"blocks.{layer}.mlp.W_in": torch.zeros(d_model, 0),
            f"blocks.{layer}.mlp.b_in": torch.zeros(0),
            f"blocks.{layer}.mlp.W_out": torch.zeros(0, d_model),
            f"blocks.{layer}.mlp.b_out": torch.zeros(d_model),
        }
    return parameters, ("attention alone: read as a model whose MLP has no neurons, d_mlp 0",)


def _require_its_parts(state: Mapping[str, Tensor], task: Task[Any]) -> None:
    """Raise CheckpointError where a model has parts that those of `task` have not, or the other way round."""
    config = type(task.recipe.config)
    mlp, norm = (next((name for name in sorted(state) if re.search(part, name)), None) for part in (MLP, NORM))
    differs = []
    if mlp is not None and config.attn_only:
        differs.append(f"an MLP ({one_line(mlp)[:60]})")
    if norm is not None and config.normalization_type is None:
        differs.append(f"layer norm ({one_line(norm)[:60]})")
    if norm is None and config.normalization_type is not None:
        differs.append("no weights of a layer norm")
    if differs:
        raise CheckpointError(f"has {' and '.join(differs)}: it is not a checkpoint of {task.title}")


def infer_config(state: Mapping[str, Tensor], task: Task[Any]) -> Config:
    """Read the sizes of a model of `task` off the shapes of its parameters.

    Every axis that carries a size votes for it, so that a single tensor of the wrong shape is named
    for what it is, rather than every tensor that disagrees with it. Raises CheckpointError.
    """
    n_layers = 1 + max((int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,4})\.", name))), default=0)
    if n_layers > MAX_LAYERS:
        raise CheckpointError(f"has a block {n_layers - 1:,}, more than the {MAX_LAYERS:,} blocks that are read")
    kinds = parameter_kinds(type(task.recipe.config), n_layers)

    known = any(theirs in kinds for theirs in state)
    if known:
        _require_its_parts(state, task)
    for name in kinds:
        if name not in state:
            none = "" if known or not state else f": none of its {len(state):,} tensors has a name of this architecture"
            raise CheckpointError(f"{name} is missing{none}")
    for name, tensor in state.items():
        if name not in kinds:
            raise CheckpointError(f"{one_line(name)} is not a parameter of this architecture")
        if tensor.dtype != torch.float32:
            raise CheckpointError(f"{name} is {str(tensor.dtype).removeprefix('torch.')}, expected float32")
        if tensor.dim() != len(AXES[kinds[name]]):
            axes = ", ".join(AXES[kinds[name]])
            raise CheckpointError(f"{name} has shape {tuple(tensor.shape)}, expected axes ({axes})")

    votes: dict[str, Counter[int]] = {}
    for name, kind in kinds.items():
        for axis, size in zip(AXES[kind], state[name].shape, strict=True):
            votes.setdefault(axis, Counter())[size] += 1
    sizes = {axis: counts.most_common(1)[0][0] for axis, counts in votes.items()}

    for name, kind in kinds.items():
        expected = tuple(sizes[axis] for axis in AXES[kind])
        shape = tuple(state[name].shape)
        if any(size == 0 and axis != MAY_BE_EMPTY for axis, size in zip(AXES[kind], shape, strict=True)):
            raise CheckpointError(f"{name} has shape {shape}: no axis may be empty")
        if shape != expected:
            axes = ", ".join(AXES[kind])
            raise CheckpointError(f"{name} has shape {shape}, expected {expected} = ({axes})")
    cfg = task.config_of({"n_layers": n_layers, **sizes})
    if sizes["n_heads"] > MAX_HEADS:
        raise CheckpointError(
            f"blocks.0.attn.W_Q has {sizes['n_heads']:,} heads, more than the {MAX_HEADS} that can be checked"
        )
    if sizes["n_ctx"] * sizes["d_vocab"] > MAX_STATES:
        raise CheckpointError(
            f"pos_embed.W_pos has {sizes['n_ctx']} rows and embed.W_E {sizes['d_vocab']}: together more than the "
            f"{MAX_STATES:,} (position, token) pairs that can be checked"
        )
    return cfg
