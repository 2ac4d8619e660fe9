"""`check`: verify a certificate without trusting what wrote it."""

from __future__ import annotations

import argparse
import json
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

MAX_CERTIFICATE_BYTES = 2**27

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
    try:
        content = read_regular(path, _most_bytes(checkpoint.model.cfg))
    except Unreadable as error:
        return fail(f"{path}: {error}", code=UNREADABLE)

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
            checked = check(content, weights, checkpoint.sha256, lambda n: done(n**3))
    except Rejected as error:
        print(f"REJECTED {shown(path)}: {shown(error)}", file=sys.stderr)
        return 1
    foreign = differing(json.loads(content), checkpoint.model)
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
    """How large a certificate is read: 1 kB a class and 1 MB, several times what any takes that is written here.

    What a file says of a small model is read in seconds, and never takes gigabytes once it is read.
    """
    n_classes = sum(cfg.d_vocab * (2 * cfg.max_value * n + 1) for n in range(cfg.n_ctx))
    return min(MAX_CERTIFICATE_BYTES, 2**20 + 1_000 * n_classes)
