"""What is measured of a model of any size on sequences that are drawn: all of them, hard classes, and a search.

Everything is computed in float32, as the model is used. All draws are seeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.data import labels_of, tokens_of
from cumsum_model.model import CumsumTransformer
from toy_model.behaviour import margins
from toy_model.engine import run

SAMPLE_SEED, HARD_SEED, SEARCH_SEED = 1_000_003, 1_000_004, 1_000_005
SAMPLE = 1_000_000
HARD = 100_000
"""Sequences of each of the three hard classes."""
AT_ONCE = 10_000

CLIMBERS, ROUNDS = 500, 400
"""Sequences that the search improves side by side, and how often it tries to."""

HARD_SUMS = (-1, 0, 1)


@dataclass(frozen=True)
class Searched:
    """The best that a search found: the smallest margin, in logits, and the values of a sequence that ends with it.

    shortest_wrong: the length of the shortest wrong sequence that was met; None if there was none.
    """

    margin: float
    values: list[int]
    shortest_wrong: int | None


@dataclass(frozen=True)
class Sampled:
    """How many sequences were wrong, of those that were drawn.

    drawn, wrong_at_end, wrong_anywhere   of all sequences of full length, drawn uniformly
    hard, wrong_hard                      of all sequences of full length with sum -1, 0 and +1, drawn uniformly
    """

    drawn: int
    wrong_at_end: int
    wrong_anywhere: int
    hard: int
    wrong_hard: dict[str, int]


def sampled(model: CumsumTransformer, size: int = SAMPLE, hard: int = HARD) -> Sampled:
    """Draw, run and count."""
    at_end = anywhere = 0
    for values in drawn(model.cfg.max_value, model.cfg.n_ctx, size):
        wrong = _margins(model, values) <= 0
        at_end += int(wrong[:, -1].sum())
        anywhere += int(wrong.any(1).sum())
    generator = np.random.default_rng(HARD_SEED)
    wrong_hard = {}
    for sum_ in HARD_SUMS:
        values = of_sum(sum_, hard, model.cfg.max_value, model.cfg.n_ctx, generator)
        at_the_end = torch.cat([_margins(model, some, at=slice(-1, None)) for some in values.split(AT_ONCE)])
        wrong_hard[f"{sum_:+d}" if sum_ else "0"] = int((at_the_end <= 0).sum())
    return Sampled(size, at_end, anywhere, hard, wrong_hard)


def drawn(max_value: int, n: int, size: int) -> Iterator[Int[Tensor, "batch pos"]]:
    """`size` sequences, each of all as likely as any other, some at a time."""
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    for start in range(0, size, AT_ONCE):
        shape = min(AT_ONCE, size - start), n
        yield torch.randint(-max_value, max_value + 1, shape, generator=generator)


def of_sum(sum_: int, size: int, max_value: int, n: int, generator: np.random.Generator) -> Int[Tensor, "size n"]:
    """Sequences of n values whose sum is `sum_`, each of all as likely as any other.

    Value by value: each is chosen as often as there are ways to go on from it to the sum, counted by a dynamic program
    in shares of all ways, which no length makes overflow.
    """
    d_vocab = 2 * max_value + 1
    ways = [np.ones(1)]  # [sum of tokens], of so many tokens
    for _ in range(n):
        ways.append(np.convolve(ways[-1], np.full(d_vocab, 1 / d_vocab)))
    remaining = np.full(size, sum_ + n * max_value)
    if not 0 <= sum_ + n * max_value < len(ways[n]):
        raise ValueError(f"{n} values of at most {max_value} have no sum of {sum_}")
    values = np.empty((size, n), dtype=np.int64)
    for position in range(n):
        after = remaining[:, None] - np.arange(d_vocab)
        there = ways[n - position - 1]
        weight = np.where((after >= 0) & (after < len(there)), there[after.clip(0, len(there) - 1)], 0.0)
        cumulated = weight.cumsum(1)
        token = (generator.random(size)[:, None] * cumulated[:, -1:] >= cumulated).sum(1)
        values[:, position] = token - max_value
        remaining -= token
    return torch.from_numpy(values)


def searched(model: CumsumTransformer, rounds: int = ROUNDS, climbers: int = CLIMBERS) -> Searched:
    """The smallest margin that a search finds, at any position of a sequence of full length.

    Many sequences are improved side by side: what one gains at one place it loses at another, so that the sum at the
    end stays next to zero, and the change is kept if the smallest margin along the way does not grow. Half of them
    start as they are drawn, half sorted, so that what each value does to attention adds up.
    """
    max_value, n = model.cfg.max_value, model.cfg.n_ctx
    generator = np.random.default_rng(SEARCH_SEED)
    each = -(-climbers // len(HARD_SUMS))
    values = torch.cat([of_sum(sum_, each, max_value, n, generator) for sum_ in HARD_SUMS])[:climbers]
    values[::4] = values[::4].sort(1).values
    values[1::4] = values[1::4].sort(1, descending=True).values
    best, where, shortest = _smallest(model, values)
    for _ in range(rounds if n > 1 else 0):
        tried = _changed(values, where, max_value, generator)
        margin, at, wrong = _smallest(model, tried)
        shortest = min(shortest, wrong)
        better = margin <= best
        values[better], best[better], where[better] = tried[better], margin[better], at[better]
    winner = int(best.argmin())
    length = int(where[winner]) + 1
    return Searched(
        margin=best[winner].item(),
        values=values[winner, :length].tolist(),
        shortest_wrong=shortest if shortest <= n else None,
    )


def _changed(
    values: Int[Tensor, "climber pos"], where: Int[Tensor, " climber"], max_value: int, generator: np.random.Generator
) -> Int[Tensor, "climber pos"]:
    """Two values of each sequence are exchanged, or one gains what the other loses, up to where its margin is smallest.

    What comes after that position has no part in the margin there.
    """
    climbers = torch.arange(len(values))
    until = np.maximum(where.numpy() + 1, 2)
    first, second = (torch.from_numpy(generator.integers(0, until)) for _ in range(2))
    amount = torch.from_numpy(generator.integers(-max_value, max_value + 1, len(values)))
    exchange = torch.from_numpy(generator.random(len(values)) < 1 / 3)
    a, b = values[climbers, first], values[climbers, second]
    amount = torch.where(exchange, b - a, amount)
    possible = ((a + amount).abs() <= max_value) & ((b - amount).abs() <= max_value) & (first != second)
    amount = torch.where(possible, amount, 0)
    tried = values.clone()
    tried[climbers, first] += amount
    tried[climbers, second] -= amount
    return tried


def _smallest(
    model: CumsumTransformer, values: Int[Tensor, "batch pos"]
) -> tuple[Float[Tensor, " batch"], Int[Tensor, " batch"], int]:
    """The smallest margin of each sequence and where it is, and the length of the shortest that is wrong of all.

    That is one more than the longest, if none is.
    """
    along = _margins(model, values)
    margin, at = along.min(1)
    wrong = (along <= 0).any(0)
    return margin, at, int(wrong.int().argmax()) + 1 if wrong.any() else along.shape[1] + 1


def _margins(
    model: CumsumTransformer, values: Int[Tensor, "batch pos"], at: slice = slice(None)
) -> Float[Tensor, "batch at"]:
    return margins(run(model, tokens_of(values, model.cfg.max_value), at), labels_of(values)[:, at]).cpu()
