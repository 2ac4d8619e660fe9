"""The classes of one length and last value: what a certificate says of them, verified in whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from cumsum_model.proof.check.circuit import Circuit, Integers, OutOfRange, Query, Row
from cumsum_model.proof.check.recount import Plan, Recount

MAX_UNDECIDED_SIGNS = 10
"""Neurons of unknown sign in one class: two to this power cases at most."""

MAX_SIGNS_TO_COUNT = 3
"""The same where sequences have to be counted."""

MAX_ROWS = 20_000
"""Cases of undecided signs, in all classes of one length and last value."""

ABSENT = {
    "R": ("largest", "largest_witness", "right"),
    "W": ("smallest", "smallest_witness", "right"),
    "S": ("smallest", "largest"),
    "U": ("smallest", "largest"),
}
"""What the certificate does not say of a class with this verdict."""

OTHERS = {0: (1, 2), 1: (0, 2), 2: (0, 1)}


class Rejected(Exception):
    """The certificate does not prove what it says. The message is one line."""


def require(condition: bool, reason: str) -> None:
    """Raise Rejected for this reason, unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def number(stated: Any, place: str) -> float:
    require(type(stated) in (int, float) and np.isfinite(stated), f"{place}: {stated!r} is no bound")
    return float(stated)


def whole_numbers(stated: Any) -> bool:
    return isinstance(stated, list) and all(type(value) is int and abs(value) < 2**31 for value in stated)


