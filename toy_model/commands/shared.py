"""What several commands do: read the checkpoint that they were given, and show how far they are."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import shown

from toy_model.system import System
from toy_model.task import M

if TYPE_CHECKING:
    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.naming import Reading


def read_or_say_why(path: str | None, system: System[M]) -> Checkpoint[M] | None:
    """The checkpoint, or None after saying why it cannot be read."""
    import torch

    from toy_model.checkpoint.checkpoint import CheckpointError, Misread, read_checkpoint

    torch.set_num_threads(1)
    try:
        checkpoint = read_checkpoint(os.path.relpath(system.reference) if path is None else path, system)
    except Misread as error:
        fail(error.for_conversion, code=UNREADABLE)
    except CheckpointError as error:
        fail(str(error), code=UNREADABLE)
    else:
        if checkpoint.notes:
            print(f"note: {shown(checkpoint.path)}: {'; '.join(checkpoint.notes)}", file=sys.stderr)
        return checkpoint
    return None


@contextmanager
def progress_bar(what: str, lengths: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. Work grows with the square of the length, and so does the bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=lengths**3)
        yield lambda n: bar.update(task, completed=n**3)


FILES = """\
Files that are read:
  safetensors            ours, or with the names of a HookedTransformer or of a TransformerLens 4 bridge
  torch.save             the state dict of either, also from before torch 1.6 or from a GPU; or a training checkpoint
                         that holds it among other things
  a folder               that `train` wrote, or with pytorch_model.bin, or with shards under a *.index.json
Whatever a wrapper put into the names (module., _orig_mod., _fsdp_wrapped_module., net., ..) is taken off; float16 and
bfloat16 are read as the float32 numbers that they are; without an MLP the model is one whose MLP has no neurons.

Nothing in a file is executed: torch.load(weights_only=True) reads it, once it is known to ask for no more than a state
dict needs. Not read: whole pickled modules, TorchScript, numpy archives. Save model.state_dict() instead.
"""


def add_reading(add: Callable[..., object]) -> None:
    """The options that say how to read a file, for a command or for pytest: `add` is what takes one of them."""
    add(
        "--token-order",
        choices=("value", "wrapped"),
        help="rows of the embedding: value, from -max to +max (default), or wrapped, 0, +1 .. +max, -max .. -1, "
        "as the original release stored them",
    )
    add(
        "--n-heads",
        type=n_heads,
        metavar="N",
        help="how many heads the matrices of a TransformerLens bridge hold (default: 1; other files say so)",
    )


def n_heads(text: str) -> int:
    """What `--n-heads` says."""
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def reading_of(options: argparse.Namespace) -> Reading:
    """Only now: torch takes more than a second to import. One thread is as fast on tensors this small."""
    import torch

    from toy_model.checkpoint.checkpoint import Reading

    torch.set_num_threads(1)
    return Reading(options.token_order, options.n_heads)
