"""The question that every tool is asked: of sequences of one class, does the right logit beat a wrong one?"""

from __future__ import annotations

import math

import numpy as np

LENGTHS = (2, 3, 4, 5, 6, 8, 10, 15, 20)


NEG, ZERO, POS = range(3)


class Class:
    """Sequences of n values, last token and sum given, and the difference of two logits that has to be positive.

    least: the smallest margin of the class, as the proof has it.
    """

    def __init__(self, W, n, a, place, other=None):
        self.W, self.n, self.a = W, n, a
        self.values = np.arange(len(W["W_E"])) - len(W["W_E"]) // 2
        self.sum = int(W[f"sums{n}"][a, place])
        self.least = float(W[f"least{n}"][a, place])
        self.right = int(np.sign(self.sum)) + 1
        self.other = ZERO if other is None else other
        self.total = self.sum + n * (len(self.values) // 2)
        self.towards = W["W_U"][:, self.right] - W["W_U"][:, self.other]
        self.bias = W["b_U"][self.right] - W["b_U"][self.other]

        # The network, as numbers per position and token: the score and the value vector of each key.
        self.own = W["W_E"][a] + W["W_pos"][n - 1]
        query = (self.own @ W["W_Q"][0] + W["b_Q"][0]) / math.sqrt(W["W_Q"].shape[-1])
        stream = W["W_E"] + W["W_pos"][:n, None]
        self.scores = (stream @ W["W_K"][0] + W["b_K"][0]) @ query
        self.v = stream @ W["W_V"][0] + W["b_V"][0]

        # The denominator gone: Z times pre-activations and the rest of the difference, as sums over positions.
        self.weight = np.exp(self.scores - self.scores.max())
        resid_mid = self.own + self.v @ W["W_O"][0] + W["b_O"]
        self.pre = self.weight[..., None] * (resid_mid @ W["W_in"] + W["b_in"])
        self.direct = self.weight * ((resid_mid + W["b_out"]) @ self.towards + self.bias)
        self.push = W["W_out"] @ self.towards

    @property
    def tokens(self):
        return range(len(self.values))

    def range_of(self, table, j):
        """The smallest and largest number that position j can have."""
        return (table[j, self.a],) * 2 if j == self.n - 1 else (table[j].min(), table[j].max())


def hardest(W, n, total=1):
    """Of the classes of one length with sum `total`, the one with the smallest margin: pos against zero."""
    a, place = np.nonzero(W[f"sums{n}"] == total)
    which = W[f"least{n}"][a, place].argmin()
    return Class(W, n, int(a[which]), int(place[which]))


def to_be_shown(W, n, furthest):
    """All that has to be shown of sums up to `furthest` from 0: each class, against each wrong logit."""
    for a, place in zip(*np.nonzero(abs(W[f"sums{n}"]) <= furthest), strict=True):
        right = int(np.sign(W[f"sums{n}"][a, place])) + 1
        for other in {NEG, ZERO, POS} - {right}:
            yield Class(W, n, int(a), int(place), other)


def row(tool, case, answer, seconds):
    print(f"{tool:34} n={case.n:2} sum {case.sum:+} last {case.values[case.a]:+}  exact {case.least:8.4f}  ", end="")
    print(f"{answer:24} {seconds:9.4f} s", flush=True)
