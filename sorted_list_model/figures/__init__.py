"""The figures: what the solution shows of its model, drawn of any, and what is hard for it.

`FIGURES` has one function per figure, in reading order. matplotlib is imported when the first one draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_claims import Figure

from sorted_list_model.figures.attention import attention_patterns, position_bias, qk_circuit
from sorted_list_model.figures.cross_terms import boosts_around, close_triples
from sorted_list_model.figures.direct_path import direct
from sorted_list_model.figures.every_list import every_list
from sorted_list_model.figures.hard_inputs import by_jump, by_smallest
from sorted_list_model.figures.heads import ablation_by_target
from sorted_list_model.figures.ov_circuit import copying, ov_circuit
from sorted_list_model.figures.subject import Subject, subject_of
from sorted_list_model.figures.task import probabilities

if TYPE_CHECKING:
    from sorted_list_model.model import SortedListTransformer

__all__ = ["BELONGS_TO", "FIGURES", "Figure", "Subject", "draw", "subject_of"]

FIGURES: tuple[Callable[[Subject], Figure], ...] = (
    probabilities,
    attention_patterns,
    qk_circuit,
    position_bias,
    ov_circuit,
    copying,
    ablation_by_target,
    boosts_around,
    close_triples,
    direct,
    by_jump,
    by_smallest,
    every_list,
)
"""Each draws a subject, or says why it cannot: `missing`."""

BELONGS_TO = {
    "probabilities": "test_task.py",
    "attention-patterns": "test_attention.py",
    "qk-circuit": "test_attention.py",
    "position-bias": "test_attention.py",
    "ov-circuit": "test_ov_circuit.py",
    "copying": "test_ov_circuit.py",
    "ablation-by-target": "test_heads.py",
    "boosts-by-offset": "test_cross_terms.py",
    "close-triples": "test_cross_terms.py",
    "direct-path": "test_direct_path.py",
    "accuracy-by-jump": "test_hard_inputs.py",
    "accuracy-by-smallest": "test_hard_inputs.py",
    "every-list": "test_every_list.py",
}
"""The claims that each figure stands beside."""


def draw(model: SortedListTransformer) -> list[Figure]:
    """All figures of `model`, in reading order; those that say nothing of it say why instead."""
    subject = subject_of(model)
    return [figure(subject) for figure in FIGURES]
