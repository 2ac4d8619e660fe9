"""The card of a checkpoint: the recipe, what it ended with, and the versions it ran on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from toy_model.behaviour import behaviour
from toy_model.dataset import Dataset
from toy_model.intervention import neuron_costs
from toy_model.task import M, Task
from toy_model.training.training import Trained
from toy_model.transformer import Transformer


def make_card(trained: Trained[M], task: Task[M], device: str) -> dict[str, Any]:
    """Everything needed to train the same model again, and what it measured. No dates, no machine names."""
    cfg = trained.recipe.config
    data = task.evaluation(cfg)
    return {
        "format": 1,
        "recipe": asdict(trained.recipe),
        "kept_epoch": trained.kept.index,
        "history": [asdict(epoch) for epoch in trained.history],
        "trained_on": {"device": device, "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "metrics": {
            "evaluated_on": task.evaluated_on(),
            "behaviour": asdict(behaviour(trained.model, data)),
            **({} if cfg.attn_only else _of_neurons(trained.model, data)),
        },
    }


def _of_neurons(model: Transformer, data: Dataset) -> dict[str, list[float]]:
    return {"cross_entropy_rise_by_zeroed_neuron": neuron_costs(model, data).tolist()}


def provenance(card: Mapping[str, Any] | None) -> str:
    """How a checkpoint came to be, as its card says, which may be anybody's."""
    if not card:
        return "not known: no card lies beside the file"
    recipe = card.get("recipe")
    if not isinstance(recipe, Mapping):
        return f"not known: the card has no recipe{_converted(card)}"
    words = [f"{name.replace('_', ' ')} {recipe[name]}" for name in ("seed", "epochs", "train_size") if name in recipe]
    if "kept_epoch" in card:
        words.append(f"kept epoch {card['kept_epoch']}")
    return ", ".join(words) + _converted(card)


def _converted(card: Mapping[str, Any]) -> str:
    """What `convert` made the file of, as its card says."""
    before = card.get("converted_from")
    if not isinstance(before, Mapping):
        return ""
    return f"; converted from {before.get('file')}, {before.get('format')}, sha256 {str(before.get('sha256'))[:12]}"
