"""Mutants of the unembedding."""

from __future__ import annotations

import torch

from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.model import CumsumTransformer
from toy_model.surgery import copied


def unembed_neg_apart_from_pos(model: CumsumTransformer) -> CumsumTransformer:
    """The neg unembedding loses its part along pos: the two read from directions at right angles."""
    mutant = copied(model)
    pos = model.W_U[:, POS] / model.W_U[:, POS].norm()
    mutant.unembed.W_U[:, NEG] -= (model.W_U[:, NEG] @ pos) * pos
    return mutant


def unembed_zero_as_pos(model: CumsumTransformer) -> CumsumTransformer:
    """The zero unembedding points where pos points, at its own length."""
    mutant = copied(model)
    pos = model.W_U[:, POS] / model.W_U[:, POS].norm()
    mutant.unembed.W_U[:, ZERO] = pos * model.W_U[:, ZERO].norm()
    return mutant


def swap_verdicts(model: CumsumTransformer) -> CumsumTransformer:
    """Says "neg" where it said "pos", and the reverse."""
    mutant = copied(model)
    order = torch.tensor([POS, ZERO, NEG], device=model.device)
    mutant.unembed.W_U.copy_(model.W_U[:, order])
    mutant.unembed.b_U.copy_(model.unembed.b_U[order])
    return mutant


def favour_zero(model: CumsumTransformer) -> CumsumTransformer:
    """The bias of "zero" is three logits too high."""
    return _bias_zero(model, 3.0)


def shun_zero(model: CumsumTransformer) -> CumsumTransformer:
    """The bias of "zero" is three logits too low."""
    return _bias_zero(model, -3.0)


def speak_timidly(model: CumsumTransformer) -> CumsumTransformer:
    """A quarter of every logit: the same answers, far less sure of them."""
    mutant = copied(model)
    mutant.unembed.W_U *= 0.25
    mutant.unembed.b_U *= 0.25
    return mutant


def _bias_zero(model: CumsumTransformer, logits: float) -> CumsumTransformer:
    mutant = copied(model)
    mutant.unembed.b_U[ZERO] += logits
    return mutant
