"""The sizes of a transformer and the axes of its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

AXES: dict[str, tuple[str, ...]] = {
    "W_E": ("d_vocab", "d_model"),
    "W_pos": ("n_ctx", "d_model"),
    "W_Q": ("n_heads", "d_model", "d_head"),
    "W_K": ("n_heads", "d_model", "d_head"),
    "W_V": ("n_heads", "d_model", "d_head"),
    "W_O": ("n_heads", "d_head", "d_model"),
    "b_Q": ("n_heads", "d_head"),
    "b_K": ("n_heads", "d_head"),
    "b_V": ("n_heads", "d_head"),
    "b_O": ("d_model",),
    "W_in": ("d_model", "d_mlp"),
    "b_in": ("d_mlp",),
    "W_out": ("d_mlp", "d_model"),
    "b_out": ("d_model",),
    "W_U": ("d_model", "d_vocab_out"),
    "b_U": ("d_vocab_out",),
}
"""The axes of every parameter. Modules are built from it and checkpoints are checked against it."""


@dataclass(frozen=True)
class CumsumConfig:
    """The sizes of a model. The defaults are those of the published one."""

    max_value: int = 5
    n_ctx: int = 20
    n_layers: int = 1
    n_heads: int = 1
    d_model: int = 24
    d_head: int = 12
    d_mlp: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            size = getattr(self, field.name)
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{field.name} must be a whole number of at least 1, got {size!r}")

    @property
    def d_vocab(self) -> int:
        return 2 * self.max_value + 1

    @property
    def d_vocab_out(self) -> int:
        return 3

    @property
    def n_parameters(self) -> int:
        outside = ("W_E", "W_pos", "W_U", "b_U")
        n_outside = sum(math.prod(self.shape(name)) for name in outside)
        return n_outside + self.n_layers * sum(math.prod(self.shape(name)) for name in AXES if name not in outside)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of the parameter `name`, such as "W_Q"."""
        return tuple(getattr(self, axis) for axis in AXES[name])
