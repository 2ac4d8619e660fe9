"""`certify`: prove a checkpoint right on every sequence, or find where it is wrong."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, shown, written_whole

from cumsum_model.system import SYSTEM
from toy_model.commands.certificates import whole_number
from toy_model.commands.shared import progress_bar, read_or_say_why

if TYPE_CHECKING:
    from cumsum_model.model import CumsumTransformer
    from cumsum_model.proof.certificate import Verdict
    from cumsum_model.proof.length import Outline
    from toy_model.checkpoint.checkpoint import Checkpoint

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


MOST_LINES = 24


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `certify` to the command line."""
    certify = commands.add_parser(
        "certify",
        help="prove a checkpoint right on every sequence, or find where it is wrong",
        description=CERTIFY_HELP,
        epilog=CERTIFY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    certify.set_defaults(command=_certify)
    certify.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="default: the one that is shipped")
    certify.add_argument("--out", type=a_path, metavar="FILE", help="write the certificate, as JSON of some megabytes")
    certify.add_argument("--force", action="store_true", help="replace FILE if it exists")
    certify.add_argument(
        "--budget",
        type=whole_number,
        metavar="N",
        help="additions to spend on counting where right and wrong sequences mix (default: 1000000000, some seconds); "
        "ten times as many make what stays uncounted up to ten times smaller",
    )


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
    checkpoint = read_or_say_why(options.checkpoint, SYSTEM)
    if checkpoint is None:
        return UNREADABLE

    from cumsum_model.proof.certificate import THOROUGH_BUDGET
    from cumsum_model.proof.rounding import logit_error
    from cumsum_model.proof.tables import Unprovable

    budget = THOROUGH_BUDGET if options.budget is None else options.budget
    started = time.perf_counter()
    try:
        verdict = _proved(checkpoint, budget, out)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}", code=1)
    took = time.perf_counter() - started
    print("\n".join(summary(verdict, checkpoint)))
    if out is not None:
        verify = f"; verify it: python -m cumsum_model check {shown(out)} {shown(checkpoint.path)}"
        print(f"wrote {shown(out)}{verify if checkpoint.model.cfg.n_heads == 1 else ''}")
    print(f"took {took:.2f} s")
    return 0 if verdict.proved_right and math.isfinite(logit_error(checkpoint.model)) else 1


def _proved(checkpoint: Checkpoint[CumsumTransformer], budget: int, out: Path | None) -> Verdict[Outline]:
    """The verdict on a checkpoint. Its classes go to `out` length by length, or nowhere. Raises Unprovable, OSError."""
    from cumsum_model.proof.certificate import outlined
    from cumsum_model.proof.certificate_file import write
    from cumsum_model.proof.proving import prove

    model = checkpoint.model
    with progress_bar("proving", model.cfg.n_ctx**3) as done:  # a length takes the square of itself
        lengths = prove(model, budget=budget, progress=lambda n: done(n**3))
        if out is None:
            return outlined(lengths, model.cfg.max_value)
        with written_whole(out) as file:
            return write(file, lengths, model, checkpoint.path.name, checkpoint.sha256)


def summary(verdict: Verdict[Outline], checkpoint: Checkpoint[CumsumTransformer]) -> list[str]:
    """What `certify` prints."""
    from cumsum_model.proof.rounding import logit_error

    cfg = checkpoint.model.cfg
    lines = [f"checkpoint {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}"]
    of_full_length = f"all {verdict.sequences} sequences of {cfg.n_ctx} values in -{cfg.max_value} .. {cfg.max_value}"
    if verdict.proved_right:
        lines.append(f"PROVED RIGHT at every position of {of_full_length}")
    else:
        lines += [f"NOT proved right on {of_full_length}", *_wrong(verdict, checkpoint)]
    hardest = verdict.hardest
    margin, tokens = hardest.hardest
    proved = _rounded_down(verdict.smallest_margin)
    lines += [
        f"smallest margin {margin:+.7f} logits, proved to be no smaller than {proved}",
        *_on_sequence(verdict, checkpoint, tokens),
    ]
    error = logit_error(checkpoint.model)
    if verdict.proved_right:
        enough = verdict.smallest_margin > 2 * error
        so = "as computed every answer is right, too" if enough else "this is proved of real arithmetic only"
        lines.append(
            f"float32: no logit is off by more than {_rounded_up(error)}, so {so}"
            if math.isfinite(error)
            else "float32: the weights are so large that logits may overflow, so as computed nothing is proved"
        )
    lines += ["", "length  smallest margin  right            hardest sequence"]
    every = -(-len(verdict.lengths) // MOST_LINES)
    for length in verdict.lengths[::-every][::-1]:
        margin, tokens = length.hardest
        values = verdict.values(tokens)
        described = f"sum {sum(values):+d}, last value {values[-1]:+d}"
        sequence = " ".join(map(str, values)) if len(values) <= 20 else described
        lines.append(f"{length.n:>6}  {length.smallest_margin:>+15.4f}  {_share(length):<15}  {sequence}")
    return [*lines, ""]


def _wrong(verdict: Verdict[Outline], checkpoint: Checkpoint[CumsumTransformer]) -> list[str]:
    """How many sequences are wrong, at the shortest length that is known to have any and at full length, and which."""
    surely = [length for length in verdict.lengths if length.answered_rightly[1] < length.sequences]
    lines = []
    for length in dict.fromkeys([*surely[:1], verdict.lengths[-1]]):
        low, high = length.answered_rightly
        wrong = interval(length.sequences - high, length.sequences - low)
        line = f"wrong at length {length.n}: {wrong} of {length.sequences} sequences"
        if length.known_wrong:
            lines += [f"{line}, one of them", *_on_sequence(verdict, checkpoint, length.hardest[1])]
        else:
            lines.append(line)
    throughout = interval(*verdict.right_at_every_position)
    return [*lines, f"right at every position: {throughout} of {verdict.sequences} sequences"]


def _on_sequence(
    verdict: Verdict[Outline], checkpoint: Checkpoint[CumsumTransformer], tokens: tuple[int, ...]
) -> list[str]:
    """A sequence, and what the model itself says at its end."""
    import torch

    from cumsum_model.data import VOCAB_OUT, labels_of
    from toy_model.behaviour import margins

    values = verdict.values(tokens)
    logits = checkpoint.model(torch.tensor([tokens]))  # finite or not: float32 may overflow where real numbers do not
    labels = labels_of(torch.tensor([values]))
    said = "  ".join(f"{name} {logit:+.5f}" for name, logit in zip(VOCAB_OUT, logits[0, -1].tolist(), strict=True))
    return [
        f"  at length {len(values)}, sum {sum(values):+d}: {' '.join(map(str, values))}",
        f"  the model itself says there: {said}; right is {VOCAB_OUT[labels[0, -1]]}, "
        f"margin {margins(logits, labels)[0, -1]:+.7f}",
    ]


def _share(length: Outline) -> str:
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


def interval(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
