"""The checkpoints of a study that are shipped: of the first seed at lengths 20, 40 and 80, of one layer and of two."""

from __future__ import annotations

from functools import cache

import torch

from cumsum_model.data import labels_of, tokens_of
from cumsum_model.lengths.study import Run, Study
from cumsum_model.model import CumsumTransformer
from cumsum_model.task import TASK
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from toy_model.behaviour import margins
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run

FOLDER = ROOT / "fixtures" / "lengths"


@cache
def shipped() -> dict[str, CumsumTransformer]:
    """The models by the sha256 of their files. Raises CheckpointError."""
    paths = [*sorted(FOLDER.glob("*.safetensors")), TWO_LAYERS.reference]
    checkpoints = [read_checkpoint(path, TASK) for path in paths]
    return {checkpoint.sha256: checkpoint.model for checkpoint in checkpoints}


def shipped_runs(study: Study) -> list[tuple[Run, CumsumTransformer]]:
    """The runs of a study whose checkpoint is shipped, with it."""
    return [(run, shipped()[run.sha256]) for run in study.runs if run.sha256 in shipped()]


def margin_found(run_: Run, model: CumsumTransformer) -> float:
    """What `model` makes of the hardest sequence that the search of this run found: its margin at the end, in logits.

    Minus infinity where nothing was found, or something that the model cannot read.
    """
    found = run_.searched
    if found is None or len(found.values) > model.cfg.n_ctx:
        return -float("inf")
    values = torch.tensor([found.values])
    logits = run(model, tokens_of(values, model.cfg.max_value), slice(-1, None))
    return margins(logits, labels_of(values)[:, -1:])[0, -1].item()
