"""The smallest difference of two logits as a mixed-integer program: what a general solver makes of the model.

For a fixed query, Z times everything that decides a difference of logits is a sum over positions. That much a solver
has to be told, since it knows no exponentials; what it is not told are the signs of the neurons. Those are binaries
with bounds read off the tables ("big M"). The condition on the sum is one more linear constraint. Solved by HiGHS, in
float64 and to its tolerances: unlike the proof, not sound to the last bit.

Sources: Tjeng et al. 2017, arXiv 1711.07356 (ReLU in integer programs); Dinkelbach 1967 (quotients).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cumsum_model.attention import attention_scores
from cumsum_model.model import CumsumTransformer

Array = NDArray[np.float64]
Choices = Sequence[Sequence[int]]
"""The tokens that each position may have."""

ROUNDS = 12
"""Of Dinkelbach's iteration at most; it takes two or three."""

GAP = 1e-6
"""A difference between bound and sequence that the solver's own tolerances leave."""


@dataclass(frozen=True)
class Optimum:
    """What the integer program found: no difference is below `bound` (to the solver's tolerance), `tokens` has `found`.

    programs: how many had to be solved. finished: whether none of them ran out of time.
    """

    bound: float
    found: float
    tokens: tuple[int, ...]
    programs: int
    finished: bool


@dataclass(frozen=True)
class Sums:
    """Z times everything that decides a difference of logits, as a sum over positions: one head, one query.

    pre [position, token, neuron], direct [position, token], weight [position, token], push [neuron].
    """

    pre: Array
    direct: Array
    weight: Array
    push: Array

    def difference(self, tokens: Sequence[int]) -> float:
        """Of one sequence."""
        at = np.arange(len(tokens)), np.asarray(tokens)
        Z = self.weight[at].sum()
        return float((self.direct[at].sum() + self.pre[at].sum(0).clip(min=0) @ self.push) / Z)


@torch.no_grad()
def sums_of(model: CumsumTransformer, n: int, last: int, right: int, other: int) -> Sums:
    """Read the sums off the weights, for queries of token `last` at the n-th position."""
    if (model.cfg.n_layers, model.cfg.n_heads) != (1, 1):
        raise ValueError(f"only one block of one head has a single Z, this is {model}")
    W = {name.split(".")[-1]: tensor.cpu().double() for name, tensor in model.state_dict().items()}
    stream = W["W_E"] + W["W_pos"][:n, None]
    scores = attention_scores(model)[n - 1, last, :n].cpu()
    weight = (scores - scores.max()).exp()
    attn_out = (stream @ W["W_V"][0] + W["b_V"][0]) @ W["W_O"][0] + W["b_O"]
    resid_mid = stream[n - 1, last] + attn_out
    towards = W["W_U"][:, right] - W["W_U"][:, other]
    direct = resid_mid @ towards + W["b_out"] @ towards + W["b_U"][right] - W["b_U"][other]
    pre = resid_mid @ W["W_in"] + W["b_in"]
    tensors = (weight[..., None] * pre, weight * direct, weight, W["W_out"] @ towards)
    return Sums(*(tensor.numpy() for tensor in tensors))


def smallest_difference(sums: Sums, choices: Choices, total: int | None, *, time_limit: float = 60.0) -> Optimum:
    """The smallest difference among sequences of `choices` whose tokens add up to `total`, by integer programs.

    Each program minimises Z (difference - mu) for the best difference mu known so far; at 0 there is none below mu.
    """
    started = time.perf_counter()
    lightest, heaviest = _range_of_Z(sums, choices)
    bound, smallest, mu = -np.inf, np.inf, 0.0
    best: tuple[int, ...] = ()
    for programs in range(1, ROUNDS + 1):
        remaining = time_limit - (time.perf_counter() - started)
        least, tokens = _solve(sums, choices, total, mu, time_limit=remaining)
        # Z (difference - mu) >= least, so difference >= mu + least / Z, at the Z that makes least of it.
        bound = max(bound, mu + least / (lightest if least < 0 else heaviest))
        if tokens is not None and sums.difference(tokens) < smallest:
            smallest, best = sums.difference(tokens), tokens
        if not np.isfinite(smallest) or time.perf_counter() - started > time_limit:
            return Optimum(bound, smallest, best, programs, finished=False)
        if smallest - bound <= GAP * max(1.0, abs(smallest)):
            break
        mu = smallest
    return Optimum(bound, smallest, best, programs, finished=True)


