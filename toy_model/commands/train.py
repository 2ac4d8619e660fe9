"""`train`: a checkpoint from a recipe, in a folder that survives being killed at any moment."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import fail
from pytest_claims.files import a_path, alone_in, shown, sweep_up

from toy_model.recipe import add_options, changed, chosen, difference
from toy_model.system import System

if TYPE_CHECKING:
    from toy_model.checkpoint.checkpoint import Checkpoint
    from toy_model.recipe import Recipe
    from toy_model.training.state_file import Unfinished
    from toy_model.training.training import State, Step, Trained

TRAIN_HELP = """\
Train a model and write its best epoch. The defaults are the published recipe.

DIR gets two files, each written whole or not at all:
  model.safetensors     the weights, float32, under classic TransformerLens names
  model.card.json       recipe, kept epoch, versions, metrics, and the sha256 of the weights
and until they are there, after every epoch, a third:
  training.safetensors  where the run stands

A run that was interrupted, killed, or that found the disk full goes on from there when the same command is given
again, and gives the same model, to the bit, on the same machine. --force starts over.

Everything random follows from --seed, so the same seed gives the same model. The defaults reproduce
the published checkpoint (seed 42 keeps epoch 8, counted from 0) in under a minute on two cores.
"""

TRAIN_EXAMPLES = """\
exit code: 0 trained, 1 failed, 2 called wrongly, 3 diverged (the loss is no number), 130 interrupted

examples:
  python -m {package} train --seed 7 --out runs/seed7
  python -m {package} train --seq-len 40 --n-heads 2 --out runs/two-heads
  python -m {package} verify runs/seed7
"""


MOST_THREADS = 1024
DIVERGED = 3
"""Exit code of a training run whose loss stopped being a number."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `train` to the command line."""
    train = commands.add_parser(
        "train",
        help="train a checkpoint, with the published recipe or another",
        description=TRAIN_HELP.format(package=system.package),
        epilog=TRAIN_EXAMPLES.format(package=system.package),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.set_defaults(command=lambda options: _train(options, system))
    train.add_argument("--out", type=a_path, required=True, metavar="DIR", help="folder to write to; made if missing")
    train.add_argument("--force", action="store_true", help="replace a model or an unfinished run that DIR holds")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)")
    train.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="of the CPU (default: 1, as a sweep has: the number decides the last digits, and two are hardly faster)",
    )
    train.add_argument(
        "--tensorboard",
        type=a_path,
        metavar="LOGDIR",
        help="log loss and accuracy there; needs the package tensorboard",
    )
    add_options(train, system.recipe)


def _train(options: argparse.Namespace, system: System[Any]) -> int:
    out: Path = options.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        with alone_in(out) as alone:
            if not alone:
                return fail(f"{out}: another process is training into it")
            with tempfile.TemporaryFile(dir=out):  # better now than after an epoch of training
                pass
            return _train_into(out, options, system)
    except BrokenPipeError:  # whoever reads what is told is gone, the folder is as good as before
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        return 1
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}")


