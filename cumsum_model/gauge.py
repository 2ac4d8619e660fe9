"""Which parameters write to the residual stream and which read from it, so that its basis can be changed."""

from __future__ import annotations

from torch import Tensor

from cumsum_model.model import CumsumTransformer


def written_to_stream(model: CumsumTransformer) -> list[Tensor]:
    """Every parameter whose last axis is d_model: what it holds are vectors of the stream, as rows."""
    written = [model.W_E, model.W_pos]
    for block in model.blocks:
        written += block.attn.W_O, block.attn.b_O, block.mlp.W_out, block.mlp.b_out
    return written


def read_from_stream(model: CumsumTransformer) -> list[Tensor]:
    """Every parameter whose last axis but one is d_model: what it holds are covectors of the stream, as columns."""
    read: list[Tensor] = []
    for block in model.blocks:
        read += block.attn.W_Q, block.attn.W_K, block.attn.W_V, block.mlp.W_in
    return [*read, model.W_U]
