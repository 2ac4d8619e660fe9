"""Whether a model was read in the wrong order, or as a model that it is not, judged from what it answers.

A model whose embedding rows are taken in the wrong order loads silently and answers a third of the sums rightly, and a
model with layer norm, unscaled scores or GELU neurons loads as silently as one of ours. Nothing in its shapes says so;
that it answers nearly all sums rightly in the other order, or fits them better as the other model, does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import copy

import torch
from torch import Tensor

from cumsum_model.config import CumsumConfig
from cumsum_model.data import EVALUATION_SIZE, CumsumDataset, evaluation_set, near_zero_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.task import WRAPPED
from toy_model.architectures import OURS, Architecture, logits, others
from toy_model.behaviour import cross_entropy
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.naming import Reading

WRONG, RIGHT = 0.5, 0.9
"""Shares of right answers: below the first a reading is doubted, from the second on another one is believed.

A model that has learnt anything beats guessing "pos" or "neg", which is right less than half of the time. One that
is merely bad in both orders is taken as it is.
"""

NEARLY_RIGHT, FEWER_ERRORS = 0.995, 10
"""Below the first share of right answers other models are tried; one with so many times fewer errors is believed.

Damaged copies of the shipped checkpoint become no better than by a factor of 6, as any other model (`tests`).
"""

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

MOST_WORK = 4 * 10**9
"""Multiplications that a forward pass may take, about a second. Larger models get fewer sequences."""

MOST_NUMBERS = 2**25
"""Numbers that the activations of a forward pass may take, 128 MB."""

FEWEST_SEQUENCES = 16
"""A model so large that it cannot be shown this many is not judged."""

SIFTED = 100
"""Sequences on which combinations of readings and other models are tried first; the best is tried on all of them."""

MEASURED = 500
"""Sequences that losses are measured on."""

MOST_HEADS_TRIED = 12


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
    readings = list(_readings(model.cfg, reading, from_bridge))
    if as_read < WRONG:
        tried = [(change, OURS) for change in readings]
        better = _best(tried, lambda change: reread(_with(reading, change)), data, data, RIGHT)
        if better is not None:
            return Misreading(better[0], as_read, better[2], _rows(model.cfg))
    if as_read >= NEARLY_RIGHT:
        return _of_other_neurons(model, data, as_read)
    needed = RIGHT if as_read < WRONG else 1 - (1 - as_read) / FEWER_ERRORS
    few = first(data, SIFTED)
    for changes in ([Reading()], readings) if as_read < WRONG else ([Reading()],):
        tried = [(change, architecture) for change in changes for architecture in others(model)]
        better = _best(tried, lambda change: reread(_with(reading, change)), few, data, needed)
        if better is not None:
            return Misreading(better[0], as_read, better[2], _rows(model.cfg), better[1])
    return None


def _of_other_neurons(model: CumsumTransformer, data: CumsumDataset, as_read: float) -> Misreading | None:
    """The kind of neurons that fits much better where nearly everything is answered rightly as it was read."""
    n = data.values.shape[1]
    kinds = [kind for kind in others(model) if kind == Architecture(activation=kind.activation)]
    if not kinds or model.cfg.max_value * math.sqrt(n) > MOST_SPREAD:
        return None
    hard = first(near_zero_set(model.cfg.max_value, n), min(MEASURED, len(data)))
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


def _with(reading: Reading, change: Reading) -> Reading:
    return Reading(change.token_order or reading.token_order, change.n_heads or reading.n_heads)


def _best(
    tried: list[tuple[Reading, Architecture]],
    reread: Callable[[Reading], CumsumTransformer],
    few: CumsumDataset,
    data: CumsumDataset,
    needed: float,
) -> tuple[Reading, Architecture, float] | None:
    """What is right most often on `few` sequences, if on all it is so often enough; of equals the first."""
    models: dict[Reading, CumsumTransformer] = {}
    shares = []
    for change, architecture in tried:
        if change not in models:
            models[change] = reread(change)
        shares.append(share_right(models[change], few, architecture))
    if not shares or max(shares) < needed - 0.1:  # on a few sequences the share is off by some percent
        return None
    ranked = sorted(range(len(shares)), key=lambda index: -shares[index])[:4]
    finals = [(share_right(models[tried[index][0]], data, tried[index][1]), index) for index in ranked]
    share, index = max(finals, key=lambda final: (final[0], -final[1]))
    return (*tried[index], share) if share >= needed else None


def _readings(cfg: CumsumConfig, reading: Reading, from_bridge: bool) -> Iterator[Reading]:
    """What could be said of the file that was not said: the order, the number of heads, or both."""
    orders = [None, WRAPPED.name] if reading.token_order is None else [None]
    width = cfg.n_heads * cfg.d_head
    divisors = [n for n in range(1, min(width, 1_000) + 1) if width % n == 0 and n != cfg.n_heads][:MOST_HEADS_TRIED]
    heads = [None, *divisors] if from_bridge and reading.n_heads is None else [None]
    for n_heads in heads:
        for order in orders:
            if order is not None or n_heads is not None:
                yield Reading(order, n_heads)


def sample(cfg: CumsumConfig) -> CumsumDataset | None:
    """As much of the evaluation set as a model can be shown in about a second; None if that is too little.

    All of it for anything near the published sizes.
    """
    n = min(cfg.n_ctx, MOST_POSITIONS)
    weights = cfg.n_layers * cfg.d_model * (4 * cfg.n_heads * cfg.d_head + 2 * cfg.d_mlp)
    work = n * (weights + 3 * cfg.d_model + 2 * cfg.n_layers * n * cfg.n_heads * cfg.d_head)
    numbers = n * (6 * cfg.d_model + 6 * cfg.n_heads * cfg.d_head + 4 * cfg.d_mlp + 4 * n * cfg.n_heads)
    size = min(EVALUATION_SIZE, MOST_WORK // work, MOST_NUMBERS // numbers)
    if size < FEWEST_SEQUENCES:
        return None
    return first(evaluation_set(cfg.max_value, n), size)


def first(data: CumsumDataset, size: int) -> CumsumDataset:
    """The first `size` sequences of a set of one's own."""
    part = copy(data)
    part.values, part.toks, part.labels = data.values[:size], data.toks[:size], data.labels[:size]
    return part


def _answered(model: CumsumTransformer, data: CumsumDataset, architecture: Architecture) -> Tensor:
    toks = data.toks.to(model.device)
    return (model(toks) if architecture == OURS else logits(model, toks, architecture)).cpu()


@torch.no_grad()
def _loss(model: CumsumTransformer, data: CumsumDataset, architecture: Architecture) -> float:
    """Cross-entropy at the last position in nats, as a model of some architecture; infinite where logits overflow."""
    answered = _answered(model, data, architecture)[:, -1:]
    return cross_entropy(answered, data.labels[:, -1:]).item() if answered.isfinite().all() else math.inf


@torch.no_grad()
def share_right(model: CumsumTransformer, data: CumsumDataset, architecture: Architecture = OURS) -> float:
    """Share of positions answered rightly, as a model of some architecture. Logits that overflow answer nothing."""
    answered = _answered(model, data, architecture)
    right = (answered.argmax(-1) == data.labels) & answered.isfinite().all(-1)
    return right.double().mean().item()
