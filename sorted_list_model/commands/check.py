"""`check`: verify a certificate without trusting what wrote it."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import shown

from sorted_list_model.system import SYSTEM
from toy_model.commands.certificates import add_check
from toy_model.commands.shared import progress_bar, read_or_say_why

if TYPE_CHECKING:
    from sorted_list_model.model import SortedListTransformer
    from sorted_list_model.proof.check.checker import Checked

CHECK_HELP = """\
Verify a certificate against the checkpoint without trusting how it was found.

The checker shares no code with the search. It makes the tables anew by ball arithmetic, and verifies of every node its
children and its count, and of every answer that is said to be beaten the witness: lambda_0 and the intervals of
rho = Z_0 / Z_1. Takes a quarter of a minute for a certificate of the quick depth.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to the command line."""
    add_check(commands, CHECK_HELP, _check)


def _check(options: argparse.Namespace) -> int:
    checkpoint = read_or_say_why(options.checkpoint, SYSTEM)
    if checkpoint is None:
        return UNREADABLE

    from sorted_list_model.proof.certificate import rounded_down, rounded_up
    from sorted_list_model.proof.check.checker import Rejected, check, lines_of
    from sorted_list_model.proof.classes import all_classes
    from sorted_list_model.proof.tables import Unprovable, require_handled

    try:
        require_handled(checkpoint.model)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)
    path: Path = options.certificate
    cfg = checkpoint.model.cfg
    weights = {name: tensor.numpy() for name, tensor in checkpoint.model.state_dict().items()}
    try:
        if path.exists() and not path.is_file():  # a pipe that nobody writes to would never end
            return fail(f"{path}: is not a regular file", code=UNREADABLE)
        with path.open("rb") as file, progress_bar("checking", all_classes(cfg.list_len, cfg.max_value)) as done:
            checked = check(lines_of(file), weights, checkpoint.sha256, done)
    except Rejected as error:
        print(f"REJECTED {shown(path)}: {shown(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        return fail(f"{path}: {error.strerror or error}", code=UNREADABLE)
    foreign = _other_rounding(checked, checkpoint.model)
    if foreign:
        print(f"REJECTED {shown(path)}: {foreign}", file=sys.stderr)
        return 1
    low = rounded_down(Fraction(checked.right, checked.answers), 6)
    high = rounded_up(1 - Fraction(checked.wrong, checked.answers), 6)
    real = "" if checked.stream is not None else ", in real arithmetic only"
    print(
        f"ACCEPTED {shown(path)} for {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}\n"
        f"verified {checked.classes:,} classes in {checked.nodes:,} nodes by {checked.bounds:,} bounds: of all answers "
        f"between {low} and {high} are right{real}\n"
        f"and {checked.found:,} lists that are answered wrongly"
    )
    return 0


def _other_rounding(checked: Checked, model: SortedListTransformer) -> str:
    """Why what a certificate allows for float32 is not enough; nothing if it is."""
    from sorted_list_model.proof.rounding import order_error

    if checked.stream is None or checked.scale is None:
        return ""
    error = order_error(model)
    if checked.stream >= error.stream * (1 - 1e-9) and checked.scale >= error.scale * (1 - 1e-9):
        return ""
    return f"it allows {checked.stream:.4g} and {checked.scale:.4g} for float32, which may take more"
