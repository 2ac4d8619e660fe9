"""The logits of a model taken apart, exactly: what each head moves from each source to each answer, in float64.

Before the final layer norm the stream at a query is a sum: the query's own embedding (the direct path) and, for every
head and source position, attention weight times what the OV circuit makes of the source. The final layer norm centres,
divides by a number that depends on the whole sum, and scales each dimension. So every part has a *readout*, its
contribution to the logits before that division, and

    logits = (direct readout + sum over heads and sources of pattern * OV readout + readout of b_O) / scale + bias,

up to what is added to all logits of a query alike. A readout is relative to its mean over answers: which part of the
logits is common to all of them is a convention of the weights, and changes no probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from sorted_list_model.data import SortedListDataset
from sorted_list_model.model import SortedListTransformer
from toy_model.surgery import copied
from toy_model.transformer import centred_and_scale


def resid_pre(model: SortedListTransformer) -> Float[Tensor, "pos tok d_model"]:
    """The stream before attention, for every token at every position."""
    return model.W_pos.double()[:, None] + model.W_E.double()


def read_by_heads(model: SortedListTransformer) -> Float[Tensor, "pos tok d_model"]:
    """What the heads read of it: the same through the first layer norm."""
    centred, scale = centred_and_scale(resid_pre(model))
    norm = model.blocks[0].ln1
    assert norm is not None
    return centred / scale * norm.w.double() + norm.b.double()


def readout(model: SortedListTransformer, written: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch answer"]:
    """What a vector that is written to the stream adds to the logits, but for the division by the final scale.

    Relative to the mean over answers.
    """
    return (written - written.mean(-1, keepdim=True)) @ unembedding(model)


def unembedding(model: SortedListTransformer) -> Float[Tensor, "d_model answer"]:
    """What reads the stream, centred: W_U with the weights of the final layer norm, less its mean over answers."""
    assert model.ln_final is not None
    W_U = model.ln_final.w.double()[:, None] * model.W_U.double()
    return W_U - W_U.mean(-1, keepdim=True)


def scores(model: SortedListTransformer) -> Float[Tensor, "head query_pos query_tok key_pos key_tok"]:
    """The attention score of every query for every key. Those of later keys exist and are never used.

    Query positions are those that count, SEP and the sorted numbers but the last.
    """
    attn, read, n = model.blocks[0].attn, read_by_heads(model), model.cfg.list_len
    q = einsum(read[n : 2 * n], attn.W_Q.double(), "pos tok d_model, head d_model d_head -> head pos tok d_head")
    k = einsum(read, attn.W_K.double(), "pos tok d_model, head d_model d_head -> head pos tok d_head")
    q, k = q + attn.b_Q.double()[:, None, None], k + attn.b_K.double()[:, None, None]
    products = einsum(q, k, "head query a d_head, head key b d_head -> head query a key b")
    return products / math.sqrt(model.cfg.d_head)


def ov_written(model: SortedListTransformer) -> Float[Tensor, "head pos tok d_model"]:
    """What each head writes when it attends to a token at a position alone."""
    attn = model.blocks[0].attn
    v = einsum(read_by_heads(model), attn.W_V.double(), "pos tok d_model, head d_model d_head -> head pos tok d_head")
    v = v + attn.b_V.double()[:, None, None]
    return einsum(v, attn.W_O.double(), "head pos tok d_head, head d_head d_model -> head pos tok d_model")


def ov_readouts(model: SortedListTransformer) -> Float[Tensor, "head pos tok answer"]:
    """What each head adds to the logits when it attends to a token at a position alone, but for the final scale."""
    return readout(model, ov_written(model))


def direct_readouts(model: SortedListTransformer) -> Float[Tensor, "pos tok answer"]:
    """What a token at a position adds to its own logits on the direct path, but for the final scale."""
    return readout(model, resid_pre(model))


@dataclass(frozen=True)
class Decomposition:
    """The parts of the logits of a model on some lists, at SEP and the sorted numbers but the last. On the CPU.

    sources  what is attended to: the tokens, unsorted numbers first
    pattern  attention weights
    scale    what the final layer norm divides by
    ov       the readouts of `ov_readouts`
    say      what each token adds to its own logits at each query, but for the scale
    logits   what the model computes: their sum, up to what is common to all answers of a query
    """

    sources: Int[Tensor, "batch key"]
    pattern: Float[Tensor, "batch head query key"]
    scale: Float[Tensor, "batch query"]
    ov: Float[Tensor, "head key tok answer"]
    say: Float[Tensor, "query tok answer"]
    logits: Float[Tensor, "batch query answer"]

    @property
    def direct(self) -> Float[Tensor, "batch query answer"]:
        """The readout of the direct path."""
        n = self.pattern.shape[2]
        return self.say[torch.arange(n), self.sources[:, n:]]

    def attention_to(self, toks: Int[Tensor, "batch query"]) -> Float[Tensor, "batch head query"]:
        """Attention to one number of the unsorted half for each query, or for each of the first queries."""
        pattern = self.pattern[:, :, : toks.shape[-1]]
        return pattern.gather(-1, self.index_of(toks)[:, None, :, None].expand(*pattern.shape[:3], 1))[..., 0]

    def index_of(self, toks: Int[Tensor, "batch query"]) -> Int[Tensor, "batch query"]:
        """Where in the unsorted half each of these numbers of the list is."""
        unsorted = self.sources[:, : self.pattern.shape[2]]
        return (unsorted[:, None] == toks[:, :, None]).int().argmax(-1)

    def attribution(
        self, source: Int[Tensor, "batch query"], answer: Int[Tensor, "batch query"]
    ) -> Float[Tensor, "batch head query"]:
        """What attention to `source`, a number of the unsorted half, adds to the logit of `answer`, by head."""
        of_source = self.ov[:, self.index_of(source), source, answer].transpose(0, 1)
        return self.attention_to(source) * of_source / self.scale[:, None, : source.shape[-1]]


@torch.no_grad()
def decompose(model: SortedListTransformer, data: SortedListDataset) -> Decomposition:
    """Take the logits of `model` on `data` apart. What alters the model on its runs has no part in it.

    Raises ValueError if the result is not finite.
    """
    model = _on_cpu(model)
    n, n_heads = model.cfg.list_len, model.cfg.n_heads
    toks, queries = data.toks[:, : 2 * n].cpu(), data.current.cpu()
    where = torch.arange(2 * n)
    ov, per_score = ov_written(model), scores(model)[:, :, :, : 2 * n]
    index = torch.arange(n)[:, None], queries[:, :, None], where, toks[:, None, :]
    chosen = torch.stack([per_score[head][index] for head in range(n_heads)], 1)
    pattern = chosen.masked_fill(where > torch.arange(n, 2 * n)[:, None], -torch.inf).softmax(-1)

    own = resid_pre(model)[torch.arange(n, 2 * n), queries]
    resid_post = own + model.blocks[0].attn.b_O.double()
    for head in range(n_heads):
        resid_post = resid_post + pattern[:, head] @ ov[head, where, toks]
    centred, scale = centred_and_scale(resid_post)
    assert model.ln_final is not None
    W_U = model.W_U.double()
    bias = model.ln_final.b.double() @ W_U + model.unembed.b_U.double()
    logits = (centred / scale * model.ln_final.w.double()) @ W_U + bias
    if not logits.isfinite().all():
        raise ValueError("the model's logits are not finite")
    return Decomposition(toks, pattern, scale[..., 0], readout(model, ov), direct_readouts(model)[n : 2 * n], logits)


def _on_cpu(model: SortedListTransformer) -> SortedListTransformer:
    return model if model.device.type == "cpu" else copied(model).cpu()
