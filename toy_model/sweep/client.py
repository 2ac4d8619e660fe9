"""The client's part of a sweep: hands out what is left to do, writes down what comes back, and loses nothing.

Workers give bytes and write nowhere; this process alone writes into the folder, each file whole or not at all, and of
each run the outcome last. So a worker that dies costs the task that it was at, which another does again, and a sweep
that dies itself goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.files import sweep_up, write_whole
from pytest_claims.universality.outcome import OUTCOME_FILE, RUNS, Ending, Outcome, OutcomeError, encode, read_outcome
from pytest_claims.universality.runs import read_run

from toy_model.checkpoint.checkpoint import MODEL_FILE, CheckpointError, card_path, read_stored
from toy_model.checkpoint.stored import load_stored
from toy_model.recipe import arguments, difference, recipe_from
from toy_model.sweep.plan import Job
from toy_model.sweep.suite import Suite, fingerprint
from toy_model.sweep.worker import REPORT_FILES, OtherCode, TrainedFiles, Verdicts, train_model, verify_model
from toy_model.system import System

if TYPE_CHECKING:
    from distributed import Client, Future

MOST_TRIES = 5
"""Times that a task is handed out, each after the cluster gave up on it, having lost several workers over it."""


class OtherRecipe(ValueError):
    """A folder holds a run of the same name and another recipe. The message is one line that names both."""


class SchedulerLost(RuntimeError):
    """The scheduler is gone. What has landed stays."""


@dataclass(frozen=True)
class Landed:
    """Something came back of a run: `outcome` if it is done, None if it is trained and yet to be verified, or failed.

    tries: how often its last task was handed out.
    """

    job: Job
    outcome: Outcome | None = None
    failure: str = ""
    tries: int = 1


@dataclass(frozen=True)
class Standing:
    """Where a run stands before the sweep: done, or trained (then the files of its checkpoint), or neither.

    seconds: that its training took, if it is known.
    """

    outcome: Outcome | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class _Task:
    """What was handed out of a run: its training, or, with the files that this gave, its verification."""

    job: Job
    trained: Standing
    priority: int
    tries: int = 1


def standing(folder: Path, job: Job, suite: Suite, system: System[Any]) -> Standing:
    """What the folder of a sweep has of a run. Raises OtherRecipe; anything half done counts as not done."""
    run = folder / RUNS / job.name
    outcome = _outcome(run)
    if outcome is not None:
        _require_recipe(run, job, outcome.recipe)
        if outcome.ending is Ending.DIVERGED:  # which no claim had a part in
            return Standing(replace(outcome, suite=suite.name))
    try:
        stored = load_stored(run, system.package)
        trained = read_stored(stored, system)
    except CheckpointError:
        return Standing()
    if trained.card is None or "recipe" not in trained.card:
        return Standing()
    _require_recipe(run, job, trained.card["recipe"])
    if outcome is not None and (outcome.suite, outcome.sha256) == (suite.name, trained.sha256) and _is_whole(run):
        return Standing(outcome)
    assert stored.card is not None
    files = {stored.path.name: stored.content, card_path(stored.path).name: stored.card}
    return Standing(files=files, seconds=outcome.seconds.get("train") if outcome else None)


def _outcome(run: Path) -> Outcome | None:
    try:
        return read_outcome(run / OUTCOME_FILE)
    except OutcomeError:
        return None


def _is_whole(run: Path) -> bool:
    """Whether all is there, and fits together: what a universality report could not read is not done."""
    return not read_run(run).unread and all((run / name).is_file() for name in REPORT_FILES)


def _require_recipe(run: Path, job: Job, plain: Any) -> None:
    try:
        theirs = recipe_from(plain, type(job.recipe.config))
    except (KeyError, TypeError, ValueError):
        raise OtherRecipe(f"{run} holds a run with a recipe that cannot be read; choose another --out") from None
    if theirs != job.recipe:
        raise OtherRecipe(
            f"{run} holds a run with {difference(job.recipe, theirs)}; give the same options, or choose another --out"
        )


class Sweep:
    """A sweep into `folder`. `suite` says which claims are run, and how."""

    def __init__(self, client: Client, folder: Path, suite: Suite) -> None:
        self.client = client
        self.folder = folder
        self.suite = suite

    def conduct(self, to_do: Sequence[tuple[Job, Standing]]) -> Iterator[Landed]:
        """Do what is left, telling what landed as it lands.

        Raises OSError if it cannot be written, OtherCode if a worker has other claims, SchedulerLost.
        """
        from distributed import as_completed

        # In the order of the plan; and a run that is begun is ended before others begin.
        tasks = [_Task(job, stands, 1 if stands.files else -place) for place, (job, stands) in enumerate(to_do)]
        handed_out = {self._hand_out(task): task for task in tasks}
        landing = as_completed(list(handed_out), raise_errors=False)
        for future in landing:
            task = handed_out.pop(future)
            if future.status == "finished":
                landed, follows = self._land(task, future.result())
                yield landed
            elif self.client.status != "running":
                raise SchedulerLost
            else:
                failure = self._failure(task, future)
                if failure:
                    yield Landed(task.job, failure=failure, tries=task.tries)
                follows = None if failure else replace(task, tries=task.tries + 1)
            if follows is not None:
                next_future = self._hand_out(follows)
                handed_out[next_future] = follows
                landing.add(next_future)

    def _hand_out(self, task: _Task) -> Future[Any]:
        job, files = task.job, task.trained.files
        if files:
            work: tuple[Any, ...] = (verify_model, job.name, files, self.suite)
        else:
            work = (train_model, self.suite.package, arguments(job.recipe))
        return self.client.submit(*work, fingerprint(self.suite.package), pure=False, priority=task.priority)

    def _failure(self, task: _Task, future: Future[Any]) -> str:
        """Why a task will not be tried again; nothing if it is worth another try."""
        from distributed.scheduler import KilledWorker

        if future.status != "error":
            return "" if task.tries < MOST_TRIES else f"it was {future.status} {task.tries} times"
        error = future.exception()
        if isinstance(error, OtherCode):
            raise error
        if isinstance(error, KilledWorker) and task.tries < MOST_TRIES:
            return ""
        return " ".join(f"{type(error).__name__}: {error}".split())[:500]

    def _land(self, task: _Task, result: TrainedFiles | Verdicts) -> tuple[Landed, _Task | None]:
        """Write down what came back, and say what is to be done next of that run."""
        job, run = task.job, self.folder / RUNS / task.job.name
        if isinstance(result, Verdicts):
            outcome = self._write_verdicts(run, task, result)
        elif result.diverged:
            outcome = self._write_diverged(run, task, result)
        else:
            for name, content in _card_last(result.files):
                write_whole(run / name, content)
            trained = Standing(files=result.files, seconds=result.seconds)
            return Landed(job, tries=task.tries), _Task(job, trained, priority=1)
        return Landed(job, outcome, tries=task.tries), None

    def _write_verdicts(self, run: Path, task: _Task, verdicts: Verdicts) -> Outcome:
        card = json.loads(task.trained.files[card_path(Path(MODEL_FILE)).name])
        seconds = {"verify": verdicts.seconds}
        if task.trained.seconds is not None:
            seconds["train"] = task.trained.seconds
        outcome = replace(
            self._blank(task.job),
            exit_code=verdicts.exit_code,
            sha256=card["sha256"],
            kept_epoch=card["kept_epoch"],
            proved=verdicts.proved,
            unproved=verdicts.unproved,
            seconds=seconds,
        )
        # An outcome never stands beside the report of another run of the claims.
        (run / OUTCOME_FILE).unlink(missing_ok=True)
        for name, content in verdicts.files.items():
            write_whole(run / name, content)
        return write_outcome(run, outcome)

    def _write_diverged(self, run: Path, task: _Task, result: TrainedFiles) -> Outcome:
        diverged = replace(self._blank(task.job), ending=Ending.DIVERGED, reason=result.diverged)
        return write_outcome(run, replace(diverged, seconds={"train": result.seconds}))

    def _blank(self, job: Job) -> Outcome:
        return Outcome(
            name=job.name,
            seed=job.recipe.seed,
            varied=dict(job.varied),
            recipe=asdict(job.recipe),
            suite=self.suite.name,
            ending=Ending.VERIFIED,
            reason="",
            exit_code=None,
            sha256=None,
            kept_epoch=None,
            proved=None,
            unproved="",
            seconds={},
        )


def write_outcome(run: Path, outcome: Outcome) -> Outcome:
    """Write the outcome into the folder of its run. Raises OSError."""
    write_whole(run / OUTCOME_FILE, encode(outcome))
    return outcome


def clean(folder: Path, job: Job) -> None:
    """Remove what a sweep that was killed has left half written in the folder of a run. Raises OSError."""
    run = folder / RUNS / job.name
    for name in (MODEL_FILE, card_path(Path(MODEL_FILE)).name, OUTCOME_FILE, *REPORT_FILES):
        sweep_up(run / name)


def _card_last(files: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """A checkpoint counts as trained when its card is there, too."""
    return sorted(files.items(), key=lambda item: item[0].endswith(".json"))
