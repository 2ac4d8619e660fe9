"""`convert`: write a checkpoint of any kind as one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown

from toy_model.commands.shared import FILES, add_reading, reading_of
from toy_model.system import System

if TYPE_CHECKING:
    from toy_model.checkpoint.checkpoint import Checkpoint

CONVERT_HELP = f"""\
Write a checkpoint of any kind as one of ours: safetensors, classic TransformerLens names, row v + max_value of the
embedding for the value v. Beside it goes a card that says what it was made of, and what the card of IN said.

{FILES}"""


CONVERT_EXAMPLES = """\
exit code: 0 written, 1 not written, 4 IN cannot be read

examples:
  python -m {package} convert cumsum_model.pt mine.safetensors --token-order wrapped   the original release
  python -m {package} convert bridge.pt mine.safetensors --n-heads 2                   a bridge of two heads
  python -m {package} verify mine.safetensors
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `convert` to the command line."""
    convert = commands.add_parser(
        "convert",
        help="write a checkpoint of any kind as one of ours",
        description=CONVERT_HELP.format(package=system.package),
        epilog=CONVERT_EXAMPLES.format(package=system.package),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.set_defaults(command=lambda options: _convert(options, system))
    convert.add_argument("checkpoint", metavar="IN", help="the file, or a folder that `train` wrote")
    convert.add_argument("out", type=a_path, metavar="OUT", help="what to write; its name ends in .safetensors")
    add_reading(convert.add_argument)
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
        written = write_checkpoint(out, checkpoint.model, converted_card(checkpoint))
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


def converted_card(checkpoint: Checkpoint[Any]) -> dict[str, Any]:
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
