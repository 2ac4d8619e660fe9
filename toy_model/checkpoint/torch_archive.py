"""State dicts that `torch.save` wrote, read without `torch.load` and without an unpickler.

The archive is a zip of stored members: `data.pkl` describes the tensors (see `pickled`), `data/0`, `data/1`, ..
hold their bytes. Every size is checked against the bytes that there are before anything of that size is made, so
a small file cannot ask for much memory. "Nothing from a checkpoint is ever executed" needs no trust in a list of
what is safe to run: nothing that could run anything is called.
"""

from __future__ import annotations

import io
import math
import struct
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from toy_model.checkpoint.pickled import PickledTensor, Storage, interpret
from toy_model.checkpoint.refusal import CheckpointError, one_line

MAX_MEMBERS = 20_000
MAX_TENSORS = 10_000
MAX_TENSOR_BYTES = 256 * 2**20
"""Of all tensors together. Views may overlap, so they can be larger than the file."""

MAX_SIZE = 2**31

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Where training checkpoints keep the state dict among other things."""

_END = struct.Struct("<4s4H2LH")
"""The end of a zip file: disks, members here and in all, bytes and start of the directory, length of a comment."""

_ENTRY_BYTES, _ENTRY_LENGTHS = 46, 28
"""Bytes of an entry of the directory but for its name, extra field and comment, whose lengths start at byte 28."""

_END_64 = struct.Struct("<4sQ2H2L4Q4sLQL")
_ODD_END = "is a damaged torch.save archive: its last bytes do not fit the rest"


def read_archive(content: bytes) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors in the bytes of a torch.save archive, and notes on where in it they stood.

    Raises CheckpointError, without the name of the file.
    """
    members = _members(content)
    described = interpret(members["data.pkl"])
    for tensor in described.tensors:  # also what stands beside the state dict: a damaged file is refused as a whole
        _check(tensor, members)
    pickled, notes = _state_dict(described.value)
    if len(pickled) > MAX_TENSORS:
        raise CheckpointError(f"holds {len(pickled):,} tensors, more than the {MAX_TENSORS:,} that are read")
    total = sum(math.prod(one.size) * _dtype(one.storage).itemsize for one in pickled.values())
    if total > MAX_TENSOR_BYTES:
        raise CheckpointError(
            f"declares tensors of more than the {MAX_TENSOR_BYTES:,} bytes that are read, in a file of {len(content):,}"
        )
    byte_order = _byte_order(members)
    storages = dict.fromkeys(one.storage for one in pickled.values() if 0 not in one.size)
    flat = {storage: _flat(storage, members, byte_order) for storage in storages}
    return {name: _tensor(one, flat) for name, one in pickled.items()}, notes


def _members(content: bytes) -> dict[str, bytes]:
    """The members by name, without the folder that they all lie in. No more bytes than the file has."""
    n_members = _n_members(content)
    if n_members > MAX_MEMBERS or content.count(b"PK\x01\x02") > MAX_MEMBERS:  # before an object is made of each
        raise CheckpointError(f"is an archive of more than the {MAX_MEMBERS:,} members that are read")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(names) != n_members:
                raise CheckpointError(_ODD_END)
            (often, times), *_ = [*Counter(names).most_common(1), ("", 0)]
            if times > 1:
                raise CheckpointError(f"is an archive that has {one_line(often)} twice")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                    told = one_line(entry.filename)
                    raise CheckpointError(
                        f"is an archive whose {told} is compressed or encrypted; torch.save does neither"
                    )
                if entry.file_size != entry.compress_size:
                    raise CheckpointError(f"is an archive whose {one_line(entry.filename)} has two sizes")
            if sum(entry.file_size for entry in entries) > len(content):
                raise CheckpointError("is an archive whose members are larger than the file")
            folder = _folder(names)
            return {name.removeprefix(folder): archive.read(name) for name in names}
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, struct.error, OverflowError) as error:
        raise CheckpointError(f"is a damaged torch.save archive ({one_line(error)})") from None


