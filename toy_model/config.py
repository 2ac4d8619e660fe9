"""The sizes of a transformer, and from them the names and shapes of its parameters. No torch is needed for that."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import ClassVar

AXES: dict[str, tuple[str, ...]] = {
    "W_E": ("d_vocab", "d_model"),
    "W_pos": ("n_ctx", "d_model"),
    "w": ("d_model",),
    "b": ("d_model",),
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
"""The axes of every kind of parameter; `w` and `b` are a layer norm's."""

ATTENTION = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")
MLP = ("W_in", "b_in", "W_out", "b_out")
LAYER_NORM = ("w", "b")


@dataclass(frozen=True, kw_only=True)
class Config:
    """The sizes of a transformer. The class of a system says how large its vocabularies are, and which parts there are.

    attn_only           without an MLP in any block. (A model that has one may still have no neurons: d_mlp = 0.)
    normalization_type  "LN" for layer norm before every part that reads the stream, None for none
    """

    n_ctx: int = field(metadata={"meaning": "length of the sequences", "also": "seq_len"})
    n_layers: int = field(default=1, metadata={"meaning": "blocks"})
    n_heads: int = field(default=1, metadata={"meaning": "heads of a block"})
    d_model: int = field(metadata={"meaning": "width of the residual stream"})
    d_head: int = field(metadata={"meaning": "width of a head"})
    d_mlp: int = field(default=0, metadata={"meaning": "neurons of a block"})

    attn_only: ClassVar[bool] = False
    normalization_type: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        for size in fields(self):
            number, least = getattr(self, size.name), 0 if size.name == "d_mlp" else 1
            if not isinstance(number, int) or number < least:
                raise ValueError(f"{size.name} must be a whole number of at least {least}, got {number!r}")

    @property
    def d_vocab(self) -> int:
        """Tokens that there are."""
        raise NotImplementedError

    @property
    def d_vocab_out(self) -> int:
        """Answers that there are."""
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        return sum(math.prod(self.shape(kind)) for kind in parameter_kinds(type(self), self.n_layers).values())

    def shape(self, kind: str) -> tuple[int, ...]:
        """The shape of a parameter of this kind, such as "W_Q"."""
        return tuple(getattr(self, axis) for axis in AXES[kind])


def parameter_kinds(config: type[Config], n_layers: int) -> dict[str, str]:
    """The kind of every parameter by its name, in the order of the state dict: "blocks.0.attn.W_Q" is a "W_Q"."""
    normalised = config.normalization_type is not None
    names = {"embed.W_E": "W_E", "pos_embed.W_pos": "W_pos"}
    for block in (f"blocks.{layer}" for layer in range(n_layers)):
        if normalised:
            names |= {f"{block}.ln1.{kind}": kind for kind in LAYER_NORM}
        names |= {f"{block}.attn.{kind}": kind for kind in ATTENTION}
        if not config.attn_only:
            names |= {f"{block}.ln2.{kind}": kind for kind in LAYER_NORM if normalised}
            names |= {f"{block}.mlp.{kind}": kind for kind in MLP}
    if normalised:
        names |= {f"ln_final.{kind}": kind for kind in LAYER_NORM}
    return names | {"unembed.W_U": "W_U", "unembed.b_U": "b_U"}
