"""Proving one query: every class of it is searched, by compiled code, and counted in whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sorted_list_model.proof.classes import (
    OPEN,
    RIGHT,
    SPLIT_ABOVE,
    SPLIT_BELOW,
    WRONG,
    ListClass,
    sets_of_node,
)
from sorted_list_model.proof.tables import RAISED, Query

HALVINGS = 4
"""How often an interval of rho may be halved."""

CLIMBED = 300
"""Steps from the worst list that was drawn of an undecided class towards a wrong one."""


@dataclass(frozen=True, eq=False)
class ClassProof:
    """What was found of a class: how many sets are proved right and wrong, and the proof.

    found: the numbers, in the order of their unsorted positions, of a list that is answered wrongly, if one is known.
    nodes: kinds in preorder. excluded: for each node how many answers are proved beaten here, and which. witness: for
    each node that has some, the interval of rho, and the binary tree of lambda_0 of each, nan where it is halved.
    """

    of: ListClass
    right: int
    wrong: int
    found: tuple[int, ...] | None
    nodes: np.ndarray
    excluded: np.ndarray
    witness: np.ndarray


class Prover:
    """Proves the classes of a query.

    smallest: a node of fewer sets is not divided. room: by how much margins have to exceed 0, see `certificate.room`.
    """

    def __init__(self, query: Query, smallest: float, room: float) -> None:
        from sorted_list_model.proof.compiled.search import room_for_advantages
        from sorted_list_model.proof.compiled.tables import Keys as CompiledKeys
        from sorted_list_model.proof.compiled.tables import Query as CompiledQuery

        self.query, self.smallest, self.room = query, smallest, room
        weights, readouts = (CompiledKeys(*vars(keys).values()) for keys in (query.weights, query.readouts))
        self.compiled = CompiledQuery(
            query.list_len,
            query.n_numbers,
            query.k,
            query.d,
            weights,
            readouts,
            CompiledKeys(*(np.ascontiguousarray(np.moveaxis(table, -1, 1)) for table in readouts)),
            query.own,
            query.bias,
            query.scale_low,
            query.scale_high,
            room + query.slack,
            RAISED,
            query.sizes,
        )
        self.advantages = room_for_advantages(self.compiled)

    def prove(self, of: ListClass) -> ClassProof:
        """One class. Deterministic."""
        from sorted_list_model.proof.compiled.search import search, worst_list

        seed = 1 + ((of.k * 1024 + self.query.d) * 1024 + of.y) * 2654435761
        with interruptible():
            nodes, excluded, witness, numbers, order = search(
                self.compiled, of.y, self.smallest, HALVINGS, np.uint64(seed), self.advantages
            )
        right, wrong = count(of, nodes)
        found = None
        if right < of.sets:
            with interruptible():
                margin = worst_list(self.compiled, of.y, numbers, order, CLIMBED, np.uint64(seed))
            if margin < -(self.compiled.room + RAISED * float(self.query.sizes.sum())):
                at = {int(place): int(number) for place, number in zip(order, numbers, strict=True)}
                found = tuple(at[place] for place in range(of.list_len))
        return ClassProof(of, right, wrong, found, nodes, excluded, witness)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C out of compiled code as what it is: numba makes a SystemError of it, when the code has returned."""
    try:
        yield
    except SystemError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            cause = cause.__cause__
        raise


def count(of: ListClass, nodes: np.ndarray) -> tuple[int, int]:
    """How many sets of a class are proved right, and wrong, by the kinds of its nodes in preorder.

    Raises ValueError if these are not the nodes of a class.
    """
    kinds = iter(nodes.tolist())
    totals = {OPEN: 0, RIGHT: 0, WRONG: 0}

    def add_up(bottom: int, below: int, top: int, above: int) -> None:
        kind = next(kinds, None)
        if kind == SPLIT_ABOVE and above:
            for t in range(top + 1, of.max_value + 2 - above):
                add_up(bottom, below, t, above - 1)
        elif kind == SPLIT_BELOW and below:
            for t in range(bottom - 1, below - 2, -1):
                add_up(t, below - 1, top, above)
        elif kind in totals:
            totals[kind] += sets_of_node(of, bottom, below, top, above)
        else:
            raise ValueError(f"node of kind {kind}")

    add_up(of.d, of.free_below, of.y, of.free_above)
    if next(kinds, None) is not None:
        raise ValueError("more nodes than the class has")
    return totals[RIGHT], totals[WRONG]
