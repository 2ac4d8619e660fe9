"""Fail if one of the benchmarks marked `guard` has become slower than benchmarks/baseline.json says.

Usage: python -m benchmarks.guard [-k WORDS]
       python -m benchmarks.guard --save

What is compared are ratios, so that the baseline of one machine is meaningful on another. A ratio varies from process
to process, by where things lie in memory, more than within one. So whatever is above the bound is measured twice more,
each time in a process of its own, and fails if the median of the three is above; what --save writes are medians of
three as well. A benchmark that the baseline lacks fails, too: nothing would guard it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_claims.commands.failure import fail
from pytest_claims.files import a_path, write_whole

from benchmarks.table import Unreadable, read, told
from toy_model.timing import described

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
BOUND = 1.25
"""A ratio may be so many times what it was: one that grew by a third is caught with room for noise on both sides."""

TIMES = 3
"""Each in a process of its own."""

Measure = Callable[[Sequence[str]], dict[str, float]]
"""Runs the benchmarks that arguments of pytest choose, in a new process; gives the median ratio of each, by name."""


class NotMeasured(RuntimeError):
    """A benchmark failed. The message is one line."""


@dataclass(frozen=True)
class Guarded:
    """A benchmark: the ratio of the baseline, None if that has none, and those that were measured now."""

    name: str
    baseline: float | None
    measured: tuple[float, ...]

    @property
    def grown(self) -> float:
        """The median of what was measured, in units of the baseline."""
        return statistics.median(self.measured) / self.baseline if self.baseline else float("inf")

    @property
    def fails(self) -> bool:
        return self.grown > BOUND

    def __str__(self) -> str:
        now = ", ".join(told(each, "x") for each in self.measured)
        if self.baseline is None:
            return f"NOT IN THE BASELINE  {self.name}: {now}"
        verdict = "SLOWER" if self.fails else "ok"
        return f"{verdict:<6}  {self.grown:.2f} of the baseline  {self.name}: {now}; was {told(self.baseline, 'x')}"


def guarded(baseline: Mapping[str, float], measure: Measure, chosen: Sequence[str]) -> list[Guarded]:
    """Every benchmark that is chosen, each measured again as often as it takes to be sure. Raises NotMeasured."""
    found = {name: Guarded(name, baseline.get(name), (ratio,)) for name, ratio in measure(chosen).items()}
    doubtful = [name for name, each in found.items() if each.fails and each.baseline is not None]
    for _ in range(TIMES - 1):
        for name, ratio in (measure(doubtful) if doubtful else {}).items():
            found[name] = Guarded(name, baseline[name], (*found[name].measured, ratio))
    return list(found.values())


def medians(measure: Measure, chosen: Sequence[str]) -> dict[str, float]:
    """Of TIMES processes. Raises NotMeasured."""
    runs = [measure(chosen) for _ in range(TIMES)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def measured_anew(chosen: Sequence[str]) -> dict[str, float]:
    """What pytest measures in a process of its own. Raises NotMeasured, when its output was shown."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "benchmarks.json"
        command = [sys.executable, "-P", "-m", "pytest", *chosen, "-m", "guard", "-q", "--benchmark-quiet"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        done = subprocess.run(
            [*command, f"--benchmark-json={saved}"], cwd=HERE.parent, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            raise NotMeasured(f"a benchmark failed: {' '.join(command[3:])}")
        try:
            return {figure["name"]: figure["median"] for figure in read(saved)["figures"]}
        except Unreadable as error:
            raise NotMeasured(str(error)) from None


def read_baseline(path: Path) -> dict[str, float]:
    """Raises ValueError, whose message names the file."""
    try:
        document = json.loads(path.read_text())
        return {str(name): float(ratio) for name, ratio in document["ratios"].items()}
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not what `python -m benchmarks.guard --save` wrote") from None


def main(arguments: list[str] | None = None, measure: Measure = measured_anew) -> int:
    """Returns the exit code: 0 nothing is slower, 1 something is, or the baseline lacks it, 4 no baseline."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.guard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", action="store_true", help="make what is measured now the baseline")
    parser.add_argument("--baseline", type=a_path, default=BASELINE, metavar="FILE", help="(default: %(default)s)")
    parser.add_argument("-k", metavar="WORDS", help="only benchmarks that match, as in pytest")
    options = parser.parse_args(arguments)
    chosen = ["benchmarks/", *(["-k", options.k] if options.k else [])]
    try:
        if options.save:
            ratios = medians(measure, chosen)
            if options.k and options.baseline.exists():
                ratios = {**read_baseline(options.baseline), **ratios}
            document = json.dumps({"machine": described(), "ratios": ratios}, indent=1)
            write_whole(options.baseline, f"{document}\n".encode())
            return 0
        found = guarded(read_baseline(options.baseline), measure, chosen)
    except NotMeasured as error:
        return fail(str(error))
    except ValueError as error:
        return fail(str(error), code=4)
    except OSError as error:
        return fail(f"{options.baseline}: {error.strerror or error}")
    print("\n".join(map(str, found)))
    failed = [each for each in found if each.fails]
    if not failed:
        return 0
    lacking = [each for each in failed if each.baseline is None]
    if lacking:
        print("`make baseline` saves the ratios of this commit", file=sys.stderr)
    return fail(
        f"{len(failed) - len(lacking)} of {len(found)} benchmarks are more than {BOUND:g} times the baseline"
        + (f", which lacks {len(lacking)}" if lacking else "")
    )


if __name__ == "__main__":
    sys.exit(main())
