"""The forward pass with nobody looking: the function of `transformer.py` in fewer and larger operations.

Three things are saved. A bias is added by the product that it follows. A token at a position is always the same
vector, so what the first layer computes of each is computed once where a batch holds many. And a batch is taken
in pieces whose attention fits in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from toy_model.transformer import (
    MLP,
    Attention,
    Block,
    Embed,
    LayerNorm,
    PosEmbed,
    Transformer,
    Unembed,
    centred_and_scale,
)

AT_ONCE = 200_000
"""Attention scores in one piece of a batch on the CPU: less than a megabyte."""


_OWN = frozenset((Embed, PosEmbed, LayerNorm, Attention, MLP, Block, Unembed, nn.ModuleList))


EVERY = slice(None)
"""All positions."""


def forward(
    model: Transformer, toks: Int[Tensor, "batch pos"], at: slice = EVERY
) -> Float[Tensor, "batch at d_vocab_out"]:
    """`model(toks)[:, at]` with nobody looking: here where it can be, by the model's own plain pass where it cannot."""
    no_gradient = not (torch.is_grad_enabled() and model.embed.W_E.requires_grad)
    if no_gradient and type(toks) is Tensor and _is_plain(model) and not torch.compiler.is_compiling():
        return logits(model, toks, at)
    return model(toks)[:, at]


def _is_plain(model: Transformer) -> bool:
    """Whether the model is unaltered, all modules as they were made."""
    if model.alterations:
        return False
    modules = [*model._modules.values()]
    for block in model.blocks:
        modules += block, *block._modules.values()
    for module in modules:
        if module is None:
            continue
        if type(module) not in _OWN or module._forward_hooks or module._forward_pre_hooks:
            return False
    return type(model).forward is Transformer.forward


