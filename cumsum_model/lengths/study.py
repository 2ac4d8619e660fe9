"""The study: what was measured of every run, as docs/lengths.json holds it, and what its seeds say together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pytest_claims.files import Unreadable, read_regular

from cumsum_model.lengths.cells import Cell, cell_of
from cumsum_model.lengths.proved import Proved
from cumsum_model.lengths.sampled import Sampled, Searched
from toy_model.uncertainty import clopper_pearson

FORMAT = "cumsum lengths"
VERSION = 1
"""Of what the file holds."""

MAX_BYTES = 2**23
LEVEL = 0.95


class StudyError(ValueError):
    """A file holds no study. The message is one line that names the file."""


@dataclass(frozen=True)
class Run:
    """One trained model.

    sha256          of its checkpoint; None if training diverged, and then nothing is measured
    selected_epoch  counted from 0
    loss, accuracy  on the evaluation set: cross entropy in nats, and how many of all positions are right
    norm            of all weights together, the root of the sum of their squares
    rate            of one layer with one head, next to a mean of zero: logits by which zero is set apart from neg and
                    from pos per unit of mean, the smaller of the two
    proved          over every sequence; None for what the proof does not speak of
    sampled         on sequences that were drawn; None where the proof decides every class or nearly
    searched        the best that a search found
    seconds         that "train", "prove", "sample" and "search" took, on one core beside others
    """

    cell: Cell
    seed: int
    sha256: str | None = None
    selected_epoch: int | None = None
    loss: float = math.nan
    accuracy: float = math.nan
    norm: float = math.nan
    rate: float = math.nan
    proved: Proved | None = None
    sampled: Sampled | None = None
    searched: Searched | None = None
    seconds: Mapping[str, float] | None = None

    @property
    def known_wrong(self) -> bool:
        """Whether a wrong sequence is known: proved, drawn or found."""
        in_proof = self.proved is not None and any(low > 0 for low, _ in self.proved.wrong)
        drawn = self.sampled is not None and self.sampled.wrong_anywhere > 0
        return in_proof or drawn or (self.searched is not None and self.searched.margin <= 0)

    @property
    def proved_right(self) -> bool:
        """Whether every sequence of every length is proved right."""
        return self.proved is not None and self.proved.right_up_to == self.cell.seq_len

    @property
    def balanced_margin(self) -> float:
        """See `Proved.balanced_margin`; minus infinity where nothing is proved."""
        return -math.inf if self.proved is None else self.proved.balanced_margin

    @property
    def shortest_wrong(self) -> float:
        """The length of the shortest wrong sequence that is known; infinite if none is."""
        lengths = [] if self.proved is None else [n for n, (low, _) in enumerate(self.proved.wrong, 1) if low > 0]
        if self.searched is not None and self.searched.shortest_wrong is not None:
            lengths.append(self.searched.shortest_wrong)
        return min(lengths, default=math.inf)

    @property
    def smallest_margin(self) -> float:
        """The smallest margin that is known of any sequence, in logits: an upper bound of the smallest there is."""
        found = [] if self.proved is None else [min(self.proved.found)]
        return min(found + ([] if self.searched is None else [self.searched.margin]))


@dataclass(frozen=True)
class Interval:
    """What the seeds of a study say of all seeds, at 95%: `found` of n, and the ends of what it may be of all."""

    found: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Study:
    """Every run, and the cells that were left out, with the reason.

    machine: what it ran on, in words.
    """

    runs: tuple[Run, ...]
    dropped: Mapping[Cell, str]
    machine: str = ""

    @property
    def cells(self) -> list[Cell]:
        """Those that were trained, in order of their sizes."""
        return list(dict.fromkeys(run.cell for run in in_order(self.runs)))

    def of(self, cell: Cell) -> list[Run]:
        """The runs of a cell that did not diverge. Raises KeyError where there is none."""
        runs = [run for run in self.runs if run.cell == cell and run.sha256 is not None]
        if not runs:
            raise KeyError(str(cell))
        return runs

    def count(self, cells: Sequence[Cell], holds: Callable[[Run], bool]) -> Interval:
        """The share of all seeds on which something holds, of which the seeds of `cells` are a sample. Exact."""
        runs = [run for cell in cells for run in self.of(cell)]
        n = sum(map(holds, runs))
        return Interval(n / len(runs), *clopper_pearson(n, len(runs), LEVEL), len(runs))

    def mean(self, cell: Cell, number: Callable[[Run], float]) -> Interval:
        """The mean of a number over all seeds, of which those of `cell` are a sample. Student's t."""
        return mean_interval([number(run) for run in self.of(cell)])

    def geometric_mean(self, cell: Cell, number: Callable[[Run], float]) -> Interval:
        """The same of the logarithm; what is not positive counts as next to nothing."""
        logs = mean_interval([math.log10(max(number(run), 1e-9)) for run in self.of(cell)])
        return Interval(10**logs.found, 10**logs.low, 10 ** min(logs.high, 300), logs.n)

    def ratio(self, cell: Cell, other: Cell, number: Callable[[Run], float]) -> Interval:
        """The mean over all seeds of a number in units of the same seed's in another cell. Raises KeyError as `of`."""
        theirs = {run.seed: number(run) for run in self.of(other)}
        pairs = [(number(run), theirs[run.seed]) for run in self.of(cell) if run.seed in theirs]
        if not pairs:
            raise KeyError(f"{cell} and {other} have no seed in common")
        return mean_interval([mine / there for mine, there in pairs])

    def replaced(self, change: Callable[[Run], Run]) -> Study:
        """The study with every run changed."""
        return replace(self, runs=tuple(map(change, self.runs)))


