"""The task of November for a model of two layers, as commands and claims see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM as ONE_LAYER
from cumsum_model.task import PUBLISHED, WORDS
from cumsum_model.task import TASK as ANY
from toy_model.checkout import ROOT
from toy_model.system import System

if TYPE_CHECKING:
    from pytest_claims import Control, Illustrations, Report, Subject

    from cumsum_model.model import CumsumTransformer
    from toy_model.checkpoint.checkpoint import Checkpoint

LAYERS = 2


def _config_of(sizes: Mapping[str, int]) -> CumsumConfig:
    """Raises CheckpointError where these are not the sizes of a model of two layers."""
    from toy_model.checkpoint.refusal import CheckpointError

    if sizes["n_layers"] != LAYERS:
        raise CheckpointError(f"has {sizes['n_layers']} layers, expected {LAYERS}")
    return ANY.config_of(sizes)  # type: ignore[return-value]  # of this task


def _details(checkpoint: Checkpoint[CumsumTransformer], device: str) -> Subject:
    from cumsum_model.two_layers.report import details

    return details(checkpoint, device)


def _illustrate(report: Report) -> Illustrations:
    from cumsum_model.two_layers.report import illustrate

    return illustrate(report)


def _mutants() -> dict[str, tuple[Control, ...]]:
    from cumsum_model.two_layers import mutants

    return {kind: getattr(mutants, kind) for kind in ("BREAKING", "HIDDEN", "SYMMETRIES", "IDEALS")}


SYSTEM: System[Any] = replace(
    ONE_LAYER,
    name="cumsum_two_layers",
    package="cumsum_model.two_layers",
    title="the cumulative sum transformer of two layers",
    narrows=ONE_LAYER.name,
    recipe=replace(PUBLISHED, seed=0, config=CumsumConfig(n_layers=LAYERS)),
    reference=ROOT / "fixtures" / "cumsum_two_layers" / "reference.safetensors",
    config_of=_config_of,
    words=replace(
        WORDS,
        defaults="The defaults are the published recipe with a second layer, and give the checkpoint that is shipped "
        "(seed 0 keeps epoch 6, counted from 0) in two minutes.",
        mutants_take="about three minutes",
    ),
    details=_details,
    illustrate=_illustrate,
    mutants=_mutants,
)
