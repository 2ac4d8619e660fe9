"""`sweep`: train and verify many checkpoints, on this machine or on a Dask cluster."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, alone_in, shown, sweep_up

from toy_model.recipe import add_options, chosen
from toy_model.sweep.cluster import NotReached, cluster, problem
from toy_model.sweep.cluster import add_options as add_cluster_options
from toy_model.system import System

if TYPE_CHECKING:
    from toy_model.sweep.client import Landed, Standing
    from toy_model.sweep.plan import Job
    from toy_model.sweep.suite import Suite

SWEEP_HELP = """\
Train and verify a model for every seed, and say which claims hold on all of them.

Every seed is trained with the published recipe or the options given here, and verified by the very same claims as
`pytest claims/` runs, controls included. A --grid varies an option; there is a run for every seed in every cell.

DIR gets, as the runs land, a folder for each:
  runs/seed7/model.safetensors, model.card.json           as `train` writes them
  runs/seed7/report.html, report.json, report.md          as `pytest claims/ --report=DIR` writes them
  runs/seed7/outcome.json                                 how it ended, and what is proved of it; written last
and when all have landed, universality.html, .json and .parquet: see `python -m {package} universality`.

The same command goes on where it stopped, and does only what is left: new seeds, and runs that were verified by an
earlier version of the claims, which are verified anew. A worker that dies costs the task that it was at, which another
does again. A seed that diverges is a result like any other.

Without --scheduler it starts one single-threaded worker per core, which take work from nobody else: connections need a
certificate that is made for this sweep. With it, work goes to a cluster that exists; its workers need this project
installed, the same version, and no folder in common. To start one:
  dask scheduler --host tls://10.0.0.1:8786 --tls-ca-file ca.pem --tls-cert cert.pem --tls-key key.pem &
  dask worker tls://10.0.0.1:8786 --nthreads 1 --nworkers 2 --tls-ca-file ca.pem --tls-cert cert.pem --tls-key key.pem &
A cluster at tcp:// is open: whoever can reach it, on the network or as another user of one of its machines, can run
code as the users of its scheduler, of its workers and of this sweep, and change what comes out. Use one only where
nobody else is.
"""

SWEEP_EXAMPLES = """\
exit code: 0 all runs have a result, 1 some failed or could not be written, 2 called wrongly, 4 DIR holds other runs or
the scheduler cannot be reached, 130 interrupted

