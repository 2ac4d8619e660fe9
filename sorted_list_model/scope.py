"""Which models a claim is about."""

from __future__ import annotations

from functools import cache

import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import evaluation_set
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.task import REFERENCE, TASK
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import forward, run

SAMPLE = 50
"""Lists on which a function is compared with the reference's."""

SAME = 1e-3
"""Ours: how far a probability of the same function may be off, which float32 computes in another order."""


def no_account_of(model: SortedListTransformer) -> str | None:
    """Why an account of one layer of heads does not apply to `model`; None if it does."""
    if model.cfg.n_layers > 1:
        return f"this is an account of one layer, the model has {model.cfg.n_layers}"
    return None


def no_account_of_order(model: SortedListTransformer) -> str | None:
    """As `no_account_of`, for what is said of sorted numbers that another one follows."""
    if model.cfg.list_len < 2:
        return "this is about lists of at least two numbers"
    return no_account_of(model)


def no_account_of_triples(model: SortedListTransformer) -> str | None:
    """As `no_account_of`, for what is true where there are lists with three numbers after another."""
    if model.cfg.list_len < 4 or model.cfg.max_value < 20:
        return "this is about lists of at least four numbers, of a range of more than twenty"
    return no_account_of(model)


def no_account_of_two_heads(model: SortedListTransformer) -> str | None:
    """As `no_account_of_triples`, for what is said of how two heads divide the work."""
    if model.cfg.n_heads != 2:
        return f"this is an account of two heads, the model has {model.cfg.n_heads}"
    return no_account_of_triples(model)


def not_of_0_to_50(model: SortedListTransformer) -> str | None:
    """Why claims that name numbers of 0 .. 50, and positions, do not apply to `model`; None if they do."""
    sizes = SortedListConfig()
    if (model.cfg.max_value, model.cfg.n_ctx) != (sizes.max_value, sizes.n_ctx):
        return "this is about lists of ten numbers of 0 .. 50"
    return no_account_of(model)


def not_provable(model: SortedListTransformer) -> str | None:
    """Why theorems about numbers of 0 .. 50 do not apply to `model`; None if they do."""
    from sorted_list_model.proof.tables import Unprovable, require_handled

    try:
        require_handled(model)
    except Unprovable as error:
        return str(error)
    return not_of_0_to_50(model)


def not_the_reference(model: SortedListTransformer) -> str | None:
    """Why claims about what the shipped checkpoint's heads divide up do not apply to `model`; None if they do.

    They apply to the shipped checkpoint, to the same recipe run elsewhere, which differs in the last digits, to edited
    copies, which share most of the matrices, and to the same function in other weights, such as other numbers of heads.
    """
    if model.cfg == reference_model().cfg and (_shares_most_matrices(model) or _computes_the_same(model)):
        return None
    return (
        "this claim is about the shipped checkpoint alone: which head serves which numbers is an accident of the seed"
    )


not_the_reference.one_model_only = True  # type: ignore[attr-defined]  # see `unless` in pytest_claims.claim


def _shares_most_matrices(model: SortedListTransformer) -> bool:
    mine, theirs = model.state_dict(), reference_model().state_dict()
    shared = [bool((mine[name].cpu() - theirs[name]).norm() < norm / 20) for name, norm in _norms().items()]
    return sum(shared) >= 3


@torch.no_grad()
def _computes_the_same(model: SortedListTransformer) -> bool:
    """Whether all probabilities are those of the reference, on a sample of lists."""
    toks = evaluation_set().first(SAMPLE).toks
    logits = forward(model, toks.to(model.device)).double().cpu()
    theirs = run(reference_model(), toks).double()
    return bool((logits.softmax(-1) - theirs.softmax(-1)).abs().max() < SAME)


@cache
def _norms() -> dict[str, torch.Tensor]:
    theirs = reference_model().state_dict()
    names = ("embed.W_E", "unembed.W_U", *(f"blocks.0.attn.W_{kind}" for kind in "QKVO"))
    return {name: theirs[name].norm() for name in names}


@cache
def reference_model() -> SortedListTransformer:
    """The model that this project ships. Raises CheckpointError."""
    return read_checkpoint(REFERENCE, TASK).model
