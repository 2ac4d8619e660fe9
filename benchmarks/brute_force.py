"""Every sequence of a length through the model itself: what a proof saves, and what it has to agree with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from cumsum_model.data import labels_of
from cumsum_model.model import CumsumTransformer
from toy_model.behaviour import margins
from toy_model.engine import require_finite

BATCH = 11**4
"""Sequences per forward pass: more are no faster a sequence, and take more memory."""


def first_positions(model: CumsumTransformer, n_ctx: int) -> CumsumTransformer:
    """The same model for sequences of up to `n_ctx` values: attention is causal, so no answer changes."""
    if not 1 <= n_ctx <= model.cfg.n_ctx:
        raise ValueError(f"the model has {model.cfg.n_ctx} positions, not {n_ctx}")
    short = CumsumTransformer(replace(model.cfg, n_ctx=n_ctx))
    short.load_state_dict({**model.state_dict(), "pos_embed.W_pos": model.W_pos[:n_ctx]})
    return short.requires_grad_(False)


def every_sequence(d_vocab: int, length: int, batch: int = BATCH) -> Iterator[Int[Tensor, "batch length"]]:
    """The tokens of all d_vocab^length sequences, in the order of counting, a batch at a time."""
    places = d_vocab ** torch.arange(length - 1, -1, -1)
    for first in range(0, d_vocab**length, batch):
        numbers = torch.arange(first, min(first + batch, d_vocab**length))
        yield numbers[:, None] // places % d_vocab


@torch.no_grad()
def smallest_margin(model: CumsumTransformer, length: int) -> float:
    """The smallest margin at the last position of any sequence of `length` values, in the model's own arithmetic."""
    smallest = torch.inf
    for tokens in every_sequence(model.cfg.d_vocab, length):
        logits = require_finite(model(tokens.to(model.device))[:, -1:])
        labels = labels_of(tokens - model.cfg.max_value)[:, -1:]
        smallest = min(smallest, margins(logits, labels).min().item())
    return smallest
