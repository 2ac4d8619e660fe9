"""How far the explanation, read as a program, is from the model: over every sequence.

The program knows length, last token and mean alone, so within a class it says one thing. The model's logits over
the class have proved extremes; the larger distance of them from what the program says is its worst error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cumsum_model.explanation import Explanation, Table
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.extremes import Cells, Position
from cumsum_model.proof.tables import tables
from toy_model.arithmetic.balls import Array, Ball, exact

MOST = 64
"""At most so many classes of one length are looked at more closely."""

_CENTRED = np.eye(3) - 1 / 3
"""What all three logits have in common changes no probability, and is no difference."""

_LOGITS = np.concatenate([_CENTRED, -_CENTRED])


@dataclass(frozen=True)
class Distance:
    """Program against model, over every sequence of every length: their logits, centred.

    proved: no logit differs by more. found: the difference on `witness`, the values of one sequence, in floating point.
    wrong_answers: in how many classes the program's answer is not the right label.
    """

    proved: float
    found: float
    witness: tuple[int, ...]
    wrong_answers: int


def distance(model: CumsumTransformer, program: Explanation | Table) -> Distance:
    """Bound the largest difference between a logit of `program` and of `model`. Raises Unprovable."""
    read = tables(model)
    push = exact(_LOGITS) @ Ball(read.push.mid.T, read.push.rad.T)
    proved, found, wrong_answers = 0.0, 0.0, 0
    witness: tuple[int, ...] = ()
    with np.errstate(over="ignore", invalid="ignore"):
        for query in read.queries():
            position = Position(read, query)
            explained = _told(program, position)  # [logit, a, sum index]
            wrong_answers += int((explained.argmax(0) != np.sign(position.sum_of) + 1).sum())
            cells = position.smallest(_LOGITS, np.ones((6, *position.sum_of.shape), dtype=bool), push)
            # Only where the bound exceeds what has been found is it worth anything to know it better.
            found = max(found, float(_differences(cells, cells.attained, explained).max()))
            doubtful = np.flatnonzero(_differences(cells, cells.bound, explained) > found)
            position.refine(cells, doubtful[:MOST])
            proved = max(proved, float(_differences(cells, cells.bound, explained).max()))
            attained = _differences(cells, cells.attained, explained)
            if attained.max() >= found:
                found = float(attained.max())
                witness = tuple((cells.witness[attained.argmax()].astype(int) - read.max_value).tolist())
    return Distance(proved, found, witness, wrong_answers)


def _differences(cells: Cells, numbers: Array, explained: Array) -> Array:
    """How far the smallest and the largest logit of each class are beyond what the program tells."""
    sign = np.where(cells.readout < 3, 1, -1)
    return sign * explained[cells.readout % 3, cells.a, cells.s] - numbers


def _told(program: Explanation | Table, position: Position) -> Array:
    """What the program says of each class: it is given the sum as a mean, and the last token."""
    mean = torch.from_numpy(position.sum_of / position.n)
    tokens = torch.arange(len(mean))[:, None].expand(mean.shape)
    logits = program.at(position.n - 1, tokens, mean).permute(2, 0, 1).numpy().astype(np.float64)
    return logits - logits.mean(0)
