"""`python -m cumsum_model`: train, break and prove checkpoints, compare reports. Verifying is `pytest claims/`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cumsum_model.console import fail
from cumsum_model.proof.commands import add_commands as add_proof_commands
from cumsum_model.report.commands import add_commands as add_report_commands

if TYPE_CHECKING:
    from cumsum_model.training import Recipe, Step

TRAIN_HELP = """\
Train the model with the published recipe and write the best epoch.

DIR gets two files, each written whole or not at all:
  model.safetensors   the weights, float32, under classic TransformerLens names
  model.card.json     recipe, kept epoch, versions, metrics, and the sha256 of the weights

Everything random follows from --seed, so the same seed gives the same model. The defaults reproduce
the published checkpoint (seed 42 keeps epoch 8, counted from 0) in under a minute on two cores.
"""

TRAIN_EXAMPLES = """\
examples:
  python -m cumsum_model train --seed 7 --out runs/seed7
  pytest claims/ --checkpoint runs/seed7
"""


MUTANTS_HELP = """\
Run every claim on every mutant and print the table: X refuted, . survived, ! error.

A mutant is the checkpoint with one thing broken. Every claim should be refuted by at least two,
every mutant be noticed by at least one claim, and those that break nothing (the same neurons in
another order) by none but claims that name neurons. Whatever falls short is printed as a hole, and
the exit code is 1. Takes about two minutes; -n 2 uses two processes.
"""

CLAIMS = Path(__file__).resolve().parent.parent / "claims"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m cumsum_model",
        description="The cumulative sum transformer: train a checkpoint, prove it, compare reports on it. "
        "Verify it with `pytest claims/`.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_mutants(commands)
    add_proof_commands(commands)
    add_report_commands(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.command(options)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser(
        "train",
        help="train a checkpoint with the published recipe",
        description=TRAIN_HELP,
        epilog=TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.set_defaults(command=_train)
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to; made if missing")
    train.add_argument("--seed", type=int, default=42, help="decides weights, data and order (default: 42)")
    train.add_argument("--epochs", type=int, default=20, help="passes over the training set (default: 20)")
    train.add_argument(
        "--train-size", type=int, default=150_000, metavar="N", help="training sequences (default: 150000)"
    )
    train.add_argument(
        "--val-size", type=int, default=10_000, metavar="N", help="validation sequences (default: 10000)"
    )
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)")
    train.add_argument("--force", action="store_true", help="replace a model that DIR already holds")


def _add_mutants(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    mutants = commands.add_parser(
        "mutants",
        help="run every claim on every broken model, and show which notices which",
        description=MUTANTS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mutants.set_defaults(command=_mutants)
    mutants.add_argument("--list", action="store_true", help="name the mutants and what each breaks, and run nothing")
    mutants.add_argument(
        "--out", type=Path, default=Path("runs/matrix.json"), metavar="FILE", help="default: runs/matrix.json"
    )
    mutants.add_argument("--checkpoint", metavar="PATH", help="break this one (default: the one that is shipped)")
    mutants.add_argument(
        "-n", "--processes", default="1", metavar="N", help='processes, or "auto" (default: 1; needs pytest-xdist)'
    )


def _mutants(options: argparse.Namespace) -> int:
    if options.list:
        from cumsum_model import mutants

        for kind in ("BREAKING", "HIDDEN", "SYMMETRIES", "IDEALS"):
            print(f"{kind.lower()}:")
            for mutant in getattr(mutants, kind):
                print(f"  {mutant.__name__:<28} {(mutant.__doc__ or '').splitlines()[0]}")
        return 0
    if not CLAIMS.is_dir():
        return fail(f"{CLAIMS} does not exist: run from a checkout installed with pip install -e")
    command = [sys.executable, "-m", "pytest", str(CLAIMS), "-q", "--tb=short", "--benchmark-disable"]
    command += [f"--matrix={options.out.absolute()}"]
    if options.checkpoint is not None:
        command.append(f"--checkpoint={Path(options.checkpoint).absolute()}")
    if options.processes != "1":
        command += ["-n", options.processes]
    before = options.out.stat().st_mtime_ns if options.out.is_file() else None
    code = subprocess.run(command, cwd=CLAIMS.parent, check=False).returncode  # noqa: S603
    if options.out.is_file() and options.out.stat().st_size and options.out.stat().st_mtime_ns != before:
        print(f"saved {options.out}")
    return code


def _train(options: argparse.Namespace) -> int:
    from cumsum_model.checkpoint import MODEL_FILE, write_checkpoint

    path: Path = options.out / MODEL_FILE
    try:
        if path.exists() and not options.force:
            return fail(f"{path} exists; choose another --out, or replace it with --force")
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out):  # better now than after a minute of training
            pass
    except OSError as error:
        return fail(f"--out {str(options.out)[:200]}: {error.strerror}")

    # Only now: torch takes more than a second to import.
    import torch

    from cumsum_model.card import make_card
    from cumsum_model.training import Diverged, Recipe, train

    if options.device == "cuda" and not torch.cuda.is_available():
        return fail("--device cuda: torch sees no CUDA device on this machine")
    try:
        recipe = Recipe(
            seed=options.seed, epochs=options.epochs, train_size=options.train_size, val_size=options.val_size
        )
    except ValueError as error:
        return fail(str(error))
    try:
        with _Progress(recipe) as progress:
            trained = train(recipe, options.device, progress.update)
    except Diverged as error:
        return fail(f"{error}; nothing was written")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch has no type for it on the CPU
            raise
        return fail(f"these sizes do not fit in memory ({str(error).splitlines()[0][:120]}); nothing was written")
    card = make_card(trained, options.device)
    try:
        written = write_checkpoint(path, trained.model, card)
    except OSError as error:
        return fail(f"{path}: {error.strerror}; what was there before was kept")

    metrics = card["metrics"]["behaviour"]
    print(
        f"kept epoch {trained.kept.index} of seed {recipe.seed}: cross entropy "
        f"{metrics['cross_entropy']:.4f}, accuracy {metrics['accuracy']:.4f} on the evaluation set\n"
        f"wrote {written.path}, sha256 {written.sha256[:12]}\n"
        f"verify it: pytest claims/ --checkpoint {written.path}"
    )
    return 0


class _Progress:
    """A bar where there is a terminal; elsewhere, such as in a CI log, a line per epoch."""

    def __init__(self, recipe: Recipe) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.epochs = recipe.epochs
        self.on_terminal = console.is_terminal
        self.last_epoch = -1
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}  validation accuracy {task.fields[accuracy]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self.on_terminal,
        )
        total = recipe.epochs * recipe.steps_per_epoch
        self.task = self.bar.add_task("", total=total, epoch=f"0 of {recipe.epochs}", loss="-", accuracy="-")

    def __enter__(self) -> _Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, step: Step) -> None:
        accuracy = "-" if step.ended is None else f"{step.ended.val_accuracy:.4f}"
        epoch = f"{step.epoch} of {self.epochs}"
        self.bar.update(self.task, completed=step.done, epoch=epoch, loss=f"{step.loss:.4f}", accuracy=accuracy)
        if not self.on_terminal and step.ended is not None and step.ended.index > self.last_epoch:
            self.last_epoch = step.ended.index
            print(
                f"epoch {epoch}  loss {step.loss:.4f}  validation accuracy {accuracy}",
                file=sys.stderr,
                flush=True,
            )
