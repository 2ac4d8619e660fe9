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

from toy_model.commands.shared import paragraph
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

{seeds}
"""

SEEDS = "Everything random follows from --seed, so the same seed gives the same model."

TRAIN_EXAMPLES = """\
exit code: 0 trained, 1 failed, 2 called wrongly, 3 diverged (the loss is no number), 130 interrupted

examples:
  python -m {package} train --seed 7 --out runs/seed7
  python -m {package} train {sizes} --out runs/larger
  python -m {package} verify runs/seed7
"""


MOST_THREADS = 1024
DIVERGED = 3
"""Exit code of a training run whose loss stopped being a number."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `train` to the command line."""
    words = system.words
    sizes = " ".join(f"--{name.replace('_', '-')} {some[-1]}" for name, some in words.sizes.items())
    train = commands.add_parser(
        "train",
        help="train a checkpoint, with the published recipe or another",
        description=TRAIN_HELP.format(seeds=paragraph(f"{SEEDS} {words.defaults}")),
        epilog=TRAIN_EXAMPLES.format(package=system.package, sizes=sizes),
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
    try:
        run = _Run(out, options, system)
        if run.is_done():
            print(f"{shown(run.path)} was trained with this recipe: there is nothing to do (--force trains it again)")
            return 0
        return run.train_and_write()
    except _Refused as refusal:
        return fail(str(refusal), code=refusal.code)


class _Refused(Exception):
    """The run cannot begin, or cannot go on. The message is the line that says why."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class _Run:
    """A run of the recipe that the options give, into a folder. Raises _Refused."""

    def __init__(self, out: Path, options: argparse.Namespace, system: System[Any]) -> None:
        # Only now: torch takes more than a second to import.
        from toy_model.checkpoint.checkpoint import MODEL_FILE, TRAINING_FILE

        self.path, self.state_path = out / MODEL_FILE, out / TRAINING_FILE
        self.options, self.system = options, system
        self.recipe = self._recipe()

    def _recipe(self) -> Recipe:
        import torch

        from toy_model.checkpoint.checkpoint import MAX_STATES

        options, published = self.options, self.system.recipe
        if options.device == "cuda" and not torch.cuda.is_available():
            raise _Refused("--device cuda: torch sees no CUDA device on this machine")
        if not 1 <= options.threads <= MOST_THREADS:
            raise _Refused(f"--threads must lie in 1 .. {MOST_THREADS}, got {options.threads}")
        try:
            recipe = changed(published, chosen(options, published))
        except ValueError as error:
            raise _Refused(str(error)) from None
        n_ctx, d_vocab = recipe.config.n_ctx, recipe.config.d_vocab
        if n_ctx * d_vocab > MAX_STATES:
            raise _Refused(
                f"{n_ctx} positions of {d_vocab} tokens each are more than the {MAX_STATES:,} that can be verified"
            )
        return recipe

    def is_done(self) -> bool:
        """Whether a whole checkpoint of this recipe lies there, which is not to be trained again."""
        if not self.path.exists() or self.state_path.exists() or self.options.force:
            return False
        if not _was_trained_by(self.recipe, self.path, self.system):
            raise _Refused(f"{self.path} exists; choose another --out, or replace it with --force")
        return True

    def train_and_write(self) -> int:
        """Train from the start or from where a run stopped, and write the checkpoint. Returns the exit code."""
        import torch

        from toy_model.checkpoint.card import make_card
        from toy_model.checkpoint.checkpoint import card_path, write_checkpoint

        started = self._started()
        for written in (self.path, card_path(self.path), self.state_path):
            sweep_up(written)
        torch.set_num_threads(self.options.threads)
        keeper = _Keeper(self.state_path, self.options.device, started, forced=self.options.force)
        if started is not None:
            _say_where_it_goes_on(started, self.options.device)
        try:
            trained = self._train(keeper)
        except KeyboardInterrupt:
            print(f"interrupted; {keeper.what_is_kept}", file=sys.stderr)
            return 130
        try:
            card = make_card(trained, self.system, self.options.device)
            written_checkpoint = write_checkpoint(self.path, trained.model, card)
            self.state_path.unlink(missing_ok=True)
        except OSError as error:
            raise _Refused(
                f"{self.path}: {error.strerror or error}; what was there before was kept; {keeper.what_is_kept}"
            ) from None
        _say_what_was_selected(self.system.package, trained, written_checkpoint, card["metrics"]["behaviour"])
        return 0

    def _started(self) -> Unfinished | None:
        """The run that goes on, if one stopped here and has the same recipe."""
        from toy_model.training.state_file import UnfinishedError, read_unfinished

        if self.options.force:
            self.state_path.unlink(missing_ok=True)
        if not self.state_path.exists():
            return None
        try:
            started = read_unfinished(self.state_path, self.system)
        except UnfinishedError as error:
            raise _Refused(f"{error}; start over with --force") from None
        differs = difference(self.recipe, started.state.recipe)
        if not differs and self.options.threads != started.threads:
            differs = f"threads {started.threads}, not {self.options.threads}"
        if differs:
            raise _Refused(
                f"{self.state_path} is of a run with {differs}: give the same options to go on, --force to start over"
            )
        return started

    def _train(self, keeper: _Keeper) -> Trained[Any]:
        from toy_model.training.training import Diverged, train

        recipe, start = self.recipe, keeper.state
        try:
            with (
                _Progress(recipe, start.epochs_done if start else 0) as progress,
                _tensorboard(self.options.tensorboard, recipe, start) as log,
            ):

                def watch(step: Step) -> None:
                    progress.update(step)
                    log(step)

                return train(recipe, self.system, self.options.device, watch, start, keeper.keep)
        except BrokenPipeError:
            raise
        except ImportError as error:
            raise _Refused(f"--tensorboard: {error}; pip install tensorboard") from None
        except Diverged as error:
            self.state_path.unlink(missing_ok=True)  # from there it would come to the same
            raise _Refused(f"{error}; nothing was written", code=DIVERGED) from None
        except OSError as error:
            where = error.filename or self.state_path
            raise _Refused(f"{where}: {error.strerror or error}; {keeper.what_is_kept}") from None
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch has no type for it on the CPU
                raise
            reason = str(error).splitlines()[0][:120]
            raise _Refused(f"these sizes do not fit in memory ({reason}); nothing was written") from None


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
    def what_is_kept(self) -> str:
        if self.state is None:
            return "nothing was written"
        n_done, n = self.state.epochs_done, self.state.recipe.epochs
        without = " without --force" if self.forced else ""
        return f"{n_done} of {n} epochs are kept, the same command{without} goes on from there"


def _say_where_it_goes_on(started: Unfinished, device: str) -> None:
    import torch

    state = started.state
    where = f"going on after epoch {state.epochs_done} of {state.recipe.epochs}"
    if (started.torch_version, started.device) != (torch.__version__, device):
        where += (
            f"; it began with torch {started.torch_version} on {started.device}, so the last digits may differ from "
            "those of a run that was not interrupted"
        )
    print(where, file=sys.stderr)


def _say_what_was_selected(
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
