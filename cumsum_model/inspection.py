"""What `inspect` says of a checkpoint: what is in it, and a first diagnosis of the model that it holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from cumsum_model import attention, ov_circuit, residual_stream
from cumsum_model.counterparts import cast_of
from cumsum_model.data import EVALUATION_SIZE, CumsumDataset, running_means
from cumsum_model.diagnosis import sample
from cumsum_model.model import CumsumTransformer
from cumsum_model.token_orders import VALUE
from toy_model import statistics
from toy_model.behaviour import cross_entropy
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.refusal import one_line
from toy_model.checkpoint.rereading import share_right
from toy_model.first_look import TOO_LARGE, Measured, as_plain, contents, warning

MOST_STATES = 1_000
"""(position, token) pairs up to which all pairs of them are compared, which takes a second."""

MOST_SINGULAR = 1_000
"""Width of the stream, and number of values, up to which OV is decomposed."""

LABELS = {
    "accuracy": "accuracy",
    "cross_entropy": "cross entropy, nats",
    "uniformity_gap": "largest |pattern - 1/n|",
    "second_singular_share": "second over first singular value of W_V W_O",
    "r_squared_mean": "R^2 of resid_mid . u against the mean",
    "live_neurons": "neurons that ever fire",
}


@dataclass(frozen=True)
class Inspected:
    """A checkpoint, what was measured of it (a number, or why there is none), and on how much."""

    checkpoint: Checkpoint[CumsumTransformer]
    misreading: Misreading | None
    evaluated_on: str
    diagnosis: dict[str, Measured]
    neurons: str


def inspected(checkpoint: Checkpoint[CumsumTransformer], misreading: Misreading | None) -> Inspected:
    """Measure the model. What does not apply to it, or would take too long, is said instead of a number."""
    model = checkpoint.model
    data = sample(model.cfg)
    measurements: dict[str, Callable[[], Measured]] = {
        "uniformity_gap": lambda: _uniformity_gap(model),
        "second_singular_share": lambda: _second_singular_share(model),
    }
    if data is not None:
        measurements |= {
            "accuracy": lambda: share_right(model, data),
            "cross_entropy": lambda: _cross_entropy(model, data),
            "r_squared_mean": lambda: _r_squared(model, data),
            "live_neurons": lambda: _live_neurons(model, data),
        }
    diagnosis = {name: _finite(measurements[name]) if name in measurements else TOO_LARGE for name in LABELS}
    return Inspected(checkpoint, misreading, _told(data, model), diagnosis, str(_finite(lambda: _neurons(model))))


def _finite(measure: Callable[[], Measured]) -> Measured:
    try:
        value = measure()
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # of weights whose products overflow
        return f"not a number: {one_line(error)}"
    return value if isinstance(value, str) or math.isfinite(value) else "not a finite number"


def _told(data: CumsumDataset | None, model: CumsumTransformer) -> str:
    if data is None:
        return "nothing"
    size, n = data.values.shape
    positions = "every position" if n == model.cfg.n_ctx else f"the first {n} of {model.cfg.n_ctx} positions"
    return f"{'the evaluation set' if size == EVALUATION_SIZE else f'{size} of its sequences'}, {positions}"


@torch.no_grad()
def _cross_entropy(model: CumsumTransformer, data: CumsumDataset) -> float:
    return cross_entropy(model(data.toks), data.labels).item()


def _uniformity_gap(model: CumsumTransformer) -> Measured:
    if model.cfg.n_ctx * model.cfg.d_vocab > MOST_STATES:
        return f"not measured: more than {MOST_STATES:,} (position, token) pairs"
    return attention.uniformity_gap(model)


def _second_singular_share(model: CumsumTransformer) -> Measured:
    if model.cfg.d_model > MOST_SINGULAR:
        return f"not measured: d_model is more than {MOST_SINGULAR:,}"
    if model.cfg.d_model == 1:
        return "does not apply: the stream has one dimension"
    return statistics.second_singular_share(ov_circuit.W_OV(model))


def _r_squared(model: CumsumTransformer, data: CumsumDataset) -> Measured:
    if model.cfg.n_layers > 1:
        return f"does not apply: this is an account of one layer, the model has {model.cfg.n_layers}"
    if max(model.cfg.d_model, model.cfg.d_vocab) > MOST_SINGULAR:
        return f"not measured: d_model or d_vocab is more than {MOST_SINGULAR:,}"
    return statistics.r_squared(running_means(data.values), residual_stream.resid_mid_along_u(model, data.toks))


@torch.no_grad()
def _live_neurons(model: CumsumTransformer, data: CumsumDataset) -> int:
    """Neurons of all layers that fire at some position. Counted while running, so that nothing is kept."""
    fired = []

    def count(name: str, activation: torch.Tensor) -> torch.Tensor:
        if name.endswith("mlp.hook_post"):
            fired.append(int((activation > 0).flatten(0, 1).any(0).sum()))
        return activation

    model(data.toks, count)
    return sum(fired)


def _neurons(model: CumsumTransformer) -> Measured:
    if model.cfg.d_mlp == 0:
        return "there are none"
    if max(model.cfg.d_model, model.cfg.d_vocab, model.cfg.d_mlp) > MOST_SINGULAR:
        return f"not told: d_model, d_vocab or d_mlp is more than {MOST_SINGULAR:,}"
    return cast_of(model)


def as_json(inspection: Inspected) -> dict[str, Any]:
    """Everything, for other programs. A measurement that is no number is null, with the reason beside it."""
    order = inspection.checkpoint.reading.token_order or VALUE.name
    more = {"token_order": order, "neurons": inspection.neurons}
    return as_plain(inspection.checkpoint, inspection.misreading, inspection.evaluated_on, inspection.diagnosis, more)


def as_text(inspection: Inspected) -> list[str]:
    """The same for people."""
    cfg = inspection.checkpoint.model.cfg
    lines = [*contents(inspection.checkpoint), "", f"diagnosis, on {inspection.evaluated_on}"]
    for name, label in LABELS.items():
        value = inspection.diagnosis[name]
        shown_value = value if isinstance(value, str) else f"{value:.6g}"
        if name == "live_neurons" and not isinstance(value, str):
            shown_value += f" of {cfg.n_layers * cfg.d_mlp}"
        if name in ("uniformity_gap", "second_singular_share") and cfg.n_layers > 1 and not isinstance(value, str):
            shown_value += f" in the first of {cfg.n_layers} layers"
        lines.append(f"  {label:<44} {shown_value}")
    lines.append(f"  neurons: {inspection.neurons}")
    return lines + warning(inspection.misreading)
