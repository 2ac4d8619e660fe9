"""`certify`: prove a checkpoint right on every sequence, or find where it is wrong. `check`: verify such a proof."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import Unreadable, a_path, read_regular, shown, write_whole

if TYPE_CHECKING:
    from cumsum_model.checkpoint import Checkpoint
    from cumsum_model.model import CumsumConfig
    from cumsum_model.proof.certificate import Certificate, Length

CERTIFY_HELP = """\
Prove a checkpoint right on every sequence that it can be given, or find where it is wrong.

There are 11^20 sequences of the published length: none is sampled, all are covered. Everything that decides a
prediction is a sum over positions, so a dynamic program over (position, running sum) finds the smallest margin
among all sequences of each length, last value and sum, with a sequence that has it. Where a class holds right
and wrong sequences, they are counted.

The margin is the right logit minus the best wrong one. Printed: how many sequences are right, the smallest margin
at every length, and what the model itself says on the hardest sequence.
"""

CERTIFY_EXAMPLES = """\
exit code: 0 proved right on every sequence, 1 not, or its logits may overflow in float32,
4 the checkpoint cannot be read or is of another kind

examples:
  python -m cumsum_model certify                                  the checkpoint that is shipped
  python -m cumsum_model certify runs/seed7 --out seed7.json      and keep the proof
  python -m cumsum_model check seed7.json runs/seed7              verify it independently
"""

CHECK_HELP = """\
Verify a certificate against the checkpoint without trusting how it was found.

