"""The state dict in what torch loaded, which may be a training checkpoint with much beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from toy_model.checkpoint.refusal import CheckpointError, one_line

MOST_NESTED = 4
"""How many entries deep a state dict is looked for."""

MOST_LOOKED_AT = 10_000


def state_dict_in(loaded: object) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state dict itself, also where it is an entry of a training checkpoint, and notes on that.

    Raises CheckpointError, without the name of the file, where there is none or are several.
    """
    if isinstance(loaded, list) and loaded and all(_is_pair(entry) for entry in loaded):  # list(named_parameters())
        if len(dict(loaded)) != len(loaded):
            raise CheckpointError("holds a name twice: save model.state_dict()")
        loaded = dict(loaded)
    if not isinstance(loaded, dict):
        kind = "tensor" if isinstance(loaded, Tensor) else type(loaded).__name__
        raise CheckpointError(f"holds a {one_line(kind)}, not a state dict: save model.state_dict()")
    if not loaded:
        raise CheckpointError("holds nothing: save model.state_dict()")
    inside = list(_inside(loaded, (), [MOST_LOOKED_AT]))
    if not any(isinstance(name, str) and "." in name and isinstance(value, Tensor) for name, value in loaded.items()):
        named = [path for path, state in inside if any("." in name for name in state)] or [path for path, _ in inside]
        if len(named) > 1:
            paths = sorted(".".join(path) for path in named)
            raise CheckpointError(f"holds several state dicts, {_listed(paths)}: save one of them alone")
        if named:
            return dict(dict(inside)[named[0]]), (f'taken from its entry "{one_line(".".join(named[0]))}"',)
    return _tensors(loaded)


def _is_pair(entry: object) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _inside(
    loaded: Mapping[Any, Any], path: tuple[str, ...], budget: list[int]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The dicts of nothing but tensors in entries of this one, however deep, by the names that lead to them."""
    for name, value in loaded.items():
        budget[0] -= 1
        if budget[0] < 0 or not isinstance(name, str) or not isinstance(value, dict) or not value:
            continue
        if all(isinstance(key, str) and isinstance(entry, Tensor) for key, entry in value.items()):
            yield (*path, name), value
        elif len(path) < MOST_NESTED:
            yield from _inside(value, (*path, name), budget)


def _tensors(state: Mapping[Any, Any]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a state dict; what stands beside them under a name without a dot is left out."""
    tensors, beside = {}, []
    for name, value in state.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(name, str) and "." in name:
            raise CheckpointError(f"holds {one_line(name)}, which is not a tensor: save model.state_dict()")
        else:
            beside.append(one_line(name)[:40])
    if not tensors:
        raise CheckpointError(f"holds {_listed(beside)}, and no tensor: save model.state_dict()")
    return tensors, (f"left out {_listed(beside)}: no tensors",) if beside else ()


def _listed(names: list[str]) -> str:
    shown = [one_line(name)[:60] for name in names[:4]] + ([f"{len(names) - 4} more"] if len(names) > 4 else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
