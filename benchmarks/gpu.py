"""What a GPU makes of all this: forward passes, agreement with TransformerLens, training one seed and many.

Usage: python -m benchmarks.gpu PART --device cuda --into DIR      PART is forward, agreement or training
       python -m benchmarks.gpu table DIR [--doc docs/performance.md]

Each part writes its rows to DIR/PART.json as it finds them, so that what was measured is there when time runs out. What
cannot be measured has a row, too, which says why. benchmarks/on_gpu.sh runs all parts; --dry takes sizes that a CPU
does in a minute, to see that everything runs before a GPU is at hand.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytest_claims.commands.failure import fail
from pytest_claims.files import a_path, write_whole
from torch import Tensor

from benchmarks.table import insert
from cumsum_model.speed import WAYS, captured, least_bytes, operations_of, subject, tokens, way_of
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, TASK
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import forward
from toy_model.timing import Limits, described, finish, limits, seconds_of, spread

SIZES = tuple((batch, n) for n in (20, 200) for batch in (1, 1_000, 100_000))
DRY_SIZES = ((1, 20), (100, 20))
SECONDS = 1.5
"""For all rounds of one row."""

SEEDS, DRY_SEEDS = 64, 2
STEPS, DRY_STEPS = 40, 3
AGREE = 1e-4
"""Logits that bridge and engine may be apart, in float32 as it is; under TF32 the figure is told, not judged."""

START, END = "<!-- measured by benchmarks/on_gpu.sh -->", "<!-- end of what was measured on a GPU -->"


@dataclass(frozen=True)
class Row:
    """One figure, or why there is none.

    seconds       median and quartiles of `rounds` rounds; None where nothing was timed
    tokens        that one round treats
    of_reference  the median in units of what it is held against; below 1 it is faster
    of_device     the part of its time that the device could not do without, at the rates that were measured beside it
    note          what else there is to say
    """

    part: str
    what: str
    seconds: dict[str, float] | None = None
    rounds: int = 0
    tokens: int = 0
    of_reference: float | None = None
    of_device: float | None = None
    note: str = ""


def timed(run: Callable[[], object], device: torch.device) -> tuple[dict[str, float], int]:
    """Seconds of a round, everything done before the clock stops, and of how many rounds."""

    def whole() -> None:
        run()
        finish(device)

    whole()  # kernels are loaded, memory is reserved
    rounds = min(max(int(SECONDS / max(seconds_of(whole), 1e-9)), 3), 300)
    return spread(np.array([seconds_of(whole) for _ in range(rounds)])), rounds


@torch.inference_mode()
def forward_rows(device: torch.device, dry: bool) -> Iterator[Row]:
    """Each way at each size: asked for by Python, and where there is CUDA once more as a captured graph."""
    shipped, rates = _shipped(device), limits(device)
    yield _rates_of(rates)
    for batch, n in DRY_SIZES if dry else SIZES:
        model = subject(shipped, n)
        toks, reference = tokens(model, batch, n), None
        for way in ("bridge", *(way for way in WAYS if way != "bridge")):
            for graph in (False, True) if device.type == "cuda" else (False,):
                what = f"{way}, {batch:,} x {n}{', captured as a graph' if graph else ''}"
                if graph and way == "bridge":
                    yield Row("forward", what, note="not run: the bridge asks the CPU in between")
                    continue
                try:
                    run = way_of(way, model, toks)
                    seconds, rounds = timed(captured(run) if graph else run, device)
                    least = _least(way_of(way, model, toks[:1000]), toks[:1000], rates) * batch / len(toks[:1000])
                except (ImportError, torch.OutOfMemoryError) as error:
                    yield Row("forward", what, note=_why_not(error))
                    continue
                reference = seconds["median"] if way == "bridge" else reference
                of = None if reference is None or way == "bridge" else seconds["median"] / reference
                yield Row("forward", what, seconds, rounds, toks.numel(), of, least / seconds["median"])


def _least(run: Callable[[], Tensor], toks: Tensor, rates: Limits) -> float:
    """Seconds that the device takes for nothing but the products of a pass, its tokens and its logits."""
    return rates.seconds(operations_of(run), least_bytes(toks, run()))


@torch.inference_mode()
def agreement_rows(device: torch.device, dry: bool) -> Iterator[Row]:
    """How far the logits of a thousand sequences are apart, with products in float32 and in TF32."""
    model = _shipped(device)
    toks = tokens(model, 100 if dry else 1_000, model.cfg.n_ctx)
    exact = forward(read_checkpoint(REFERENCE, SYSTEM).model.double(), toks.cpu())
    before = torch.backends.cuda.matmul.allow_tf32
    for tf32 in (False, True):
        if tf32 and device.type != "cuda":
            yield Row("agreement", "with TF32", note="not run: no CUDA device")
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            named = {"engine": forward(model, toks), "plain pass": model(toks)}
            try:
                named["bridge"] = model.bridge()(toks)
            except ImportError as error:
                yield Row("agreement", "bridge", note=_why_not(error))
            for name, logits in named.items():
                apart = (logits - named["engine"]).abs().max().item()
                off = (logits.cpu().double() - exact).abs().max().item()
                note = f"{off:.2g} logits from float64 on the CPU"
                if name != "engine":
                    note += f", {apart:.2g} from the engine"
                    note += "" if tf32 else f" (goal {AGREE:g}: {'met' if apart <= AGREE else '**missed**'})"
                yield Row("agreement", f"{name}, {'TF32' if tf32 else 'float32'}", note=note)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


def training_rows(device: torch.device, dry: bool) -> Iterator[Row]:
    """Steps of the published recipe: by a bridge and DataLoaders, ours, and many seeds at once."""
    from benchmarks.many_seeds import ManySeeds
    from toy_model.training.training import Training

    steps, seeds = (DRY_STEPS, DRY_SEEDS) if dry else (STEPS, SEEDS)
    published = TASK.recipe
    recipe = replace(published, train_size=steps * published.batch_size, val_size=1)
    a_step, rates = published.batch_size * published.config.n_ctx, limits(device)
    model = TASK.untrained(published.config, seed=0).to(device)
    toks = tokens(model, published.batch_size, published.config.n_ctx)
    # A forward pass, and a backward pass of twice as many products.
    least = 3 * rates.seconds(operations_of(lambda: model(toks)), 0)
    reference: float | None = None
    try:
        from benchmarks.training_by_bridge import TrainingByBridge

        theirs = _a_step(TrainingByBridge(recipe, TASK, device).epoch, steps, device)
        reference = theirs["median"]
        yield _of_seeds("a step by bridge and DataLoaders", theirs, 1, a_step, None, least)
    except ImportError as error:
        yield Row("training", "a step by bridge and DataLoaders", note=_why_not(error))
    one = _a_step(Training(recipe, TASK, device).epoch, steps, device)
    yield _of_seeds("a step", one, 1, a_step, reference, least)
    for at_once in sorted({1, min(8, seeds), seeds}):
        try:
            many = ManySeeds(recipe, TASK, range(at_once), device)
            seconds = _a_step(lambda many=many: list(many.steps()), steps, device)  # type: ignore[misc]
        except torch.OutOfMemoryError as error:
            yield Row("training", f"a step of {at_once} seeds at once", note=_why_not(error))
            continue
        yield _of_seeds(f"a step of {at_once} seeds at once, by vmap", seconds, at_once, a_step, reference, least)


def _of_seeds(what: str, seconds: dict[str, float], n: int, a_step: int, reference: float | None, least: float) -> Row:
    of = None if reference is None else seconds["median"] / n / reference
    return Row("training", what, seconds, 3, n * a_step, of, n * least / seconds["median"], "ratio per seed" * (n > 1))


def _a_step(epoch: Callable[[], object], steps: int, device: torch.device) -> dict[str, float]:
    """Seconds of a step, over three epochs after one that warms up."""

    def whole() -> None:
        epoch()
        finish(device)

    whole()
    return spread(np.array([seconds_of(whole) / steps for _ in range(3)]))


PARTS: dict[str, Callable[[torch.device, bool], Iterator[Row]]] = {
    "forward": forward_rows,
    "agreement": agreement_rows,
    "training": training_rows,
}


def measure(part: str, device: torch.device, dry: bool, into: Path) -> None:
    """Write the rows of a part, each when it is there. Raises OSError."""
    into.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    about = described() | ({"dry run": "small sizes, which say nothing of speed"} if dry else {})
    for row in PARTS[part](device, dry):
        rows.append(asdict(row))
        print(_line(rows[-1]), file=sys.stderr)
        write_whole(into / f"{part}.json", json.dumps({"about": about, "rows": rows}, indent=1).encode())


def markdown(documents: Sequence[dict[str, Any]]) -> str:
    """The machine, and the rows of all parts."""
    lines = [f"- {name}: {value}" for name, value in (documents[0]["about"] if documents else {}).items()]
    lines += ["", "| | median | quartiles | tokens/s | of the bridge | of the device | |", "| " + "--- | " * 7]
    lines[-1] = lines[-1].rstrip()
    return "\n".join(lines + [_line(row) for document in documents for row in document["rows"]]) + "\n"


def _line(row: dict[str, Any]) -> str:
    seconds = row["seconds"] or {}
    quartiles = f"{_ms(seconds['low'])} .. {_ms(seconds['high'])}" if "low" in seconds else ""
    median = seconds.get("median")
    cells = [
        f"{row['part']}: {row['what']}",
        _ms(median) if median else "",
        quartiles,
        f"{row['tokens'] / median:.2g}" if median and row["tokens"] else "",
        f"{row['of_reference']:.3g}" if row["of_reference"] is not None else "",
        f"{row['of_device']:.2%}" if row["of_device"] is not None and math.isfinite(row["of_device"]) else "",
        row["note"],
    ]
    return f"| {' | '.join(cells)} |"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _rates_of(rates: Limits) -> Row:
    note = f"products {rates.operations / 1e12:.3g} TFLOP/s in float32, copies {rates.bytes / 1e9:.4g} GB/s"
    return Row("device", "the rates that were measured", note=note)


def _why_not(error: BaseException) -> str:
    return f"not run: {'out of memory' if isinstance(error, torch.OutOfMemoryError) else ' '.join(str(error).split())}"


def _shipped(device: torch.device) -> Any:
    return read_checkpoint(REFERENCE, SYSTEM).model.to(device)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="part", metavar="PART")
    for part in PARTS:
        command = commands.add_parser(part, help=(PARTS[part].__doc__ or "").partition("\n")[0])
        command.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="(default: %(default)s)")
        command.add_argument("--dry", action="store_true", help="small sizes, to see that everything runs")
        command.add_argument("--into", type=a_path, required=True, metavar="DIR")
    table = commands.add_parser("table", help="show the rows of all parts as a table")
    table.add_argument("into", type=a_path, metavar="DIR")
    table.add_argument("--doc", type=a_path, metavar="FILE", help="put it between the marks of this document")
    options = parser.parse_args(arguments)
    try:
        if options.part == "table":
            paths = [path for path in (options.into / f"{part}.json" for part in PARTS) if path.exists()]
            documents = [json.loads(path.read_text()) for path in paths]
            text = markdown(documents)
            if options.doc and any("dry run" in document["about"] for document in documents):
                return fail(f"{options.into} is of a dry run, which says nothing of speed: {options.doc} is as it was")
            if options.doc is None:
                print(text, end="")
            else:
                write_whole(options.doc, insert(options.doc.read_text(), text, START, END).encode())
            return 0
        if options.device == "cuda" and not torch.cuda.is_available():
            return fail("--device cuda: torch sees no CUDA device on this machine", code=4)
        torch.set_num_threads(1)
        measure(options.part, torch.device(options.device), options.dry, options.into)
    except OSError as error:
        return fail(f"{error.filename or options.into}: {error.strerror or error}")
    except (ValueError, KeyError, TypeError) as error:
        return fail(f"{options.into}: {error}", code=4)
    return 0


if __name__ == "__main__":
    sys.exit(main())
