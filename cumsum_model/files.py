"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def beside(path: Path, content: bytes) -> Iterator[Path]:
    """A temporary file with `content` in the folder of `path`, flushed to disk; removed unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, making its folder if need be. Raises OSError; what was there before then stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path, content) as complete:
        os.replace(complete, path)
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
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if re.fullmatch(r"[a-z0-9_]{8}", left.name.rpartition(".")[2]):  # as `tempfile` names them, and nobody else's
            left.unlink(missing_ok=True)
