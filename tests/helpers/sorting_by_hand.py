"""A model that sorts because its weights were written down to: what is measured of it is known beforehand.

The stream has a dimension for each token that is read, for each position, and for each answer. Tokens and positions
are ones in theirs, so that the first layer norm divides by the same number everywhere and everything is linear in what
is read.
"""

import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.task import untrained
from toy_model.surgery import copied
from toy_model.transformer import centred_and_scale

MAX_VALUE, LIST_LEN = 9, 4
N_TOKENS, N_POS = MAX_VALUE + 2, 2 * LIST_LEN + 1
ANSWERS = N_TOKENS + N_POS
"""Where in the stream the answers begin."""

D_MODEL = ANSWERS + N_TOKENS

OF_HEAD_1 = (7, 8)
"""Numbers that head 1 copies; head 0 copies all others."""

STRENGTH = 10.0
SLOPE = 3.0
HIDDEN = 1_000.0
SIZES = SortedListConfig(max_value=MAX_VALUE, n_ctx=N_POS, n_heads=2, d_model=D_MODEL, d_head=D_MODEL)


def copying():
    """What attention to each token adds to each answer, by head: STRENGTH to its own in the head that copies it."""
    copies = torch.zeros(2, N_TOKENS, N_TOKENS, dtype=torch.float64)
    for number in range(MAX_VALUE + 1):
        copies[int(number in OF_HEAD_1), number, number] = STRENGTH
    return copies


def looking_for_the_next(rank=0):
    """Scores of each token for each other: the less a larger number is above it the higher, by SLOPE for each step.

    With `rank` 1 the second next number, as far as it is one above the next, gets most.
    """
    current = torch.arange(N_TOKENS, dtype=torch.float64)
    current[-1] = -1  # SEP, after which the smallest number comes
    steps = torch.arange(N_TOKENS) - current[:, None]
    scores = torch.where(steps > rank, 100 - SLOPE * steps, 0)
    scores[:, -1] = 0
    return scores


def sorter(copies=None, looks_for=None, direct=-1.0, itself=None, drift=None):
    """The model, in float64.

    copies     what attention to each token adds to each answer, by head
    looks_for  the scores of each token for each other in the unsorted half and for SEP, of both heads or by head
    direct     what each token adds to its own answer, past the heads
    itself     the score of a sorted number for itself; without it, and for all sorted numbers before, there is none
    drift      what each query position adds to the scores of each token: (pos, tok)
    """
    model = copied(SortedListTransformer(SIZES)).double()
    read, d_head = D_MODEL, D_MODEL
    model.W_E[:, :N_TOKENS] = torch.eye(N_TOKENS)
    model.W_pos[:, N_TOKENS:ANSWERS] = torch.eye(N_POS)
    _, scale = centred_and_scale(model.W_E[0] + model.W_pos[0])
    constant = torch.full((read,), 2 / read, dtype=torch.float64)  # what layer norm takes off every dimension
    looks_for = (looking_for_the_next() if looks_for is None else looks_for).expand(2, -1, -1)
    attn = model.blocks[0].attn
    for head, written in enumerate(copying() if copies is None else copies):
        QK = torch.zeros(read, read, dtype=torch.float64)
        QK[:N_TOKENS, :N_TOKENS] = looks_for[head]
        QK[:N_TOKENS, N_TOKENS + LIST_LEN + 1 : ANSWERS] = -HIDDEN
        if itself is not None:
            for pos in range(N_TOKENS + LIST_LEN + 1, ANSWERS):
                QK[pos, pos] = HIDDEN + itself
        if drift is not None:
            QK[N_TOKENS:ANSWERS, :N_TOKENS] = drift
        QK *= d_head**0.5
        attn.W_Q[head], attn.b_Q[head] = scale * QK, constant @ QK
        attn.W_K[head] = scale * torch.eye(read)
        attn.W_V[head], attn.b_V[head] = scale * torch.eye(read), constant
        attn.W_O[head, :N_TOKENS, ANSWERS:] = written
    model.unembed.W_U[:N_TOKENS] = direct * torch.eye(N_TOKENS)
    model.unembed.W_U[ANSWERS:] = torch.eye(N_TOKENS)
    return model


def lists(size=60, seed=0):
    return SortedListDataset(size, LIST_LEN, MAX_VALUE, seed)


def any_model(cfg=SIZES, seed=1):
    """One that was never trained, with biases and layer norms that are not the identity, in float64."""
    model = copied(untrained(cfg, seed))
    generator = torch.Generator().manual_seed(seed + 1)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return model.double()
