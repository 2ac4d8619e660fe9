"""Whether a model was read in the wrong order, told from what it answers.

A model whose embedding rows are taken in the wrong order loads silently and answers a third of the sums rightly.
Nothing in its shapes says so; that it answers nearly all of them rightly in the other order does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import EVALUATION_SIZE, CumsumDataset, evaluation_set
from cumsum_model.model import CumsumTransformer
from toy_model.checkpoint.naming import WRAPPED, Misreading, Reading

WRONG, RIGHT = 0.5, 0.9
"""Shares of right answers: below the first a reading is doubted, from the second on another one is believed.

A model that has learnt anything beats guessing "pos" or "neg", which is right less than half of the time. One that
is merely bad in both orders is taken as it is.
"""

MOST_POSITIONS = 64
"""Longer contexts are judged by their first positions, which is exact: the model is causal."""

MOST_WORK = 4 * 10**9
"""Multiplications that a forward pass may take, about a second. Larger models get fewer sequences."""

MOST_NUMBERS = 2**25
"""Numbers that the activations of a forward pass may take, 128 MB."""

FEWEST_SEQUENCES = 16
"""A model so large that it cannot be shown this many is not judged."""

MOST_HEADS_TRIED = 12


def misread(
    model: CumsumTransformer,
    reading: Reading,
    reread: Callable[[Reading], CumsumTransformer],
    *,
    from_bridge: bool = False,
) -> Misreading | None:
    """The reading in which the model is right, where as read it is wrong; None if there is none, or no need for one.

    What the user said is not doubted: only what `reading` leaves open is tried. `reread` builds the model anew.
    One forward pass where all is well.
    """
    data = sample(model.cfg)
    if data is None or (reading.token_order is not None and not (from_bridge and reading.n_heads is None)):
        return None
    as_read = share_right(model, data)
    if as_read >= WRONG:
        return None
    best: Misreading | None = None
    for change in _others(model.cfg, reading, from_bridge):
        tried = Reading(change.token_order or reading.token_order, change.n_heads or reading.n_heads)
        share = share_right(reread(tried), data)
        if share >= RIGHT and (best is None or share > best.as_better):
            best = Misreading(change, as_read, share, model.cfg.max_value)
    return best


def _others(cfg: CumsumConfig, reading: Reading, from_bridge: bool) -> Iterator[Reading]:
    """What could be said of the file that was not said: the order, the number of heads, or both."""
    orders = [None, WRAPPED] if reading.token_order is None else [None]
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
    whole = evaluation_set(cfg.max_value, n)
    whole.values, whole.toks, whole.labels = whole.values[:size], whole.toks[:size], whole.labels[:size]
    return whole


@torch.no_grad()
def share_right(model: CumsumTransformer, data: CumsumDataset) -> float:
    """Share of positions answered rightly. Logits that are not finite answer nothing."""
    logits = model(data.toks.to(model.device)).cpu()
    right = (logits.argmax(-1) == data.labels) & logits.isfinite().all(-1)
    return right.double().mean().item()
