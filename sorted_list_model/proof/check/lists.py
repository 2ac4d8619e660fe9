"""A list on which the model's answer is said to be wrong: whether it is of its class, and certainly wrong.

Wrong is in real arithmetic: the logit of some answer is not below that of the right one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sorted_list_model.proof.check.balls import EPSILON
from sorted_list_model.proof.check.circuit import Query, largest
from sorted_list_model.proof.check.document import require
from sorted_list_model.proof.check.scale import lengths
from sorted_list_model.proof.check.tree import Class

ROOM = 2.0**-40


def verify_wrong(of: Class, stated: Any, query: Query) -> None:
    """Verify that a list, its numbers in the order in which they stand, is of the class and answered wrong.

    Raises Rejected. A list that is so near a tie that float64 does not decide it, is rejected too.
    """
    L, V, k = of.sizes.list_len, of.sizes.numbers, of.k
    valid = isinstance(stated, list) and len(stated) == L and all(type(n) is int and 0 <= n < V for n in stated)
    require(valid and len(set(stated)) == L, f'{of.place}: "found" is no list of {L} different numbers')
    ordered = sorted(stated)
    of_class = ordered[k] == of.y and (k == 0 or ordered[k - 1] == of.d)
    require(of_class, f'{of.place}: "found" is a list of another class')
    margin, room = _smallest_margin(query, stated, ordered[: max(k - 1, 0)], of.y)
    require(margin <= -room, f'{of.place}: "found" is a list whose answer is not proved to be wrong')


def _smallest_margin(query: Query, numbers: list[int], below: list[int], y: int) -> tuple[float, float]:
    """The smallest of (logit(y) - logit(c)) * sigma over the other answers c, and how far off that may be.

    Rounding: means over the keys are off by 2**-43 of the largest entries that are averaged, in readouts and in the
    stream; so is the scale, by 2**-43 of the stream's length over sqrt(d_model), since the root of a mean square does
    not grow faster than the vector. ROOM is eight times that.
    """
    sizes, k = query.sizes, query.k
    keys = [position * sizes.numbers + number for position, number in enumerate(numbers)]
    keys += [sizes.sep] + [sizes.sorted_keys(rank) + number for rank, number in enumerate(below, start=1)]
    keys += [len(query.weights[0]) - 1] if k else []
    logits, stream = query.own.copy(), query.written_own.copy()
    for weights, moved, written in zip(query.weights, query.moved, query.written, strict=True):
        pattern = weights[keys] / weights[keys].sum()
        logits += moved[:, keys] @ pattern
        stream += pattern @ written[keys]
    scale = math.sqrt(float(np.mean(stream**2)) + EPSILON)
    margins = (logits[y] - logits) + scale * (query.bias[y] - query.bias)
    longest = lengths(query) / math.sqrt(len(stream)) + math.sqrt(EPSILON)
    readouts = largest(query.own) + sum(largest(moved) for moved in query.moved)
    room = ROOM * (2 * readouts + (scale + 2 * longest) * 2 * largest(query.bias))
    return float(np.delete(margins, y).min()), room
