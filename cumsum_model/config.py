"""The sizes of November's transformer, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from toy_model.config import Config


@dataclass(frozen=True, kw_only=True)
class CumsumConfig(Config):
    """The sizes of a model. The defaults are those of the published one."""

    max_value: int = field(default=5, metadata={"meaning": "values lie in -N .. N"})
    n_ctx: int = 20
    d_model: int = 24
    d_head: int = 12
    d_mlp: int = 8

    @property
    def d_vocab(self) -> int:
        return 2 * self.max_value + 1

    @property
    def d_vocab_out(self) -> int:
        return 3
