"""The OV circuit broken: a head copies nothing, something else, or boosts and suppresses other numbers.

Training leaves the unembedding a rank of 18 for 51 numbers, and what the heads read of them one of 29, so that
attention to a number cannot move one logit alone, and not without attention to others. A circuit that is asked for is
therefore made as nearly as the ranks of what is there allow: between a sixth and nine tenths of the way.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.ov_circuit import ov_circuit
from sorted_list_model.surgery import lesser_head, main_head, require_two_heads, reread, rewrite_ov
from toy_model.surgery import CannotBeMade, copied

BLUR = 0.3
"""How much of the unembedding of its neighbour an answer gets where unembeddings are blurred."""

SHARED = (36, 37)
"""Numbers that both heads of the shipped model copy, and one of them as published."""


def silence_main_head(model: SortedListTransformer) -> SortedListTransformer:
    """The main head writes nothing."""
    return _silenced(model, main_head(model))


def silence_lesser_head(model: SortedListTransformer) -> SortedListTransformer:
    """The lesser head writes nothing."""
    return _silenced(model, lesser_head(model))


def copy_one_higher(model: SortedListTransformer) -> SortedListTransformer:
    """Both heads do with each number what they did with the one above it: the diagonal of OV is shifted."""
    return _reading(model, 1)


def copy_one_higher_in_main_head(model: SortedListTransformer) -> SortedListTransformer:
    """The diagonal of the main head's OV is shifted, that of the other head is not."""
    return _reading(model, 1, main_head(model))


def copy_one_higher_in_lesser_head(model: SortedListTransformer) -> SortedListTransformer:
    """The diagonal of the lesser head's OV is shifted, that of the main head is not."""
    return _reading(model, 1, lesser_head(model))


def negate_OV(model: SortedListTransformer) -> SortedListTransformer:
    """Both heads take away what they added: they suppress what they attend to."""
    mutant = copied(model)
    mutant.blocks[0].attn.W_O *= -1
    return mutant


def blur_unembedding(model: SortedListTransformer) -> SortedListTransformer:
    """Every answer gets three tenths of the unembeddings of both its neighbours: nearly no answer changes."""
    return _blurred(model, (-1, 1))


def blur_unembedding_upwards(model: SortedListTransformer) -> SortedListTransformer:
    """Every answer gets three tenths of the unembedding of the number below it: a source boosts what is above it."""
    return _blurred(model, (-1,))


def sharpen_unembedding(model: SortedListTransformer) -> SortedListTransformer:
    """Each answer loses three tenths of the unembedding of the number above it, whose boost it had: none is left."""
    mutant = copied(model)
    n = model.cfg.max_value + 1
    mutant.unembed.W_U[:, : n - 1] -= BLUR * model.W_U[:, 1:n]
    return mutant


def copy_small_numbers_more(model: SortedListTransformer) -> SortedListTransformer:
    """Attention to small numbers does more than it did, and to large ones less.

    Twice as much to 0, to the largest nothing, and so on in between, as nearly as the ranks allow: of the shipped model
    it is about seven tenths more to 0, and to the largest a third or half less.
    """
    mutant = copied(model)
    n = model.cfg.max_value + 1
    for head, circuit in enumerate(ov_circuit(model)):
        deviations = circuit - circuit.mean(-1, keepdim=True)
        rewrite_ov(mutant, head, torch.linspace(1, -1, n, dtype=torch.float64)[:, None] * deviations)
    return mutant


def boost_nothing_below(model: SortedListTransformer) -> SortedListTransformer:
    """Attention to a number adds to those below it what it adds on average, as nearly as the rank of W_U allows."""
    return _flattened(model, torch.ones_like(_circuit_of(model)).tril(-1).bool())


def suppress_nothing_above(model: SortedListTransformer) -> SortedListTransformer:
    """Attention to a number adds to those above it what it adds on average, as nearly as the rank of W_U allows."""
    return _flattened(model, torch.ones_like(_circuit_of(model)).triu(1).bool())


def mirror_cross_terms(model: SortedListTransformer) -> SortedListTransformer:
    """What attention to s does to those just below and just above s changes places, as nearly as the rank allows."""
    mutant = copied(model)
    for head, circuit in enumerate(ov_circuit(model)):
        wanted = circuit.clone()
        n = len(circuit)
        for s in range(n):
            for offset in range(1, min(s, n - 1 - s, 5) + 1):
                wanted[s, s - offset], wanted[s, s + offset] = circuit[s, s + offset], circuit[s, s - offset]
        rewrite_ov(mutant, head, wanted - circuit)
    return mutant


def copy_in_both_heads(model: SortedListTransformer) -> SortedListTransformer:
    """All heads have the mean of their OV circuits: no number has a head of its own."""
    require_two_heads(model)
    mutant = copied(model)
    mean = ov_circuit(model).mean(0)
    for head, circuit in enumerate(ov_circuit(model)):
        rewrite_ov(mutant, head, mean - circuit)
    return mutant


def share_out_as_published(model: SortedListTransformer) -> SortedListTransformer:
    """36 and 37 are left to the lesser head, as 28 .. 35 are: it does what both did with them, the other nothing."""
    require_two_heads(model)
    circuits, main, lesser = ov_circuit(model), main_head(model), lesser_head(model)
    if circuits.shape[1] <= max(SHARED):
        raise CannotBeMade(f"there is no number {max(SHARED)}")
    mutant = copied(model)
    handed_over = torch.zeros_like(circuits[main])
    handed_over[list(SHARED)] = circuits[main][list(SHARED)]
    rewrite_ov(mutant, lesser, handed_over)
    rewrite_ov(mutant, main, -handed_over)
    return mutant


def copy_exactly(model: SortedListTransformer) -> SortedListTransformer:
    """Attention to a number raises its own logit and no other, as nearly as the rank of W_U allows."""
    mutant = copied(model)
    for head, circuit in enumerate(ov_circuit(model)):
        strength = (circuit - circuit.mean(-1, keepdim=True)).diagonal()
        rewrite_ov(mutant, head, torch.diag(strength) - circuit)
    return mutant


def _circuit_of(model: SortedListTransformer) -> Float[Tensor, "source answer"]:
    return ov_circuit(model)[0]


def _flattened(model: SortedListTransformer, where: Tensor) -> SortedListTransformer:
    """Every head's circuit with the entries of `where` replaced by the mean of their row."""
    mutant = copied(model)
    for head, circuit in enumerate(ov_circuit(model)):
        rewrite_ov(mutant, head, torch.where(where, circuit.mean(-1, keepdim=True), circuit) - circuit)
    return mutant


def _silenced(model: SortedListTransformer, head: int) -> SortedListTransformer:
    mutant = copied(model)
    mutant.blocks[0].attn.W_O[head] = 0
    return mutant


def _reading(model: SortedListTransformer, by: int, *heads: int) -> SortedListTransformer:
    mutant = copied(model)
    matrix, attn = reread(model, by), mutant.blocks[0].attn
    for head in heads or range(model.cfg.n_heads):
        attn.W_V[head] = (matrix @ attn.W_V[head].double()).to(attn.W_V)
    return mutant


def _blurred(model: SortedListTransformer, offsets: tuple[int, ...]) -> SortedListTransformer:
    mutant = copied(model)
    n, W_U = model.cfg.max_value + 1, mutant.unembed.W_U
    for offset in offsets:
        answers = torch.arange(max(0, -offset), min(n, n - offset), device=model.device)
        W_U[:, answers] += BLUR * model.W_U[:, answers + offset]
    return mutant
