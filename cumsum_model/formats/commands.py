"""`inspect`: what is in a checkpoint of any kind, and whether it looks right. `convert`: write it as one of ours."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown

if TYPE_CHECKING:
    from cumsum_model.checkpoint import Checkpoint
    from cumsum_model.formats.naming import Reading

FILES = """\
Files that are read:
  safetensors            ours, or with the names of a HookedTransformer or of a TransformerLens 4 bridge
  torch.save             the state dict of either, or a training checkpoint that holds it as "state_dict",
                         "model_state_dict" or "model"
  a folder               that `train` wrote

Nothing in a file is executed: there is no unpickler, the pickle that torch.save writes is read as data. Not read:
whole pickled modules, and torch.save files from before torch 1.6. Save model.state_dict() instead.
"""

CONVERT_HELP = f"""\
Write a checkpoint of any kind as one of ours: safetensors, classic TransformerLens names, row v + max_value of the
embedding for the value v. Beside it goes a card that says what it was made of, and what the card of IN said.

{FILES}"""

CONVERT_EXAMPLES = """\
exit code: 0 written, 1 not written, 4 IN cannot be read

examples:
  python -m cumsum_model convert cumsum_model.pt mine.safetensors --token-order wrapped   the original release
  python -m cumsum_model convert bridge.pt mine.safetensors --n-heads 2                   a bridge of two heads
  python -m cumsum_model verify mine.safetensors
"""

INSPECT_HELP = f"""\
Say what is in a checkpoint: format, sizes, every tensor, where it comes from. Then a first diagnosis: how much of
the evaluation set it answers rightly, how uniform attention is, whether OV has rank one, whether the stream stores
the mean, how many neurons ever fire, and whether the rows of the embedding look wrapped.

{FILES}"""

INSPECT_EXAMPLES = """\
exit code: 0 read, whatever the diagnosis; 4 IN cannot be read

examples:
  python -m cumsum_model inspect runs/seed7
  python -m cumsum_model inspect cumsum_model.pt --token-order wrapped
  python -m cumsum_model inspect cumsum_model.pt --json | jq .diagnosis.accuracy
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `convert` and `inspect` to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    convert = commands.add_parser(
        "convert",
        help="write a checkpoint of any kind as one of ours",
        description=CONVERT_HELP,
        epilog=CONVERT_EXAMPLES,
        formatter_class=raw,
    )
    convert.set_defaults(command=_convert)
    convert.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    convert.add_argument("out", type=a_path, metavar="OUT", help="what to write; its name ends in .safetensors")
    add_reading(convert.add_argument)
    convert.add_argument("--force", action="store_true", help="replace OUT and its card if they exist")
    inspect = commands.add_parser(
        "inspect",
        help="say what is in a checkpoint of any kind, and whether it looks right",
        description=INSPECT_HELP,
        epilog=INSPECT_EXAMPLES,
        formatter_class=raw,
    )
    inspect.set_defaults(command=_inspect)
    inspect.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    add_reading(inspect.add_argument)
    inspect.add_argument("--json", action="store_true", help="print JSON")


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


def _reading(options: argparse.Namespace) -> Reading:
    """Only now: torch takes more than a second to import. One thread is as fast on tensors this small."""
    import torch

    from cumsum_model.checkpoint import Reading

    torch.set_num_threads(1)
    return Reading(options.token_order, options.n_heads)


def _convert(options: argparse.Namespace) -> int:
    out: Path = options.out
    card_out = out.with_suffix(".card.json")
    try:
        if out.suffix != ".safetensors":
            return fail(f"OUT {str(out)[:200]}: its name has to end in .safetensors")
        for path in (out, card_out):
            if path.exists() and not path.is_file():
                return fail(f"OUT {path}: is not a regular file")
            if path.exists() and not options.force:
                return fail(f"{path} exists; choose another OUT, or replace it with --force")
    except OSError as error:
        return fail(f"OUT {str(out)[:200]}: {error.strerror or error}")
    reading = _reading(options)

    from cumsum_model.checkpoint import CheckpointError, read_checkpoint, write_checkpoint

    try:
        checkpoint = read_checkpoint(options.checkpoint, reading=reading)
    except CheckpointError as error:
        return fail(str(error), code=UNREADABLE)
    try:
        written = write_checkpoint(out, checkpoint.model, converted_card(checkpoint))
    except OSError as error:
        return fail(f"OUT {out}: {error.strerror or error}; what was there before was kept")
    for note in checkpoint.notes:
        print(note)
    print(
        f"read {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}, {checkpoint.read_as}\n"
        f"wrote {shown(written.path)}, sha256 {written.sha256[:12]}\n"
        f"verify it: python -m cumsum_model verify {shown(written.path)}"
    )
    return 0


def converted_card(checkpoint: Checkpoint) -> dict[str, Any]:
    """The card of what `checkpoint` is converted to: all that its own card says, and what it was."""
    card = dict(checkpoint.card or {})
    before = card.pop("converted_from", None)
    made_of = {
        "file": checkpoint.path.name,
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        "token_order": checkpoint.reading.token_order or "value",
        "n_heads": checkpoint.model.cfg.n_heads,
    }
    if before is not None:
        made_of["converted_from"] = before
    card.pop("sha256", None)
    return {"format": 1, **card, "converted_from": made_of}


def _inspect(options: argparse.Namespace) -> int:
    reading = _reading(options)

    from cumsum_model.checkpoint import CheckpointError, inspect_checkpoint
    from cumsum_model.formats.inspection import as_json, as_text, inspected

    try:
        checkpoint, misreading = inspect_checkpoint(options.checkpoint, reading)
    except CheckpointError as error:
        return fail(str(error), code=UNREADABLE)
    found = inspected(checkpoint, misreading)
    print(json.dumps(as_json(found), indent=2, allow_nan=False) if options.json else "\n".join(as_text(found)))
    return 0
