"""What a file does not say of itself, and its user does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """What a file does not say of itself, where the user said it.

    token_order  in which of the orders of its task the rows of the embedding are: see `Task.token_orders`
    n_heads      how many heads a bridge's matrices hold; every other file says so by its shapes
    """

    token_order: str | None = None
    n_heads: int | None = None

    def __post_init__(self) -> None:
        if self.n_heads is not None and self.n_heads < 1:
            raise ValueError(f"n_heads must be at least 1, got {self.n_heads}")


PLAIN = Reading()
"""A file taken as it stands: nothing was said of it."""
