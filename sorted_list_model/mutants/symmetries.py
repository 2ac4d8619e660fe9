"""The same probabilities on every list, in other weights: what no claim about the function may notice.

All are computed in float64 and stored as the model's weights are.
"""

from __future__ import annotations

import torch

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.surgery import OV, QK, exchange
from toy_model.surgery import copied
from toy_model.symmetry import Changes

HEAD_NUMBERS = "head numbers"
HEAD_BASES = "the basis of the heads"
LOGIT_GAUGE = "the gauge of the logits"
LAYER_NORM = "the split between layer norm and what reads it"
STREAM_BASIS = "the basis of the stream"

EVERYTHING = (HEAD_NUMBERS, HEAD_BASES, LOGIT_GAUGE, LAYER_NORM, STREAM_BASIS)

HEAD_SKEW = 4.0
"""Condition number of the change of basis of queries and keys, and of values."""

LOGITS = 3.0
"""What is added to all logits alike."""

SEED = 0


changes = Changes(EVERYTHING)


@changes(HEAD_NUMBERS)
def exchange_heads(model: SortedListTransformer) -> SortedListTransformer:
    """The first two heads exchange their numbers."""
    mutant = copied(model)
    exchange(mutant, tuple(dict.fromkeys((*QK, *OV))))
    return mutant


@changes(HEAD_BASES)
def change_head_basis(model: SortedListTransformer) -> SortedListTransformer:
    """Queries and keys, and values, are written in other bases of each head's space."""
    mutant = copied(model)
    attn, generator = mutant.blocks[0].attn, torch.Generator().manual_seed(SEED)
    for head in range(model.cfg.n_heads):
        basis, inverse = _basis(model.cfg.d_head, generator)
        attn.W_Q[head], attn.b_Q[head] = attn.W_Q[head].double() @ basis, attn.b_Q[head].double() @ basis
        attn.W_K[head], attn.b_K[head] = attn.W_K[head].double() @ inverse.T, attn.b_K[head].double() @ inverse.T
        basis, inverse = _basis(model.cfg.d_head, generator)
        attn.W_V[head], attn.b_V[head] = attn.W_V[head].double() @ basis, attn.b_V[head].double() @ basis
        attn.W_O[head] = inverse @ attn.W_O[head].double()
    return mutant


@changes(LOGIT_GAUGE)
def shift_logits_by_a_constant(model: SortedListTransformer) -> SortedListTransformer:
    """Every logit is higher by the same constant."""
    mutant = copied(model)
    mutant.unembed.b_U += LOGITS
    return mutant


@changes(LOGIT_GAUGE)
def shift_unembeddings(model: SortedListTransformer) -> SortedListTransformer:
    """The same vector is added to the unembedding of every answer."""
    mutant = copied(model)
    vector = torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(SEED)).to(model.W_U)
    mutant.unembed.W_U += (vector * model.W_U.std())[:, None]
    return mutant


@changes(LAYER_NORM)
def fold_layer_norm(model: SortedListTransformer) -> SortedListTransformer:
    """Weights and biases of layer norm are folded into the matrices that read it, as TransformerLens folds them."""
    mutant = copied(model)
    block, final, unembed = mutant.blocks[0], mutant.ln_final, mutant.unembed
    assert block.ln1 is not None
    assert final is not None
    w, b = block.ln1.w.double(), block.ln1.b.double()
    for name in ("Q", "K", "V"):
        W, bias = getattr(block.attn, f"W_{name}"), getattr(block.attn, f"b_{name}")
        bias.copy_(bias.double() + b @ W.double())
        W.copy_(w[:, None] * W.double())
    unembed.b_U.copy_(unembed.b_U.double() + final.b.double() @ unembed.W_U.double())
    unembed.W_U.copy_(final.w.double()[:, None] * unembed.W_U.double())
    for norm in (block.ln1, final):
        norm.w.fill_(1)
        norm.b.zero_()
    return mutant


@changes(STREAM_BASIS)
def shift_stream_mean(model: SortedListTransformer) -> SortedListTransformer:
    """All that writes to the stream adds a constant to all of its dimensions, which layer norm takes off again."""
    mutant = copied(model)
    generator = torch.Generator().manual_seed(SEED)
    for written in (mutant.embed.W_E, mutant.pos_embed.W_pos, mutant.blocks[0].attn.W_O):
        amounts = torch.randn(written.shape[:-1], generator=generator).to(written)
        written += amounts[..., None] * written.std()
    return mutant


@changes(STREAM_BASIS, LAYER_NORM)
def rotate_stream(model: SortedListTransformer) -> SortedListTransformer:
    """The stream is written in another orthonormal basis that keeps its mean, layer norm folded before."""
    mutant = fold_layer_norm(model)
    block, d_model = mutant.blocks[0], model.cfg.d_model
    rotation = _mean_preserving_rotation(d_model).to(model.device)
    for written in (mutant.embed.W_E, mutant.pos_embed.W_pos, block.attn.W_O, block.attn.b_O):
        written.copy_(written.double() @ rotation)
    for reader in (block.attn.W_Q, block.attn.W_K, block.attn.W_V, mutant.unembed.W_U):
        reader.copy_(rotation.T @ reader.double())
    return mutant


@changes(*EVERYTHING)
def all_at_once(model: SortedListTransformer) -> SortedListTransformer:
    """Every symmetry, one after the other."""
    for symmetry in (exchange_heads, change_head_basis, shift_logits_by_a_constant, shift_unembeddings, rotate_stream):
        model = symmetry(model)
    return shift_stream_mean(model)


def _basis(d: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix of condition number HEAD_SKEW, and its inverse."""
    left, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    stretch = torch.logspace(0, 1, d, base=HEAD_SKEW, dtype=torch.float64)
    return left * stretch @ right, right.T / stretch @ left.T


def _mean_preserving_rotation(d: int) -> torch.Tensor:
    """An orthogonal matrix that maps the vector of ones to itself."""
    generator = torch.Generator().manual_seed(SEED)
    frame, _ = torch.linalg.qr(
        torch.cat(
            [torch.ones(d, 1, dtype=torch.float64), torch.randn(d, d - 1, generator=generator, dtype=torch.float64)], 1
        )
    )
    turn, _ = torch.linalg.qr(torch.randn(d - 1, d - 1, generator=generator, dtype=torch.float64))
    middle = torch.block_diag(torch.ones(1, 1, dtype=torch.float64), turn)
    return frame @ middle @ frame.T
