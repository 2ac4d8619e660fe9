"""From the names, shapes and rows that a file has to ours: classic TransformerLens, rows in the order of the task.

Two namings are known. A HookedTransformer's state dict has our names, and buffers beside the parameters; `bridge` knows
those of a TransformerLens 4 bridge. What wrappers put in front of names or into them is taken off by `spelling`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from toy_model.checkpoint.bridge import from_bridge, is_bridge
from toy_model.checkpoint.reading import Reading
from toy_model.checkpoint.refusal import CheckpointError
from toy_model.checkpoint.spelling import plainly_spelled
from toy_model.task import Task

LEAST_IGNORE = 1e4
"""Scores of the future are replaced by IGNORE: -inf, and in older versions one of size 1e5, of which some files leave
out the sign. No other score is of this size, so that the future gets no attention."""


def of_a_bridge(state: Mapping[str, Tensor]) -> bool:
    """Whether the names of a file are those of a TransformerLens 4 bridge, whatever stands in front of them."""
    return is_bridge(plainly_spelled(state)[0])


def classic(
    state: Mapping[str, Tensor], reading: Reading, task: Task[Any]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The parameters under classic names with rows in our order, as float32, and notes on what was done.

    What is not known keeps its name, for `checkpoint.infer_config` to refuse. A bridge whose heads nobody counted is
    taken to have as many as the published model. Raises CheckpointError, and ValueError for an order of rows that
    files of this task are never in.
    """
    order = None if reading.token_order is None else task.token_order(reading.token_order)
    plain, notes = plainly_spelled(state)
    if is_bridge(plain):
        n_heads = reading.n_heads or task.recipe.config.n_heads
        if reading.n_heads is None:
            notes += (f"taken to have {n_heads} head{'' if n_heads == 1 else 's'}, which a bridge's file does not say",)
        parameters, more = from_bridge(plain, n_heads)
        notes += more
    else:
        parameters, dropped = _without_buffers(plain)
        if dropped:
            others = f" and {len(dropped) - 2} more" if len(dropped) > 2 else ""
            notes += (f"left out {', '.join(dropped[:2])}{others}: buffers, not parameters",)
        W_Q = parameters.get("blocks.0.attn.W_Q")
        if reading.n_heads is not None and W_Q is not None and W_Q.dim() == 3 and len(W_Q) != reading.n_heads:
            raise CheckpointError(f"blocks.0.attn.W_Q has {len(W_Q)} heads by its shape, not {reading.n_heads}")
    parameters, more = _as_float32(parameters)
    W_E = parameters.get("embed.W_E")
    if order is not None and W_E is not None and W_E.dim() > 0:
        parameters["embed.W_E"] = order.restored(W_E)
    return parameters, notes + more


def _as_float32(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The same numbers as float32, which narrower types are exactly. float64 that would be rounded is refused.

    A rounded model is another one, and a bound that the one meets by a hair the other may miss.
    """
    widened, seen = {}, []
    for name, tensor in state.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        widened[name] = tensor
        if not tensor.is_floating_point() or tensor.dtype == torch.float32:
            continue
        widened[name] = tensor.float()
        if kind not in seen:
            seen.append(kind)
        if tensor.itemsize > 4 and not ((widened[name].double() == tensor) | tensor.isnan()).all():
            raise CheckpointError(
                f"{name} is {kind} and not all of its numbers are float32: rounded it would be another model; "
                "if you mean that one, save model.float().state_dict()"
            )
    return widened, tuple(f"{kind} in the file, which is float32 exactly" for kind in seen)


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
            raise CheckpointError(f"{name} is not a score that hides the future, such as -inf or -100000")
        dropped.append(name)
    return parameters, dropped


def _hides(ignore: Tensor) -> bool:
    return abs(ignore.item()) >= LEAST_IGNORE


def _is_causal(mask: Tensor, n_ctx: Sequence[int] | None) -> bool:
    if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape[0] != mask.shape[1]:
        return False
    return n_ctx in (None, mask.shape[:1]) and torch.equal(mask, torch.ones_like(mask).tril())
