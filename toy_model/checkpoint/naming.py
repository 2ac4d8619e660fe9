"""From the names, shapes and rows that a file has to ours: classic TransformerLens, row v + max_value of the value v.

Two namings are known. A HookedTransformer's state dict has our names, and buffers beside the parameters. A
TransformerLens 4 bridge has one matrix for all heads, the other way round: `q.weight [n_heads * d_head, d_model]`
is `W_Q [n_heads, d_model, d_head]`. This is the inverse of `convert_tl_checkpoint` there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from toy_model.checkpoint.refusal import CheckpointError, one_line

VALUE, WRAPPED = TOKEN_ORDERS = ("value", "wrapped")

PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and a wrapping module put before every name."""

LEAST_IGNORE = -1e4
"""Scores of the future are replaced by IGNORE: -inf, and -1e5 in older versions. Either leaves it no attention."""


@dataclass(frozen=True)
class Reading:
    """What a file does not say of itself, where the user said it.

    token_order  "value": row v + max_value of the embedding is the value v. "wrapped": the rows are those of
                 0, +1 .. +max_value, -max_value .. -1, as the original release stored them
    n_heads      how many heads a bridge's matrices hold; every other file says so by its shapes
    """

    token_order: str | None = None
    n_heads: int | None = None

    def __post_init__(self) -> None:
        if self.token_order not in (None, *TOKEN_ORDERS):
            raise ValueError(f"token_order is {self.token_order!r}; there are: {', '.join(TOKEN_ORDERS)}")
        if self.n_heads is not None and self.n_heads < 1:
            raise ValueError(f"n_heads must be at least 1, got {self.n_heads}")

    @property
    def wrapped(self) -> bool:
        return self.token_order == WRAPPED


PLAIN = Reading()
"""A file taken as it stands: nothing was said of it."""


def is_bridge(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of a TransformerLens 4 bridge."""
    return any(f"{prefix}embed.weight" in state for prefix in ("", *PREFIXES)) and "embed.W_E" not in state


def without_prefix(state: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], tuple[str, ...]]:
    """The state without a prefix that all its names have, and a note that says so."""
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return {name.removeprefix(prefix): w for name, w in state.items()}, (f'names without their "{prefix}"',)
    return state, ()


def classic(state: Mapping[str, Tensor], reading: Reading) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The parameters under classic names with rows in the order of values, and notes on what was done.

    What is not known keeps its name, for `checkpoint.infer_config` to refuse. Raises CheckpointError.
    """
    state, notes = without_prefix(state)
    if is_bridge(state):
        if reading.n_heads is None:
            notes += ("taken to have 1 head, which a bridge's file does not say",)
        parameters = _from_bridge(state, reading.n_heads or 1)
    else:
        parameters, dropped = _without_buffers(state)
        if dropped:
            others = f" and {len(dropped) - 2} more" if len(dropped) > 2 else ""
            notes += (f"left out {', '.join(dropped[:2])}{others}: buffers, not parameters",)
        W_Q = parameters.get("blocks.0.attn.W_Q")
        if reading.n_heads is not None and W_Q is not None and W_Q.dim() == 3 and len(W_Q) != reading.n_heads:
            raise CheckpointError(f"blocks.0.attn.W_Q has {len(W_Q)} heads by its shape, not {reading.n_heads}")
    W_E = parameters.get("embed.W_E")
    if reading.wrapped and W_E is not None and W_E.dim() > 0:
        parameters["embed.W_E"] = W_E.roll(len(W_E) // 2, 0)
    return parameters, notes


def _without_buffers(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The parameters of a HookedTransformer, and the names of the buffers that it saved beside them.

    A buffer that is not what causal attention has is refused rather than left out: the model that it belongs to
    attends in another way, and without it we would verify a different one.
    """
    parameters, dropped = {}, []
    W_pos = state.get("pos_embed.W_pos")
    for name, tensor in state.items():
        kind = re.fullmatch(r"blocks\.\d{1,4}\.attn\.(mask|IGNORE)", name)
        if kind is None:
            parameters[name] = tensor
            continue
        if kind[1] == "mask" and not _is_causal(tensor, None if W_pos is None else W_pos.shape[:1]):
            raise CheckpointError(f"{name} is not the causal mask of this context; this architecture has no other")
        if kind[1] == "IGNORE" and not (tensor.numel() == 1 and tensor.is_floating_point() and _hides(tensor)):
            raise CheckpointError(f"{name} is not a score that hides the future, such as -inf")
        dropped.append(name)
    return parameters, dropped


def _hides(ignore: Tensor) -> bool:
    return ignore.item() <= LEAST_IGNORE


def _is_causal(mask: Tensor, n_ctx: Sequence[int] | None) -> bool:
    if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape[0] != mask.shape[1]:
        return False
    return n_ctx in (None, mask.shape[:1]) and torch.equal(mask, torch.ones_like(mask).tril())


def _from_bridge(state: Mapping[str, Tensor], n_heads: int) -> dict[str, Tensor]:
    """The classic parameters of a bridge's state dict. Names that a bridge has not are kept as they are."""
    parameters = {}
    n_layers = 1 + max((int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,4})\.", name))), default=0)
    known = _bridge_names(n_layers)
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
    return parameters


def _bridge_names(n_layers: int) -> dict[str, tuple[str, str]]:
    """The names of a bridge, and for each the classic name and how the axes move."""
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
        for kind in ("in", "out"):
            names[f"{block}.mlp.{kind}.weight"] = f"{block}.mlp.W_{kind}", "d_out d_in -> d_in d_out"
            names[f"{block}.mlp.{kind}.bias"] = f"{block}.mlp.b_{kind}", "d_out -> d_out"
    return names


@dataclass(frozen=True)
class Misreading:
    """A reading in which a file answers rightly, where as it was read it does not.

    better              what to say of the file that was not said
    as_read, as_better  the shares of right answers
    """

    better: Reading
    as_read: float
    as_better: float
    max_value: int

    @property
    def found(self) -> str:
        """What is wrong, in words that follow the name of the file."""
        wrong, asked = [], []
        if self.better.token_order is not None:
            wrong.append(f"its embedding rows look wrapped (0, +1 .. +{self.max_value}, -{self.max_value} .. -1)")
            asked.append("in that order")
        if self.better.n_heads is not None:
            wrong.append(f"its matrices look like those of {self.better.n_heads} heads")
            asked.append("with so many heads")
        return (
            f"{' and '.join(wrong)}: as they stand {self.as_read:.0%} of the evaluation set is answered rightly, "
            f"{' and '.join(asked)} {self.as_better:.0%}"
        )

    @property
    def options(self) -> str:
        """The options that ask for the better reading."""
        order, heads = self.better.token_order, self.better.n_heads
        asked = [f"--token-order {order}"] if order is not None else []
        return " ".join([*asked, f"--n-heads {heads}"] if heads is not None else asked)
