"""What several commands do: read the checkpoint that they were given, and show how far they are."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import shown

from toy_model.system import System
from toy_model.task import M

if TYPE_CHECKING:
    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.checkpoint.reading import Reading


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
def progress_bar(what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing elsewhere; it is told how much of the total is done."""
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
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def paragraph(text: str) -> str:
    """Broken into lines, for help that is printed as it stands."""
    return textwrap.fill(" ".join(text.split()), 119, break_long_words=False, break_on_hyphens=False)


FILES = """\
Files that are read:
  safetensors            ours, or with the names of a HookedTransformer or of a TransformerLens 4 bridge
  torch.save             the state dict of either, also from before torch 1.6 or from a GPU; or a training checkpoint
                         that holds it among other things
  a folder               that `train` wrote, or with pytorch_model.bin, or with shards under a *.index.json
{numbers}

Nothing in a file is executed: torch.load(weights_only=True) reads it, once it is known to ask for no more than a state
dict needs. Not read: whole pickled modules, TorchScript, numpy archives. Save model.state_dict() instead.
"""


def files_read(system: System[Any]) -> str:
    """Which files are read, for the help of a command."""
    without_mlp = "" if system.recipe.config.attn_only else "; without an MLP the model is one whose MLP has no neurons"
    numbers = paragraph(
        "Whatever a wrapper put into the names (module., _orig_mod., _fsdp_wrapped_module., net., ..) is taken off; "
        f"float16 and bfloat16 are read as the float32 numbers that they are{without_mlp}."
    )
    return FILES.format(numbers=numbers)


def add_reading(add: Callable[..., object], *systems: System[Any]) -> None:
    """The options that say how to read a file of some systems, for a command or for pytest.

    `add` is what takes one of them. There is no `--token-order` where files of none have several.
    """
    orders = {order.name: order for system in systems for order in system.token_orders}
    if orders:
        ours = {system.our_order for system in systems}
        described = (f"{name}, {order.rows}{' (default)' * (name in ours)}" for name, order in orders.items())
        add("--token-order", choices=tuple(orders), help=f"rows of the embedding: {', or '.join(described)}")
    heads = {system.name: system.recipe.config.n_heads for system in systems}
    every = set(heads.values())
    default = ", ".join(f"{n} of {name}" for name, n in heads.items()) if len(every) > 1 else f"{every.pop()}"
    add(
        "--n-heads",
        type=n_heads,
        metavar="N",
        help=f"how many heads the matrices of a TransformerLens bridge hold (default: {default}; other files say so)",
    )


def released(system: System[Any], equals: str = " ") -> str:
    """The file that was released with a system's task and the option to read it with, for the examples of help."""
    order = system.words.released_order
    return f"{system.words.released} --token-order{equals}{order}" if order else system.words.released


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
    return Reading(getattr(options, "token_order", None), options.n_heads)
