"""Rivals of the explanation: other programs, each fitted to be as like the model as it can be.

How unlike a program is is what is lost by believing it, KL(model || program) in nats per position, and that is what a
rival is fitted for: one fitted for anything else would lose by its fit and not by what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.data import CumsumDataset, running_means, tokens_of
from cumsum_model.explanation import explain
from cumsum_model.model import CumsumTransformer
from cumsum_model.reading import stored_mean
from toy_model.behaviour import divergence
from toy_model.engine import run

SEQUENCES = 200
"""Of a data set, its first: what a fit is made and judged on. Four parameters and 99 need no more."""

ROUNDS = 60
"""At most so many of L-BFGS, which end sooner where nothing is gained any more."""


def fitted(
    program: Callable[[Tensor], Float[Tensor, "n d_vocab_out"]], start: Tensor, wanted: Float[Tensor, "n d_vocab_out"]
) -> Float[Tensor, "n d_vocab_out"]:
    """Logits of the program with the parameters that lose least, from those of `start`: L-BFGS, in float64.

    Deterministic. A local minimum; the only one where logits are linear in the parameters.
    """
    target = wanted.double().softmax(-1)
    parameters = start.double().clone(memory_format=torch.contiguous_format).requires_grad_(True)
    search = torch.optim.LBFGS([parameters], max_iter=ROUNDS, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def loss() -> Tensor:
        search.zero_grad()
        with torch.enable_grad():
            value = -(target * program(parameters).log_softmax(-1)).sum(-1).mean()
            value.backward()
        return value

    search.step(loss)
    return program(parameters.detach())


def times_worse_reading(
    model: CumsumTransformer, data: CumsumDataset, feature: Callable[[Int[Tensor, "batch pos"]], Tensor]
) -> float:
    """What the explanation loses with `feature` of the values in place of their mean, over what it loses itself.

    The feature gets the scale and the offset with which it loses least.
    """
    values, logits, loss = _on(model, data)
    program, x = explain(model), feature(values).double()
    x = x / x.std()  # a search is quick where what it moves is of one size
    stored = stored_mean(model, data.toks[:SEQUENCES])
    design = torch.stack([x.flatten(), torch.ones_like(x).flatten()], dim=-1)
    start = torch.linalg.lstsq(design, stored.flatten()[:, None], driver="gels").solution.flatten()
    rival = fitted(lambda p: program(values, p[0] * x + p[1]).flatten(0, 1), start, logits.flatten(0, 1))
    return divergence(logits, rival.reshape(logits.shape)) / loss


def times_worse_linear(model: CumsumTransformer, data: CumsumDataset) -> tuple[float, int]:
    """What the best linear map of mean, token and position loses, over what the explanation loses.

    Also, in how many positions it answers otherwise than the model.
    """
    cfg = model.cfg
    values = _values(model, data)
    tokens = torch.eye(cfg.d_vocab, dtype=torch.float64, device=model.device)[tokens_of(values, cfg.max_value)]
    positions = torch.eye(cfg.n_ctx, dtype=torch.float64, device=model.device).expand(len(values), -1, -1)
    # One column of the positions would be what the columns of the tokens add up to.
    return _times_worse(model, data, torch.cat([running_means(values)[..., None], tokens, positions[..., 1:]], dim=-1))


def times_worse_line(model: CumsumTransformer, data: CumsumDataset) -> tuple[float, int]:
    """The same of the best line in the mean alone: a slope and an offset for each logit, six numbers."""
    means = running_means(_values(model, data))
    return _times_worse(model, data, torch.stack([means, torch.ones_like(means)], dim=-1))


def _times_worse(
    model: CumsumTransformer, data: CumsumDataset, design: Float[Tensor, "batch pos n_features"]
) -> tuple[float, int]:
    """What the best linear map of `design` loses, over what the explanation does, and how many answers differ."""
    _, logits, loss = _on(model, data)
    design, wanted = design.flatten(0, 1), logits.flatten(0, 1)
    start = torch.linalg.lstsq(design, wanted.double(), driver="gels").solution
    rival = fitted(lambda p: design @ p, start, wanted).reshape(logits.shape)
    differ = int((rival.argmax(-1) != logits.argmax(-1)).sum())
    return divergence(logits, rival) / loss, differ


def _values(model: CumsumTransformer, data: CumsumDataset) -> Tensor:
    return data.values[:SEQUENCES].to(model.device)


def _on(model: CumsumTransformer, data: CumsumDataset) -> tuple[Tensor, Tensor, float]:
    """The values of the first sequences, the model's logits, and what the explanation loses on them."""
    values = _values(model, data)
    logits = run(model, data.toks[:SEQUENCES])
    return values, logits, divergence(logits, explain(model)(values))
