"""How long can one layer go, how long two, do more heads help: train and measure the models of the study.

Usage: python -m benchmarks.lengths --out sweeps/lengths

First a step of training is timed for every cell (sizes and recipe), and cells are left out by the rule of
`cumsum_model.lengths.cells.planned`. The others are trained by the sweep, `python -m cumsum_model sweep`, and each
trained model is measured on the same kind of cluster: a proof over every sequence where there is one layer, a million
sequences drawn, hard classes, and a search for the smallest margin.

DIR gets steps.json (the times of a step), runs/NAME/ as the sweep leaves them with figures.json beside (what was
measured), and lengths.json (the study as a whole). The same command goes on where it stopped. With --known FILE the
runs of an earlier study are taken over from its lengths.json: a cell of which it has every seed is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_claims.commands.failure import fail
from pytest_claims.files import a_path, write_whole
from pytest_claims.text import one_line
from pytest_claims.universality.outcome import OUTCOME_FILE, RUNS, Ending, Outcome, OutcomeError, read_outcome

from cumsum_model.lengths.cells import ALL, Cell, Plan, cell_of, planned
from cumsum_model.lengths.study import Run, Study, StudyError, encode, in_order, read_study, run_from_json
from toy_model.commands.shared import progress_bar
from toy_model.sweep.cluster import NotReached, add_options, cluster, problem

STEPS, FIGURES, STUDY = "steps.json", "figures.json", "lengths.json"
CORE_HOURS = 7.0
CLAIM = "test_attention_is_uniform"
"""The one claim that the sweep verifies: what the study asks is measured after it."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 failed, 2 called wrongly, 4 no cluster."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lengths", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=a_path, required=True, metavar="DIR", help="folder of the study; made if missing")
    parser.add_argument(
        "--core-hours",
        type=float,
        default=CORE_HOURS,
        metavar="X",
        help="predicted hours of training on one core that all cells together may take (default: %(default)g)",
    )
    parser.add_argument(
        "--known", type=a_path, metavar="FILE", help="lengths.json of a study whose runs are taken over"
    )
    parser.add_argument("--plan", action="store_true", help="time the steps, print which cells are trained, and stop")
    parser.add_argument("--measure", action="store_true", help="train nothing: measure what lies in DIR")
    add_options(parser)
    options = parser.parse_args(arguments)
    unusable = problem(options)
    if unusable or not options.core_hours >= 0:
        return fail(unusable or "--core-hours is a number of at least 0", code=2)
    out: Path = options.out
    try:
        known = _known(options.known)
    except StudyError as error:
        return fail(str(error), code=4)
    try:
        out.mkdir(parents=True, exist_ok=True)
        plan = planned(_steps(out).__getitem__, options.core_hours)
        print("\n".join(table(plan)), file=sys.stderr)
        if options.plan:
            return 0
        to_train = () if options.measure else [cell for cell in plan.trained if not _has_all(known, cell)]
        for cell in to_train:
            code = subprocess.run(sweep_command(cell, out, options), stdout=subprocess.DEVNULL, check=False).returncode
            if code:
                return code
        not_measured = _measure(out, options)
        _write_study(out, plan, known)
    except NotReached as error:
        return fail(str(error), code=4)
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}")
    except ValueError as error:  # DIR holds something else
        return fail(f"--out {str(out)[:200]}: {error}", code=4)
    print(f"wrote {out / STUDY}")
    if not_measured:
        return fail(f"runs that could not be measured: {not_measured}; the same command tries again")
    return 0


def sweep_command(cell: Cell, out: Path, options: argparse.Namespace) -> list[str]:
    """The command that trains all seeds of a cell."""
    grid = [part for name, number in cell.varied.items() for part in ("--grid", f"{name}={number!r}")]
    command = [sys.executable, "-P", "-m", "cumsum_model", "sweep", "--out", str(out), "--no-controls", "-k", CLAIM]
    for name in ("workers", "scheduler", "tls_ca_file", "tls_cert", "tls_key"):
        if getattr(options, name) is not None:
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return [*command, "--seeds", f"{cell.seeds.start}:{cell.seeds.stop}", *grid]


def table(plan: Plan) -> list[str]:
    """What is trained, in this order, and what is not."""
    lines = [f"{'predicted':>9}  seeds  cell"]
    lines += [f"{plan.seconds[cell] / 60:>5.0f} min  {len(cell.seeds):>5}  {cell}" for cell in plan.trained]
    total = sum(plan.seconds[cell] for cell in plan.trained) / 3600
    lines.append(f"{total:>5.1f} h on one core together")
    return lines + [f"left out: {cell}: {why}" for cell, why in plan.dropped.items()]


