"""What the write-up prints: figures and examples, once, with the section that prints them.

"The write-up" is the solution page of ARENA's monthly algorithmic challenge of November 2023 (Cumulative Sum, Callum
McDougall). Its run was a sibling of the released checkpoint: the same recipe, other last digits.
"""

from __future__ import annotations

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer

SETUP = "write-up, Setup"
TASK = "write-up, Task"
SUMMARY = "write-up, Summary"
FIRST_PASS = "write-up, First pass"  # noqa: S105 (a section, no password)
FINDING_U = "write-up, Finding u in resid mid"
NEURONS = "write-up, Analysing neurons"
END = "write-up, end"

SIBLING = 1 / 5
"""Ours: a figure of a sibling run counts as the published one if it is within a fifth of it."""

EXAMPLES = (
    ("the example of the challenge", (0, +1, -3, +2, +1, +1), (1, 2, 0, 1, 2, 2)),
    ("the example of seed 40", (0, 1, -3, -3, -2, 3), (1, 2, 0, 0, 0, 0)),
)
"""Printed sequences and their labels, 0 negative, 1 zero, 2 positive. Challenge post; write-up, Task."""

REPETITIONS = (((1, 1, 2), (1, 1, 2, 1, 1, 2)), ((1, 2), (1, 2, 1, 2)))
"""Pairs of sequences of equal mean that are said to be stored alike. Write-up, Summary and Finding u in resid mid."""

NEURON_COSTS = (0.0185, 0.0163, 0.0951, 0.0200, 0.0311, 0.0002, 0.0000, 0.0465)
"""Rise in cross entropy (nats) with each neuron zero-ablated. Write-up, Analysing neurons."""

PUBLISHED_SIZES = CumsumConfig()


def not_of_the_published_sizes(model: CumsumTransformer) -> str | None:
    """Why published figures say nothing of `model`; None if it has the sizes of which they were published."""
    if model.cfg == PUBLISHED_SIZES:
        return None
    return "this compares figures that were published of a model of other sizes"


def too_small_for_the_examples(model: CumsumTransformer) -> str | None:
    """Why printed sequences say nothing of `model`; None if it can read them."""
    if model.cfg.max_value < 3 or model.cfg.n_ctx < 6:
        return "the printed examples have six values of up to 3 in size, which this model cannot read"
    return None