The checker shares no code with the search. It works in whole numbers (weights are exact, e^score is enclosed by
ball arithmetic), and verifies of every class its label, the sign of every neuron, the bound of its margin and its
witness, and that the numbers of sequences follow. Takes about ten seconds for the published sizes.
"""

CHECK_EXAMPLES = """\
exit code: 0 accepted, 1 rejected, with the reason in one line, 4 a file cannot be read
"""

MAX_CERTIFICATE_BYTES = 2**27
MOST_LINES = 24


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `certify` and `check` to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    certify = commands.add_parser(
        "certify",
        help="prove a checkpoint right on every sequence, or find where it is wrong",
        description=CERTIFY_HELP,
        epilog=CERTIFY_EXAMPLES,
        formatter_class=raw,
    )
    certify.set_defaults(command=_certify)
    certify.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="default: the one that is shipped")
    certify.add_argument("--out", type=a_path, metavar="FILE", help="write the certificate, as JSON of some megabytes")
    certify.add_argument("--force", action="store_true", help="replace FILE if it exists")
    certify.add_argument(
        "--budget",
        type=_whole_number,
        metavar="N",
        help="additions to spend on counting where right and wrong sequences mix (default: 1000000000, some seconds); "
        "ten times as many make what stays uncounted up to ten times smaller",
    )
    check = commands.add_parser(
        "check",
        help="verify a certificate independently of how it was found",
        description=CHECK_HELP,
        epilog=CHECK_EXAMPLES,
        formatter_class=raw,
    )
    check.set_defaults(command=_check)
    check.add_argument("certificate", type=a_path, metavar="FILE", help="what `certify --out` wrote")
    check.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="default: the one that is shipped")


def _certify(options: argparse.Namespace) -> int:
    out: Path | None = options.out
    if out is not None:
        try:
            if out.exists() and not out.is_file():
                return fail(f"--out {str(out)[:200]}: is not a regular file", code=1)
            if out.exists() and not options.force:
                return fail(f"{out} exists; choose another --out, or replace it with --force", code=1)
        except OSError as error:
            return fail(f"--out {str(out)[:200]}: {error.strerror or error}", code=1)
    checkpoint = _read(options.checkpoint)
    if checkpoint is None:
        return UNREADABLE

    from cumsum_model.proof.certificate import THOROUGH_BUDGET, certify
    from cumsum_model.proof.document import to_document
    from cumsum_model.proof.rounding import logit_error
    from cumsum_model.proof.tables import Unprovable

    budget = THOROUGH_BUDGET if options.budget is None else options.budget
    started = time.perf_counter()
    try:
        with _progress("proving", checkpoint.model.cfg.n_ctx) as step:
            certificate = certify(checkpoint.model, budget=budget, progress=step)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)
    took = time.perf_counter() - started
    print("\n".join(summary(certificate, checkpoint)))
    if out is not None:
        document = to_document(certificate, checkpoint.model, checkpoint.path.name, checkpoint.sha256)
        try:
            write_whole(out, json.dumps(document, separators=(",", ":")).encode())
        except OSError as error:
            return fail(f"--out {out}: {error.strerror or error}", code=1)
        verify = f"; verify it: python -m cumsum_model check {shown(out)} {shown(checkpoint.path)}"
        print(f"wrote {shown(out)}{verify if checkpoint.model.cfg.n_heads == 1 else ''}")
    print(f"took {took:.2f} s")
    return 0 if certificate.proved_right and math.isfinite(logit_error(checkpoint.model)) else 1


def summary(certificate: Certificate, checkpoint: Checkpoint) -> list[str]:
    """What `certify` prints."""
    from cumsum_model.proof.rounding import logit_error

    cfg = checkpoint.model.cfg
    lines = [f"checkpoint {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}"]
    of_full_length = (
        f"all {certificate.sequences} sequences of {cfg.n_ctx} values in -{cfg.max_value} .. {cfg.max_value}"
    )
    if certificate.proved_right:
        lines.append(f"PROVED RIGHT at every position of {of_full_length}")
    else:
        lines += [f"NOT proved right on {of_full_length}", *_wrong(certificate, checkpoint)]
    hardest = certificate.hardest
    margin, tokens = hardest.hardest
    proved = _rounded_down(certificate.smallest_margin)
    lines += [
        f"smallest margin {margin:+.7f} logits, proved to be no smaller than {proved}",
        *_on_sequence(certificate, checkpoint, tokens),
    ]
    error = logit_error(checkpoint.model)
    if certificate.proved_right:
        enough = certificate.smallest_margin > 2 * error
        so = "as computed every answer is right, too" if enough else "this is proved of real arithmetic only"
        lines.append(
            f"float32: no logit is off by more than {_rounded_up(error)}, so {so}"
            if math.isfinite(error)
            else "float32: the weights are so large that logits may overflow, so as computed nothing is proved"
        )
    lines += ["", "length  smallest margin  right            hardest sequence"]
    every = -(-len(certificate.lengths) // MOST_LINES)
    for length in certificate.lengths[::-every][::-1]:
        margin, tokens = length.hardest
        values = certificate.values(tokens)
        told = " ".join(map(str, values)) if len(values) <= 20 else f"sum {sum(values):+d}, last value {values[-1]:+d}"
        lines.append(f"{length.n:>6}  {length.smallest_margin:>+15.4f}  {_share(length):<15}  {told}")
    return [*lines, ""]


def _wrong(certificate: Certificate, checkpoint: Checkpoint) -> list[str]:
    """How many sequences are wrong, at the shortest length that is known to have any and at full length, and which."""
    surely = [length for length in certificate.lengths if length.answered_rightly[1] < length.sequences]
    lines = []
    for length in dict.fromkeys([*surely[:1], certificate.lengths[-1]]):
        low, high = length.answered_rightly
        wrong = _interval(length.sequences - high, length.sequences - low)
        line = f"wrong at length {length.n}: {wrong} of {length.sequences} sequences"
        if length.shown_wrong.any():
            lines += [f"{line}, one of them", *_on_sequence(certificate, checkpoint, length.hardest[1])]
        else:
            lines.append(line)
    throughout = _interval(*certificate.right_at_every_position)
    return [*lines, f"right at every position: {throughout} of {certificate.sequences} sequences"]


def _on_sequence(certificate: Certificate, checkpoint: Checkpoint, tokens: tuple[int, ...]) -> list[str]:
    """A sequence, and what the model itself says at its end."""
    import torch

    from cumsum_model.behaviour import margins
    from cumsum_model.data import VOCAB_OUT, labels_of

    values = certificate.values(tokens)
    logits = checkpoint.model(torch.tensor([tokens]))  # finite or not: float32 may overflow where real numbers do not
    labels = labels_of(torch.tensor([values]))
    said = "  ".join(f"{name} {logit:+.5f}" for name, logit in zip(VOCAB_OUT, logits[0, -1].tolist(), strict=True))
    return [
        f"  at length {len(values)}, sum {sum(values):+d}: {' '.join(map(str, values))}",
        f"  the model itself says there: {said}; right is {VOCAB_OUT[labels[0, -1]]}, "
        f"margin {margins(logits, labels)[0, -1]:+.7f}",
    ]


def _share(length: Length) -> str:
    low, high = length.accuracy
    if low == 1:
        return "all"
    if low == high and length.sequences - length.answered_rightly[0] < 10**6:
        return f"all but {length.sequences - length.answered_rightly[0]}"
    if low == high:
        return f"{float(low):.6f}"
    return f"{float(low):.4f}..{float(high):.4f}"


def _rounded_down(bound: float) -> str:
    return f"{math.floor(bound * 1e7) / 1e7:+.7f}" if math.isfinite(bound) else "anything"


def _rounded_up(bound: float) -> str:
    if not math.isfinite(bound):
        return "any number"
    digit = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return f"{math.ceil(bound / digit) * digit:.2g}"


def _interval(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _most_bytes(cfg: CumsumConfig) -> int:
    """How large a certificate is read: 1 kB a class and 1 MB, several times what any takes that is written here.

    What a file says of a small model is read in seconds, and never takes gigabytes once it is read.
    """
    n_classes = sum(cfg.d_vocab * (2 * cfg.max_value * n + 1) for n in range(cfg.n_ctx))
    return min(MAX_CERTIFICATE_BYTES, 2**20 + 1_000 * n_classes)


def _check(options: argparse.Namespace) -> int:
    checkpoint = _read(options.checkpoint)
    if checkpoint is None:
        return UNREADABLE
    path: Path = options.certificate
    try:
        content = read_regular(path, _most_bytes(checkpoint.model.cfg))
    except Unreadable as error:
        return fail(f"{path}: {error}", code=UNREADABLE)

    from cumsum_model.proof.checker import Rejected, check
    from cumsum_model.proof.document import differing
    from cumsum_model.proof.tables import Unprovable, require_modest

    try:
        require_modest(checkpoint.model.cfg)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)

    weights = {name: tensor.numpy() for name, tensor in checkpoint.model.state_dict().items()}
    try:
        with _progress("checking", checkpoint.model.cfg.n_ctx) as step:
            checked = check(content, weights, checkpoint.sha256, step)
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
        f"right at the last position: {_interval(low, high)}"
    )
    if checked.counted_on_trust:
        print(
            f"in {checked.counted_on_trust} classes the number of right sequences is taken from the certificate; "
            f"{checked.undecided} of them are undecided, of the others a right and a wrong sequence were verified"
        )
    return 0


def _read(path: str | None) -> Checkpoint | None:
    """The checkpoint, or None after saying why it cannot be read."""
    import torch

    from cumsum_model.checkpoint import REFERENCE, CheckpointError, Misread, read_checkpoint

    torch.set_num_threads(1)
    try:
        checkpoint = read_checkpoint(os.path.relpath(REFERENCE) if path is None else path)
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
def _progress(what: str, lengths: int) -> Iterator[Callable[[int], None]]:
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


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
