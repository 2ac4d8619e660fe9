"""The zip file that `torch.save` writes: its members, checked one by one, and the same members as an archive anew.

Readers of zip files differ in what they make of odd ones. So torch is not handed the file that somebody sent but an
archive that is written here, of the members that were looked at: what was checked is what is read.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping

from toy_model.checkpoint.refusal import CheckpointError, one_line

MAX_MEMBERS = 20_000

_END = struct.Struct("<4s4H2LH")
"""The end of a zip file: disks, members here and in all, bytes and start of the directory, length of a comment."""

_ENTRY_BYTES, _ENTRY_LENGTHS = 46, 28
"""Bytes of an entry of the directory but for its name, extra field and comment, whose lengths start at byte 28."""

_END_64 = struct.Struct("<4sQ2H2L4Q4sLQL")
_ODD_END = "is a damaged torch.save archive: its last bytes do not fit the rest"


def members_of(content: bytes) -> dict[str, bytes]:
    """The members of a torch.save archive by name, without the folder that they all lie in.

    No more bytes than the file has. Raises CheckpointError, without the name of the file, also for other zip files.
    """
    n_members = _n_members(content)
    if n_members > MAX_MEMBERS or content.count(b"PK\x01\x02") > MAX_MEMBERS:  # before an object is made of each
        raise CheckpointError(f"is an archive of more than the {MAX_MEMBERS:,} members that are read")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(names) != n_members:
                raise CheckpointError(_ODD_END)
            folder = _folder(names)
            _require_stored(entries, len(content))
            return {name.removeprefix(folder): archive.read(name) for name in names}
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, struct.error, OverflowError) as error:
        raise CheckpointError(f"is a damaged torch.save archive ({one_line(error)})") from None


def _require_stored(entries: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """Refuse what is compressed, has two sizes or names, or claims more bytes than the file has."""
    (often, times), *_ = [*Counter(entry.filename for entry in entries).most_common(1), ("", 0)]
    if times > 1:
        raise CheckpointError(f"is an archive that has {one_line(often)} twice")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise CheckpointError(
                f"is an archive whose {one_line(entry.filename)} is compressed or encrypted; torch.save does neither"
            )
        if entry.file_size != entry.compress_size:
            raise CheckpointError(f"is an archive whose {one_line(entry.filename)} has two sizes")
    if sum(entry.file_size for entry in entries) > n_bytes:
        raise CheckpointError("is an archive whose members are larger than the file")


def written_anew(members: Mapping[str, bytes]) -> bytes:
    """An archive for torch to read: the pickle, the byte order and the bytes of tensors, and nothing else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"version": b"3\n", **members}.items():
            if name in ("version", "data.pkl", "byteorder") or name.startswith("data/"):
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return file.getvalue()


def _n_members(content: bytes) -> int:
    """How many members there are, by the last bytes."""
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
    kind = _kind(names)
    if kind is not None:
        raise CheckpointError(kind)
    if folder is None or not all(name.startswith(folder) for name in names):
        files = ", ".join(one_line(name)[:60] for name in names[:3]) + (", .." if len(names) > 3 else "")
        raise CheckpointError(f"is a zip file, but not one that torch.save wrote: it holds {files or 'nothing'}")
    return folder


def _kind(names: list[str]) -> str | None:
    """What a zip file is by the names in it, where it is a known thing that is not read."""
    last = [name.rpartition("/")[2] for name in names]
    if "constants.pkl" in last:
        return "is a TorchScript program, not a state dict: save model.state_dict()"
    if names and all(name.endswith(".npy") for name in names):
        return (
            "is a numpy .npz archive, not a checkpoint of torch: save its arrays as tensors, "
            "torch.save({name: torch.from_numpy(array) for name, array in numpy.load(path).items()}, new)"
        )
    if "model.weights.h5" in last:
        return "is a Keras model, not a checkpoint of torch"
    if "archive_format" in last or "serialized_exported_program.json" in last:
        return "is a program of torch.export, not a state dict: save model.state_dict()"
    if "[Content_Types].xml" in last:
        return "is an office document, not a checkpoint"
    return None
