"""The final scale of a query: between which numbers the root of the last layer norm's variance lies, for every list.

The stream at the query is x = own + a + b, where a and b are means of what the heads write from its keys. The variance
mean(centred(x)^2) is convex in both patterns of attention, so none is larger than the largest at single keys.
"""

from __future__ import annotations

import math

import numpy as np

from sorted_list_model.proof.check.balls import EPSILON, Array
from sorted_list_model.proof.check.circuit import Query, largest

UNIT = 2.0**-53
"""Unit roundoff of float64."""

SMALLEST = math.sqrt(EPSILON) * (1 - 4 * UNIT)
"""No scale is smaller: it is the root of a variance plus EPSILON."""


def lengths(query: Query) -> float:
    """At least the sum of the lengths of own, a and b: no stream of this query is longer."""
    d_model = len(query.written_own)
    parts = (query.written_own[None], *query.written)
    norms = [math.sqrt(float((part**2).sum(1).max())) + math.sqrt(d_model) * largest(part) * 2.0**-40 for part in parts]
    return sum(norms) * (1 + 2.0**-40)


def largest_scale(query: Query) -> float:
    """The final scale is never larger, whatever the list.

    Rounding: each scalar product of two streams' parts is off by at most gamma_(d + 8) of the product of their
    lengths (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), all of them together by that of the square
    of the sum of the lengths; before that each part by 2**-52 of its length, and sqrt(d) FLOOR. In all that is below
    UNIT * (4 d + 100) times the square of the lengths, or, where FLOOR is what counts, below UNIT * EPSILON.
    """
    own, (a, b), d_model = query.written_own, query.written, len(query.written_own)
    alone = [(part**2).sum(1) + 2 * part @ own for part in (a, b)]
    pairs = (2 * query.cross + alone[0][:, None]).max(0) + alone[1]
    squares = float(own @ own) + float(pairs.max()) + UNIT * (4 * d_model + 100) * lengths(query) ** 2
    return math.sqrt(squares / d_model + EPSILON) * (1 + 8 * UNIT)


def directs(query: Query, stream: float, scale: float) -> Array:
    """D[y, c]: no less is added to the final scale times logit(y) - logit(c) by what no key moves, [answer, answer].

    What float32 may change, up to stream / sigma + scale in each logit, is taken off. The difference of the biases
    counts with the scale, which lies between SMALLEST and `largest_scale`: the product is smallest at one of them.

    Rounding: own and bias are off by 2**-52 of `largest`, and each operation by UNIT of what is added; there are six.
    """
    most = largest_scale(query)
    bias = query.bias[:, None] - query.bias[None]
    room = 2 * (stream + scale * most)
    sizes = 2 * largest(query.own) + 2 * most * largest(query.bias) + room
    own = query.own[:, None] - query.own[None]
    return own + np.minimum(SMALLEST * bias, most * bias) - room - 2.0**-46 * sizes
