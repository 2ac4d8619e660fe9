"""Criteria by which circuits are judged, for any function F of sets of parts. Nothing here knows a model.

F(S) is the loss with the parts S alone, everything else being ablated: lower is better. M is the set of all parts,
C the circuit, a subset of it. The criteria are exact: they go through every subset that their formula ranges over,
2^|C| or 2^|M| of them. F may also return an array of one fixed shape, such as one number per bootstrap resample;
then the numbers are arrays of this shape, a criterion for each entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

Part = int
Parts = frozenset[Part]
SetFunction = Callable[[Parts], Any]
"""F: from a set of parts to a loss, a float or an array of floats."""

NOTHING: Parts = frozenset()


def subsets(parts: Iterable[Part]) -> Iterator[Parts]:
    """Every subset, the smallest first.

    >>> [sorted(subset) for subset in subsets({1, 2})]
    [[], [1], [2], [1, 2]]
    """
    ordered = sorted(parts)
    for size in range(len(ordered) + 1):
        yield from map(frozenset, combinations(ordered, size))


def faithfulness(F: SetFunction, C: Parts, M: Parts) -> Any:
    """How much of what all parts gain over none of them C gains alone: (F(none) - F(C)) / (F(none) - F(M)).

    1 if C does as well as everything, 0 if it does no better than nothing; above 1 if it does better than everything.
    Also 0 where nothing is gained, F(M) being F(none). Where the parts do harm, it is how much of the harm C does.
    Source: Miller et al. 2024, arXiv 2407.08734; Mueller et al. 2025 (MIB), arXiv 2504.13151.
    """
    _require_subset(C, M)
    return _recovered(F, F(C), M)


def faithfulness_curve(F: SetFunction, order: Sequence[Part], M: Parts) -> list[Any]:
    """The faithfulness of the first k parts of `order`, such as the k strongest, for k = 0 .. len(order).

    Source: Mueller et al. 2025 (MIB), arXiv 2504.13151.
    """
    return [faithfulness(F, frozenset(order[:k]), M) for k in range(len(order) + 1)]


def of_size(F: SetFunction, size: int, M: Parts) -> Any:
    """F of every set of `size` parts, a row for each: what a random circuit of that size is drawn from."""
    return np.array([F(frozenset(chosen)) for chosen in combinations(sorted(M), size)])


def shortfall(F: SetFunction, order: Sequence[Part], M: Parts) -> Any:
    """How far the `faithfulness_curve` of an order falls short of that of the best sets, at its worst size.

    0 if no set of any size does better than the first parts of the order.
    """
    best = [_recovered(F, of_size(F, k, M).min(0), M) for k in range(len(order) + 1)]
    return np.max(np.array(best) - faithfulness_curve(F, order, M), axis=0)


def completeness(F: SetFunction, C: Parts, M: Parts) -> Any:
    """The largest difference between C and everything when the same parts are removed from both: max |F(C - K) -
    F(M - K)| over the subsets K of C.

    In units of F. 0 if whatever C lacks changes nothing, even where C is damaged. Source: Wang et al. 2022 (IOI),
    arXiv 2211.00593.
    """
    _require_subset(C, M)
    return np.max([np.abs(F(C - K) - F(M - K)) for K in subsets(C)], axis=0)


def necessity(F: SetFunction, v: Part, C: Parts) -> Any:
    """The largest difference that removing v from C makes, with any other parts K of C removed before: max |F(C - K -
    {v}) - F(C - K)| over the subsets K of C - {v}.

    In units of F. 0 if v makes no difference, whatever else is there. Source: Wang et al. 2022 (IOI), arXiv 2211.00593.
    """
    if v not in C:
        raise ValueError(f"{v} is not one of the circuit's parts {sorted(C)}")
    return np.max([np.abs(F(C - K - {v}) - F(C - K)) for K in subsets(C - {v})], axis=0)


def minimality(F: SetFunction, C: Parts) -> Any:
    """The least `necessity` of the parts of C, in units of F: 0 if one of them is idle, infinite if there are none.

    Source: Wang et al. 2022 (IOI), arXiv 2211.00593.
    """
    return np.min([necessity(F, v, C) for v in sorted(C)], axis=0, initial=np.inf)


def minimal_sets(F: SetFunction, M: Parts, tolerance: float) -> list[Parts]:
    """Every set that is as good as M, |F(S) - F(M)| <= tolerance, while none of its proper subsets is.

    The circuit is unique if there is exactly one. Source: Meloux et al. 2025, arXiv 2502.20914.
    """
    minimal: list[Parts] = []
    whole = F(M)
    for S in subsets(M):  # the smallest first, so that every set that S could contain has been seen
        if abs(F(S) - whole) <= tolerance and not any(smaller < S for smaller in minimal):
            minimal.append(S)
    return minimal


def rank_among_equals(F: SetFunction, C: Parts, M: Parts) -> Any:
    """The rank of C among all sets of its size by F, the lowest being 1st; equals rank before it.

    So C is 1st only if it is better than every other set, and last if all are alike. Exact: all sets are counted, of
    which there are `len(M)` over `len(C)`. Source: Shi et al. 2024, arXiv 2410.13032, who draw random sets.
    """
    _require_subset(C, M)
    circuit = F(C)
    return np.sum(of_size(F, len(C), M) <= circuit, axis=0)


def _recovered(F: SetFunction, loss: Any, M: Parts) -> Any:
    none = np.asarray(F(NOTHING), dtype=float)
    gain = none - F(M)
    return np.divide(none - loss, gain, out=np.zeros_like(none), where=gain != 0)[()]


def _require_subset(C: Parts, M: Parts) -> None:
    if not C <= M:
        raise ValueError(f"the circuit has parts {sorted(C - M)} that are not among all parts {sorted(M)}")