def mean_interval(numbers: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean, and the interval that covers the mean of what they are a sample of, if that is normal.

    Infinite for a single number, and where one of them is not finite. Raises ValueError if there are none.
    """
    from scipy.special import stdtrit

    n = len(numbers)
    if n == 0:
        raise ValueError("no numbers have no mean")
    mean = sum(numbers) / n
    if n == 1 or not math.isfinite(mean):
        return Interval(mean, -math.inf, math.inf, n)
    error = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (n - 1) / n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    return Interval(mean, mean - half, mean + half, n)


def in_order(runs: Iterable[Run]) -> tuple[Run, ...]:
    """By length, layers, heads, what is changed, and seed."""

    def key(run: Run) -> tuple[int, int, int, str, int]:
        cell = run.cell
        return cell.seq_len, cell.n_layers, cell.n_heads, "" if cell.change is None else str(cell.change), run.seed

    return tuple(sorted(runs, key=key))


def encode(study: Study) -> str:
    """As JSON, a run a line, so that a change shows which."""
    runs = ",\n".join(_line(run_as_json(run)) for run in study.runs)
    dropped = ",\n".join(_line({**cell.varied, "why": why}) for cell, why in study.dropped.items())
    head = f'{{"format": {json.dumps(FORMAT)}, "version": {VERSION}, "machine": {json.dumps(study.machine)}'
    return f'{head},\n"dropped": [\n{dropped}\n],\n"runs": [\n{runs}\n]}}\n'


def read_study(path: Path) -> Study:
    """Raises StudyError."""
    try:
        document = json.loads(read_regular(path, MAX_BYTES))
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise StudyError(f"{path}: is no study of lengths")
        if document.get("version") != VERSION:
            raise StudyError(f"{path}: its version is {document.get('version')!r}, this one reads {VERSION}")
        runs = tuple(map(run_from_json, document["runs"]))
        dropped = {}
        for each in document["dropped"]:
            why = each.pop("why")
            dropped[cell_of(each)] = str(why)
        return Study(runs, dropped, str(document["machine"]))
    except Unreadable as error:
        raise StudyError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"{path}: is no study of lengths ({type(error).__name__}: {str(error)[:100]})") from None


def run_as_json(run: Run) -> dict[str, Any]:
    """For JSON: numbers to five digits, what is proved rounded to the safe side."""
    plain = asdict(run)
    plain["cell"] = run.cell.varied
    if run.proved is not None:
        plain["proved"]["found"] = [_five(margin) for margin in run.proved.found]
        for kind in ("zero", "signed"):
            plain["proved"][kind] = [_down(margin) for margin in getattr(run.proved, kind)]
        plain["proved"]["float32_error"] = _five(run.proved.float32_error)
        plain["proved"]["wrong"] = {
            str(n): list(share) for n, share in enumerate(run.proved.wrong, start=1) if share != (0.0, 0.0)
        }
    return {name: _five(value) if isinstance(value, float) else value for name, value in plain.items()}


def run_from_json(plain: Mapping[str, Any]) -> Run:
    """Raises KeyError, TypeError or ValueError."""
    known = {field.name for field in fields(Run)}
    if set(plain) != known:
        raise ValueError(f"a run has {', '.join(sorted(known ^ set(plain)))} or lacks it")
    proved = plain["proved"]
    if proved is not None:
        wrong = {int(n): (float(low), float(high)) for n, (low, high) in proved["wrong"].items()}
        by_length = [wrong.get(n, (0.0, 0.0)) for n in range(1, len(proved["found"]) + 1)]
        read = {"wrong": by_length, "found": _numbers(proved["found"], math.inf)}
        read |= {kind: _numbers(proved[kind], -math.inf) for kind in ("zero", "signed")}
        error = math.inf if proved["float32_error"] is None else float(proved["float32_error"])
        proved = Proved(**{**proved, **read, "float32_error": error})
    sampled = None if plain["sampled"] is None else Sampled(**plain["sampled"])
    searched = None if plain["searched"] is None else Searched(**plain["searched"])
    rest = {name: math.nan if value is None else value for name, value in plain.items() if name in _NUMBERS}
    figures = {"cell": cell_of(plain["cell"]), "proved": proved, "sampled": sampled, "searched": searched}
    return Run(**{**plain, **rest, **figures})


_NUMBERS = ("loss", "accuracy", "norm", "rate")


def _numbers(numbers: Sequence[float | None], unknown: float) -> list[float]:
    return [unknown if number is None else float(number) for number in numbers]


def _line(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def _five(number: float) -> float | None:
    """Five significant digits; None for what JSON has no word for."""
    return float(f"{number:.5g}") if math.isfinite(number) else None


def _down(bound: float) -> float | None:
    """A lower bound to five digits, no larger than it is; None for one that says nothing."""
    if not math.isfinite(bound):
        return None
    nearest = float(f"{bound:.5g}")
    if nearest <= bound:
        return nearest
    return float(f"{nearest - 10.0 ** (math.floor(math.log10(abs(nearest))) - 4):.5g}")
