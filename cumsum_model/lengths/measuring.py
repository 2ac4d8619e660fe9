"""All that the study measures of one trained model. A worker does it: from the files of a checkpoint to plain data."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.lengths.cells import Cell
from cumsum_model.lengths.proved import proved
from cumsum_model.lengths.sampled import sampled, searched
from cumsum_model.lengths.study import Run, run_as_json
from cumsum_model.model import CumsumTransformer
from cumsum_model.reading import logits_per_unit_of_mean
from cumsum_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import flushing_denormals


def measure(files: Mapping[str, bytes], cell: Cell, seed: int, train_seconds: float | None) -> dict[str, Any]:
    """The figures of the model whose checkpoint and card are `files`, by their names: a `Run`, for JSON.

    train_seconds: None where they are not known. Raises CheckpointError.
    """
    torch.set_num_threads(1)  # as it was trained; the number of threads decides the last digits
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        checkpoint = read_checkpoint(Path(folder), SYSTEM)
    assert checkpoint.card is not None
    behaviour = checkpoint.card["metrics"]["behaviour"]
    weights = checkpoint.model.state_dict().values()
    norm = sum(weight.double().square().sum().item() for weight in weights) ** 0.5
    model = checkpoint.model
    seconds = {} if train_seconds is None else {"train": train_seconds}
    with _timed(seconds, "prove"):
        of_every = proved(model)
    with _timed(seconds, "sample"), flushing_denormals():
        decided = of_every is not None and model.cfg.n_heads == 1
        of_some = None if decided else sampled(model)
    with _timed(seconds, "search"), flushing_denormals():
        found = searched(model)
    return run_as_json(
        Run(
            cell,
            seed,
            checkpoint.sha256,
            checkpoint.card["kept_epoch"],
            behaviour["cross_entropy"],
            behaviour["accuracy"],
            norm,
            _rate(model),
            of_every,
            of_some,
            found,
            {name: round(number, 1) for name, number in seconds.items()},
        )
    )


def _rate(model: CumsumTransformer) -> float:
    if (model.cfg.n_layers, model.cfg.n_heads) != (1, 1):
        return math.nan
    rate = logits_per_unit_of_mean(model)
    return float((rate[[NEG, POS]] - rate[ZERO]).abs().min())


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - started
