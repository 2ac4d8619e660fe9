"""What the mutants are made with: copies, spare directions, and forward passes that are altered."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.model import At, CumsumConfig, CumsumTransformer, Hook


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


def values_of(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """-max_value .. +max_value, in the order of the rows of W_E."""
    bound = model.cfg.max_value
    return torch.arange(-bound, bound + 1, dtype=torch.float32, device=model.device)


def unread_direction(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The direction of the stream that values, neurons and unembedding read least.

    In the published sizes not at all: they read 23 directions of 24.
    """
    block = model.blocks[0]
    readers = torch.cat([*block.attn.W_V, block.mlp.W_in, model.W_U], dim=-1)
    return torch.linalg.svd(readers.double()).U[:, -1].float()


def let_head_move(mutant: CumsumTransformer, direction: Float[Tensor, " d_model"]) -> None:
    """Make the first head also move `direction` onto itself, by the part of its space that OV uses least."""
    attn = mutant.blocks[0].attn
    used = torch.cat([attn.W_V[0], attn.W_O[0].T])
    channel = torch.linalg.svd(used.double()).Vh[-1].float()
    attn.W_V[0] += torch.outer(direction, channel)
    attn.W_O[0] += torch.outer(channel, direction)


def neurons_by_strength(model: CumsumTransformer) -> list[int]:
    """Neurons of the first layer, strongest first, by what each reads times what it adds to the logits."""
    mlp = model.blocks[0].mlp
    strength = mlp.W_in.norm(dim=0) * (mlp.W_out @ model.W_U).norm(dim=-1)
    return strength.argsort(descending=True).tolist()


def strongest_and_weakest(model: CumsumTransformer) -> tuple[int, int]:
    """Two different neurons of the first layer. Raises CannotBeMade where there is only one."""
    strongest, *others = neurons_by_strength(model)
    if not others:
        raise CannotBeMade("there is no second neuron")
    return strongest, others[-1]