class Classes:
    """The classes of sequences of length n that end in token a, one for each sum, beside what is stated of them.

    stated: the part of the certificate that is about them. n_sums: how many there are. Raises Rejected.
    """

    def __init__(self, circuit: Circuit, n: int, a: int, stated: Any, n_sums: int) -> None:
        last = a - circuit.max_value
        self.circuit, self.stated = circuit, stated
        self.where = f"length {n}, last value {last:+d}"
        self.sums = np.arange(n_sums) + last - circuit.max_value * (n - 1)
        require(
            stated["last"] == last and stated["lowest_sum"] == self.sums[0],
            f"{self.where}: the classes are of other sums",
        )
        self._verify_form()
        try:
            self.exact = Query(circuit, n, a)
        except OutOfRange as error:
            raise Rejected(f"{self.where}: {error}") from None

    def _verify_form(self) -> None:
        """Verify that everything is stated of each class, with the label of its sum, that belongs to its verdict."""
        for name in (
            "labels",
            "verdicts",
            "signs",
            "smallest",
            "smallest_witness",
            "largest",
            "largest_witness",
            "right",
        ):
            held = len(self.stated[name])
            require(held == len(self.sums), f'{self.where}: "{name}" is of {held} classes, there are {len(self.sums)}')
        require(isinstance(self.stated["verdicts"], str), f"{self.where}: the verdicts are no text")
        for s, label in enumerate(np.sign(self.sums) + 1):
            called = self.stated["labels"][s]
            require(called == "nzp"[label], f"{self.place(s)}: the label is not {called!r}")

        for s, verdict in enumerate(self.stated["verdicts"]):
            absent = ABSENT.get(verdict)
            require(absent is not None, f"{self.place(s)}: {verdict!r} is no verdict")
            for name in absent or ():
                require(
                    self.stated[name][s] is None,
                    f'{self.place(s)}: "{name}" does not belong to its verdict',
                )

    def place(self, s: int) -> str:
        """What the class of sum index s is called in a reason."""
        return f"{self.where}, sum {self.sums[s]:+d}"

    def verify_signs(self) -> None:
        never_negative, never_positive = self.exact.signs()
        for s, signs in enumerate(self.stated["signs"]):
            require(
                len(signs) == len(self.circuit.push.whole) and set(signs) <= set("+-?"),
                f"{self.place(s)}: {len(signs)} signs of neurons",
            )
            for neuron, sign in enumerate(signs):
                proved = {"+": never_negative[s, neuron], "-": never_positive[s, neuron], "?": True}[sign]
                require(
                    bool(proved) or self.exact.has_sign(s, neuron, sign),
                    f"{self.place(s)}: neuron {neuron} is not always {sign!r}",
                )

    def verify_bounds(self, most_rows: int) -> int:
        """Verify the smallest margin of classes called right, and the largest of those called wrong.

        Returns how many cases of undecided signs that took, at most `most_rows`.
        """
        rows: list[Row] = []
        plans: dict[int, Plan] = {}
        for s, verdict in enumerate(self.stated["verdicts"]):
            place, label = self.place(s), int(np.sign(self.sums[s])) + 1
            if verdict == "R":
                bound = number(self.stated["smallest"][s], place)
                require(bound > 0, f"{place}: called right with a smallest margin of {bound}")
                # No sequence has a smaller margin: right - other - bound >= 0, for both others.
                differences = [(label, other, bound) for other in OTHERS[label]]
            elif verdict == "W":
                bound = number(self.stated["largest"][s], place)
                require(bound <= 0, f"{place}: called wrong with a largest margin of {bound}")
                # None has a larger one: other - right + bound >= 0, for one of them.
                differences = [(other, label, -bound) for other in OTHERS[label]]
            else:
                continue
            plans[s] = [self._cases(rows, s, *difference, place) for difference in differences]
            require(len(rows) <= MAX_ROWS, f"{self.where}: there are too many cases of undecided signs")
        require(len(rows) <= most_rows, f"{self.where}: there are too many cases of undecided signs so far")
        proved = self.exact.proves(rows)
        for s, plan in plans.items():
            right = self.stated["verdicts"][s] == "R"
            name, enough = ("smallest", all) if right else ("largest", any)

            def held(proves: Callable[[int], bool], plan: Plan = plan, enough: Callable[..., bool] = enough) -> bool:
                return enough(any(all(map(proves, choice)) for choice in choices) for choices in plan)

            require(
                held(lambda row: proved[row]) or held(lambda row: proved[row] or self.exact.proves_one(rows[row])),
                f"{self.place(s)}: the {name} margin {self.stated[name][s]} is not proved",
            )
        return len(rows)

    def counted(self, ways: list[Integers]) -> dict[int, int]:
        """How many sequences are right in each class that is neither right nor wrong, where that is soon counted."""
        rows: list[Row] = []
        plans: dict[int, Plan] = {}
        for s, verdict in enumerate(self.stated["verdicts"]):
            label, signs = int(np.sign(self.sums[s])) + 1, self.stated["signs"][s]
            if verdict in "SU" and signs.count("?") <= MAX_SIGNS_TO_COUNT:
                differences = [(label, other) for other in OTHERS[label]]
                plans[s] = [self._cases(rows, s, *difference, 0.0, "") for difference in differences]
        if not rows:
            return {}
        recount = Recount(self.exact, rows, ways)
        recounted = {s: recount(s, plan) for s, plan in plans.items()}
        return {s: count for s, count in recounted.items() if count is not None}

    def verify_witnesses(self) -> None:
        for name in ("smallest", "largest"):
            for label in range(3):
                chosen = [
                    s
                    for s, (verdict, witness) in enumerate(
                        zip(self.stated["verdicts"], self.stated[f"{name}_witness"], strict=True)
                    )
                    if np.sign(self.sums[s]) + 1 == label and witness is not None
                ]
                if chosen:
                    self._verify_witnesses_of(name, label, chosen)
        for s, verdict in enumerate(self.stated["verdicts"]):
            shown = self.stated["smallest_witness"][s] is not None and self.stated["largest_witness"][s] is not None
            require(verdict != "S" or shown, f"{self.place(s)}: a witness is missing")

    def _verify_witnesses_of(self, name: str, label: int, chosen: list[int]) -> None:
        """Verify that the sequences named are in their class and on the side of the bound that they should be."""
        witnesses = [self.stated[f"{name}_witness"][s] for s in chosen]
        require(all(whole_numbers(witness) for witness in witnesses), f"{self.where}: a {name} witness is no sequence")
        values = np.array(witnesses, dtype=np.int64)
        fits = values.shape == (len(chosen), self.exact.n) and abs(values).max() <= self.circuit.max_value
        fits = (
            fits
            and (values.sum(1) == self.sums[chosen]).all()
            and (values[:, -1] + self.circuit.max_value == self.exact.a).all()
        )
        require(bool(fits), f"{self.where}: a {name} witness is not in its class")
        tokens = values + self.circuit.max_value
        ends = [self.exact.differences(tokens, label, other) for other in OTHERS[label]]
        low, high = (np.minimum(ends[0][side], ends[1][side]) for side in range(2))
        Z_low, Z_high = self.exact.Z(tokens)
        for index, s in enumerate(chosen):
            place, verdict, bound = (
                self.place(s),
                self.stated["verdicts"][s],
                self.stated[name][s],
            )
            if verdict == "S":
                shown = high[index] <= 0 if name == "smallest" else low[index] > 0
                side = "wrong" if name == "smallest" else "right"
                require(bool(shown), f"{place}: its witness is not {side}: {values[index].tolist()}")
            if bound is None:
                continue
            above, below = number(bound, place).as_integer_ratio()
            # The margin of a witness lies between low / Z and high / Z; the bound must not be beyond it.
            times = Z_low[index] if (above >= 0) == (name == "smallest") else Z_high[index]
            beyond = high[index] * below < above * times if name == "smallest" else low[index] * below > above * times
            require(
                not beyond,
                f"{place}: the {name} margin {bound} is contradicted by {values[index].tolist()}",
            )

    def _cases(self, rows: list[Row], s: int, plus: int, minus: int, bound: float, place: str) -> list[list[int]]:
        """The rows that bound a difference of logits from below: it holds if in some choice all rows do.

        A neuron of unknown sign contributes push * max(y, 0): the larger of 0 and push * y if it pushes the difference
        up, so either will do; the smaller of them if it pushes it down, so both are needed.
        """
        signs = self.stated["signs"][s]
        push = self.exact.push_on(plus, minus)
        up = [i for i, sign in enumerate(signs) if sign == "?" and push[i] > 0]
        down = [i for i, sign in enumerate(signs) if sign == "?" and push[i] < 0]
        require(len(up) + len(down) <= MAX_UNDECIDED_SIGNS, f"{place}: {len(up) + len(down)} signs are undecided")
        choices = []
        for upper in product((False, True), repeat=len(up)):
            choice = []
            for lower in product((False, True), repeat=len(down)):
                firing = [sign == "+" for sign in signs]
                for i, fires in zip((*up, *down), (*upper, *lower), strict=True):
                    firing[i] = fires
                choice.append(len(rows))
                rows.append(Row(s, plus, minus, tuple(firing), bound))
            choices.append(choice)
        return choices
