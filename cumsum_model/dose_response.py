"""Dose-response: how answers follow when resid_mid is moved by a growing part of the way to another sequence's.

What is written is a vector, what is read a covector. A move goes along the vector that OV writes per unit of value;
what the decision between "neg" and "pos" reads is held fixed by pairing with the covector that reads it. Both
follow the stream through any change of its basis, and no length or angle in the stream is used.

One position of each sequence is moved, so that the answers that are counted are independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cumsum_model.data import CumsumDataset, running_means
from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_step
from cumsum_model.reading import mean_readout
from toy_model.behaviour import resid_mid
from toy_model.intervention import move_resid_mid, run_under

DOSES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""Parts of the way to the other sequence: at 1 all of it, at 2 as far beyond."""

PAIRING_SEED = 1
PAIRS = (
    f"CumsumDataset(1000, seed=42), one position of each with another sequence's same position (seed {PAIRING_SEED})"
)


@dataclass(frozen=True)
class Response:
    """What the model answers, by dose and sequence.

    doses        in the order of `answers`
    answers      what it says when moved
    undisturbed  what it says when not
    own_labels   the label of the sequence's own mean
    labels       the label of the mean that is dosed
    real         where that mean is one that some sequence of the length has: its sum is 0, or at least 1 in size
    upwards      +1 where the dose raises the mean, -1 where it lowers it, 0 where both sequences have one mean
    """

    doses: tuple[float, ...]
    answers: Int[Tensor, "dose batch"]
    undisturbed: Int[Tensor, " batch"]
    own_labels: Int[Tensor, " batch"]
    labels: Int[Tensor, "dose batch"]
    real: Bool[Tensor, "dose batch"]
    upwards: Int[Tensor, " batch"]

    def follow(self) -> list[tuple[int, int]]:
        """By dose: how many answer as the mean that is dosed deserves, of how many where it is a real one."""
        right = (self.answers == self.labels) & self.real
        return [(int(right[i].sum()), int(self.real[i].sum())) for i in range(len(self.doses))]

    def stay(self) -> list[tuple[int, int]]:
        """By dose: how many answer as the sequence's own mean deserves, of how many."""
        right = self.answers == self.own_labels
        return [(int(same.sum()), same.numel()) for same in right]

    def steps_back(self) -> int:
        """How many times an answer moves against the dose between one dose and the next, neg - zero - pos being up."""
        course = torch.cat([self.undisturbed[None], self.answers])
        return int((course.diff(dim=0) * self.upwards < 0).sum())


def move_the_mean(model: CumsumTransformer, data: CumsumDataset, doses: Sequence[float] = DOSES) -> Response:
    """Move resid_mid along what OV writes per unit of value, by each dose of the distance to another mean."""
    partner, _ = _pairs(data)
    means = running_means(data.values)
    shift = (means[partner] - means)[..., None].to(model.device) * value_step(model)
    return _respond(model, data, shift, doses)


def swap_what_lies_beside(model: CumsumTransformer, data: CumsumDataset, doses: Sequence[float] = DOSES) -> Response:
    """Move resid_mid towards another sequence's, by each dose of all the way but for what the decision reads.

    The displacement is moved along `value_step` until `mean_readout` reads 0 of it.
    """
    partner, _ = _pairs(data)
    stream = resid_mid(model, data.toks)
    shift = stream[partner] - stream
    shift = shift - (shift @ mean_readout(model))[..., None] * value_step(model)
    return _respond(model, data, shift, doses)


def _pairs(data: CumsumDataset) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
    """Another sequence for each, and the position of each at which it is moved."""
    generator = torch.Generator().manual_seed(PAIRING_SEED)
    partner = torch.randperm(len(data), generator=generator)
    return partner, torch.randint(data.values.shape[1], (len(data),), generator=generator)


@torch.no_grad()
def _respond(
    model: CumsumTransformer, data: CumsumDataset, shift: Float[Tensor, "batch pos d_model"], doses: Sequence[float]
) -> Response:
    partner, position = _pairs(data)
    rows = torch.arange(len(data))

    def answers(dose: float) -> Int[Tensor, " batch"]:
        logits = run_under(model, data.toks, move_resid_mid(dose * shift))
        return logits.argmax(-1).cpu()[rows, position]

    sums = data.values.cumsum(-1).cpu()
    own, others = sums[rows, position], sums[partner, position]
    dosed = torch.stack([own + dose * (others - own).double() for dose in doses])
    # Doses are multiples of 1/4, so sums are exact in floating point; at one position means and sums are in proportion.
    return Response(
        doses=tuple(doses),
        answers=torch.stack([answers(dose) for dose in doses]),
        undisturbed=answers(0.0),
        own_labels=own.sign() + 1,
        labels=dosed.sign().long() + 1,
        real=(dosed == 0) | (dosed.abs() >= 1),
        upwards=(others - own).sign(),
    )
