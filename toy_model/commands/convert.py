"""`convert`: write a checkpoint of any kind as one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown

from toy_model.commands.shared import add_reading, files_read, paragraph, reading_of
from toy_model.system import System

if TYPE_CHECKING:
    from toy_model.checkpoint.checkpoint import Checkpoint

CONVERT_HELP = """\
Write a checkpoint of any kind as one of ours: safetensors, classic TransformerLens names{rows}. Beside it goes a card
that says what it was made of, and what the card of IN said."""

CONVERT_EXAMPLES = """\
exit code: 0 written, 1 not written, 4 IN cannot be read

examples:
  {released}   the original release
  {bridge}   a bridge of {n_heads} heads
  python -m {package} verify mine.safetensors
"""


def _help(system: System[Any]) -> str:
    rows = f", rows of the embedding {system.token_orders[0].rows}" if system.token_orders else ""
    return f"{paragraph(CONVERT_HELP.format(rows=rows))}\n\n{files_read(system)}"


def _examples(system: System[Any]) -> str:
    words, command = system.words, f"python -m {system.package} convert"
    order = f" --token-order {words.released_order}" if words.released_order else ""
    n_heads = 2 * system.recipe.config.n_heads
    released = f"{command} {words.released} mine.safetensors{order}"
    bridge = f"{command} bridge.pt mine.safetensors --n-heads {n_heads}"
    width = max(len(released), len(bridge))
    return CONVERT_EXAMPLES.format(
        released=released.ljust(width), bridge=bridge.ljust(width), n_heads=n_heads, package=system.package
    )


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `convert` to the command line."""
    convert = commands.add_parser(
        "convert",
        help="write a checkpoint of any kind as one of ours",
        description=_help(system),
        epilog=_examples(system),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.set_defaults(command=lambda options: _convert(options, system))
    convert.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    convert.add_argument("out", type=a_path, metavar="OUT", help="what to write; its name ends in .safetensors")
    add_reading(convert.add_argument, system)
    convert.add_argument("--force", action="store_true", help="replace OUT and its card if they exist")


def _convert(options: argparse.Namespace, system: System[Any]) -> int:
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
    reading = reading_of(options)

    from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint, write_checkpoint

    try:
        checkpoint = read_checkpoint(options.checkpoint, system, reading=reading)
    except CheckpointError as error:
        return fail(str(error), code=UNREADABLE)
    try:
        written = write_checkpoint(out, checkpoint.model, converted_card(checkpoint, system))
    except OSError as error:
        return fail(f"OUT {out}: {error.strerror or error}; what was there before was kept")
    for note in checkpoint.notes:
        print(note)
    print(
        f"read {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}, {checkpoint.read_as}\n"
        f"wrote {shown(written.path)}, sha256 {written.sha256[:12]}\n"
        f"verify it: python -m {system.package} verify {shown(written.path)}"
    )
    return 0


def converted_card(checkpoint: Checkpoint[Any], system: System[Any]) -> dict[str, Any]:
    """The card of what `checkpoint` is converted to: all that its own card says, and what it was."""
    card = dict(checkpoint.card or {})
    before = card.pop("converted_from", None)
    made_of = {
        "file": checkpoint.path.name,
        "sha256": checkpoint.sha256,
        "format": checkpoint.format,
        **({"token_order": checkpoint.order or system.our_order} if system.token_orders else {}),
        "n_heads": checkpoint.model.cfg.n_heads,
    }
    if before is not None:
        made_of["converted_from"] = before
    card.pop("sha256", None)
    return {"format": 1, **card, "converted_from": made_of}
