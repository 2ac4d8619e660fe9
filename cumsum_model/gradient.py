"""The loss of a batch and its gradient, written out: what autograd gives of the model's own forward pass, sooner.

The formulas are those of `CumsumTransformer.forward` and their derivatives. Time is saved where a step of training
spends it, and no sum that is rounded is taken in another order for it:
- token and position decide the stream before the first block, and so its q, k and v: they are computed once for each of
  the n_ctx * d_vocab pairs and looked up;
- the future is masked by adding -inf, which needs no derivative;
- logits lie class by class, where softmax over three classes is ten times as fast as row by row;
- rows of the embedding's gradient are summed by `index_add_`, in the order of the batch, as autograd does slowly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.behaviour import cross_entropy
from cumsum_model.model import MLP, Attention, CumsumTransformer

Gradient = dict[str, Tensor]
"""By the name of the parameter."""

Rows = Float[Tensor, "row d_model"]
"""One vector for every position of every sequence, row = (batch pos)."""


def by_autograd(
    model: CumsumTransformer, toks: Int[Tensor, "batch pos"], labels: Int[Tensor, "batch pos"]
) -> tuple[Float[Tensor, ""], Gradient]:
    """The cross entropy in nats and its derivative by every parameter, from the forward pass of `model`."""
    parameters = dict(model.named_parameters())
    loss = cross_entropy(model(toks), labels)
    return loss.detach(), dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


@torch.no_grad()
def written_out(
    model: CumsumTransformer, toks: Int[Tensor, "batch pos"], labels: Int[Tensor, "batch pos"]
) -> tuple[Float[Tensor, ""], Gradient]:
    """The same as `by_autograd`, without it.

    On the CPU: on a GPU `index_add_` sums in another order in every run.
    """
    n_seqs, n = toks.shape
    W_E, W_pos = model.W_E, model.W_pos[:n]
    W_U, b_U = model.unembed.W_U, model.unembed.b_U
    gradient: Gradient = {}

    # Of a large vocabulary a batch does not meet every token, so there is nothing to save.
    pairs = _Pairs(W_E, W_pos, toks) if len(W_E) <= n_seqs else None
    resid = pairs.looked_up(pairs.resid) if pairs else (F.embedding(toks, W_E) + W_pos).flatten(0, 1)
    attentions, mlps = [], []
    for layer, block in enumerate(model.blocks):
        attentions.append(attention := _attend(block.attn, resid, n, pairs if layer == 0 else None))
        mlps.append(mlp := _mlp(block.mlp, attention.resid_mid))
        resid = mlp.resid_post

    log_p = (W_U.T @ resid.T).add_(b_U[:, None]).log_softmax(0)
    right = labels.flatten()
    loss = F.nll_loss(log_p.T, right)

    d_log_p = torch.zeros_like(log_p).scatter_(0, right[None], -1 / len(right))
    d_logits = torch.ops.aten._log_softmax_backward_data(d_log_p, log_p, 0, log_p.dtype)
    d_logits_by_row = d_logits.T.contiguous()
    gradient["unembed.W_U"] = (d_logits @ resid).T
    gradient["unembed.b_U"] = d_logits_by_row.sum(0)
    d_resid = d_logits_by_row @ W_U.T
    for layer in reversed(range(len(attentions))):
        block, name = model.blocks[layer], f"blocks.{layer}"
        d_resid = _mlp_backward(block.mlp, mlps[layer], attentions[layer].resid_mid, d_resid, f"{name}.mlp", gradient)
        d_resid = _attend_backward(block.attn, attentions[layer], n, d_resid, f"{name}.attn", gradient)
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


@dataclass(frozen=True)
class _Attention:
    """What the way back needs of the way there. The heads of all sequences stand in one axis."""

    resid_pre: Rows
    W: Float[Tensor, "d_model head_qkv_d_head"]
    q: Float[Tensor, "batch_head pos d_head"]
    k: Float[Tensor, "batch_head pos d_head"]
    v: Float[Tensor, "batch_head pos d_head"]
    pattern: Float[Tensor, "batch_head query key"]
    z: Float[Tensor, "row head_d_head"]
    resid_mid: Rows


def _attend(attn: Attention, resid: Rows, n: int, pairs: _Pairs | None) -> _Attention:
    n_heads, _, d_head = attn.W_Q.shape
    W = rearrange([attn.W_Q, attn.W_K, attn.W_V], "qkv head d_model d_head -> d_model (head qkv d_head)")
    b = rearrange([attn.b_Q, attn.b_K, attn.b_V], "qkv head d_head -> (head qkv d_head)")
    qkv = pairs.looked_up((pairs.resid @ W).add_(b)) if pairs else (resid @ W).add_(b)
    sizes = {"pos": n, "head": n_heads, "qkv": 3}
    q, k, v = rearrange(qkv, "(batch pos) (head qkv d_head) -> qkv (batch head) pos d_head", **sizes)

    future = torch.full((n, n), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    pattern = torch.bmm(q, k.mT).div_(math.sqrt(d_head)).add_(future).softmax(-1)
    z = rearrange(torch.bmm(pattern, v), "(batch head) pos d_head -> (batch pos) (head d_head)", head=n_heads)
    resid_mid = (z @ attn.W_O.flatten(0, 1)).add_(attn.b_O).add_(resid)
    return _Attention(resid, W, q, k, v, pattern, z, resid_mid)


def _attend_backward(attn: Attention, there: _Attention, n: int, d_resid: Rows, name: str, gradient: Gradient) -> Rows:
    n_heads, _, d_head = attn.W_Q.shape
    gradient[f"{name}.W_O"] = (there.z.T @ d_resid).view(attn.W_O.shape)
    gradient[f"{name}.b_O"] = d_resid.sum(0)
    d_z = d_resid @ attn.W_O.flatten(0, 1).T
    d_z = rearrange(d_z, "(batch pos) (head d_head) -> (batch head) pos d_head", pos=n, head=n_heads)
    d_v = torch.bmm(there.pattern.mT, d_z)
    d_pattern = torch.bmm(d_z, there.v.mT)
    d_scores = torch.ops.aten._softmax_backward_data(d_pattern, there.pattern, -1, d_pattern.dtype)
    d_scores.div_(math.sqrt(d_head))
    d_q, d_k = torch.bmm(d_scores, there.k), torch.bmm(there.q.mT, d_scores).mT

    d_qkv = torch.stack([d_q, d_k, d_v], 2)
    d_qkv = rearrange(d_qkv, "(batch head) pos qkv d_head -> (batch pos) (head qkv d_head)", head=n_heads)
    sizes = {"head": n_heads, "qkv": 3}
    d_W = rearrange(there.resid_pre.T @ d_qkv, "d_model (head qkv d_head) -> qkv head d_model d_head", **sizes)
    d_b = rearrange(d_qkv.sum(0), "(head qkv d_head) -> qkv head d_head", **sizes)
    for which, d_W_of, d_b_of in zip("QKV", d_W, d_b, strict=True):
        gradient[f"{name}.W_{which}"], gradient[f"{name}.b_{which}"] = d_W_of, d_b_of
    return (d_qkv @ there.W.T).add_(d_resid)


@dataclass(frozen=True)
class _MLP:
    """What the way back needs of the way there."""

    post: Float[Tensor, "row d_mlp"]
    resid_post: Rows


def _mlp(mlp: MLP, resid: Rows) -> _MLP:
    post = (resid @ mlp.W_in).add_(mlp.b_in).relu_()
    return _MLP(post, (post @ mlp.W_out).add_(mlp.b_out).add_(resid))


def _mlp_backward(mlp: MLP, there: _MLP, resid_mid: Rows, d_resid: Rows, name: str, gradient: Gradient) -> Rows:
    gradient[f"{name}.W_out"] = there.post.T @ d_resid
    gradient[f"{name}.b_out"] = d_resid.sum(0)
    d_pre = torch.ops.aten.threshold_backward(d_resid @ mlp.W_out.T, there.post, 0)
    gradient[f"{name}.W_in"] = resid_mid.T @ d_pre
    gradient[f"{name}.b_in"] = d_pre.sum(0)
    return (d_pre @ mlp.W_in.T).add_(d_resid)
