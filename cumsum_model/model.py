"""November's transformer: one token for each value in -max_value .. +max_value, and three answers: neg, zero, pos.

Conventions beside those of `toy_model.transformer`: token = value + max_value (`data.tokens_of`), so row
`v + max_value` of `W_E` belongs to the value v.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import tokens_of
from toy_model.engine import run
from toy_model.transformer import Transformer


class CumsumTransformer(Transformer):
    """Maps tokens to the logits (neg, zero, pos) of the running sum at every position."""

    cfg: CumsumConfig

    def __init__(self, cfg: CumsumConfig | None = None) -> None:
        super().__init__(cfg or CumsumConfig())


def answers_to(model: CumsumTransformer, values: Sequence[int]) -> list[int]:
    """The answer at every position of one sequence of values: 0 negative, 1 zero, 2 positive."""
    return run(model, tokens_of(torch.tensor([values]), model.cfg.max_value))[0].argmax(-1).tolist()
