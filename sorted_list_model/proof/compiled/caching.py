"""Where machine code is saved between processes, and when it is made anew.

numba saves what it compiled in __pycache__ and compiles again when the function's own file has changed. But machine
code holds the functions that it calls as well, and these come from other files: so here it is made anew when any file
of this folder has changed. Where nothing can be saved, each process compiles for itself.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


@cache
def sources() -> str:
    """A digest of all files of this folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def save_between_processes(dispatcher: Any) -> None:
    """Let what this function of numba compiles be saved, if it can be, for as long as no source changes."""
    with suppress(RuntimeError, OSError, ImportError, AttributeError):  # no folder to write to, or another numba
        from numba.core.caching import FunctionCache

        class Cache(FunctionCache):
            def save_overload(self, *compiled: Any) -> None:
                with suppress(OSError):  # a full disk, say
                    super().save_overload(*compiled)  # type: ignore[no-untyped-call]

        saved = Cache(dispatcher.py_func)  # type: ignore[no-untyped-call]
        saved._cache_file._source_stamp = sources()
        dispatcher._cache = saved
