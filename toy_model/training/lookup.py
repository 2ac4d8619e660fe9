"""The loss of a batch and its gradient for an attention-only model of one layer, which has little to compute.

What a head reads of a token is a function of the token and its position, layer norm included, as the stream before the
first block is nothing else. So queries, keys and values are computed once for each of the n_ctx * d_vocab pairs and
looked up, and queries only at the positions that count. Autograd does the rest, on the CPU: on a GPU what was looked
up is added up in another order in every run.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.dataset import Dataset
from toy_model.engine import EVERY
from toy_model.training.gradient import Gradient
from toy_model.transformer import Transformer, as_it_is


def can_be_looked_up(model: Transformer, data: Dataset) -> bool:
    """Whether `by_lookup` is about such a model, and whether batches repeat pairs of token and position enough."""
    return model.cfg.attn_only and model.cfg.n_layers == 1 and len(data) > model.cfg.d_vocab


def by_lookup(
    model: Transformer,
    toks: Int[Tensor, "batch pos"],
    labels: Int[Tensor, "batch pos"],
    scored: slice = EVERY,
) -> tuple[Float[Tensor, ""], Gradient]:
    """The same as `gradient.by_autograd` in fewer operations, for models of which `can_be_looked_up` says so."""
    parameters = dict(model.named_parameters())
    logits = logits_by_lookup(model, toks, scored)
    loss = F.cross_entropy(logits.flatten(0, 1), labels[:, scored].flatten())
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    return loss.detach(), dict(zip(parameters, gradients, strict=True))


def logits_by_lookup(
    model: Transformer, toks: Int[Tensor, "batch pos"], scored: slice = EVERY
) -> Float[Tensor, "batch scored d_vocab_out"]:
    """Logits at the positions of `scored`. Later positions than those are not looked at."""
    where = torch.arange(toks.shape[-1], device=toks.device)[scored]
    n = int(where[-1]) + 1
    toks, first = toks[:, :n], int(where[0])
    (block,) = model.blocks
    attn = block.attn
    resid_pre = model.W_pos[:n, None] + model.W_E
    read = resid_pre if block.ln1 is None else block.ln1(resid_pre, as_it_is)
    d_vocab, n_heads, d_head = len(model.W_E), *attn.b_Q.shape

    pairs = toks + torch.arange(0, n * d_vocab, d_vocab, device=toks.device)
    of_query, of_key = pairs[:, where].flatten(), pairs.flatten()

    def looked_up(W: Tensor, b: Tensor, rows: Tensor, since: int) -> Float[Tensor, "batch_head pos d_head"]:
        of_pair = einsum(read[since:], W, "pos tok d_model, head d_model d_head -> pos tok head d_head") + b
        chosen = of_pair.reshape(-1, n_heads * d_head).index_select(0, rows - since * d_vocab)
        return rearrange(chosen, "(batch pos) (head d) -> (batch head) pos d", batch=len(toks), head=n_heads)

    q = looked_up(attn.W_Q, attn.b_Q, of_query, first)
    k = looked_up(attn.W_K, attn.b_K, of_key, 0)
    v = looked_up(attn.W_V, attn.b_V, of_key, 0)
    future = torch.full((n, n), -torch.inf, dtype=q.dtype, device=q.device).triu(1)[where]
    pattern = torch.baddbmm(future, q, k.mT, alpha=1 / math.sqrt(d_head)).softmax(-1)
    z = rearrange(pattern.bmm(v), "(batch head) pos d -> batch pos (head d)", head=n_heads)
    skip = resid_pre.flatten(0, 1).index_select(0, of_query).view(len(toks), len(where), -1)
    resid_post = skip + z @ attn.W_O.flatten(0, 1) + attn.b_O
    final = resid_post if model.ln_final is None else model.ln_final(resid_post, as_it_is)
    return final @ model.W_U + model.unembed.b_U