def _n_members(content: bytes) -> int:
    """How many members there are, by the last bytes; readers of zip files differ in what they make of odd ones."""
    if content[-_END.size :][:4] != b"PK\x05\x06":
        raise CheckpointError("is a torch.save archive that was cut short or padded")
    _, *disks, here, n_members, directory_bytes, start, comment = _END.unpack(content[-_END.size :])
    directory_end = len(content) - _END.size
    if start + directory_bytes < directory_end:  # torch.save says the same twice, once in 64 bits
        directory_end -= _END_64.size
        if directory_end < 0:
            raise CheckpointError(_ODD_END)
        again = _END_64.unpack(content[directory_end : -_END.size])
        signature, length, _, _, *more, locator, disk, position, n_disks = again
        as_before = more == [*disks, here, n_members, directory_bytes, start]
        if not as_before or (signature, length, locator) != (b"PK\x06\x06", 44, b"PK\x06\x07"):
            raise CheckpointError(_ODD_END)
        if (disk, position, n_disks) != (0, directory_end, 1):
            raise CheckpointError(_ODD_END)
    if any(disks) or here != n_members or start + directory_bytes != directory_end or comment:
        raise CheckpointError(_ODD_END)
    position = start
    for _ in range(min(n_members, MAX_MEMBERS)):
        lengths = content[position + _ENTRY_LENGTHS : position + _ENTRY_BYTES][:6]
        position += _ENTRY_BYTES + sum(struct.unpack("<3H", lengths)) if len(lengths) == 6 else len(content)
    if position != start + directory_bytes and n_members <= MAX_MEMBERS:
        raise CheckpointError(_ODD_END)
    return int(n_members)


def _folder(names: list[str]) -> str:
    """The folder inside the archive, with its slash, in which everything lies."""
    folder = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
    if folder is None or not all(name.startswith(folder) for name in names):
        raise CheckpointError("is a zip file, but not one that torch.save wrote")
    if f"{folder}constants.pkl" in names:
        raise CheckpointError("is a TorchScript program, not a state dict: save model.state_dict()")
    return folder


def _state_dict(described: object) -> tuple[dict[str, PickledTensor], tuple[str, ...]]:
    """The state dict itself, also where it is one entry of a training checkpoint."""
    notes: tuple[str, ...] = ()
    if isinstance(described, dict):
        inside = [name for name in WRAPPERS if isinstance(described.get(name), dict)]
        if len(inside) > 1:
            raise CheckpointError(f"holds several state dicts, {' and '.join(inside)}: save one of them alone")
        if inside:
            described, notes = described[inside[0]], (f'taken from its entry "{inside[0]}"',)
    if not isinstance(described, dict):
        kind = "tensor" if isinstance(described, PickledTensor) else type(described).__name__
        raise CheckpointError(f"holds a {one_line(kind)}, not a state dict: save model.state_dict()")
    for name, value in described.items():
        if not isinstance(name, str):
            raise CheckpointError("holds an entry whose key is not a name: save model.state_dict()")
        if not isinstance(value, PickledTensor):
            raise CheckpointError(f"holds {one_line(name)}, which is not a tensor: save model.state_dict()")
    return described, notes


def _dtype(storage: Storage) -> torch.dtype:
    return getattr(torch, storage.dtype)  # one of the names in `pickled.STORAGES`


def _check(tensor: PickledTensor, members: Mapping[str, bytes]) -> None:
    """Whether the storage of a tensor is there, and holds all of it."""
    storage, size, stride = tensor.storage, tensor.size, tensor.stride
    told = f"data/{one_line(storage.key)}"
    content = members.get(f"data/{storage.key}")
    if content is None:
        raise CheckpointError(f"lacks {told}, the bytes of a tensor")
    if len(content) != storage.numel * _dtype(storage).itemsize:
        raise CheckpointError(f"has {len(content):,} bytes in {told}, which is not what data.pkl says of them")
    if any(number >= MAX_SIZE for number in (*size, *stride)):
        raise CheckpointError(f"has a tensor of an impossible shape in {told}")
    last = -1 if 0 in size else sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if tensor.offset + last >= storage.numel:
        raise CheckpointError(f"has a tensor that reaches beyond the bytes in {told}")


def _flat(storage: Storage, members: Mapping[str, bytes], byte_order: str) -> Tensor:
    """All bytes of a storage, in the order of this machine. Made once a storage: thousands of views may share it."""
    flat = torch.frombuffer(bytearray(members[f"data/{storage.key}"]), dtype=torch.uint8)
    if byte_order != sys.byteorder:
        flat = flat.view(-1, _dtype(storage).itemsize).flip(1).flatten()
    if _dtype(storage) == torch.bool and flat.max() > 1:
        raise CheckpointError(f"data/{one_line(storage.key)} is boolean, but has bytes that are neither 0 nor 1")
    return flat.view(_dtype(storage))


def _tensor(described: PickledTensor, flat: Mapping[Storage, Tensor]) -> Tensor:
    """The tensor itself, of a storage that holds all of it."""
    if 0 in described.size:
        return torch.empty(described.size, dtype=_dtype(described.storage))
    viewed = flat[described.storage].as_strided(described.size, described.stride, described.offset)
    return viewed.clone(memory_format=torch.contiguous_format)


def _byte_order(members: Mapping[str, bytes]) -> str:
    order = members.get("byteorder", b"little")  # older versions of torch leave it out, and wrote little
    if order not in (b"little", b"big"):
        raise CheckpointError(f"has the byte order {one_line(order[:20])}, which is neither little nor big")
    return order.decode()
