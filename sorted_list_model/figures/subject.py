"""What figures are drawn of, what is measured of it once for several of them, and why a model may not be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pytest_claims.drawing.canvas import ACCENT, INK, OTHER, THREE_COLOURS
from pytest_claims.drawing.figure import NotDrawn
from torch import Tensor

from sorted_list_model.data import EVALUATION_SEED, SortedListDataset, validation_set
from sorted_list_model.decomposition import Decomposition, decompose
from sorted_list_model.hard_inputs import right
from sorted_list_model.heads import falls_in_log_probability
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.scope import no_account_of, not_the_reference
from toy_model.figures.measured import measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAD_COLOURS = (ACCENT, OTHER, THREE_COLOURS[0], THREE_COLOURS[2])

SCALED_LOGIT = "logit \N{MULTIPLICATION SIGN} final scale"
"""The unit of a readout: what is added to a logit before the division by the final layer norm's scale."""

MOST_HEADS = len(HEAD_COLOURS)
"""Of a model with more heads the first ones are drawn."""

ENOUGH = 2_000
"""Lists of the validation set where that is enough, and all of them would take long."""


@dataclass(frozen=True)
class Subject:
    """What figures are drawn of: a model and the validation set for its sizes."""

    model: SortedListTransformer
    data: SortedListDataset

    @property
    def data_set(self) -> str:
        """The validation set as one would write it down, with its seed."""
        size, list_len = self.data.lists.shape
        return f"SortedListDataset({size}, {list_len}, {self.data.max_value}, seed={EVALUATION_SEED})"

    @property
    def first_lists(self) -> str:
        return f"the first {len(self.some)} lists of {self.data_set}"

    @cached_property
    def some(self) -> SortedListDataset:
        """The first lists of the validation set."""
        return SortedListDataset.of(self.data.lists[:ENOUGH], self.data.max_value)

    @cached_property
    def parts(self) -> Decomposition:
        """The logits on these, taken apart. NotDrawn for what cannot be."""
        one_layer(self.model)
        return measured(decompose, self.model, self.some)

    @cached_property
    def falls(self) -> Float[Tensor, "head batch query"]:
        """By how much the log probability of each right answer falls without each head that is drawn, on these."""
        return torch.stack([measured(falls_in_log_probability, self.model, self.some, head) for head in self.heads])

    @cached_property
    def right(self) -> Bool[Tensor, "batch query"]:
        """Whether each answer on the validation set is right."""
        return measured(right, self.model, self.data)

    def published(self, said: str) -> str:
        """` said`, if the solution says it of this model's numbers: of the reference or a copy of it; else nothing."""
        return "" if not_the_reference(self.model) else f" {said}"

    @property
    def heads(self) -> range:
        """The heads that are drawn."""
        return range(min(self.model.cfg.n_heads, MOST_HEADS))

    @property
    def of_all_heads(self) -> str:
        """Which heads are drawn, if that has to be said."""
        n_heads = self.model.cfg.n_heads
        return f" The first {MOST_HEADS} of {n_heads} heads." if n_heads > MOST_HEADS else ""

    @property
    def head_key(self) -> dict[str, str]:
        """Each head in its colour, for `canvas.key`."""
        return {f"head {head}": colour for head, colour in zip(self.heads, HEAD_COLOURS, strict=False)}


def subject_of(model: SortedListTransformer) -> Subject:
    """What is drawn of `model`. The validation set is drawn for its sizes."""
    return Subject(model, validation_set(model.cfg.max_value, model.cfg.list_len))


def one_layer(model: SortedListTransformer) -> None:
    """NotDrawn where an account of one layer does not apply."""
    why_not = no_account_of(model)
    if why_not:
        raise NotDrawn(why_not)


def lists_of(model: SortedListTransformer, fewest: int, why: str) -> None:
    """NotDrawn where lists have less than `fewest` numbers; `why` says what takes them."""
    if model.cfg.list_len < fewest:
        raise NotDrawn(f"{why}; lists of this model have {model.cfg.list_len}")


def tokens(toks: Sequence[int], model: SortedListTransformer) -> list[str]:
    """The tokens as a figure writes them."""
    return ["SEP" if tok == model.cfg.sep else str(tok) for tok in toks]


def ring(ax: Axes, columns: Int[Tensor, " row"], size: float) -> None:
    """A ring in one column of each row of a map."""
    ax.plot(columns, range(len(columns)), "o", color=INK, markersize=size, markerfacecolor="none", markeredgewidth=0.8)


def every_few(n: int, most: int) -> range:
    """At most `most` of 0 .. n - 1, evenly apart."""
    return range(0, n, -(-n // most))


def round_steps(n: int) -> range:
    """At most eleven round numbers of 0 .. n - 1, evenly apart."""
    return range(0, n, next(step for step in (1, 2, 5, 10, 20, 50, 100, n) if step * 11 >= n))


def listed(numbers: Sequence[int]) -> str:
    """Numbers in increasing order, runs of at least three shortened: "2, 28 to 37", or "none".

    >>> listed([2, 3, 5, 6, 7])
    '2, 3, 5 to 7'
    """
    runs = np.split(np.asarray(numbers, dtype=int), np.flatnonzero(np.diff(numbers) != 1) + 1)
    words = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs if len(run)]
    return ", ".join(words) or "none"
