"""What a file of weights does not say of the model that they belong to, and models that are like ours but for that.

The names and shapes of weights are the same whether neurons are ReLU or GELU, whether there is a layer norm without
weights, whether scores are divided by sqrt(d_head). The models here have one of each; `logits` computes what a model
with another would answer, so that a file of such a model can be recognised and refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.transformer import EPSILON, Block, LayerNorm, Transformer, as_it_is, centred_and_scale

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": torch.relu,
    "GELU": F.gelu,
    "tanh GELU": lambda pre: F.gelu(pre, approximate="tanh"),  # `gelu_new`
    "SiLU": F.silu,
}


@dataclass(frozen=True)
class Architecture:
    """What is taken for granted of a file. The defaults are what this project has.

    activation  of the neurons
    normalised  layer norm without weights ("LNPre") before attention, neurons and unembedding
    scaled      scores are divided by sqrt(d_head)
    causal      no position attends to later ones
    """

    activation: str = "ReLU"
    normalised: bool = False
    scaled: bool = True
    causal: bool = True

    @property
    def differences(self) -> list[str]:
        """What is not as in this project, in words that follow "with"."""
        differences = [f"{self.activation} neurons"] if self.activation != "ReLU" else []
        differences += ["layer norm without weights"] if self.normalised else []
        differences += ["scores that are not divided by sqrt(d_head)"] if not self.scaled else []
        return differences + (["attention to later positions"] if not self.causal else [])


OURS = Architecture()


def taken_for_granted(model: Transformer) -> dict[str, str]:
    """What no file of weights says of `model`, by a word for each: short enough for one line."""
    norm = f"layer norm before each part, epsilon {EPSILON:g}"
    return {
        "activation": "none" if model.cfg.attn_only else "ReLU",
        "normalisation": "none" if model.cfg.normalization_type is None else norm,
        "scores": "divided by sqrt(d_head)",
        "attention": "causal",
    }


def in_words(model: Transformer) -> str:
    """The same in one line: "ReLU, no norm, scores / sqrt(d_head), causal"."""
    granted = taken_for_granted(model)
    activation = "no neurons" if granted["activation"] == "none" else granted["activation"]
    norm = "no norm" if granted["normalisation"] == "none" else "layer norm"
    return f"{activation}, {norm}, scores / sqrt(d_head), causal"


def others(model: Transformer) -> Iterator[Architecture]:
    """The usual other models that could have weights of these names and shapes, the fewest differences first.

    A model whose layer norm has weights is one wherever it adds its epsilon: that hardly changes an answer.
    """
    has_neurons = not model.cfg.attn_only and model.cfg.d_mlp
    activations = tuple(ACTIVATIONS) if has_neurons else ("ReLU",)
    norms = (False, True) if model.cfg.normalization_type is None else (False,)
    every = (Architecture(*parts) for parts in product(activations, norms, (True, False), (True, False)))
    yield from sorted((kind for kind in every if kind != OURS), key=lambda kind: len(kind.differences))


def logits(
    model: Transformer, toks: Int[Tensor, "batch pos"], architecture: Architecture
) -> Float[Tensor, "batch pos d_vocab_out"]:
    """What a model with the weights of `model` answers if it is of another architecture."""
    resid = F.embedding(toks, model.W_E) + model.W_pos[: toks.shape[-1]]
    for block in model.blocks:
        resid = resid + _attention(block, _normalised(resid, block.ln1, architecture), architecture)
        if not model.cfg.attn_only:
            pre = _normalised(resid, block.ln2, architecture) @ block.mlp.W_in + block.mlp.b_in
            resid = resid + ACTIVATIONS[architecture.activation](pre) @ block.mlp.W_out + block.mlp.b_out
    return _normalised(resid, model.ln_final, architecture) @ model.W_U + model.unembed.b_U


def _normalised(resid: Tensor, own: LayerNorm | None, architecture: Architecture) -> Tensor:
    if own is not None:
        return own(resid, as_it_is)
    if not architecture.normalised:
        return resid
    centred, scale = centred_and_scale(resid)
    return centred / scale


def _attention(block: Block, resid: Tensor, architecture: Architecture) -> Tensor:
    attn = block.attn
    project = "batch pos d_model, head d_model d_head -> batch pos head d_head"
    q = einsum(resid, attn.W_Q, project) + attn.b_Q
    k = einsum(resid, attn.W_K, project) + attn.b_K
    v = einsum(resid, attn.W_V, project) + attn.b_V
    scores = einsum(q, k, "batch query head d_head, batch key head d_head -> batch head query key")
    if architecture.scaled:
        scores = scores / math.sqrt(attn.W_Q.shape[-1])
    if architecture.causal:
        n = resid.shape[-2]
        scores = scores.masked_fill(torch.ones(n, n, dtype=torch.bool, device=resid.device).triu(1), -torch.inf)
    z = einsum(scores.softmax(-1), v, "batch head query key, batch key head d_head -> batch query head d_head")
    return einsum(z, attn.W_O, "batch pos head d_head, head d_head d_model -> batch pos d_model") + attn.b_O
