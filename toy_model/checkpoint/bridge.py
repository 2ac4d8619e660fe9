"""The names of a TransformerLens 4 bridge, and of the model inside one.

A bridge has one matrix for all heads, the other way round: `q.weight [n_heads * d_head, d_model]` is
`W_Q [n_heads, d_model, d_head]`. This is the inverse of `convert_tl_checkpoint` there. Three kinds of state come from
it: `bridge.state_dict()`; `bridge.original_model.state_dict()`, whose names are those of the model inside (`tok_embed`,
`layers.0.mlp.fc_in`), with every part under several names; and `dict(bridge.named_parameters())`, the same but each
once and without the bias of the unembedding, which a bridge has as a buffer that no training changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor

from toy_model.checkpoint.refusal import CheckpointError, one_line

INSIDE = (
    (r"tok_embed\.", "embed."),
    (r"pos\.", "pos_embed."),
    (r"layers\.(\d{1,4})\.", r"blocks.\1."),
    (r"ln_out\.", "ln_final."),
    (r"head\.", "unembed."),
)
"""How names begin inside a bridge, and how they do in its own state dict."""


def is_bridge(state: Mapping[str, Tensor]) -> bool:
    """Whether these names, plainly spelled, are those of a bridge or of the model inside one."""
    return ("embed.weight" in state or "tok_embed.weight" in state) and "embed.W_E" not in state


def from_bridge(state: Mapping[str, Tensor], n_heads: int) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The classic parameters, and notes. Names that a bridge has not are kept as they are. Raises CheckpointError."""
    state, notes = _of_the_bridge(state)
    parameters = {}
    n_layers = 1 + max((int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,4})\.", name))), default=0)
    known = _bridge_names(n_layers, state)
    taken = {name for name, _ in known.values()}
    for theirs in known:
        if theirs not in state:
            raise CheckpointError(f"{theirs} is missing")
    for theirs, tensor in state.items():
        ours, axes = known.get(theirs, (theirs, ""))
        if not axes and theirs in taken:
            raise CheckpointError(f"{one_line(theirs)} is not a parameter of a TransformerLens bridge")
        if axes:
            before = axes.partition(" -> ")[0]
            n_dims = len(re.sub(r"\([^)]*\)", "one", before).split())
            if tensor.dim() != n_dims:
                raise CheckpointError(f"{theirs} has shape {tuple(tensor.shape)}, expected axes {before}")
            rows = tensor.shape[-1] if theirs.endswith("o.weight") else len(tensor)
            if "head" in axes and rows % n_heads:
                raise CheckpointError(f"{theirs} has {rows} rows for all heads, which {n_heads} heads cannot share")
            tensor = rearrange(tensor, axes, **({"head": n_heads} if "head" in axes else {})).contiguous()
        parameters[ours] = tensor
    return parameters, notes


def _of_the_bridge(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The same tensors by the names of a bridge's own state dict."""
    if "tok_embed.weight" not in state:
        return dict(state), ()
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for theirs, ours in INSIDE:
            name = re.sub(f"^{theirs}", ours, name)
        name = re.sub(r"\.mlp\.fc_(in|out)\.", r".mlp.\1.", name)
        if name in renamed and not torch.equal(renamed[name], tensor):
            raise CheckpointError(f"holds {one_line(name)} twice, with different numbers")
        renamed[name] = tensor
    notes: tuple[str, ...] = ("names of the model inside a bridge",)
    W_U = renamed.get("unembed.weight")
    if "unembed.bias" not in renamed and W_U is not None and W_U.dim() == 2:
        renamed["unembed.bias"] = W_U.new_zeros(len(W_U))
        notes += ("b_U taken to be 0: to a bridge it is a buffer, and stands not among its parameters",)
    return renamed, notes


def _bridge_names(n_layers: int, state: Mapping[str, Tensor]) -> dict[str, tuple[str, str]]:
    """The names of a bridge with the parts that `state` has, and for each the classic name and how the axes move."""
    parts = {part for name in state for part in name.split(".")[:-1]}
    names = {
        "embed.weight": ("embed.W_E", "d_vocab d_model -> d_vocab d_model"),
        "pos_embed.weight": ("pos_embed.W_pos", "n_ctx d_model -> n_ctx d_model"),
        "unembed.weight": ("unembed.W_U", "d_vocab_out d_model -> d_model d_vocab_out"),
        "unembed.bias": ("unembed.b_U", "d_vocab_out -> d_vocab_out"),
    }
    for block in (f"blocks.{layer}" for layer in range(n_layers)):
        for kind in "qkv":
            weight, bias = f"{block}.attn.W_{kind.upper()}", f"{block}.attn.b_{kind.upper()}"
            names[f"{block}.attn.{kind}.weight"] = weight, "(head d_head) d_model -> head d_model d_head"
            names[f"{block}.attn.{kind}.bias"] = bias, "(head d_head) -> head d_head"
        names[f"{block}.attn.o.weight"] = f"{block}.attn.W_O", "d_model (head d_head) -> head d_head d_model"
        names[f"{block}.attn.o.bias"] = f"{block}.attn.b_O", "d_model -> d_model"
        for kind in ("in", "out") if "mlp" in parts else ():
            names[f"{block}.mlp.{kind}.weight"] = f"{block}.mlp.W_{kind}", "d_out d_in -> d_in d_out"
            names[f"{block}.mlp.{kind}.bias"] = f"{block}.mlp.b_{kind}", "d_out -> d_out"
    norms = {"ln_final": "ln_final"} | {f"blocks.{n}.{ln}": ln for n in range(n_layers) for ln in ("ln1", "ln2")}
    for norm, part in norms.items():
        for theirs, ours in (("weight", "w"), ("bias", "b")) if part in parts else ():
            names[f"{norm}.{theirs}"] = f"{norm}.{ours}", "d_model -> d_model"
    return names
