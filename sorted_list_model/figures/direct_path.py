"""The direct path: what the current number adds to the answers past the heads"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pytest_claims.drawing.canvas import Drawing, figure

from sorted_list_model.direct_path import direct_path
from sorted_list_model.figures.offsets import by_offset, draw_by_offset, in_words
from sorted_list_model.figures.subject import SCALED_LOGIT, Subject, lists_of, one_layer
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("direct-path", "The direct path: what the current number adds to the answers around it")
@torch.no_grad()
def direct(subject: Subject) -> Drawing:
    """Source: solution, Direct path."""
    model = subject.model
    one_layer(model)
    lists_of(model, 2, "it takes two numbers for one of them to be current")
    path = direct_path(model)
    finite(path)
    table = by_offset(path)
    caption = (
        "What the current number adds, through its own embedding and past the heads, to the logit of a number so far "
        "above it (below it, on the left), beyond what it adds to numbers on average and before the division by the "
        "final layer norm's scale: mean over all numbers and over positions of sorted numbers, and a stroke over the "
        "middle four fifths of the numbers. If the direct path keeps the model from saying the current number again, "
        "the bar at 0 is negative. Read off the weights; no data."
    )
    alt = f"Mean by offset, and for how many numbers it is positive: {in_words(table)}."

    def paint(paper: Paper) -> None:
        draw_by_offset(paper, table, SCALED_LOGIT, "answer less the current number")

    return Drawing(caption, alt, paint, height=2.7)
