"""Write the tables and figures of docs/lengths.md from docs/lengths.json.

Usage: python docs/lengths.py [sweeps/lengths/lengths.json]

With a file, docs/lengths.json becomes a copy of that study first.
"""

import math
import re
import sys
from pathlib import Path

from pytest_claims.files import write_whole

from cumsum_model.figures import lengths as figures
from cumsum_model.lengths.cells import INTERVENED_AT, Cell
from cumsum_model.lengths.study import Interval, Study, encode, read_study

HERE = Path(__file__).resolve().parent
STUDY, PAGE = HERE / "lengths.json", HERE / "lengths.md"


def number(x: float, signed: bool = True, digits: int = 3) -> str:
    if math.isinf(x):
        return "unknown"
    return f"{x:{'+' * signed}.{digits}g}"


def between(interval: Interval, signed: bool = True, digits: int = 3) -> str:
    """As in "+0.22 [+0.18, +0.26]"."""
    found, low, high = (number(x, signed, digits) for x in (interval.found, interval.low, interval.high))
    return f"{found} [{low}, {high}]"


def share(interval: Interval) -> str:
    """As in "3 of 5 [15%, 95%]"."""
    return f"{round(interval.found * interval.n)} of {interval.n} [{interval.low:.0%}, {interval.high:.0%}]"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(numbers: list[float]) -> str:
    low, high = min(numbers), max(numbers)
    return number(low, signed=False) if low == high else f"{number(low, signed=False)} .. {number(high, signed=False)}"


def or_none(lengths: list[float]) -> str:
    """The spread of those that are there, and whether of some run there is none."""
    known = [length for length in lengths if math.isfinite(length)]
    return " or ".join(([spread(known)] if known else []) + ["none"] * (len(known) < len(lengths)))


def cells_of(study: Study, **sizes: int) -> list[Cell]:
    return [
        cell
        for cell in study.cells
        if cell.change is None and all(getattr(cell, name) == size for name, size in sizes.items())
    ]


def one_layer(study: Study) -> str:
    rows = []
    for cell in cells_of(study, n_layers=1, n_heads=1):
        runs = [run for run in study.of(cell) if run.proved]
        rows.append(
            [
                str(cell.seq_len),
                share(study.count([cell], lambda run: run.proved_right)),
                spread([run.proved.right_up_to for run in runs]),
                between(study.mean(cell, lambda run: run.smallest_margin)),
                between(study.mean(cell, lambda run: run.balanced_margin)),
                share(study.count([cell], lambda run: run.balanced_margin > 0)),
                spread([max(high for _, high in run.proved.wrong) for run in runs]),
                spread([run.proved.power for run in runs if run.proved.power is not None]),
                between(study.mean(cell, lambda run: run.loss), signed=False),
            ]
        )
    head = [
        "trained for",
        "seeds right on all sequences",
        "right on all up to",
        "smallest margin",
        "with the best bias",
        "seeds right with it",
        "wrong at the worst length, at most",
        "power of the margin over length",
        "loss",
    ]
    return table(head, rows)


def two_layers(study: Study) -> str:
    rows = []
    for cell in cells_of(study, n_layers=2):
        runs = study.of(cell)
        hard = [run.sampled.wrong_hard[sum_] / run.sampled.hard for run in runs for sum_ in ("-1", "+1")]
        rows.append(
            [
                f"{cell.seq_len}",
                f"{cell.n_heads}",
                between(study.mean(cell, lambda run: run.loss), signed=False),
                share(study.count([cell], lambda run: run.known_wrong)),
                spread([run.sampled.wrong_at_end / run.sampled.drawn for run in runs]),
                spread([run.sampled.wrong_anywhere / run.sampled.drawn for run in runs]),
                spread(hard),
                between(study.mean(cell, lambda run: run.smallest_margin)),
                or_none([run.shortest_wrong for run in runs]),
            ]
        )
    head = [
        "trained for",
        "heads",
        "loss",
        "seeds known to be wrong",
        "wrong at the end",
        "wrong anywhere",
        "wrong of sum -1 or +1",
        "smallest margin found",
        "shortest wrong found",
    ]
    return table(head, rows)


def heads(study: Study) -> str:
    rows = []
    for cell in cells_of(study, n_layers=1):
        runs, one = study.of(cell), Cell(cell.seq_len)
        rows.append(
            [
                str(cell.seq_len),
                str(cell.n_heads),
                between(study.mean(cell, lambda run: run.loss), signed=False),
                "" if cell == one else between(study.ratio(cell, one, lambda run: run.loss), signed=False, digits=4),
                between(study.mean(cell, lambda run: run.smallest_margin)),
                share(study.count([cell], lambda run: run.known_wrong)),
                spread([run.proved.right_up_to if run.proved else 0 for run in runs]),
            ]
        )
    head = ["trained for", "heads", "loss", "over that of one head, seed by seed"]
    return table([*head, "smallest margin known", "seeds known to be wrong", "proved right up to"], rows)


def interventions(study: Study) -> str:
    plain = Cell(INTERVENED_AT)
    cells = [cell for cell in study.cells if cell == plain or (cell.seq_len == INTERVENED_AT and cell.change)]
    rows = []
    for cell in cells:
        rows.append(
            [
                "as published" if cell.change is None else f"{cell.change[0]} = {cell.change[1]:g}",
                between(study.mean(cell, lambda run: run.loss), signed=False),
                share(study.count([cell], lambda run: run.known_wrong)),
                between(study.mean(cell, lambda run: run.smallest_margin)),
                between(study.mean(cell, lambda run: run.balanced_margin)),
                between(study.mean(cell, lambda run: run.rate), signed=False),
                between(study.mean(cell, lambda run: run.norm), signed=False),
            ]
        )
    head = ["recipe", "loss", "seeds known to be wrong", "smallest margin", "with the best bias"]
    return table([*head, "logits per unit of mean", "norm of the weights"], rows)


def trained(study: Study) -> str:
    rows = []
    for cell in study.cells:
        runs = study.of(cell)
        seconds = [run.seconds for run in runs if run.seconds]
        minutes = [each["train"] / 60 for each in seconds if "train" in each]
        measured = [sum(x for part, x in each.items() if part != "train") / 60 for each in seconds]
        rows.append([str(cell), str(len(runs)), spread(minutes), spread(measured)])
    return table(["cell", "seeds", "minutes to train one", "minutes to measure one"], rows)


def dropped(study: Study) -> str:
    return table(["cell", "why it was left out"], [[str(cell), why] for cell, why in study.dropped.items()])


TABLES = {
    "one layer": one_layer,
    "two layers": two_layers,
    "heads": heads,
    "interventions": interventions,
    "trained": trained,
    "left out": dropped,
}


def filled(page: str, study: Study) -> str:
    """The page with every table, between `<!-- table: NAME -->` and `<!-- end -->`, made anew."""

    def made(match: re.Match[str]) -> str:
        return f"<!-- table: {match[1]} -->\n{TABLES[match[1]](study)}\n<!-- end -->"

    return re.sub(r"<!-- table: ([\w ]+) -->\n.*?<!-- end -->", made, page, flags=re.DOTALL)


def main(arguments: list[str]) -> None:
    if arguments:
        write_whole(STUDY, encode(read_study(Path(arguments[0]))).encode())
    study = read_study(STUDY)
    write_whole(PAGE, filled(PAGE.read_text(), study).encode())
    for drawn in (draw(study) for draw in figures.FIGURES):
        if drawn.svg is None:
            sys.exit(f"error: {drawn.name}: {drawn.missing}")
        write_whole(HERE / f"lengths-{drawn.name}.svg", drawn.svg.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