examples:
  python -m {package} sweep --seeds 0:32 --out sweeps/published
  python -m {package} sweep --seeds 0:8 {grid} --out sweeps/sizes
  python -m {package} sweep --seeds 0:1000 --out sweeps/many --scheduler tls://10.0.0.1:8786 \\
    --tls-ca-file ca.pem --tls-cert cert.pem --tls-key key.pem
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `sweep` to the command line."""
    grid = " ".join(f"--grid {name}={','.join(map(str, some))}" for name, some in system.words.sizes.items())
    sweep = commands.add_parser(
        "sweep",
        help="train and verify many seeds, and say which claims hold on all",
        description=SWEEP_HELP.format(package=system.package),
        epilog=SWEEP_EXAMPLES.format(package=system.package, grid=grid),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sweep.set_defaults(command=lambda options: _sweep(options, system))
    sweep.add_argument("--seeds", required=True, metavar="A:B", help="0:100 for 0 .. 99; 7; 0:100:10; or with commas")
    sweep.add_argument("--out", type=a_path, required=True, metavar="DIR", help="folder of the sweep; made if missing")
    sweep.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="OPTION=X,Y",
        help="vary an option of the recipe; may be repeated",
    )
    sweep.add_argument("--no-controls", action="store_true", help="run each claim on the checkpoints alone: quicker")
    sweep.add_argument(
        "-k",
        dest="select",
        default="",
        metavar="EXPRESSION",
        help="run only claims that match, as in pytest: for a try",
    )
    add_cluster_options(sweep)
    add_options(sweep, system.recipe, without=("seed",))


def _sweep(options: argparse.Namespace, system: System[Any]) -> int:
    from toy_model.sweep.plan import PlanError, parse_grid, parse_seeds, plan

    unusable = problem(options)
    if unusable:
        return fail(unusable, code=2)
    try:
        grid = parse_grid(options.grid, system.recipe)
        jobs = plan(parse_seeds(options.seeds), grid, system.recipe, chosen(options, system.recipe))
    except PlanError as error:
        return fail(str(error), code=2)

    from pytest_claims.universality.outcome import RUNS

    from toy_model.checkout import CLAIMS, missing

    if not (CLAIMS / system.name).is_dir():
        return fail(missing(system.name))
    out: Path = options.out
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
        with alone_in(out) as alone:
            if not alone:
                return fail(f"{out}: another process is sweeping into it")
            return _sweep_into(out, jobs, options, system)
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}")


def _sweep_into(out: Path, jobs: list[Job], options: argparse.Namespace, system: System[Any]) -> int:
    from pytest_claims.universality.folder import PUBLISHED
    from pytest_claims.universality.outcome import RUNS, Ending

    from toy_model.sweep.client import OtherRecipe, clean, standing, write_outcome
    from toy_model.sweep.suite import Suite

    suite = Suite(system.package, controls=not options.no_controls, select=options.select)
    try:
        with tempfile.TemporaryFile(dir=out):  # better now than after the first minute
            pass
        for name in PUBLISHED:
            sweep_up(out / name)
        to_do: list[tuple[Job, Standing]] = []
        for job in jobs:
            clean(out, job)
            stands = standing(out, job, suite, system)
            if stands.outcome is None:
                to_do.append((job, stands))
            elif stands.outcome.ending is Ending.DIVERGED:  # whichever claims it did not get to
                write_outcome(out / RUNS / job.name, stands.outcome)
    except OtherRecipe as error:
        return fail(str(error), code=UNREADABLE)
    print(_begun(jobs, to_do), file=sys.stderr)
    code = _conduct(options, suite, to_do, n_jobs=len(jobs)) if to_do else 0
    return code or _publish(out)


def _begun(jobs: list[Job], to_do: list[tuple[Job, Standing]]) -> str:
    n_trained = sum(bool(stands.files) for _, stands in to_do)
    summary = f"{len(jobs)} runs: {len(jobs) - len(to_do)} done, {len(to_do) - n_trained} to train and verify"
    return summary + (f", {n_trained} to verify" if n_trained else "")


def _conduct(options: argparse.Namespace, suite: Suite, to_do: list[tuple[Job, Standing]], n_jobs: int) -> int:
    from toy_model.sweep.client import SchedulerLost, Sweep
    from toy_model.sweep.progress import Progress
    from toy_model.sweep.worker import OtherCode

    failures: list[Landed] = []
    n_done = n_jobs - len(to_do)
    stopped = ""
    try:
        with cluster(options) as client, Progress(to_do) as progress:
            for landed in Sweep(client, options.out, suite).conduct(to_do):
                progress.update(landed)
                n_done += landed.outcome is not None
                if landed.failure:
                    failures.append(landed)
    except KeyboardInterrupt:
        print(f"interrupted: {n_done} of {n_jobs} runs are done; the same command goes on from there", file=sys.stderr)
        return 130
    except NotReached as error:
        return fail(str(error), code=UNREADABLE)
    except SchedulerLost:
        stopped = "the scheduler was lost"
    except OtherCode as error:
        stopped = str(error)
    except OSError as error:
        stopped = f"{error.filename or options.out}: {error.strerror or error}"
    if failures and not stopped:
        stopped = f"{len(failures)} runs failed ({', '.join(landed.job.name for landed in failures[:5])})"
    if stopped:
        return fail(f"{stopped}; {n_done} of {n_jobs} runs are done, the same command goes on from there")
    return 0


def _publish(out: Path) -> int:
    from pytest_claims.universality.folder import PAGE, publish
    from pytest_claims.universality.runs import SweepError
    from pytest_claims.universality.terminal import lines

    try:
        print("\n".join(lines(publish(out))))
    except SweepError as error:
        return fail(str(error), code=UNREADABLE)
    except OSError as error:
        return fail(f"--out {str(out)[:200]}: {error.strerror or error}")
    print(f"wrote {shown(out / PAGE)}, and the same as .json and .parquet")
    return 0
