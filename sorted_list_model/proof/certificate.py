"""The verdict on every list: accuracy over all answers lies in an interval, and what is known class by class.

An answer is right if the right token's logit is larger than every other by more than float32 may take away, so what is
proved holds in real arithmetic and as computed; it is proved wrong if some other token's is larger by that much. The
method makes no use of "the main head attends to the next larger number": that is a claim, this is a proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.classes import ListClass, all_sets, classes_of_query, queries
from sorted_list_model.proof.proving import ClassProof, Prover
from sorted_list_model.proof.rounding import Float32Error, order_error
from sorted_list_model.proof.tables import Tables, tables

BUDGETS: Mapping[str, int] = {"classes": 0, "quick": 10**6, "deep": 10**8}
"""Of each depth: a node with fewer than one of so many of all sets is not divided. 0: none is."""

Chosen = Callable[[ListClass], bool]


class Kind(Enum):
    """What is known of a class: right on every list, open, neither with a wrong list known, or wrong on every list."""

    RIGHT = "right on every list"
    OPEN = "open"
    KNOWN = "a wrong list is known"
    WRONG = "wrong on every list"


@dataclass(frozen=True)
class Proved:
    """What is known of a class: how many of its sets are proved right, and wrong, and the numbers of a wrong list."""

    of: ListClass
    right: int
    wrong: int
    found: tuple[int, ...] | None

    @property
    def open(self) -> int:
        """How many sets are undecided."""
        return self.of.sets - self.right - self.wrong

    @property
    def kind(self) -> Kind:
        """What is known of the class as a whole."""
        if self.right == self.of.sets:
            return Kind.RIGHT
        if self.wrong == self.of.sets:
            return Kind.WRONG
        return Kind.OPEN if self.found is None else Kind.KNOWN


@dataclass(frozen=True, repr=False)
class Certificate:
    """What is proved of a model over every list, class by class, in order.

    float32: what computing may add; infinite where nothing is known of it, and then what is proved is proved of real
    arithmetic alone. nodes: how many there are.
    """

    list_len: int
    max_value: int
    budget: int
    float32: Float32Error
    proved: tuple[Proved, ...]
    nodes: int

    def __repr__(self) -> str:  # of thousands of classes no failing test should print all
        low, high = self.accuracy
        return f"Certificate({len(self.proved)} classes: accuracy in [{float(low):.6f}, {float(high):.6f}])"

    @property
    def sets(self) -> int:
        """All sets of numbers; each is a list in list_len! orders."""
        return all_sets(self.list_len, self.max_value)

    @property
    def lists(self) -> int:
        """All lists."""
        return self.sets * math.factorial(self.list_len)

    @property
    def answers(self) -> int:
        """All answers on all lists."""
        return self.lists * self.list_len

    @property
    def known_of_float32(self) -> bool:
        """Whether what is proved is proved as computed in float32, too."""
        return math.isfinite(self.float32.stream + self.float32.scale)

    @property
    def accuracy(self) -> tuple[Fraction, Fraction]:
        """The fraction of all answers that are right, at least and at most."""
        return self.accuracy_where(every_class)

    def at_rank(self, k: int) -> tuple[Fraction, Fraction]:
        """The same of the answers at one position: 0 is SEP, k the k-th smallest number."""
        return self.accuracy_where(lambda of: of.k == k)

    def accuracy_where(self, chosen: Chosen) -> tuple[Fraction, Fraction]:
        """The same of the answers of some classes. Raises ValueError if there is none."""
        of_them = self.where(chosen)
        sets = sum(proved.of.sets for proved in of_them)
        if not sets:
            raise ValueError("no answer is of these classes")
        right, wrong = (sum(getattr(proved, kind) for proved in of_them) for kind in ("right", "wrong"))
        return Fraction(right, sets), 1 - Fraction(wrong, sets)

    def where(self, chosen: Chosen) -> list[Proved]:
        """What is known of some classes."""
        return [proved for proved in self.proved if chosen(proved.of)]

    @property
    def found_wrong(self) -> Proved | None:
        """Of the classes of which a wrong list is known the one with the most sets."""
        known = (proved for proved in self.proved if proved.found is not None)
        return max(known, key=lambda proved: proved.of.sets, default=None)

    @property
    def lists_wholly_right(self) -> Fraction:
        """At least this fraction of all lists is answered rightly throughout: a union bound over the positions."""
        missed = sum((1 - self.at_rank(k)[0] for k in range(self.list_len)), Fraction(0))
        return max(Fraction(0), 1 - missed)


def known(proof: ClassProof) -> Proved:
    """What a proof says, without the proof."""
    return Proved(proof.of, proof.right, proof.wrong, proof.found)


def room(error: Float32Error, scale_high: float) -> float:
    """By how much a margin, in units of readouts, has to exceed 0 so that float32 does not change an answer."""
    if not math.isfinite(error.stream + error.scale):
        return 0.0
    return 2 * (error.stream + error.scale * scale_high) * (1 + 1e-9)


def smallest_divided(budget: int, list_len: int, max_value: int) -> float:
    """A node of fewer sets is not divided."""
    return all_sets(list_len, max_value) / budget if budget else math.inf


def every_class(_: ListClass) -> bool:
    """What is chosen where nothing else is."""
    return True


def proofs_of_query(
    read: Tables, k: int, d: int, budget: int, error: Float32Error, chosen: Chosen = every_class
) -> Iterator[ClassProof]:
    """The chosen classes of one query, proved as far as the budget goes."""
    of_query = [of for of in classes_of_query(k, d, read.list_len, read.max_value) if chosen(of)]
    if not of_query:
        return
    query = read.query(k, d)
    prover = Prover(query, smallest_divided(budget, read.list_len, read.max_value), room(error, query.scale_high))
    for of in of_query:
        yield prover.prove(of)


def certify(
    model: SortedListTransformer,
    *,
    budget: int = 0,
    chosen: Chosen = every_class,
    keep: Callable[[ClassProof], None] = lambda _: None,
) -> Certificate:
    """Prove what can be proved of `model` over every list.

    budget: see BUDGETS; 0 divides no class. chosen: of which classes; by default all. keep: called with each proof, in
    order. Deterministic: the same weights and budget give the same certificate.
    Raises Unprovable for a model that this proof does not speak of.
    """
    cfg = model.cfg
    read, error = tables(model), order_error(model)

    def proofs() -> Iterator[ClassProof]:
        for k, d in queries(cfg.list_len, cfg.max_value):
            for proof in proofs_of_query(read, k, d, budget, error, chosen):
                keep(proof)
                yield proof

    return collected(proofs(), cfg.list_len, cfg.max_value, budget, error)


def collected(
    proofs: Iterable[ClassProof], list_len: int, max_value: int, budget: int, error: Float32Error
) -> Certificate:
    """The certificate of proofs, which may be forgotten one by one."""
    proved, nodes = [], 0
    for proof in proofs:
        proved.append(known(proof))
        nodes += len(proof.nodes)
    return Certificate(list_len, max_value, budget, error, tuple(proved), nodes)


def rounded_down(fraction: Fraction, digits: int) -> str:
    """A fraction in so many digits, no larger than it is."""
    return f"{math.floor(fraction * 10**digits) / 10**digits:.{digits}f}"


def rounded_up(fraction: Fraction, digits: int) -> str:
    """A fraction in so many digits, no smaller than it is."""
    return f"{math.ceil(fraction * 10**digits) / 10**digits:.{digits}f}"
