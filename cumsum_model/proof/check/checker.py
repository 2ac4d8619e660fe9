"""The checker: verifies a saved certificate against the weights without trusting how it was found.

It shares no code with the search. It works in whole numbers: weights are dyadic rationals, products of them are
exact, e^score is enclosed by ball arithmetic (python-flint), and each term of a sum is rounded down once to a
multiple of 2**-bits. The dynamic program then runs on integers, where nothing is rounded at all.

For every class it verifies
- that it is there, once, with the label of its sum;
- the sign of every neuron that the certificate names;
- of a class called right, that its smallest margin is positive and that no sequence has a smaller one; of a class
  called wrong, the same of its largest; of one that holds both, its two witnesses;
- that the margin of the witness does not contradict the bound;
and of the whole, that the numbers of sequences follow from the classes. How many sequences of a class that holds
both are right it counts itself where that is soon done; else it takes it from the certificate, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cumsum_model.proof.check.circuit import Circuit, Integers, OutOfRange, Query, Row
from cumsum_model.proof.check.recount import Plan, Recount

MAX_UNDECIDED_SIGNS = 10
"""Neurons of unknown sign in one class: two to this power cases at most."""

MAX_SIGNS_TO_COUNT = 3
"""The same where sequences have to be counted."""

MAX_ROWS = 20_000
"""Cases of undecided signs, in all classes of one length and last value."""

MAX_ROWS_A_CLASS, MAX_ROWS_OF_FEW = 20, 500_000
"""The same in all together: so many a class, three times what any model here has, or where classes are few so many."""

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


@dataclass(frozen=True)
class Checked:
    """What was verified: how many classes, and of how many the count of right sequences was taken on trust.

    undecided: of how many of those the certificate itself says that it decides nothing.
    """

    classes: int
    counted_on_trust: int
    undecided: int
    sequences: int
    right: tuple[int, int]


def check(
    content: bytes,
    weights: Mapping[str, NDArray[np.float32]],
    sha256: str,
    progress: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Verify the certificate `content` for the checkpoint with these parameters and this sha256.

    weights: by their names in the checkpoint. progress: called with each length when it is done. Raises Rejected.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"it is not JSON, or cut short ({str(error)[:100]})") from None
    try:
        return _Check(document, weights, sha256).run(progress)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Rejected(f"it is not a complete certificate ({type(error).__name__}: {str(error)[:100]})") from None


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


class _Check:
    def __init__(self, document: Any, weights: Mapping[str, NDArray[np.float32]], sha256: str) -> None:
        _require(isinstance(document, dict), "it is not a JSON object")
        _require(document["format"] == "cumsum certificate", "it is not a certificate of this kind")
        _require(document["version"] == 1, f"its version is {str(document['version'])[:20]!r}, this checker reads 1")
        certified = str(document["checkpoint"]["sha256"])
        _require(
            certified == sha256, f"it is of another checkpoint: sha256 {certified[:12]!r}.., not {sha256[:12]!r}.."
        )
        short = {name.split(".")[-1]: weight for name, weight in weights.items()}
        _require(len(short) == len(weights), "the checkpoint has several blocks: this proof is of one")
        _require(len(short["W_Q"]) == 1, f"the checkpoint has {len(short['W_Q'])} heads: this checker speaks of one")
        lengths, n_ctx = document["lengths"], len(short["W_pos"])
        _require(len(lengths) == n_ctx, f"it has {len(lengths)} lengths, the checkpoint has {n_ctx}")
        self.document = document
        self.circuit = Circuit.of(short)
        self.n_ctx, self.d_vocab = self.circuit.own.whole.shape[:2]
        self.max_value = self.d_vocab // 2
        self.neurons = len(self.circuit.push.whole)
        self.classes = self.on_trust = self.undecided = self.rows = 0
        n_classes = sum(self.d_vocab * (2 * self.max_value * n + 1) for n in range(self.n_ctx))
        self.most_rows = max(MAX_ROWS_A_CLASS * n_classes, MAX_ROWS_OF_FEW)
        self.ways = [np.array([1], dtype=object)]  # how many sequences have each sum, by length
        self.all_right = True
        self.least: list[float | None] = []

    def run(self, progress: Callable[[int], None]) -> Checked:
        lengths = self.document["lengths"]
        ways = self.ways[0]
        throughout = ways, ways
        right = (0, 0)
        for n, length in enumerate(lengths, start=1):
            _require(length["length"] == n, f"length {n} is missing")
            _require(len(length["queries"]) == self.d_vocab, f"length {n} lacks queries")
            counts = [
                self._query(n, a, query, ways) for a, query in enumerate(length["queries"])
            ]  # [a][lower or upper][sum]
            low, high = (np.stack([count[side] for count in counts]) for side in range(2))
            right = int(low.sum()), int(high.sum())
            where = f"length {n}"
            all_right = all(set(query["verdicts"]) == {"R"} for query in length["queries"])
            smallest = [margin for query in length["queries"] for margin in query["smallest"]]
            self.least.append(min(smallest) if all_right else None)
            _agree(where, "sequences", length["sequences"], int(ways.sum()) * self.d_vocab)
            _agree(where, "right sequences", length["right"], right)
            stay = np.maximum(throughout[0] - (ways - low), 0), np.minimum(throughout[1], high)
            throughout = _spread(stay[0]), _spread(stay[1])
            ways = _spread(np.broadcast_to(ways, low.shape))
            self.ways.append(ways)
            progress(n)
        sequences = int(ways.sum())
        _agree("the whole", "sequences", self.document["sequences"], sequences)
        _agree("the whole", "verdict", self.document["proved_right"], self.all_right)
        everywhere = tuple(int(side.sum()) for side in throughout)
        _agree("the whole", "sequences right at every position", self.document["right_at_every_position"], everywhere)
        self._smallest(lengths)
        return Checked(self.classes, self.on_trust, self.undecided, sequences, right)

    def _smallest(self, lengths: Any) -> None:
        """Verify that the smallest margins named follow from those of the classes."""
        stated = self.document["smallest_margin"]
        by_length = [length["smallest_margin"] for length in lengths]
        for n, (margin, least) in enumerate(zip(by_length, self.least, strict=True), start=1):
            _require(
                margin == least, f"length {n}: the smallest margin is {margin!r}, that of the classes is {least!r}"
            )
        known = [margin for margin in self.least if margin is not None]
        least = min(known) if len(known) == len(self.least) else None
        if least is None:
            _require(stated is None, "it names a smallest margin although not every class is right")
            return
        _require(
            stated["proved"] == least, f"its smallest margin is {stated['proved']!r}, that of the classes {least!r}"
        )
        n, values = stated["length"], stated["values"]
        _require(
            _whole_numbers([n, stated["sum"], *values]) and 1 <= n <= self.n_ctx and len(values) == n,
            "its hardest sequence is no sequence",
        )
        _require(max(map(abs, values)) <= self.max_value, "its hardest sequence is no sequence")
        _require(sum(values) == stated["sum"], "its hardest sequence has another sum")
        query = lengths[stated["length"] - 1]["queries"][values[-1] + self.max_value]
        place = stated["sum"] - query["lowest_sum"]
        _require(values == query["smallest_witness"][place], "its hardest sequence is no witness of its class")
        _require(query["smallest"][place] == least, "its hardest sequence is not of the class of the smallest margin")

    def _query(self, n: int, a: int, query: Any, ways: Integers) -> tuple[Integers, Integers]:
        """Verify the classes of one length and last token. Returns how many of each are right, at least and at most."""
        last = a - self.max_value
        where = f"length {n}, last value {last:+d}"
        sums = np.arange(len(ways)) + last - self.max_value * (n - 1)
        _require(query["last"] == last and query["lowest_sum"] == sums[0], f"{where}: the classes are of other sums")
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
            held = len(query[name])
            _require(held == len(sums), f'{where}: "{name}" is of {held} classes, there are {len(sums)}')
        _require(isinstance(query["verdicts"], str), f"{where}: the verdicts are no text")
        for s, label in enumerate(np.sign(sums) + 1):
            stated = query["labels"][s]
            _require(stated == "nzp"[label], f"{where}, sum {sums[s]:+d}: the label is not {stated!r}")

        try:
            exact = Query(self.circuit, n, a)
        except OutOfRange as error:
            raise Rejected(f"{where}: {error}") from None
        for s, verdict in enumerate(query["verdicts"]):
            absent = ABSENT.get(verdict)
            _require(absent is not None, f"{where}, sum {sums[s]:+d}: {verdict!r} is no verdict")
            for name in absent or ():
                _require(query[name][s] is None, f'{where}, sum {sums[s]:+d}: "{name}" does not belong to its verdict')
        self._signs(where, sums, exact, query["signs"])
        self._witnesses(where, sums, exact, query)
        self._bounds(where, sums, exact, query)
        counted = self._counts(sums, exact, query)
        low, high = np.zeros_like(ways), np.array(ways)
        for s, verdict in enumerate(query["verdicts"]):
            if verdict == "R":
                low[s] = ways[s]
                continue
            self.all_right = False
            if verdict == "W":
                high[s] = 0
                continue
            low[s], high[s] = (int(count) for count in query["right"][s])
            # A wrong witness leaves one less to be right, a right one leaves one.
            mixed = int(verdict == "S")
            possible = 0 <= low[s] <= high[s] <= ways[s] and low[s] <= ways[s] - mixed and high[s] >= mixed
            _require(possible, f"{where}, sum {sums[s]:+d}: the count of right sequences is impossible")
            n_right = counted.get(s)
            if n_right is None:
                self.on_trust += 1
                self.undecided += verdict == "U"
            else:
                _require(low[s] <= n_right <= high[s], f"{where}, sum {sums[s]:+d}: {n_right} sequences are right")
        self.classes += len(sums)
        return low, high

    def _signs(self, where: str, sums: NDArray[np.int64], exact: Query, stated: list[str]) -> None:
        never_negative, never_positive = exact.signs()
        for s, signs in enumerate(stated):
            _require(
                len(signs) == self.neurons and set(signs) <= set("+-?"),
                f"{where}, sum {sums[s]:+d}: {len(signs)} signs of neurons",
            )
            for neuron, sign in enumerate(signs):
                proved = {"+": never_negative[s, neuron], "-": never_positive[s, neuron], "?": True}[sign]
                _require(
                    bool(proved) or exact.has_sign(s, neuron, sign),
                    f"{where}, sum {sums[s]:+d}: neuron {neuron} is not always {sign!r}",
                )

    def _bounds(self, where: str, sums: NDArray[np.int64], exact: Query, query: Any) -> None:
        """Verify the smallest margin of classes called right, and the largest of those called wrong."""
        rows: list[Row] = []
        plans: dict[int, Plan] = {}
        for s, verdict in enumerate(query["verdicts"]):
            place, label = f"{where}, sum {sums[s]:+d}", int(np.sign(sums[s])) + 1
            if verdict == "R":
                bound = _number(query["smallest"][s], place)
                _require(bound > 0, f"{place}: called right with a smallest margin of {bound}")
                # No sequence has a smaller margin: right - other - bound >= 0, for both others.
                differences = [(label, other, bound) for other in OTHERS[label]]
            elif verdict == "W":
                bound = _number(query["largest"][s], place)
                _require(bound <= 0, f"{place}: called wrong with a largest margin of {bound}")
                # None has a larger one: other - right + bound >= 0, for one of them.
                differences = [(other, label, -bound) for other in OTHERS[label]]
            else:
                continue
            plans[s] = [_cases(rows, s, query["signs"][s], exact, *difference, place) for difference in differences]
            _require(len(rows) <= MAX_ROWS, f"{where}: there are too many cases of undecided signs")
        self.rows += len(rows)
        _require(self.rows <= self.most_rows, f"{where}: there are too many cases of undecided signs so far")
        proved = exact.proves(rows)
        for s, plan in plans.items():
            right = query["verdicts"][s] == "R"
            name, enough = ("smallest", all) if right else ("largest", any)

            def held(proves: Callable[[int], bool], plan: Plan = plan, enough: Callable[..., bool] = enough) -> bool:
                return enough(any(all(map(proves, choice)) for choice in choices) for choices in plan)

            _require(
                held(lambda row: proved[row]) or held(lambda row: proved[row] or exact.proves_one(rows[row])),
                f"{where}, sum {sums[s]:+d}: the {name} margin {query[name][s]} is not proved",
            )

    def _counts(self, sums: NDArray[np.int64], exact: Query, query: Any) -> dict[int, int]:
        """How many sequences are right in each class that is neither right nor wrong, where that is soon counted."""
        rows: list[Row] = []
        plans: dict[int, Plan] = {}
        for s, verdict in enumerate(query["verdicts"]):
            label, signs = int(np.sign(sums[s])) + 1, query["signs"][s]
            if verdict in "SU" and signs.count("?") <= MAX_SIGNS_TO_COUNT:
                differences = [(label, other) for other in OTHERS[label]]
                plans[s] = [_cases(rows, s, signs, exact, *difference, 0.0, "") for difference in differences]
        if not rows:
            return {}
        recount = Recount(exact, rows, self.ways)
        recounted = {s: recount(s, plan) for s, plan in plans.items()}
        return {s: count for s, count in recounted.items() if count is not None}

    def _witnesses(self, where: str, sums: NDArray[np.int64], exact: Query, query: Any) -> None:
        for name in ("smallest", "largest"):
            for label in range(3):
                chosen = [
                    s
                    for s, (verdict, stated) in enumerate(zip(query["verdicts"], query[f"{name}_witness"], strict=True))
                    if np.sign(sums[s]) + 1 == label and stated is not None
                ]
                if chosen:
                    self._witnesses_of(where, sums, exact, query, name, label, chosen)
        for s, verdict in enumerate(query["verdicts"]):
            shown = query["smallest_witness"][s] is not None and query["largest_witness"][s] is not None
            _require(verdict != "S" or shown, f"{where}, sum {sums[s]:+d}: a witness is missing")

    def _witnesses_of(
        self,
        where: str,
        sums: NDArray[np.int64],
        exact: Query,
        query: Any,
        name: str,
        label: int,
        chosen: list[int],
    ) -> None:
        """Verify that the sequences named are in their class and on the side of the bound that they should be."""
        stated = [query[f"{name}_witness"][s] for s in chosen]
        _require(all(_whole_numbers(one_told) for one_told in stated), f"{where}: a {name} witness is no sequence")
        values = np.array(stated, dtype=np.int64)
        fits = values.shape == (len(chosen), exact.n) and abs(values).max() <= self.max_value
        fits = fits and (values.sum(1) == sums[chosen]).all() and (values[:, -1] + self.max_value == exact.a).all()
        _require(bool(fits), f"{where}: a {name} witness is not in its class")
        tokens = values + self.max_value
        ends = [exact.differences(tokens, label, other) for other in OTHERS[label]]
        low, high = (np.minimum(ends[0][side], ends[1][side]) for side in range(2))
        Z_low, Z_high = exact.Z(tokens)
        for index, s in enumerate(chosen):
            place, verdict, bound = f"{where}, sum {sums[s]:+d}", query["verdicts"][s], query[name][s]
            if verdict == "S":
                shown = high[index] <= 0 if name == "smallest" else low[index] > 0
                side = "wrong" if name == "smallest" else "right"
                _require(bool(shown), f"{place}: its witness is not {side}: {values[index].tolist()}")
            if bound is None:
                continue
            above, below = _number(bound, place).as_integer_ratio()
            # The margin of a witness lies between low / Z and high / Z; the bound must not be beyond it.
            times = Z_low[index] if (above >= 0) == (name == "smallest") else Z_high[index]
            beyond = high[index] * below < above * times if name == "smallest" else low[index] * below > above * times
            _require(
                not beyond,
                f"{place}: the {name} margin {bound} is contradicted by {values[index].tolist()}",
            )


def _cases(
    rows: list[Row], s: int, signs: str, exact: Query, plus: int, minus: int, bound: float, place: str
) -> list[list[int]]:
    """The rows that bound a difference of logits from below: it holds if in some choice all rows do.

    A neuron of unknown sign contributes push * max(y, 0): the larger of 0 and push * y if it pushes the difference up,
    so either will do; the smaller of them if it pushes it down, so both are needed.
    """
    push = exact.push_on(plus, minus)
    up = [i for i, sign in enumerate(signs) if sign == "?" and push[i] > 0]
    down = [i for i, sign in enumerate(signs) if sign == "?" and push[i] < 0]
    _require(len(up) + len(down) <= MAX_UNDECIDED_SIGNS, f"{place}: {len(up) + len(down)} signs are undecided")
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


def _number(stated: Any, place: str) -> float:
    _require(type(stated) in (int, float) and np.isfinite(stated), f"{place}: {stated!r} is no bound")
    return float(stated)


def _whole_numbers(stated: Any) -> bool:
    return isinstance(stated, list) and all(type(value) is int and abs(value) < 2**31 for value in stated)


def _spread(counts: Integers) -> Integers:
    """From numbers per [last token, sum before it] to numbers per sum after it."""
    tokens, sums = counts.shape
    after = np.zeros(sums + tokens - 1, dtype=object)
    for token in range(tokens):
        after[token : token + sums] += counts[token]
    return after


def _agree(where: str, what: str, stated: Any, computed: Any) -> None:
    if isinstance(computed, tuple):
        same = isinstance(stated, list) and [str(count) for count in computed] == stated
    else:
        same = stated is computed if isinstance(computed, bool) else stated == str(computed)
    _require(same, f"{where}: {what} is {stated!r}, which does not follow from the classes: {computed}")
