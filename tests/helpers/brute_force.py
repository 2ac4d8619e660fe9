"""Every sequence of a model with a short context, run in float64: what proofs are compared with."""

import copy
import itertools

import numpy as np
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer


def shortened(model, n_ctx):
    """The same model with a shorter context, so that nothing longer has to be proved."""
    short = CumsumTransformer(CumsumConfig(**{**model.cfg.__dict__, "n_ctx": n_ctx}))
    state = {**model.state_dict(), "pos_embed.W_pos": model.W_pos[:n_ctx]}
    short.load_state_dict(state)
    return short.requires_grad_(False)


@torch.no_grad()
def every_run(model, read):
    """For each length: all tokens, and what `read(cache, logits)` gives at their last position, in float64."""
    double = copy.deepcopy(model).double()
    for n in range(1, model.cfg.n_ctx + 1):
        tokens = torch.tensor(list(itertools.product(range(model.cfg.d_vocab), repeat=n)))
        logits, cache = double.run_with_cache(tokens)
        yield n, tokens, read(cache, logits)


def by_class(length, tokens, numbers, reduce, start):
    """The least or largest number among the sequences of each class, [last token, sum index]."""
    reduced = np.full(length.sums.shape, start)
    place = tokens[:, -1].numpy(), tokens[:, :-1].sum(1).numpy()
    reduce.at(reduced, place, numbers)
    return reduced