def _steps(out: Path) -> dict[Cell, float]:
    """Seconds that a step of each cell takes: as timed when the study began."""
    path = out / STEPS
    if not path.exists():
        with progress_bar("timing a step of each cell", len(ALL)) as done:
            timed = []
            for n, cell in enumerate(ALL, start=1):
                timed.append({**cell.varied, "seconds": round(seconds_a_step(cell), 5)})
                done(n)
        write_whole(path, ("[" + ",\n".join(map(json.dumps, timed)) + "]\n").encode())
    return {cell_of({k: v for k, v in each.items() if k != "seconds"}): each["seconds"] for each in _read(path)}


def seconds_a_step(cell: Cell, n_steps: int = 6) -> float:
    """The median over some steps, on one core, of batches as they are trained on."""
    import torch

    from cumsum_model.task import TASK
    from toy_model.training.training import Step, Training

    torch.set_num_threads(1)
    recipe = replace(cell.recipe, train_size=cell.recipe.batch_size * n_steps, val_size=1)
    training, at = Training(recipe, TASK), [0.0]
    seconds: list[float] = []

    def watch(_: Step) -> None:
        seconds.append(time.perf_counter() - at[0])
        at[0] = time.perf_counter()

    at[0] = time.perf_counter()
    training.epoch(watch)
    return statistics.median(seconds[1:])


def _measure(out: Path, options: argparse.Namespace) -> int:
    """Measure what is not measured yet; how many runs could not be. Raises NotReached or OSError."""
    to_do = [run for run in _runs(out) if _measured(run) is None]
    if not to_do:
        return 0
    from distributed import as_completed

    from cumsum_model.lengths.measuring import measure

    with cluster(options) as client, progress_bar("measuring", len(to_do)) as done:
        futures, failed = {}, 0
        for run in to_do:
            outcome = read_outcome(run / OUTCOME_FILE)
            files = {name: (run / name).read_bytes() for name in ("model.safetensors", "model.card.json")}
            what = files, cell_of(dict(outcome.varied)), outcome.seed, outcome.seconds.get("train")
            futures[client.submit(measure, *what, pure=False)] = run
        for n, future in enumerate(as_completed(list(futures)), start=1):
            run, error = futures[future], future.exception()
            if error is None:
                write_whole(run / FIGURES, json.dumps(future.result()).encode())
                print(f"{n} of {len(to_do)} measured: {run.name}", file=sys.stderr)
            else:  # whatever it is, the other runs are measured
                failed += 1
                print(one_line(f"{n} of {len(to_do)} not measured: {run.name}: {error}", 500), file=sys.stderr)
            done(n)
    return failed


def _known(path: Path | None) -> tuple[Run, ...]:
    """Raises StudyError."""
    return () if path is None else read_study(path).runs


def _has_all(known: Sequence[Run], cell: Cell) -> bool:
    return {run.seed for run in known if run.cell == cell} >= set(cell.seeds)


def _write_study(out: Path, plan: Plan, known: Sequence[Run]) -> None:
    """What lies in the folder, and what is known of other runs: of every cell all seeds, or none."""
    runs = {(run.cell, run.seed): run for run in known}
    for path in (out / RUNS).iterdir() if (out / RUNS).is_dir() else ():
        outcome = _outcome(path)
        if outcome is None:
            continue
        cell, measured = cell_of(dict(outcome.varied)), _measured(path)
        if measured is not None:
            runs[cell, outcome.seed] = measured
        elif outcome.ending is Ending.DIVERGED:
            runs[cell, outcome.seed] = Run(cell, outcome.seed)
    whole = {cell for cell, _ in runs if _has_all(list(runs.values()), cell)}
    dropped = {cell: why for cell, why in plan.dropped.items() if cell not in whole}
    dropped |= {cell: "not trained yet" for cell in plan.trained if cell not in whole}
    kept = in_order(run for run in runs.values() if run.cell in whole)
    write_whole(out / STUDY, encode(Study(kept, dropped, _machine())).encode())


def _runs(out: Path) -> Iterator[Path]:
    """The folders of runs that ended with a model."""
    for run in sorted((out / RUNS).iterdir()) if (out / RUNS).is_dir() else ():
        outcome = _outcome(run)
        if outcome is not None and outcome.ending is Ending.VERIFIED:
            yield run


def _outcome(run: Path) -> Outcome | None:
    try:
        return read_outcome(run / OUTCOME_FILE)
    except OutcomeError:
        return None


def _measured(run: Path) -> Run | None:
    """What was measured of the model that lies there; None if it was not, or of another model, or other figures."""
    try:
        measured = run_from_json(_read(run / FIGURES))
        return measured if measured.sha256 == _read(run / "model.card.json")["sha256"] else None
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _machine() -> str:
    from toy_model.timing import described

    words = described()
    return f"{words['processor']}, torch {words['torch']}, one process a core"


if __name__ == "__main__":
    sys.exit(main())
