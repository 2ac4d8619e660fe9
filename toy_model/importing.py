"""Imports without a search for garbage: what is imported stays, and looking through it again and again takes time.

torch and transformer_lens make some hundred thousand objects. Python's collector goes through all of them several
times while they are made, and again whenever it later looks through everything: a fifth of the time of a short run.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MUCH = 100
"""Modules. Where fewer were imported, nothing is set aside: there may be more garbage than modules."""


@contextmanager
def importing() -> Iterator[None]:
    """Keep the collector out while much is imported, and from what is there afterwards."""
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - modules >= MUCH:
            gc.freeze()
        if enabled:
            gc.enable()
