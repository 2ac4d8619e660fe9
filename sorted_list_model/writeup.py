"""What the solution prints: figures and examples, once, with the section that prints them.

"The solution" is the page of ARENA's monthly algorithmic challenge of October 2023 (Sorted Lists, Callum McDougall);
"the challenge post" is that of November, which summarises it. Figures are of the released checkpoint.
"""

from __future__ import annotations

from sorted_list_model.config import SortedListConfig
from sorted_list_model.model import SortedListTransformer

POST = "challenge post of November, on October's solution"
TASK = "solution, Task"
SETUP = "solution, Looking at the model"
ATTENTION = "solution, Attention patterns"
HEADS = "solution, Head ablation"
OV = "solution, OV circuits"
QK = "solution, QK circuits"
ADVERSARIAL = "solution, Adversarial examples"
TRIPLES = "solution, Why d, d+1, d+2 is not adversarial"
DIRECT_PATH = "solution, Direct path"

SAME_RECIPE = 1 / 20
"""Ours: a figure of a run of the same recipe counts as the published one if it is within a twentieth of it."""

LARGE_JUMPS = ((0, 40, 41, 42, 43, 44, 45, 46, 47, 48), (5, 30, 32, 34, 36, 38, 40, 42, 44, 46))
"""Lists with a large jump after the smallest number, which the solution shows as adversarial."""

FIRST_LIST_CURRENT = 4
"""The number of the first list of the evaluation set of which the solution says what it attends to."""

OF_LESSER_HEAD = range(28, 38)
"""The numbers that the lesser head deals with, as published."""

ABLATION_COSTS = (0.920, 4.963)
"""Fall in log probability (nats) with one head mean-ablated by position: the lesser one, 0.0, and the main one, 0.1."""

PUBLISHED_SIZES = SortedListConfig()


def not_of_the_published_sizes(model: SortedListTransformer) -> str | None:
    """Why published figures say nothing of `model`; None if it has the sizes of which they were published."""
    if model.cfg == PUBLISHED_SIZES:
        return None
    return "this compares figures that were published of a model of other sizes"