def _train_into(out: Path, options: argparse.Namespace, system: System[Any]) -> int:
    # Only now: torch takes more than a second to import.
    import torch

    from toy_model.checkpoint.card import make_card
    from toy_model.checkpoint.checkpoint import MAX_STATES, MODEL_FILE, TRAINING_FILE, card_path, write_checkpoint
    from toy_model.training.state_file import UnfinishedError, read_unfinished
    from toy_model.training.training import Diverged, train

    if options.device == "cuda" and not torch.cuda.is_available():
        return fail("--device cuda: torch sees no CUDA device on this machine")
    if not 1 <= options.threads <= MOST_THREADS:
        return fail(f"--threads must lie in 1 .. {MOST_THREADS}, got {options.threads}")
    try:
        recipe = changed(system.recipe, chosen(options, system.recipe))
    except ValueError as error:
        return fail(str(error))
    cfg = recipe.config
    if cfg.n_ctx * cfg.d_vocab > MAX_STATES:
        return fail(
            f"{cfg.n_ctx} positions of {cfg.d_vocab} values each are more than the {MAX_STATES:,} that can be verified"
        )

    path, state_path = out / MODEL_FILE, out / TRAINING_FILE
    if path.exists() and not state_path.exists() and not options.force:
        if not _was_trained_by(recipe, path, system):
            return fail(f"{path} exists; choose another --out, or replace it with --force")
        print(f"{shown(path)} was trained with this recipe: there is nothing to do (--force trains it again)")
        return 0
    started: Unfinished | None = None
    if options.force:
        state_path.unlink(missing_ok=True)
    elif state_path.exists():
        try:
            started = read_unfinished(state_path, system)
        except UnfinishedError as error:
            return fail(f"{error}; start over with --force")
        other = difference(recipe, started.state.recipe)
        if not other and options.threads != started.threads:
            other = f"threads {started.threads}, not {options.threads}"
        if other:
            return fail(f"{state_path} is of a run with {other}: give the same options to go on, --force to start over")
    for written in (path, card_path(path), state_path):
        sweep_up(written)
    torch.set_num_threads(options.threads)
    keeper = _Keeper(state_path, options.device, started, forced=options.force)
    if started is not None:
        _say_where_it_goes_on(started, options.device)
    try:
        with (
            _Progress(recipe, started.state.epochs_done if started else 0) as progress,
            _tensorboard(options.tensorboard, recipe, keeper.state) as log,
        ):

            def watch(step: Step) -> None:
                progress.update(step)
                log(step)

            trained = train(recipe, system, options.device, watch, keeper.state, keeper.keep)
    except KeyboardInterrupt:
        print(f"interrupted; {keeper.told}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except ImportError as error:
        return fail(f"--tensorboard: {error}; pip install tensorboard")
    except Diverged as error:
        state_path.unlink(missing_ok=True)  # from there it would come to the same
        return fail(f"{error}; nothing was written", code=DIVERGED)
    except OSError as error:
        return fail(f"{error.filename or state_path}: {error.strerror or error}; {keeper.told}")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch has no type for it on the CPU
            raise
        return fail(f"these sizes do not fit in memory ({str(error).splitlines()[0][:120]}); nothing was written")
    try:
        card = make_card(trained, system, options.device)
        written_checkpoint = write_checkpoint(path, trained.model, card)
        state_path.unlink(missing_ok=True)
    except OSError as error:
        return fail(f"{path}: {error.strerror or error}; what was there before was kept; {keeper.told}")
    _say_what_was_kept(system.package, trained, written_checkpoint, card["metrics"]["behaviour"])
    return 0


def _was_trained_by(recipe: Recipe, path: Path, system: System[Any]) -> bool:
    """Whether a whole checkpoint lies there that `recipe` gave: a run may be killed when all is done but its exit."""
    from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint
    from toy_model.recipe import recipe_from

    try:
        card = read_checkpoint(path, system).card
        return card is not None and recipe_from(card["recipe"], type(recipe.config)) == recipe
    except (CheckpointError, KeyError, TypeError, ValueError):
        return False


class _Keeper:
    """Writes where a run stands after every epoch, and knows what to say of it when the run ends early."""

    def __init__(self, path: Path, device: str, started: Unfinished | None, *, forced: bool) -> None:
        self.path = path
        self.device = device
        self.forced = forced
        self.state = started.state if started else None

    def keep(self, state: State) -> None:
        """Raises OSError."""
        import torch
        from pytest_claims.files import write_whole

        from toy_model.training.state_file import Unfinished, encode

        write_whole(self.path, encode(Unfinished(state, self.device, torch.get_num_threads(), torch.__version__)))
        self.state = state

    @property
    def told(self) -> str:
        if self.state is None:
            return "nothing was written"
        n_done, n = self.state.epochs_done, self.state.recipe.epochs
        without = " without --force" if self.forced else ""
        return f"{n_done} of {n} epochs are kept, the same command{without} goes on from there"


def _say_where_it_goes_on(started: Unfinished, device: str) -> None:
    import torch

    state = started.state
    told = f"going on after epoch {state.epochs_done} of {state.recipe.epochs}"
    if (started.torch_version, started.device) != (torch.__version__, device):
        told += (
            f"; it began with torch {started.torch_version} on {started.device}, so the last digits may differ from "
            "those of a run that was not interrupted"
        )
    print(told, file=sys.stderr)


def _say_what_was_kept(
    package: str, trained: Trained[Any], written: Checkpoint[Any], metrics: Mapping[str, float]
) -> None:
    print(
        f"kept epoch {trained.kept.index} of seed {trained.recipe.seed}: cross entropy "
        f"{metrics['cross_entropy']:.4f}, accuracy {metrics['accuracy']:.4f} on the evaluation set\n"
        f"wrote {shown(written.path)}, sha256 {written.sha256[:12]}\n"
        f"verify it: python -m {package} verify {shown(written.path)}"
    )


@contextmanager
def _tensorboard(folder: Path | None, recipe: Recipe, started: State | None) -> Iterator[Callable[[Step], None]]:
    """Something that logs a step, if a folder to log to was named. Raises ImportError without the package."""
    if folder is None:
        yield lambda _: None
        return
    from torch.utils.tensorboard import SummaryWriter

    n_done = started.epochs_done * recipe.steps_per_epoch if started else 0
    # What an interrupted run had logged beyond the epoch from which it goes on is not shown twice.
    writer = SummaryWriter(str(folder), purge_step=n_done + 1)
    last_epoch = started.epochs_done - 1 if started else -1

    def log(step: Step) -> None:
        nonlocal last_epoch
        if step.ended is not None and step.ended.index > last_epoch:
            last_epoch = step.ended.index
            writer.add_scalar("accuracy/validation", step.ended.val_accuracy, step.done)
            writer.add_scalar("learning rate", recipe.learning_rate(last_epoch), step.done)
            writer.flush()
        else:
            writer.add_scalar("loss/training", step.loss, step.done)

    try:
        yield log
    finally:
        writer.close()


class _Progress:
    """A bar where there is a terminal; elsewhere, such as in a CI log, a line per epoch."""

    def __init__(self, recipe: Recipe, epochs_done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.epochs = recipe.epochs
        self.on_terminal = console.is_terminal
        self.last_epoch = epochs_done - 1
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
