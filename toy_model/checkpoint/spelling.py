"""Names of tensors without what wrappers put in front of them or into them.

People save models that are wrapped: for several processes (`module.`), compiled (`_orig_mod.`), sharded or checkpointed
inside (`_fsdp_wrapped_module.` in the middle of a name), averaged (`n_averaged` beside `module.`), in a class of their
own (`model.`, `net.`, anything). What is taken off is noted; two tensors that come to the same name are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from toy_model.checkpoint.refusal import CheckpointError, one_line

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module")
"""Parts of a name that say how a model was run, wherever they stand."""

COMPONENT = "_original_component"
"""What a TransformerLens bridge puts into the names of the model that it wraps, whose parts it has under two names."""

ROOTS = ("embed", "pos_embed", "blocks", "ln_final", "unembed", "tok_embed", "pos", "layers", "ln_out", "head")
"""How names of a model itself begin: classic, a bridge's, and those of the model inside a bridge."""

EMBEDDINGS = ("embed.W_E", "embed.weight", "tok_embed.weight")
"""Every model has one of these: what stands in front of it stands in front of the model."""

COUNTER = "n_averaged"


def plainly_spelled(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors by the names that they have in the model itself, and notes on what was taken off and left out.

    Raises CheckpointError where two tensors have the same name then, or where there are several models.
    """
    notes: list[str] = []
    names = {name: ".".join(p for p in name.split(".") if p not in (*WRAPPERS, COMPONENT)) for name in state}
    for name in state:
        if name.rpartition(".")[2] == COUNTER and state[name].numel() == 1:
            notes.append(f"left out {one_line(name)}: how many models it is the average of")
            del names[name]
    prefix = _prefix(names)
    outside = [name for name, plain in names.items() if not plain.startswith(prefix)]
    if outside:
        others = f" and {len(outside) - 2} more" if len(outside) > 2 else ""
        listed = ", ".join(one_line(name)[:60] for name in outside[:2])
        notes.append(f'left out {listed}{others}: beside the model, whose names begin with "{one_line(prefix)[:60]}"')
        for name in outside:
            del names[name]
    names = {name: plain.removeprefix(prefix) for name, plain in names.items()}
    return _each_once(state, names), (*_taken_off(names), *notes)


def _prefix(names: Mapping[str, str]) -> str:
    """What stands in front of the one model that there is, with its dot. Raises CheckpointError if it is several."""
    prefixes = {
        plain.removesuffix(embedding)
        for plain in names.values()
        for embedding in EMBEDDINGS
        if plain == embedding or plain.endswith(f".{embedding}")
    }
    if len(prefixes) > 1:
        models = " and ".join(one_line(prefix)[:60] or "no prefix at all" for prefix in sorted(prefixes))
        raise CheckpointError(f"holds several models, whose names begin with {models}: save one of them alone")
    if prefixes:
        return prefixes.pop()
    prefix = ""  # no embedding: what all names share
    while names and all(plain.startswith(prefix) for plain in names.values()):
        rest = {plain.removeprefix(prefix).partition(".")[::2] for plain in names.values()}
        heads = {head for head, _ in rest}
        if len(heads) > 1 or not heads.isdisjoint(ROOTS) or not all(tail for _, tail in rest):
            break
        prefix += f"{heads.pop()}."
    return prefix


def _each_once(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors by their plain names. The model inside a bridge has the same tensor under several names."""
    plain: dict[str, Tensor] = {}
    first: dict[str, str] = {}
    for name, short in names.items():
        if short not in plain:
            plain[short], first[short] = state[name], name
            continue
        same = state[name].shape == plain[short].shape and torch.equal(state[name], plain[short])
        if not (same and COMPONENT in name and COMPONENT in first[short]):
            raise CheckpointError(
                f"holds {one_line(short)[:60]} twice, as {one_line(first[short])[:80]} and {one_line(name)[:80]}: "
                "save one of them alone"
            )
    return plain


def _taken_off(names: Mapping[str, str]) -> tuple[str, ...]:
    """A note on what the names in the file had beside the plain ones; none where that is nothing."""
    if all(name == short for name, short in names.items()):
        return ()
    in_front = {name.removesuffix(short) if name.endswith(short) else None for name, short in names.items()}
    if len(in_front) == 1 and (prefix := in_front.pop()) is not None:
        return (f'names without their "{one_line(prefix)[:60]}"',)
    off = sorted({part for name, short in names.items() for part in name.split(".") if part not in short.split(".")})
    return (f"names without {', '.join(one_line(part)[:40] for part in off[:4])}",)
