"""The forward pass with nobody looking: the function of `model.py` in fewer and larger operations.

Three things are saved. A bias is added by the product that it follows. A token at a position is always the same
vector, so what the first layer computes of each is computed once where a batch holds many. And a batch is taken
in pieces whose attention fits in the processor's cache.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from cumsum_model.model import Attention, CumsumTransformer

AT_ONCE = 200_000
"""Attention scores in one piece of a batch on the CPU: less than a megabyte."""


def logits(model: CumsumTransformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab_out"]:
    """What `model` says at every position, with no gradient and no access to activations."""
    n = toks.shape[-1]
    piece = max(AT_ONCE // (n * n * model.cfg.n_heads), 1) if toks.device.type == "cpu" else max(len(toks), 1)
    if len(toks) <= piece:
        return _logits(model, toks)
    return torch.cat([_logits(model, some) for some in toks.split(piece)])


def _logits(model: CumsumTransformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab_out"]:
    batch, n = toks.shape
    W_E, W_pos = model.W_E, model.W_pos[:n]
    d_vocab, d_model = W_E.shape
    shared = batch > d_vocab
    if shared:  # one row for each token at each position
        resid = (W_pos[:, None] + W_E).view(n * d_vocab, d_model)
        rows = (toks + torch.arange(0, n * d_vocab, d_vocab, device=toks.device)).view(-1)
    else:
        resid = (F.embedding(toks, W_E) + W_pos).view(batch * n, d_model)
    for layer, block in enumerate(model.blocks):
        attn, mlp = block.attn, block.mlp
        qkv = _qkv(attn, resid)
        if shared and layer == 0:
            resid, qkv = F.embedding(rows, resid), F.embedding(rows, qkv)
        resid = torch.addmm(resid, _z(attn, qkv, batch, n), attn.W_O.flatten(0, 1)) + attn.b_O
        post = torch.addmm(mlp.b_in, resid, mlp.W_in).relu_()
        resid = torch.addmm(resid, post, mlp.W_out) + mlp.b_out
    return torch.addmm(model.unembed.b_U, resid, model.W_U).view(batch, n, model.cfg.d_vocab_out)


def _qkv(attn: Attention, resid: Float[Tensor, "row d_model"]) -> Float[Tensor, "row head_qkv"]:
    W = torch.cat([attn.W_Q, attn.W_K, attn.W_V], dim=-1).transpose(0, 1).flatten(1)
    b = torch.cat([attn.b_Q, attn.b_K, attn.b_V], dim=-1).flatten()
    return torch.addmm(b, resid, W)


def _z(attn: Attention, qkv: Float[Tensor, "row head_qkv"], batch: int, n: int) -> Float[Tensor, "row head_d_head"]:
    n_heads, _, d_head = attn.W_Q.shape
    q, k, v = qkv.view(batch, n, n_heads, 3 * d_head).transpose(1, 2).flatten(0, 1).split(d_head, dim=-1)
    pattern = torch.baddbmm(
        _future(n, qkv.dtype, qkv.device), q, k.transpose(1, 2), alpha=1 / math.sqrt(d_head)
    ).softmax(-1)
    return pattern.bmm(v).view(batch, n_heads, n, d_head).transpose(1, 2).reshape(batch * n, n_heads * d_head)


@cache
def _future(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "query key"]:
    """What is added to scores so that no query attends to a later key."""
    return torch.full((n, n), -torch.inf, dtype=dtype, device=device).triu(1)
