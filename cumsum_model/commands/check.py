"""`check`: verify a certificate without trusting what wrote it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import Unreadable, read_regular, shown

from cumsum_model.commands.certify import interval
from cumsum_model.system import SYSTEM
from toy_model.commands.certificates import add_check
from toy_model.commands.shared import progress_bar, read_or_say_why

if TYPE_CHECKING:
    from cumsum_model.config import CumsumConfig

MAX_CERTIFICATE_BYTES = 2**29
"""Of a certificate of any size: at length 160 it takes 432 MB, and reading it twice that in memory."""

CHECK_HELP = """\
Verify a certificate against the checkpoint without trusting how it was found.

The checker shares no code with the search. It works in whole numbers (weights are exact, e^score is enclosed by
ball arithmetic), and verifies of every class its label, the sign of every neuron, the bound of its margin and its
witness, and that the numbers of sequences follow. Takes about ten seconds for the published sizes.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to the command line."""
    add_check(commands, CHECK_HELP, _check)


def _check(options: argparse.Namespace) -> int:
    checkpoint = read_or_say_why(options.checkpoint, SYSTEM)
    if checkpoint is None:
        return UNREADABLE
    path: Path = options.certificate
    from cumsum_model.proof.certificate_file import differing
    from cumsum_model.proof.check.checker import Rejected, check
    from cumsum_model.proof.tables import Unprovable, require_modest

    try:
        require_modest(checkpoint.model.cfg)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)

    weights = {name: tensor.numpy() for name, tensor in checkpoint.model.state_dict().items()}
    try:
        with progress_bar("checking", checkpoint.model.cfg.n_ctx**3) as done:
            checked = check(
                read_regular(path, _most_bytes(checkpoint.model.cfg)),  # handed over, and let go there once decoded
                weights,
                checkpoint.sha256,
                lambda n: done(n**3),
            )
    except Unreadable as error:
        return fail(f"{path}: {error}", code=UNREADABLE)
    except Rejected as error:
        print(f"REJECTED {shown(path)}: {shown(error)}", file=sys.stderr)
        return 1
    foreign = differing(checked.stated, checkpoint.model)
    if foreign:
        print(
            f"REJECTED {shown(path)}: its {foreign!r} is not what this version says of the checkpoint", file=sys.stderr
        )
        return 1
    low, high = checked.right
    print(
        f"ACCEPTED {shown(path)} for {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}\n"
        f"verified {checked.classes} classes, which are all {checked.sequences} sequences; "
        f"right at the last position: {interval(low, high)}"
    )
    if checked.counted_on_trust:
        print(
            f"in {checked.counted_on_trust} classes the number of right sequences is taken from the certificate; "
            f"{checked.undecided} of them are undecided, of the others a right and a wrong sequence were verified"
        )
    return 0


def _most_bytes(cfg: CumsumConfig) -> int:
    """How large a certificate is read: what a file says of a small model is read in seconds."""
    from cumsum_model.proof.check.checker import most_characters

    return min(MAX_CERTIFICATE_BYTES, 2**20 + sum(most_characters(n, cfg.d_vocab) for n in range(1, cfg.n_ctx + 1)))
