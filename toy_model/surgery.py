"""What the mutants are made with: copies, spare directions, and forward passes that are altered."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor

from toy_model.config import CumsumConfig
from toy_model.transformer import At, CumsumTransformer, Hook


class CannotBeMade(ValueError):
    """There is no such mutant of a model; the message says why. The claims that it is a control of have others."""

    cannot_be_made = True  # see `refuted_by` in verification.claim


class Rewired(CumsumTransformer):
    """A model whose forward pass itself is altered: some activations are replaced on every run.

    Its weights say nothing of the alteration, so only what runs the model can notice.
    """

    def __init__(self, cfg: CumsumConfig, alterations: Mapping[str, Hook]) -> None:
        super().__init__(cfg)
        self.alterations = alterations

    def forward(
        self, toks: Int[Tensor, "batch pos"], at: At = lambda _, activation: activation
    ) -> Float[Tensor, "batch pos d_vocab_out"]:
        def altered(name: str, activation: Tensor) -> Tensor:
            alter = self.alterations.get(name)
            return at(name, activation if alter is None else alter(activation))

        return super().forward(toks, altered)


def rewired(model: CumsumTransformer, alterations: Mapping[str, Hook]) -> CumsumTransformer:
    """The same weights with `alterations`, a function of the activation by hook name, on every run."""
    mutant = Rewired(model.cfg, alterations).to(model.device)
    mutant.load_state_dict(model.state_dict())
    return mutant.requires_grad_(False)


def copied(model: CumsumTransformer) -> CumsumTransformer:
    """A copy whose weights can be written to."""
    return copy.deepcopy(model).requires_grad_(False)
