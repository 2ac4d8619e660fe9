"""The card of a trained checkpoint: the recipe, what it ended with, and the versions it ran on."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import torch

from cumsum_model.behaviour import behaviour
from cumsum_model.data import EVALUATION_SET, evaluation_set
from cumsum_model.intervention import neuron_costs
from cumsum_model.training import Trained


def make_card(trained: Trained, device: str) -> dict[str, Any]:
    """Everything needed to train the same model again, and what it measured. No dates, no machine names."""
    cfg = trained.recipe.config
    data = evaluation_set(cfg.max_value, cfg.n_ctx)
    return {
        "format": 1,
        "recipe": asdict(trained.recipe),
        "kept_epoch": trained.kept.index,
        "history": [asdict(epoch) for epoch in trained.history],
        "trained_on": {"device": device, "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "metrics": {
            "evaluated_on": EVALUATION_SET,
            "behaviour": asdict(behaviour(trained.model, data)),
            "cross_entropy_rise_by_zeroed_neuron": neuron_costs(trained.model, data).tolist(),
        },
    }
