"""Whether a model is right in another reading of its file, or as another model, judged from what it answers.

Nothing in the names and shapes of weights says in which order the rows of an embedding are, how many heads a bridge's
matrices hold, whether scores are divided by sqrt(d_head). That a model answers nearly everything rightly in another
reading, and little as it was read, does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from toy_model.architectures import OURS, Architecture, logits, others
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.reading import Reading
from toy_model.config import Config
from toy_model.dataset import Dataset
from toy_model.task import M
from toy_model.transformer import Transformer

WRONG, RIGHT = 0.5, 0.9
"""Shares of right answers: below the first a reading is doubted, from the second on another one is believed.

A model that has learnt anything beats guessing, which is right less than half of the time. One that is merely bad in
every reading is taken as it is.
"""

NEARLY_RIGHT, FEWER_ERRORS = 0.995, 10
"""Below the first share of right answers other models are tried; one with so many times fewer errors is believed.

Damaged copies of the shipped checkpoint of cumsum become no better than by a factor of 6, as any other model (`tests`).
"""

MOST_WORK = 4 * 10**9
"""Multiplications that a forward pass may take, about a second. Larger models get fewer sequences."""

MOST_NUMBERS = 2**25
"""Numbers that the activations of a forward pass may take, 128 MB."""

FEWEST_SEQUENCES = 16
"""A model so large that it cannot be shown this many is not judged."""

SIFTED = 100
"""Sequences on which readings and other models are tried first; the best is tried on all of them."""

MOST_HEADS_TRIED = 12


def affordable(cfg: Config, seq_len: int, most: int) -> int:
    """How many sequences of a length, `most` at most, a model can be shown in about a second; 0 if too few."""
    weights = cfg.n_layers * cfg.d_model * (4 * cfg.n_heads * cfg.d_head + 2 * cfg.d_mlp)
    work = seq_len * (weights + cfg.d_model * cfg.d_vocab_out + 2 * cfg.n_layers * seq_len * cfg.n_heads * cfg.d_head)
    numbers = seq_len * (6 * cfg.d_model + 6 * cfg.n_heads * cfg.d_head + 4 * cfg.d_mlp + 4 * seq_len * cfg.n_heads)
    size = min(most, MOST_WORK // work, MOST_NUMBERS // numbers)
    return size if size >= FEWEST_SEQUENCES else 0


def answered(model: Transformer, data: Dataset, architecture: Architecture) -> Float[Tensor, "batch pos d_vocab_out"]:
    """The logits of a model, as one of some architecture, at all positions. On the CPU."""
    toks = data.toks.to(model.device)
    return (model(toks) if architecture == OURS else logits(model, toks, architecture)).cpu()


@torch.no_grad()
def share_right(model: Transformer, data: Dataset, architecture: Architecture = OURS) -> float:
    """Share of answers that are right, as a model of some architecture. Logits that overflow answer nothing."""
    scored = answered(model, data, architecture)[:, data.scored]
    right = (scored.argmax(-1) == data.labels[:, data.scored]) & scored.isfinite().all(-1)
    return right.double().mean().item()


def better_reading(
    model: M,
    as_read: float,
    data: Dataset,
    readings: Sequence[Reading],
    reread: Callable[[Reading], M],
    rows: str = "",
) -> Misreading | None:
    """What the file of a model is right as, where as it was read only a share `as_read` is; None if there is nothing.

    readings  what could be said of the file that was not said; the fewest changes first, which are preferred
    reread    builds the model anew, with what a reading says beside what was said
    rows      how the rows of a file look that has them in another order
    """
    if as_read < WRONG:
        better = _best([(change, OURS) for change in readings], reread, data, data, RIGHT)
        if better is not None:
            return Misreading(better[0], as_read, better[2], rows)
    if as_read >= NEARLY_RIGHT:
        return None
    needed = RIGHT if as_read < WRONG else 1 - (1 - as_read) / FEWER_ERRORS
    few = data.first(SIFTED)
    for changes in ([Reading()], readings) if as_read < WRONG else ([Reading()],):
        tried = [(change, architecture) for change in changes for architecture in others(model)]
        better = _best(tried, reread, few, data, needed)
        if better is not None:
            return Misreading(better[0], as_read, better[2], rows, better[1])
    return None


def _best(
    tried: list[tuple[Reading, Architecture]],
    reread: Callable[[Reading], M],
    few: Dataset,
    data: Dataset,
    needed: float,
) -> tuple[Reading, Architecture, float] | None:
    """What is right most often on `few` sequences, if on all it is so often enough; of equals the first."""
    models: dict[Reading, M] = {}
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


def beside(reading: Reading, change: Reading) -> Reading:
    """What was said of a file, and beside it what was not."""
    return Reading(change.token_order or reading.token_order, change.n_heads or reading.n_heads)


def other_numbers_of_heads(cfg: Config) -> list[int]:
    """How many heads matrices as wide as these could hold as well."""
    width = cfg.n_heads * cfg.d_head
    divisors = [n for n in range(1, min(width, 1_000) + 1) if width % n == 0 and n != cfg.n_heads]
    return divisors[:MOST_HEADS_TRIED]
