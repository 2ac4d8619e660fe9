"""What a run of the benchmarks found, as a table: every figure with its spread, its goal and what reproduces it."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_claims.commands.failure import fail
from pytest_claims.files import write_whole

START, END = "<!-- measured by `make bench` -->", "<!-- end of what was measured -->"
"""Between these lines of a document stands the table."""


class Unreadable(ValueError):
    """The file is not what pytest-benchmark saved of these benchmarks; the message names it."""


def read(path: Path) -> dict[str, Any]:
    """A file of `--benchmark-json`. Raises Unreadable."""
    try:
        saved = json.loads(path.read_text())
        return {
            "suite": dict(saved["machine_info"]["suite"]),
            "figures": [_figure(benchmark) for benchmark in saved["benchmarks"]],
        }
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable(f"{path} is not a file that `pytest benchmarks/ --benchmark-json` wrote") from None


def _figure(saved: Mapping[str, Any]) -> dict[str, Any]:
    stats, extra = saved["stats"], saved["extra_info"]
    return {
        **extra,
        "name": saved["fullname"],
        "command": f"pytest {shlex.quote(saved['fullname'])}",
        "median": float(stats["median"]),
        "low": float(stats["q1"]),
        "high": float(stats["q3"]),
        "rounds": int(stats["rounds"]),
    }


def markdown(results: Mapping[str, Any]) -> str:
    """The machine, and one table for each file of benchmarks."""
    lines = [f"- {name}: {value}" for name, value in results["suite"].items()]
    for title, figures in _by_file(results["figures"]):
        lines += ["", f"### {title}", "", *_rows(figures)]
    return "\n".join(lines) + "\n"


def _by_file(figures: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    files: dict[str, list[Mapping[str, Any]]] = {}
    for figure in figures:
        files.setdefault(figure["file"], []).append(figure)
    yield from files.items()


def _rows(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield _row(["figure", "median", "quartiles", "rounds", "goal", "met", "seconds", "reproduce with"])
    yield _row(["---"] * 8)
    for figure in figures:
        yield _row(
            [
                figure["figure"],
                told(figure["median"], figure["unit"]),
                f"{told(figure['low'], figure['unit'])} .. {told(figure['high'], figure['unit'])}",
                str(figure["rounds"]),
                _goal(figure),
                verdict(figure),
                _seconds(figure),
                f"`{figure['command']}`",
            ]
        )


def _goal(figure: Mapping[str, Any]) -> str:
    if "goal_seconds" in figure:
        return f"<= {_short(figure['goal_seconds'])}"
    return "" if figure["goal"] is None else f"<= {told(figure['goal'], figure['unit'])}"


def verdict(figure: Mapping[str, Any]) -> str:
    """Whether the goal is met; nothing where there is none."""
    if "goal_seconds" in figure:
        met = figure["seconds"]["ours"]["median"] <= figure["goal_seconds"]
    elif figure["goal"] is None:
        return ""
    else:
        met = figure["median"] <= figure["goal"]
    return "yes" if met else "**no**"


def told(number: float, unit: str) -> str:
    """A ratio, spelt so that one sees how far from 1 it is; any other number with its unit."""
    if unit != "x":
        return f"{number:.3g} {unit}".rstrip()
    return f"1/{1 / number:.3g}" if 0 < number < 1 else f"{number:.3g}"


def _seconds(figure: Mapping[str, Any]) -> str:
    seconds = figure.get("seconds")
    if not seconds:
        return ""
    said = f"{_short(seconds['ours']['median'])} / {_short(seconds['theirs']['median'])}"
    if "tokens" in figure:
        rates = [figure["tokens"] / seconds[which]["median"] for which in ("ours", "theirs")]
        said += f" ({rates[0]:.2g} / {rates[1]:.2g} tokens/s"
        if figure.get("least_seconds"):
            said += f", {figure['least_seconds'] / seconds['ours']['median']:.0%} of the machine"
        said += ")"
    return said


def _short(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def insert(document: str, table: str, first: str = START, last: str = END) -> str:
    """`document` with `table` between its two marks. Raises ValueError where there are none."""
    before, start, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not (start and end):
        raise ValueError(f"it has no lines {first} and {last}")
    return f"{before}{start}\n{table}{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Show what `pytest benchmarks/ --benchmark-json FILE` measured.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--into", type=Path, metavar="DOC", help="put the table between the marks of this document")
    options = parser.parse_args()
    try:
        table = markdown(read(options.file))
        if options.into is None:
            print(table, end="")
        else:
            write_whole(options.into, insert(options.into.read_text(), table).encode())
    except Unreadable as error:
        return fail(str(error))
    except (ValueError, OSError) as error:
        return fail(f"{options.into}: {getattr(error, 'strerror', None) or error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
