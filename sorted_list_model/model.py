"""October's transformer: a token for each number 0 .. max_value and one for SEP; the answers are tokens as well.

Conventions beside those of `toy_model.transformer`: two heads, no MLP, layer norm with weights before attention and
before the unembedding. The epsilon of layer norm lies inside the root and matters: the variance of what is read
before attention is of its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from toy_model.engine import run
from toy_model.transformer import Transformer


class SortedListTransformer(Transformer):
    """Maps tokens to the logits of the token that comes next, at every position."""

    cfg: SortedListConfig

    def __init__(self, cfg: SortedListConfig | None = None) -> None:
        super().__init__(cfg or SortedListConfig())


def answers_to(model: SortedListTransformer, numbers: Sequence[int]) -> list[int]:
    """The answers at SEP and at the sorted numbers but the last, which should be the list in order."""
    data = SortedListDataset.of(torch.tensor([numbers]), model.cfg.max_value)
    return run(model, data.toks)[0, data.scored].argmax(-1).tolist()
