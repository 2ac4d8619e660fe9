"""The figures: what the write-up shows of its model, drawn of any, and what is proved beyond it.

`FIGURES` has one function per figure, in reading order. matplotlib is imported when the first one draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_claims import Figure
from pytest_claims.drawing.matrix import draw_matrix

from cumsum_model.data import evaluation_set
from cumsum_model.figures.ablation_kinds import ablation_kinds
from cumsum_model.figures.attention import attention_patterns
from cumsum_model.figures.every_sequence import within_class, worst_margin
from cumsum_model.figures.hard_inputs import answers_along_a_sequence
from cumsum_model.figures.interventions import moving_along_u
from cumsum_model.figures.neurons import neuron_responses
from cumsum_model.figures.ov_circuit import ov_circuit
from cumsum_model.figures.residual_stream import resid_mid
from cumsum_model.figures.subject import Subject
from cumsum_model.figures.unembedding import unembedding_cosines
from cumsum_model.figures.without_mlp import without_mlp

if TYPE_CHECKING:
    from cumsum_model.model import CumsumTransformer
    from cumsum_model.proof.certificate import Certificate

__all__ = ["FIGURES", "Figure", "Subject", "draw", "draw_matrix"]

FIGURES: tuple[Callable[[Subject], Figure], ...] = (
    attention_patterns,
    ov_circuit,
    resid_mid,
    unembedding_cosines,
    neuron_responses,
    without_mlp,
    ablation_kinds,
    moving_along_u,
    answers_along_a_sequence,
    worst_margin,
    within_class,
)
"""Each draws a subject, or says why it cannot: `missing`."""


def draw(model: CumsumTransformer, certificate: Certificate | None = None, unproved: str | None = None) -> list[Figure]:
    """All figures of `model`, in reading order; those that say nothing of it say why instead.

    unproved: why there is no certificate.
    """
    subject = Subject(model, evaluation_set(model.cfg.max_value, model.cfg.n_ctx), certificate, unproved)
    return [figure(subject) for figure in FIGURES]