def logits(
    model: Transformer, toks: Int[Tensor, "batch pos"], at: slice = EVERY
) -> Float[Tensor, "batch at d_vocab_out"]:
    """What `model` says at the positions of `at`, with no gradient and no access to activations."""
    n = toks.shape[-1]
    if n > model.cfg.n_ctx:
        raise ValueError(f"sequences of length {n} do not fit in n_ctx = {model.cfg.n_ctx}")
    piece = max(AT_ONCE // max(n * n * model.cfg.n_heads, 1), 1) if toks.device.type == "cpu" else max(len(toks), 1)
    if len(toks) <= piece:
        return _logits(model, toks, at)
    return torch.cat([_logits(model, some, at) for some in toks.split(piece)])


def _logits(model: Transformer, toks: Int[Tensor, "batch pos"], at: slice) -> Float[Tensor, "batch at d_vocab_out"]:
    if at != EVERY:
        toks = toks[:, : max(range(toks.shape[-1])[at], default=-1) + 1]  # attention is causal
    batch, n = toks.shape
    W_E, W_pos = model.embed.W_E, model.pos_embed.W_pos[:n]
    rows = _rows(toks, len(W_E))
    stream = F.embedding(toks, W_E) + W_pos if rows is None else W_pos[:, None] + W_E
    resid = stream.flatten(0, 1)
    last = model.blocks[-1]
    for block in model.blocks:
        queries = at if block is last else EVERY
        n_queries = len(range(n)[queries])
        attn = _parameters(block.attn)
        n_heads, _, d_head = attn["W_Q"].shape
        read = _normalised(block.ln1, resid)
        by_head = read.expand(n_heads, *read.shape)
        q = torch.baddbmm(attn["b_Q"][:, None], by_head, attn["W_Q"])
        k = torch.baddbmm(attn["b_K"][:, None], by_head, attn["W_K"])
        v = torch.baddbmm(attn["b_V"][:, None], by_head, attn["W_V"])
        if rows is not None:
            asking = rows.view(batch, n)[:, queries].flatten()
            resid, q = resid.index_select(0, asking), q.index_select(1, asking)
            k, v = k.index_select(1, rows), v.index_select(1, rows)
            rows = None
        elif queries != EVERY:
            resid = resid.view(batch, n, model.cfg.d_model)[:, queries].flatten(0, 1)
            q = q.view(n_heads, batch, n, d_head)[:, :, queries]

        shape = n_heads * batch, n, d_head
        q, k, v = q.reshape(n_heads * batch, n_queries, d_head), k.view(shape), v.view(shape)
        scores = torch.baddbmm(_future(n, q.dtype, q.device)[queries], q, k.mT, alpha=1 / math.sqrt(d_head))
        z = scores.softmax(-1).bmm(v).view(n_heads, batch * n_queries, d_head)
        z = z.transpose(0, 1).reshape(batch * n_queries, n_heads * d_head)
        resid = torch.addmm(resid, z, attn["W_O"].flatten(0, 1)) + attn["b_O"]
        if not block.attn_only:
            mlp = _parameters(block.mlp)
            post = torch.addmm(mlp["b_in"], _normalised(block.ln2, resid), mlp["W_in"]).relu_()
            resid = torch.addmm(resid, post, mlp["W_out"]) + mlp["b_out"]
    unembed = _parameters(model.unembed)
    return torch.addmm(unembed["b_U"], _normalised(model.ln_final, resid), unembed["W_U"]).view(
        batch, n_queries, model.cfg.d_vocab_out
    )


def _normalised(norm: LayerNorm | None, resid: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
    if norm is None:
        return resid
    own = _parameters(norm)
    centred, scale = centred_and_scale(resid)
    return torch.addcmul(own["b"], centred / scale, own["w"])


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    """By their names, from the module's own dictionary: of a single sequence, attributes take a tenth of the time."""
    return module._parameters  # type: ignore[return-value]


def _rows(toks: Int[Tensor, "batch pos"], d_vocab: int) -> Int[Tensor, " row"] | None:
    """Where each token at its position stands among all pairs of position and token.

    None if the batch is no larger than the vocabulary, and on a GPU, which would have to be waited for: the tokens have
    to be looked at. Raises IndexError for one that there is not, as its row would be that of another position.
    """
    batch, n = toks.shape
    if batch <= d_vocab or not n or toks.device.type != "cpu" or toks.dtype not in (torch.int64, torch.int32):
        return None
    lowest, highest = toks.aminmax()
    if lowest < 0 or highest >= d_vocab:
        raise IndexError(f"tokens have to lie in 0 .. {d_vocab - 1}, there are {int(lowest)} .. {int(highest)}")
    return (toks + torch.arange(0, n * d_vocab, d_vocab, device=toks.device)).flatten()


@cache
def _future(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "query key"]:
    """What is added to scores so that no query attends to a later key."""
    return torch.full((n, n), -torch.inf, dtype=dtype, device=device).triu(1)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """On the CPU numbers smaller than 1.2e-38 are zero meanwhile.

    Weight decay takes W_Q and W_K towards zero and on, and products with what is left of them are such numbers: a step
    of training at length 80 takes nine times as long with them.
    """
    smallest = torch.full((), 1e-39)
    flushed_before = not (smallest * 1).item()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)


CHUNK = 2_000
"""Sequences per forward pass when a whole data set is run, so that activations stay small."""


@torch.no_grad()
def run(model: Transformer, toks: Int[Tensor, "batch pos"], at: slice = EVERY) -> Float[Tensor, "batch at d_vocab_out"]:
    """Logits of any number of sequences at the positions of `at`, a chunk at a time.

    Raises ValueError if one is not finite: its argmax would be a number all the same.
    """
    return require_finite(torch.cat([forward(model, chunk, at) for chunk in toks.to(model.device).split(CHUNK)]))


def require_finite(logits: Float[Tensor, "batch pos d_vocab_out"]) -> Float[Tensor, "batch pos d_vocab_out"]:
    """The logits themselves. Raises ValueError if one is not finite."""
    if not logits.isfinite().all():
        raise ValueError("the model's logits are not finite")
    return logits
