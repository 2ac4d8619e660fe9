"""What can be read off a model without knowing what it is: a fingerprint, sizes, how much memory it takes.

A torch module is read by its `state_dict`, and torch is not imported for that: it is there if the model is. Models of
plain numbers, texts, arrays, dataclasses and objects with attributes are read as they stand.
"""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

DEEPEST = 50
"""Levels of lists and objects within one another that are looked into."""


_CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
"""What is code rather than numbers: nothing that it has for attributes says what it does."""


class _NoFingerprint(Exception):
    """Something in the model is of a kind that cannot be read."""


def fingerprint(model: Any) -> str | None:
    """Sixty-four hexadecimal digits that differ when the numbers in the model do; None if they cannot be read."""
    digest = hashlib.sha256()
    try:
        for part in _parts(model, DEEPEST):
            digest.update(part)
    except _NoFingerprint:
        return None
    return digest.hexdigest()


def as_sha256(text: str) -> str:
    """What a suite says in place of a fingerprint, as sixty-four hexadecimal digits: it may be any text."""
    if re.fullmatch("[0-9a-f]{64}", text):
        return text
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def attached(model: Any) -> list[str]:
    """What is attached to a torch module beside its weights, such as forward hooks, and whether it is training.

    A control that attaches something has to take it off again; the weights alone would not show it.
    """
    if not _is_module(model) or not callable(getattr(model, "named_modules", None)):
        return []
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    names = []
    for name, module in model.named_modules():
        for kind in hooks:
            functions = dict(getattr(module, kind, None) or {}).values()
            names += [f"{name} {kind} {getattr(function, '__qualname__', type(function))}" for function in functions]
        names += [f"{name} training"] if getattr(module, "training", False) else []
        names += [f"{name} forward"] if "forward" in vars(module) else []
    return names


def n_bytes(model: Any) -> int | None:
    """The memory that the tensors of a torch module take; None if it is none."""
    if not _is_module(model):
        return None
    return sum(_size(tensor) for tensor in _tensors(model))


def facts(model: Any) -> tuple[tuple[str, str], ...]:
    """Labels and texts: what the model is, its parameters, their kind, and where they lie."""
    facts_of_it = [("Model", type(model).__qualname__)]
    if _is_module(model):
        tensors = _tensors(model)
        facts_of_it += [("Parameters", f"{sum(tensor.numel() for tensor in tensors):,} in {len(tensors)} tensors")]
        facts_of_it += [("Types", ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors})))]
        facts_of_it += [("Device", ", ".join(sorted({str(tensor.device) for tensor in tensors})))]
    return tuple((label, text) for label, text in facts_of_it if text)


def _is_module(model: Any) -> bool:
    return not isinstance(model, type) and callable(getattr(model, "state_dict", None))


def _state(model: Any) -> Mapping[str, Any]:
    state = model.state_dict()
    return state if isinstance(state, Mapping) else {}


def _tensors(model: Any) -> list[Any]:
    """The tensors of a module, each once: weights that two layers share have two names."""
    tensors = [tensor for tensor in _state(model).values() if _is_tensor(tensor)]
    apart = {(tensor.data_ptr() if tensor.numel() else id(tensor), tuple(tensor.shape)): tensor for tensor in tensors}
    return list(apart.values())


def _is_tensor(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("detach", "numel", "element_size", "data_ptr"))


def _size(tensor: Any) -> int:
    return int(tensor.numel()) * int(tensor.element_size())


def _parts(value: Any, deepest: int) -> Iterator[bytes | Any]:
    """The value as pieces of bytes, each with its kind and length before it, so that no two values give the same."""
    if deepest == 0:
        raise _NoFingerprint
    if _is_tensor(value):
        yield from _tensor(value)
    elif hasattr(value, "tobytes") and hasattr(value, "dtype") and hasattr(value, "shape"):  # an array of numpy's
        if value.dtype == object:
            raise _NoFingerprint
        yield f"array {value.dtype} {tuple(value.shape)} ".encode()
        yield value.tobytes()
    elif value is None or isinstance(value, str | bytes | int | float | complex | Enum):
        text = repr(value).encode(errors="backslashreplace")
        yield f"{type(value).__name__} {len(text)} ".encode() + text
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)} ".encode()
        for key, item in value.items():
            yield from _parts(key, deepest - 1)
            yield from _parts(item, deepest - 1)
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)} ".encode()
        for item in value:
            yield from _parts(item, deepest - 1)
    elif _is_module(value):
        yield f"module {type(value).__qualname__} ".encode()
        yield from _parts(dict(_state(value)), deepest - 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__qualname__} ".encode()
        yield from _parts({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, deepest - 1)
    elif not isinstance(value, _CODE) and getattr(value, "__dict__", None):  # it may be called, as a model is
        yield f"{type(value).__qualname__} ".encode()
        yield from _parts(dict(vars(value)), deepest - 1)
    else:
        raise _NoFingerprint


def _tensor(tensor: Any) -> Iterator[bytes | Any]:
    if "strided" not in str(getattr(tensor, "layout", "strided")):
        tensor = tensor.to_dense()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.int_repr()
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    yield f"tensor {tensor.dtype} {tuple(tensor.shape)} ".encode()
    if _size(plain):
        yield (ctypes.c_char * _size(plain)).from_address(plain.data_ptr())
