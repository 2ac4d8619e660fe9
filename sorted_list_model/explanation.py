"""The explanation as a program: look for larger numbers, copy what is looked at, and suppress the current one.

Everything in it is a table that the explanation names: how much each number looks for each other one at each position
of the sorted half (QK), what attention to a number adds to each answer (OV), and what the current number adds itself
(the direct path), divided by the size of all that is written, as layer norm does. It knows no order of the unsorted
half and nothing that was sorted before. How far its answers are from the model's is how much the explanation leaves
out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import ov_written, readout, resid_pre, scores
from sorted_list_model.model import SortedListTransformer
from toy_model.transformer import centred_and_scale


@dataclass(frozen=True)
class Explanation:
    """The program's tables, in float64, for the answers at SEP and at the sorted numbers but the last.

    What is attended to are the unsorted numbers, SEP, and, at a sorted number, that number itself once more.

    look_for  log attention weight of each query for each token, up to what is common to all
    itself    the same for the current number where it is sorted; -inf at SEP, which is there once
    copy      what attention to each token adds to each answer, but for the scale
    say       what the current token adds to each answer itself, but for the scale
    written, own  the vectors whose readouts `copy` and `say` are: the scale is the size of their sum
    bias      of the answers
    """

    look_for: Float[Tensor, "head query current tok"]
    itself: Float[Tensor, "head query current"]
    copy: Float[Tensor, "head tok answer"]
    say: Float[Tensor, "query current answer"]
    written: Float[Tensor, "head tok d_model"]
    own: Float[Tensor, "query current d_model"]
    bias: Float[Tensor, " answer"]

    def __call__(self, data: SortedListDataset) -> Float[Tensor, "batch query answer"]:
        """The program's logits."""
        current, attended = data.current.cpu(), self.attended_to(data)
        n = current.shape[-1]
        query = torch.arange(n)
        look_for = self.look_for[:, query[:, None], current[:, :, None], attended[:, None, : n + 1]]
        weights = torch.cat([look_for, self.itself[:, query, current][..., None]], -1).softmax(-1)
        _, scale = centred_and_scale(_moved(weights, self.written, attended, current) + self.own[query, current])
        added = _moved(weights, self.copy, attended, current) + self.say[query, current]
        return added / scale + self.bias

    @staticmethod
    def attended_to(data: SortedListDataset) -> Int[Tensor, "batch tok"]:
        """The unsorted numbers and SEP."""
        return data.toks[:, : data.lists.shape[-1] + 1].cpu()


def _moved(
    weights: Float[Tensor, "head batch query key"],
    table: Float[Tensor, "head tok width"],
    attended: Int[Tensor, "batch tok"],
    current: Int[Tensor, "batch query"],
) -> Float[Tensor, "batch query width"]:
    """What attention moves: to the tokens that are attended to, and, with its last weight, to the current number."""
    to_tokens = einsum(weights[..., :-1], table[:, attended], "head b query tok, head b tok width -> b query width")
    return to_tokens + einsum(weights[..., -1], table[:, current], "head b query, head b query width -> b query width")


def explain(model: SortedListTransformer) -> Explanation:
    """The tables, read off the weights. Means are over unsorted positions."""
    n, sep = model.cfg.list_len, model.cfg.sep
    assert model.ln_final is not None
    per_score, ov = scores(model), ov_written(model)
    look_for = per_score[:, :, :, :n].mean(3)
    look_for[..., sep] = per_score[:, :, :, n, sep]
    written = ov[:, :n].mean(1)
    written[:, sep] = ov[:, n, sep]
    own = resid_pre(model)[n : 2 * n] + model.blocks[0].attn.b_O.double()
    query = torch.arange(n)
    itself = per_score[:, query, :, n + query].diagonal(dim1=-2, dim2=-1).transpose(0, 1).clone()
    itself[:, 0] = -torch.inf
    return Explanation(
        look_for=look_for,
        itself=itself,
        copy=readout(model, written),
        say=readout(model, own),
        written=written,
        own=own,
        bias=model.ln_final.b.double() @ model.W_U.double() + model.unembed.b_U.double(),
    )


def ignoring_position(program: Explanation) -> Explanation:
    """A rival: what is looked for does not depend on how far the list is sorted already."""
    look_for, itself = program.look_for.clone(), program.itself.clone()
    look_for[:, 1:] = look_for[:, 1:].mean(1, keepdim=True)
    itself[:, 1:] = itself[:, 1:].mean(1, keepdim=True)
    return replace(program, look_for=look_for, itself=itself)


def copying_the_most_attended(program: Explanation) -> Explanation:
    """A rival: each head copies the one token that it would attend to most."""
    return replace(program, look_for=program.look_for * 1e6, itself=program.itself * 1e6)


def sorting_by_the_direct_path(program: Explanation) -> Explanation:
    """A rival: the heads do nothing, and the direct path alone says what comes next."""
    return replace(program, copy=torch.zeros_like(program.copy))


def without_the_direct_path(program: Explanation) -> Explanation:
    """A rival: there is no direct path from the current number to the answers."""
    return replace(program, say=program.say.mean((0, 1), keepdim=True).expand_as(program.say))


def without_cross_terms(program: Explanation) -> Explanation:
    """A rival: attention to a number raises its own logit, and moves all others alike."""
    tokens, n_answers = torch.arange(program.copy.shape[1]), program.copy.shape[-1]
    diagonal = program.copy[:, tokens, tokens]
    others = (program.copy.sum(-1) - diagonal) / (n_answers - 1)
    copy = others[..., None].expand_as(program.copy).clone()
    copy[:, tokens, tokens] = diagonal
    return replace(program, copy=copy)
