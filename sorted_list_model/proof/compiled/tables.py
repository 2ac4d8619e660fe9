"""What compiled functions read: the tables of a query, an advantage of one answer over another, a node, and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from sorted_list_model.proof.compiled.caching import save_between_processes

Array = np.ndarray

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function in machine code, made on its first call and saved by `caching`. IEEE arithmetic throughout."""
    import numba

    dispatcher = numba.njit(error_model="numpy")(function)
    if dispatcher is not function:  # which it is where NUMBA_DISABLE_JIT is set
        save_between_processes(dispatcher)
    return cast(Function, dispatcher)


class Keys(NamedTuple):
    """A number for every key that a query can attend to.

    unsorted: [head, position, number]. ranked: [head, rank - 1, number]. sep: [head]. Readouts have another axis, the
    answers, at the end.
    """

    unsorted: Array
    ranked: Array
    sep: Array


class Query(NamedTuple):
    """The tables of `tables.Query` as compiled functions take them; d is 0 where the query is SEP, and never read.

    by_answer: the readouts once more, [head, answer, ..].
    """

    list_len: int
    n_numbers: int
    k: int
    d: int
    weights: Keys
    readouts: Keys
    by_answer: Keys
    own: Array
    bias: Array
    scale_low: float
    scale_high: float
    room: float
    raised: float
    sizes: Array


class Node(NamedTuple):
    """A class with right answer `y` and forced neighbours: [above or below, in order], and how many there are."""

    y: int
    forced: Array
    n_forced: Array


class Memory(NamedTuple):
    """What the bound works in.

    costs, slopes: of numbers in the unsorted half, at both ends of an interval of rho, [end, number]. sums,
    slopes_of_sums: by how many numbers there are so far. smallest: numbers of the smallest costs.
    """

    costs: Array
    slopes: Array
    sums: Array
    slopes_of_sums: Array
    smallest: Array


ABOVE, BELOW = 0, 1
LOW, HIGH = 0, 1


@compiled
def memory_for(query: Query) -> Memory:
    of_numbers, of_ranks = (2, query.n_numbers), query.list_len + 1
    return Memory(
        np.empty(of_numbers), np.empty(of_numbers), np.empty(of_ranks), np.empty(of_ranks), np.empty(of_ranks, np.int64)
    )


@compiled
def end(query: Query, node: Node, side: int) -> int:
    """The last forced neighbour on this side: free numbers lie beyond."""
    n = node.n_forced[side]
    if n:
        return node.forced[side, n - 1]
    return node.y if side == ABOVE else query.d


@compiled
def free(query: Query, node: Node, side: int) -> int:
    """How many numbers of a list are free on this side."""
    of_class = query.list_len - 1 - query.k if side == ABOVE else max(query.k - 1, 0)
    return of_class - node.n_forced[side]


@compiled
def binomial(n: int, k: int) -> float:
    if k < 0 or k > n:
        return 0.0
    ways = 1.0
    for i in range(k):
        ways = ways * (n - i) / (i + 1)
    return ways


@compiled
def size(query: Query, node: Node) -> float:
    """How many sets a node has, in floating point: for the search to go by."""
    above = binomial(query.n_numbers - 1 - end(query, node, ABOVE), free(query, node, ABOVE))
    below = free(query, node, BELOW)
    return above * binomial(end(query, node, BELOW), below) if below else above
