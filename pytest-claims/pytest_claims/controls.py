"""Controls that fit nearly any claim."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pytest_claims.claim import Control


def untrained(make: Callable[[], Any], *, seed: int = 0) -> Control:
    """The control "a model that was never trained": what `make()` gives, drawn with `seed`.

    make  the class of the model, or any function that makes one with the weights that training begins with

    Where the model is torch's, its weights are drawn with the seed and put where those of the model under test lie;
    the global state of its generators is as it was before.
    """

    def untrained(model: Any) -> Any:
        """The same architecture with the weights that training begins with."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(model, torch.nn.Module):
            return make()
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            made = make()
        return made.to(device).train(model.training)

    untrained.__name__ = "untrained" if seed == 0 else f"untrained_from_seed_{seed}"
    return untrained
