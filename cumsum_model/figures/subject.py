"""What a figure is, what it is drawn of, and the ways in which a model may leave nothing to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from pytest_claims.drawing.canvas import THREE_COLOURS, key
from pytest_claims.drawing.figure import NotDrawn
from torch import Tensor

from cumsum_model.data import EVALUATION_SEED, VOCAB_OUT, CumsumDataset
from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_direction, value_slope
from cumsum_model.scope import no_account_of, not_the_reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cumsum_model.proof.certificate import Certificate

LABEL_COLOURS = THREE_COLOURS
"""Of the answers neg, zero, pos."""


def answers_key(ax: Axes, y: float = 1.0) -> None:
    """The three answers, each in its colour."""
    key(ax, dict(zip(VOCAB_OUT, LABEL_COLOURS, strict=True)), y)


@dataclass(frozen=True)
class Subject:
    """What figures are drawn of: a model, the evaluation set for its sizes, and what is proved of it, if anything.

    unproved: why there is no certificate.
    """

    model: CumsumTransformer
    data: CumsumDataset
    certificate: Certificate | None = None
    unproved: str | None = None

    @property
    def data_set(self) -> str:
        """The evaluation set as one would write it down, with its seed."""
        size, n_ctx = self.data.values.shape
        return f"CumsumDataset({size}, {self.data.max_value}, {n_ctx}, seed={EVALUATION_SEED})"

    def published(self, said: str) -> str:
        """` said`, if the write-up says it of this model's numbers: of the reference or a copy of it; else nothing."""
        return "" if not_the_reference(self.model) else f" {said}"


def u_of(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """The direction that carries the values. NotDrawn where the account of it does not apply, or there is none."""
    why_not = no_account_of(model)
    if why_not:
        raise NotDrawn(why_not)
    if value_slope(model) == 0:
        raise NotDrawn("the head moves all values alike: there is no direction that carries them")
    return value_direction(model)


def certificate_of(subject: Subject) -> Certificate:
    """What is proved of the model. NotDrawn where nothing is."""
    if subject.certificate is None:
        raise NotDrawn(subject.unproved or "nothing was proved of this model")
    return subject.certificate
