"""The loss of a batch and its gradient, written out: what autograd gives of the model's own forward pass, sooner.

The formulas are those of `Transformer.forward` and their derivatives. Time is saved where a step of training
spends it, and no sum that is rounded is taken in another order for it:
- token and position decide the stream before the first block, and so its q, k and v: they are computed once for each of
  the n_ctx * d_vocab pairs and looked up;
- the future is masked by adding -inf, which needs no derivative;
- logits lie class by class, where softmax over three classes is ten times as fast as row by row;
- rows of the embedding's gradient are summed by `index_add_`, in the order of the batch, as autograd does slowly;
- what is not needed any more is given back at once, hence each `del`: memory that is taken again is in the cache still.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.behaviour import cross_entropy
from toy_model.dataset import Dataset
from toy_model.engine import EVERY
from toy_model.transformer import MLP, Attention, Transformer

AT_ONCE = 400_000
"""Attention scores that are held at once: few enough to stay in the cache."""

Gradient = dict[str, Tensor]
"""By the name of the parameter."""

Rows = Float[Tensor, "row d_model"]
"""One vector for every position of every sequence, row = (batch pos)."""


def can_be_written_out(model: Transformer, data: Dataset) -> bool:
    """Whether `written_out` is about such a model (attention and neurons, without layer norm) and such data."""
    return not model.cfg.attn_only and model.cfg.normalization_type is None and data.scored == EVERY


def by_autograd(
    model: Transformer,
    toks: Int[Tensor, "batch pos"],
    labels: Int[Tensor, "batch pos"],
    scored: slice = EVERY,
) -> tuple[Float[Tensor, ""], Gradient]:
    """The cross entropy in nats and its derivative by every parameter, from the forward pass of `model`."""
    parameters = dict(model.named_parameters())
    loss = cross_entropy(model(toks)[:, scored], labels[:, scored])
    return loss.detach(), dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


@torch.no_grad()
def written_out(
    model: Transformer,
    toks: Int[Tensor, "batch pos"],
    labels: Int[Tensor, "batch pos"],
    scored: slice = EVERY,
) -> tuple[Float[Tensor, ""], Gradient]:
    """The same as `by_autograd`, without it, for models and data sets of which `can_be_written_out` says so.

    On the CPU: on a GPU `index_add_` sums in another order in every run.
    """
    assert scored == EVERY
    n_seqs, n = toks.shape
    W_E, W_pos = model.W_E, model.W_pos[:n]
    W_U, b_U = model.unembed.W_U, model.unembed.b_U
    right = labels.flatten()
    gradient: Gradient = {}

    # Of a large vocabulary a batch does not meet every token, so there is nothing to save.
    pairs = _Pairs(W_E, W_pos, toks) if len(W_E) <= n_seqs else None
    resid = pairs.looked_up(pairs.resid) if pairs else (F.embedding(toks, W_E) + W_pos).flatten(0, 1)
    there: list[_Attention | _MLP] = []
    for layer, block in enumerate(model.blocks):
        there.append(attention := _Attention(block.attn, resid, n, pairs if layer == 0 else None))
        there.append(mlp := _MLP(block.mlp, attention.resid_mid))
        resid = mlp.resid_post
    del attention, mlp

    log_p = (W_U.T @ resid.T).add_(b_U[:, None]).log_softmax(0)
    loss = F.nll_loss(log_p.T, right)
    d_log_p = torch.zeros_like(log_p).scatter_(0, right[None], -1 / len(right))
    d_logits = torch.ops.aten._log_softmax_backward_data(d_log_p, log_p, 0, log_p.dtype)
    gradient["unembed.W_U"] = (d_logits @ resid).T
    gradient["unembed.b_U"] = d_logits.T.contiguous().sum(0)
    d_resid = d_logits.T @ W_U.T
    del resid, log_p, d_log_p, d_logits

    for layer in reversed(range(model.cfg.n_layers)):
        for part in ("mlp", "attn"):
            d_resid, of_part = there.pop().backward(d_resid)
            gradient |= {f"blocks.{layer}.{part}.{name}": tensor for name, tensor in of_part.items()}
    gradient["embed.W_E"] = torch.zeros_like(W_E).index_add_(0, toks.flatten(), d_resid)
    gradient["pos_embed.W_pos"] = torch.zeros_like(model.W_pos)
    gradient["pos_embed.W_pos"][:n] = d_resid.view(n_seqs, n, -1).sum(0)
    return loss, gradient


class _Pairs:
    """Every position with every token there, and where in that list each of a batch stands."""

    def __init__(
        self,
        W_E: Float[Tensor, "d_vocab d_model"],
        W_pos: Float[Tensor, "pos d_model"],
        toks: Int[Tensor, "batch pos"],
    ) -> None:
        self.resid: Float[Tensor, "pair d_model"] = (W_pos[:, None] + W_E).flatten(0, 1)
        self.where = (toks + torch.arange(len(W_pos), device=toks.device) * len(W_E)).flatten()

    def looked_up(self, of_pair: Float[Tensor, "pair width"]) -> Float[Tensor, "row width"]:
        return of_pair.index_select(0, self.where)


class _Attention:
    """The way there, and, once, the way back, which adds to `d_resid`. The heads of all sequences stand in one axis."""

    def __init__(self, attn: Attention, resid: Rows, n: int, pairs: _Pairs | None) -> None:
        n_heads, d_model, d_head = attn.W_Q.shape
        self.attn, self.n, self.resid_pre = attn, n, resid
        # d_model, (head qkv d_head): as in the model, one product for q, k and v
        self.W = torch.cat([attn.W_Q, attn.W_K, attn.W_V], -1).transpose(0, 1).reshape(d_model, -1)
        b = torch.cat([attn.b_Q, attn.b_K, attn.b_V], -1).flatten()
        qkv = pairs.looked_up((pairs.resid @ self.W).add_(b)) if pairs else (resid @ self.W).add_(b)
        # (batch pos) (head qkv d_head) -> qkv (batch head) pos d_head
        self.qkv = qkv.view(-1, n, n_heads, 3, d_head).permute(3, 0, 2, 1, 4).flatten(1, 2)
        future = torch.full((n, n), -torch.inf, dtype=qkv.dtype, device=qkv.device).triu(1)
        z = self.qkv.new_empty(self.qkv.shape[1:])
        self.patterns = []
        for q, k, v, z_here in self._pieces(*self.qkv, z):
            self.patterns.append(torch.bmm(q, k.mT).div_(math.sqrt(d_head)).add_(future).softmax(-1))
            torch.bmm(self.patterns[-1], v, out=z_here)
        # (batch head) pos d_head -> (batch pos) (head d_head)
        self.z = z.view(-1, n_heads, n, d_head).transpose(1, 2).reshape(-1, n_heads * d_head)
        self.resid_mid = (self.z @ attn.W_O.flatten(0, 1)).add_(attn.b_O).add_(resid)

    def _pieces(self, *of_all: Float[Tensor, "batch_head ..."]) -> Iterator[tuple[Tensor, ...]]:
        """Some heads of some sequences at a time: what attention makes of one needs no other."""
        return zip(*(tensor.split(max(AT_ONCE // self.n**2, 1)) for tensor in of_all), strict=True)

    def backward(self, d_resid: Rows) -> tuple[Rows, Gradient]:
        attn, n = self.attn, self.n
        n_heads, d_model, d_head = attn.W_Q.shape
        d_W_O, d_b_O = (self.z.T @ d_resid).view(attn.W_O.shape), d_resid.sum(0)
        # (batch pos) (head d_head) -> (batch head) pos d_head
        d_z = (d_resid @ attn.W_O.flatten(0, 1).T).view(-1, n, n_heads, d_head).transpose(1, 2).flatten(0, 1)
        del self.z
        d_qkv = d_z.new_empty(len(d_z), n, 3, d_head)
        for q, k, v, d_z_here, d_qkv_here in self._pieces(*self.qkv, d_z, d_qkv):
            pattern = self.patterns.pop(0)
            d_v = torch.bmm(pattern.mT, d_z_here)
            d_pattern = torch.bmm(d_z_here, v.mT)
            d_scores = torch.ops.aten._softmax_backward_data(d_pattern, pattern, -1, d_pattern.dtype)
            del d_pattern, pattern
            d_scores.div_(math.sqrt(d_head))
            d_q, d_k = torch.bmm(d_scores, k), torch.bmm(q.mT, d_scores).mT
            torch.stack([d_q, d_k, d_v], 2, out=d_qkv_here)
        del d_z, self.qkv

        # (batch head) pos qkv d_head -> (batch pos) (head qkv d_head)
        d_qkv = d_qkv.view(-1, n_heads, n, 3, d_head).transpose(1, 2)
        d_qkv = d_qkv.reshape(-1, n_heads * 3 * d_head)
        d_W = (self.resid_pre.T @ d_qkv).view(d_model, n_heads, 3, d_head).permute(2, 1, 0, 3)
        d_b = d_qkv.sum(0).view(n_heads, 3, d_head).transpose(0, 1)
        gradient = {"W_Q": d_W[0], "W_K": d_W[1], "W_V": d_W[2], "b_Q": d_b[0], "b_K": d_b[1], "b_V": d_b[2]}
        del self.resid_pre
        return d_resid.add_(d_qkv @ self.W.T), gradient | {"W_O": d_W_O, "b_O": d_b_O}


class _MLP:
    """The way there, and, once, the way back, which adds to `d_resid`."""

    def __init__(self, mlp: MLP, resid: Rows) -> None:
        self.mlp, self.resid_mid = mlp, resid
        self.post = (resid @ mlp.W_in).add_(mlp.b_in).relu_()
        self.resid_post = (self.post @ mlp.W_out).add_(mlp.b_out).add_(resid)

    def backward(self, d_resid: Rows) -> tuple[Rows, Gradient]:
        del self.resid_post
        d_pre = torch.ops.aten.threshold_backward(d_resid @ self.mlp.W_out.T, self.post, 0)
        gradient = {
            "W_in": self.resid_mid.T @ d_pre,
            "b_in": d_pre.sum(0),
            "W_out": self.post.T @ d_resid,
            "b_out": d_resid.sum(0),
        }
        del self.resid_mid, self.post
        return d_resid.add_(d_pre @ self.mlp.W_in.T), gradient
