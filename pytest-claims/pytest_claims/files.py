"""Files that appear whole or not at all, and files of others that are read without waiting for ever."""

from __future__ import annotations

import argparse
import fcntl
import glob
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def a_path(text: str) -> Path:
    """The path that an option names, for argparse. An empty text, as of a variable that is not set, is none."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def shown(text: object) -> str:
    """A path, or a message that names one, on one line and without control characters: a name may hold any."""
    line = " ".join(str(text).split())
    return "".join(character if character.isprintable() else "?" for character in line)


class Unreadable(ValueError):
    """A file is none, or too large. The message is half a line, to follow the name of the file."""


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, of which there may be `limit`. Raises Unreadable.

    A pipe that nobody writes to, or a device that never ends, is refused and not read; and what is looked at is what is
    read, whatever takes its place in between.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        raise Unreadable("No such file or directory") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) else None
        raise Unreadable(reason or "is no name of a file") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("is not a regular file")
        if status.st_size > limit:
            raise Unreadable(f"takes {status.st_size:,} bytes, more than the {limit:,} that are read")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(status.st_size + 1)
            if len(content) > status.st_size:  # it grows meanwhile
                content += file.read(limit + 1 - len(content))
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Unreadable(f"takes more than the {limit:,} bytes that are read")
    return content


LONGEST_NAME = 255
"""Bytes that the name of a file may have, nearly everywhere."""


@contextmanager
def beside(path: Path, content: bytes) -> Iterator[Path]:
    """A temporary file with `content` in the folder of `path`, flushed to disk; removed unless it was renamed.

    Whoever may read `path` may read it, and nobody else at any moment; where there is none yet, the umask decides.
    """
    with _begun_beside(path) as (temporary, file):
        file.write(content)
        _to_disk(file)
        file.close()
        yield temporary


@contextmanager
def _begun_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """The same, still empty, and open to be written."""
    mode = _mode(path)
    temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:  # the umask has taken from it, too
                os.fchmod(descriptor, mode)
            yield temporary, file
    except OSError as error:  # a full disk does not say which file it has no room for
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _mode(path: Path) -> int | None:
    """Who may read and write the file `path`; None where there is none."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return mode & 0o777 if stat.S_ISREG(mode) else None


def _prefix(path: Path) -> str:
    """How the names of temporary files of `path` begin, which end in eight letters or digits."""
    if len(os.fsencode(path.name)) + len("..01234567") <= LONGEST_NAME:
        return f".{path.name}."
    return f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}."


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, making its folder if need be. Raises OSError; what was there before then stays."""
    with written_whole(path) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """The same piece by piece: a file that becomes `path` when the block ends, or is removed if an error ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _begun_beside(path) as (temporary, file):
        yield file
        _to_disk(file)
        os.replace(temporary, path)
        settle(path.parent)


def settle(folder: Path) -> None:
    """See to it that what was renamed or removed in `folder` stays so, even if the machine loses power now."""
    with suppress(OSError):  # some file systems cannot; the files themselves are on disk all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_up(path: Path) -> None:
    """Remove what a writer of `path` that was killed has left beside it. Raises OSError."""
    for leftover in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        if re.fullmatch(r"[a-z0-9_]{8}", leftover.name.rpartition(".")[2]):  # as they are named, and nobody else's
            leftover.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Whether no other process is in here, of those that ask. It ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
