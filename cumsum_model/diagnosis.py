"""Whether a model was read in the wrong order, or as a model that it is not, judged from what it answers.

A model whose embedding rows are taken in the wrong order loads silently and answers a third of the sums rightly, and a
model with layer norm, unscaled scores or GELU neurons loads as silently as one of ours. Nothing in its shapes says so;
that it answers nearly all sums rightly in the other order, or fits them better as the other model, does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import EVALUATION_SIZE, CumsumDataset, evaluation_set, near_zero_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.token_orders import WRAPPED
from toy_model.architectures import OURS, Architecture, others
from toy_model.behaviour import cross_entropy
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.reading import Reading
from toy_model.checkpoint.rereading import (
    NEARLY_RIGHT,
    affordable,
    answered,
    beside,
    better_reading,
    other_numbers_of_heads,
    share_right,
)

LOWER_LOSS, LEAST_LOSS = 0.8, 1e-6
"""Where hardly an answer is wrong, other neurons are believed that lower the loss to this part of it or less.

The loss is the cross-entropy where the sum ends next to zero, where the kind of neurons matters most. Weights fit the
model that they were trained for: with other neurons it is higher by a sixth and more for trained models of this
architecture, and never lower for damaged copies of one; GELU models that were trained to the end have less than half
as GELU of what they have as ReLU (`tests`). Losses below the second, in nats, are those of models that were made by
hand; there is nothing to learn from them.
"""

MOST_SPREAD = 300
"""Largest max_value sqrt(n) for which sequences that end next to zero are drawn: of more, hardly any does."""

MOST_POSITIONS = 64
"""Longer contexts are judged by their first positions, which is exact: the model is causal."""

MEASURED = 500
"""Sequences that losses are measured on."""


def misread(
    model: CumsumTransformer,
    reading: Reading,
    reread: Callable[[Reading], CumsumTransformer],
    *,
    from_bridge: bool = False,
) -> Misreading | None:
    """What the file is right as, where as it was read it is wrong; None if there is nothing, or no need for it.

    The order of rows and the number of heads are not doubted where the user said them: only what `reading` leaves open
    is tried. That it is a model of this architecture is never said, and always doubted. The fewest changes are
    preferred. `reread` builds the model anew. Five forward passes where all is well: as read, twice, and with other
    neurons.
    """
    data = sample(model.cfg)
    if data is None:
        return None
    as_read = share_right(model, data)
    if as_read >= NEARLY_RIGHT:
        return _of_other_neurons(model, data, as_read)
    changes = list(_readings(model.cfg, reading, from_bridge))
    return better_reading(
        model, as_read, data, changes, lambda change: reread(beside(reading, change)), _rows(model.cfg)
    )


def _of_other_neurons(model: CumsumTransformer, data: CumsumDataset, as_read: float) -> Misreading | None:
    """The kind of neurons that fits much better where nearly everything is answered rightly as it was read."""
    n = data.values.shape[1]
    kinds = [kind for kind in others(model) if kind == Architecture(activation=kind.activation)]
    if not kinds or model.cfg.max_value * math.sqrt(n) > MOST_SPREAD:
        return None
    hard = near_zero_set(model.cfg.max_value, n).first(min(MEASURED, len(data)))
    loss = _loss(model, hard, OURS)
    if not LEAST_LOSS <= loss < math.inf:
        return None
    losses = {kind: _loss(model, hard, kind) for kind in kinds}
    least = min(losses.values())
    best = next(kind for kind in kinds if losses[kind] <= 1.02 * least)  # the two GELUs hardly differ
    if losses[best] > LOWER_LOSS * loss or (share := share_right(model, data, best)) < as_read:
        return None
    return Misreading(Reading(), as_read, share, _rows(model.cfg), best, (loss, losses[best]), "next to zero")


def _rows(cfg: CumsumConfig) -> str:
    """How the rows of a file look that has them in the other order."""
    return f"{WRAPPED.name} (0, +1 .. +{cfg.max_value}, -{cfg.max_value} .. -1)"


def _readings(cfg: CumsumConfig, reading: Reading, from_bridge: bool) -> Iterator[Reading]:
    """What could be said of the file that was not said: the order, the number of heads, or both."""
    orders = [None, WRAPPED.name] if reading.token_order is None else [None]
    heads = [None, *other_numbers_of_heads(cfg)] if from_bridge and reading.n_heads is None else [None]
    for n_heads in heads:
        for order in orders:
            if order is not None or n_heads is not None:
                yield Reading(order, n_heads)


def sample(cfg: CumsumConfig) -> CumsumDataset | None:
    """As much of the evaluation set as a model can be shown in about a second; None if that is too little.

    All of it for anything near the published sizes.
    """
    n = min(cfg.n_ctx, MOST_POSITIONS)
    size = affordable(cfg, n, EVALUATION_SIZE)
    return evaluation_set(cfg.max_value, n).first(size) if size else None


@torch.no_grad()
def _loss(model: CumsumTransformer, data: CumsumDataset, architecture: Architecture) -> float:
    """Cross-entropy at the last position in nats, as a model of some architecture; infinite where logits overflow."""
    at_end = answered(model, data, architecture)[:, -1:]
    return cross_entropy(at_end, data.labels[:, -1:]).item() if at_end.isfinite().all() else math.inf
