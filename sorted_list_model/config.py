"""The sizes of October's transformer, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from toy_model.config import Config


@dataclass(frozen=True, kw_only=True)
class SortedListConfig(Config):
    """The sizes of a model. The defaults are those of the published one: ten numbers of 0 .. 50."""

    max_value: int = field(default=50, metadata={"meaning": "numbers lie in 0 .. N"})
    n_ctx: int = 21
    n_heads: int = 2
    d_model: int = 96
    d_head: int = 48

    attn_only: ClassVar[bool] = True
    normalization_type: ClassVar[str | None] = "LN"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_ctx < 3 or self.n_ctx % 2 == 0:
            raise ValueError(f"n_ctx must be odd and at least 3: a list, SEP and the list in order; got {self.n_ctx}")
        if self.list_len > self.max_value + 1:
            raise ValueError(f"there are no {self.list_len} different numbers in 0 .. {self.max_value}")
        if self.d_mlp:
            raise ValueError(f"d_mlp must be 0, as the model has no MLP; got {self.d_mlp}")

    @property
    def list_len(self) -> int:
        """Numbers in a list. SEP stands at the position of this index."""
        return self.n_ctx // 2

    @property
    def sep(self) -> int:
        """The token between a list and the same list in order."""
        return self.max_value + 1

    @property
    def d_vocab(self) -> int:
        return self.max_value + 2

    @property
    def d_vocab_out(self) -> int:
        return self.d_vocab
