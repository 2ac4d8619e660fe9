"""How far a sweep is: a bar with the time left where there is a terminal, and a line for every run that ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_claims.universality.outcome import Ending

if TYPE_CHECKING:
    from pytest_claims.universality.outcome import Outcome

    from toy_model.sweep.client import Landed, Standing
    from toy_model.sweep.plan import Job

TRAINING, VERIFYING = 3, 2
"""What each takes of the bar: of a recipe that takes a minute, training takes somewhat longer."""


class Progress:
    """The progress of the runs that are left, on standard error."""

    def __init__(self, to_do: Sequence[tuple[Job, Standing]]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self.n, self.n_ended = len(to_do), 0
        self.half_done = {job.name for job, stands in to_do if stands.files}
        self.bar = Bar(
            TextColumn("{task.fields[ended]} runs"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        total = sum(VERIFYING if stands.files else TRAINING + VERIFYING for _, stands in to_do)
        self.task = self.bar.add_task("", total=total, ended=f"0 of {self.n}")

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, landed: Landed) -> None:
        name = landed.job.name
        if landed.outcome is None and not landed.failure:
            self.half_done.add(name)
            self.bar.advance(self.task, TRAINING)
            return
        self.n_ended += 1
        self.bar.update(
            self.task,
            advance=VERIFYING if name in self.half_done else TRAINING + VERIFYING,
            ended=f"{self.n_ended} of {self.n}",
        )
        result = f"failed: {landed.failure}" if landed.outcome is None else ended(landed.outcome)
        again = f" (handed out {landed.tries} times)" if landed.tries > 1 else ""
        self.console.print(f"{self.n_ended:>{len(str(self.n))}} of {self.n}  {name}  {result}{again}")


def ended(outcome: Outcome) -> str:
    """How a run ended, in one line."""
    if outcome.ending is Ending.DIVERGED:
        return f"diverged: {outcome.reason}"
    phrases = [f"kept epoch {outcome.kept_epoch}", "claims hold" if outcome.exit_code == 0 else "not all claims hold"]
    if outcome.proved is None:
        phrases.append("nothing proved")
    else:
        right = "right" if outcome.proved.everywhere_right else "not right"
        phrases.append(f"{right} on every sequence, smallest margin {outcome.proved.smallest_margin:+.4f}")
    took = " + ".join(f"{outcome.seconds[part]:.0f} s" for part in ("train", "verify") if part in outcome.seconds)
    return f"{', '.join(phrases)}; {took}"