def relaxed_difference(sums: Sums, choices: Choices, total: int | None) -> float:
    """A bound below the same, where a position may also be a mixture of its tokens: neurons alone are told apart."""
    lightest, heaviest = _range_of_Z(sums, choices)
    mu = 0.0
    for _ in range(3):
        least, _tokens = _solve(sums, choices, total, mu, mixtures=True)
        mu += least / (lightest if least < 0 else heaviest)
    return mu


def _range_of_Z(sums: Sums, choices: Choices) -> tuple[float, float]:
    by_position = [sums.weight[j, list(tokens)] for j, tokens in enumerate(choices)]
    return sum(float(w.min()) for w in by_position), sum(float(w.max()) for w in by_position)


def _solve(
    sums: Sums, choices: Choices, total: int | None, mu: float, *, mixtures: bool = False, time_limit: float = 60.0
) -> tuple[float, tuple[int, ...] | None]:
    """The smallest Z (difference - mu): a bound, and the tokens of the best sequence found, if any was.

    Variables: one of 0 and 1 for each choice of each position, then y, ReLU(y) and whether it fires for each neuron.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import lil_array

    where = [(position, token) for position, tokens in enumerate(choices) for token in tokens]
    positions, tokens = np.array(where).T
    x, neurons = len(where), len(sums.push)
    pre = sums.pre[positions, tokens]
    lowest, highest = (
        np.stack([reach(sums.pre[j, list(row)], 0) for j, row in enumerate(choices)]).sum(0)
        for reach in (np.min, np.max)
    )
    y, post, fires = (x + which * neurons for which in range(3))
    size = x + 3 * neurons
    cost = np.zeros(size)
    cost[:x] = sums.direct[positions, tokens] - mu * sums.weight[positions, tokens]
    cost[post:fires] = sums.push

    rows = lil_array((len(choices) + 1 + 4 * neurons, size))
    low, high = np.zeros(rows.shape[0]), np.zeros(rows.shape[0])
    rows[positions, np.arange(x)] = 1
    low[: len(choices)] = high[: len(choices)] = 1
    condition = len(choices)
    rows[[condition], :x] = tokens
    low[condition], high[condition] = (-np.inf, np.inf) if total is None else (total, total)
    for i in range(neurons):
        first = condition + 1 + 4 * i
        rows[[first], :x] = -pre[:, i]  # y is the sum over positions
        rows[first, y + i] = 1
        rows[first + 1, [post + i, y + i]] = 1, -1  # ReLU(y) >= y
        high[first + 1] = np.inf
        rows[first + 2, [post + i, y + i, fires + i]] = 1, -1, -min(lowest[i], 0)  # ReLU(y) <= y where it fires
        low[first + 2], high[first + 2] = -np.inf, -min(lowest[i], 0)
        rows[first + 3, [post + i, fires + i]] = 1, -max(highest[i], 0)  # and 0 where it does not
        low[first + 3] = -np.inf
    least, most = np.zeros(size), np.ones(size)
    least[y:post], most[y:post] = lowest, highest
    most[post:fires] = highest.clip(min=0)
    whole = np.zeros(size)
    whole[:x], whole[fires:] = not mixtures, 1

    answer = milp(
        cost,
        integrality=whole,
        bounds=Bounds(least, most),
        constraints=LinearConstraint(rows.tocsr(), low, high),
        options={"time_limit": max(time_limit, 0.1), "mip_rel_gap": 0.0},
    )
    if answer.status == 2:
        raise ValueError(f"no sequence of {len(choices)} such tokens adds up to {total}")
    bound = -np.inf if answer.mip_dual_bound is None else float(answer.mip_dual_bound)
    if answer.x is None:
        return bound, None
    taken = [answer.x[:x][positions == j].argmax() for j in range(len(choices))]
    return bound, tuple(choices[j][which] for j, which in enumerate(taken))
