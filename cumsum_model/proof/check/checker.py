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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cumsum_model.proof.check.circuit import Circuit, Integers
from cumsum_model.proof.check.classes import Classes, require, whole_numbers
from cumsum_model.proof.check.classes import Rejected as Rejected
from cumsum_model.proof.check.document import taken_apart

MAX_ROWS_A_CLASS, MAX_ROWS_OF_FEW = 20, 500_000
"""The same in all together: so many a class, three times what any model here has, or where classes are few so many."""

ARCHITECTURE = {
    "activation": "ReLU",
    "normalisation": "none",
    "scores": "divided by sqrt(d_head)",
    "attention": "causal",
}
"""Of the models that this checker computes, and nothing in a file of weights says."""


@dataclass(frozen=True)
class Checked:
    """What was verified: how many classes, and of how many the count of right sequences was taken on trust.

    undecided: of how many of those the certificate itself says that it decides nothing. stated: what it says beside its
    lengths, by name.
    """

    classes: int
    counted_on_trust: int
    undecided: int
    sequences: int
    right: tuple[int, int]
    stated: dict[str, Any] = field(repr=False)


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
        text = content.decode()
        del content  # which may be hundreds of megabytes
        document = _taken_apart(text, weights)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"it is not JSON, or cut short ({str(error)[:100]})") from None
    try:
        return _Check(document, weights, sha256).run(progress)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Rejected(f"it is not a complete certificate ({type(error).__name__}: {str(error)[:100]})") from None


def most_characters(n: int, d_vocab: int) -> int:
    """Of what a certificate says of length n: several times what any takes that is written here."""
    n_classes = d_vocab * ((d_vocab - 1) * (n - 1) + 1)
    return 2**16 + n_classes * (1_000 + 10 * n)


def _taken_apart(text: str, weights: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
    """The certificate, of which no length is parsed yet. Raises ValueError and RecursionError."""
    sizes = {name.split(".")[-1]: len(weight) for name, weight in weights.items()}
    n_ctx = sizes["W_pos"]
    return taken_apart(text, "lengths", n_ctx, most_characters(n_ctx, sizes["W_E"]))


class _Check:
    def __init__(self, document: dict[str, Any], weights: Mapping[str, NDArray[np.float32]], sha256: str) -> None:
        require(document["format"] == "cumsum certificate", "it is not a certificate of this kind")
        require(
            document["version"] in (1, 2),
            f"its version is {str(document['version'])[:20]!r}, this checker reads 1 and 2",
        )
        if document["version"] == 2:
            require(document["architecture"] == ARCHITECTURE, "it is of a model of another architecture")
        certified = str(document["checkpoint"]["sha256"])
        require(certified == sha256, f"it is of another checkpoint: sha256 {certified[:12]!r}.., not {sha256[:12]!r}..")
        short = {name.split(".")[-1]: weight for name, weight in weights.items()}
        require(len(short) == len(weights), "the checkpoint has several blocks: this proof is of one")
        require(len(short["W_Q"]) == 1, f"the checkpoint has {len(short['W_Q'])} heads: this checker speaks of one")
        lengths, n_ctx = document["lengths"], len(short["W_pos"])
        require(len(lengths) == n_ctx, f"it has {len(lengths)} lengths, the checkpoint has {n_ctx}")
        self.document = document
        self.circuit = Circuit.of(short)
        self.n_ctx, self.d_vocab = self.circuit.own.whole.shape[:2]
        self.max_value = self.d_vocab // 2
        self.classes = self.on_trust = self.undecided = self.rows = 0
        n_classes = sum(self.d_vocab * (2 * self.max_value * n + 1) for n in range(self.n_ctx))
        self.most_rows = max(MAX_ROWS_A_CLASS * n_classes, MAX_ROWS_OF_FEW)
        self.ways = [np.array([1], dtype=object)]  # how many sequences have each sum, by length
        self.all_right = True
        self.least: list[float | None] = []
        self.stated_least: list[Any] = []

    def run(self, progress: Callable[[int], None]) -> Checked:
        lengths = self.document["lengths"]
        ways = self.ways[0]
        throughout = ways, ways
        right = (0, 0)
        for n, length in enumerate(lengths, start=1):
            require(length["length"] == n, f"length {n} is missing")
            require(len(length["queries"]) == self.d_vocab, f"length {n} lacks queries")
            counts = [
                self._query(n, a, query, ways) for a, query in enumerate(length["queries"])
            ]  # [a][lower or upper][sum]
            low, high = (np.stack([count[side] for count in counts]) for side in range(2))
            right = int(low.sum()), int(high.sum())
            where = f"length {n}"
            all_right = all(set(query["verdicts"]) == {"R"} for query in length["queries"])
            smallest = [margin for query in length["queries"] for margin in query["smallest"]]
            self.least.append(min(smallest) if all_right else None)
            self.stated_least.append(length["smallest_margin"])
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
        stated = {name: part for name, part in self.document.items() if name != "lengths"}
        return Checked(self.classes, self.on_trust, self.undecided, sequences, right, stated)

    def _smallest(self, lengths: Any) -> None:
        """Verify that the smallest margins named follow from those of the classes."""
        stated = self.document["smallest_margin"]
        for n, (margin, least) in enumerate(zip(self.stated_least, self.least, strict=True), start=1):
            require(margin == least, f"length {n}: the smallest margin is {margin!r}, that of the classes is {least!r}")
        known = [margin for margin in self.least if margin is not None]
        least = min(known) if len(known) == len(self.least) else None
        if least is None:
            require(stated is None, "it names a smallest margin although not every class is right")
            return
        require(
            stated["proved"] == least, f"its smallest margin is {stated['proved']!r}, that of the classes {least!r}"
        )
        n, values = stated["length"], stated["values"]
        require(
            whole_numbers([n, stated["sum"], *values]) and 1 <= n <= self.n_ctx and len(values) == n,
            "its hardest sequence is no sequence",
        )
        require(max(map(abs, values)) <= self.max_value, "its hardest sequence is no sequence")
        require(sum(values) == stated["sum"], "its hardest sequence has another sum")
        query = lengths[stated["length"] - 1]["queries"][values[-1] + self.max_value]
        place = stated["sum"] - query["lowest_sum"]
        require(values == query["smallest_witness"][place], "its hardest sequence is no witness of its class")
        require(query["smallest"][place] == least, "its hardest sequence is not of the class of the smallest margin")

    def _query(self, n: int, a: int, query: Any, ways: Integers) -> tuple[Integers, Integers]:
        """Verify the classes of one length and last token. Returns how many of each are right, at least and at most."""
        classes = Classes(self.circuit, n, a, query, len(ways))
        classes.verify_signs()
        classes.verify_witnesses()
        self.rows += classes.verify_bounds(self.most_rows - self.rows)
        counted = classes.counted(self.ways)
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
            require(possible, f"{classes.place(s)}: the count of right sequences is impossible")
            n_right = counted.get(s)
            if n_right is None:
                self.on_trust += 1
                self.undecided += verdict == "U"
            else:
                require(
                    low[s] <= n_right <= high[s],
                    f"{classes.place(s)}: {n_right} sequences are right",
                )
        self.classes += len(classes.sums)
        return low, high


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
    require(same, f"{where}: {what} is {stated!r}, which does not follow from the classes: {computed}")
