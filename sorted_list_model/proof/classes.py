"""All answers of all lists, divided into classes, and classes into nodes.

A class holds the lists on which the query and the right answer are the same: at rank k (0: SEP; k >= 1: the k-th
smallest number, d) the right answer is y. Its lists have k - 1 numbers below d, none between d and y, and the rest
above y. A node is a class with some forced neighbours: the next numbers above y, the next ones below d. How many sets
a node has is a product of two binomials, in whole numbers; every set is a list in list_len! orders.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OPEN, RIGHT, WRONG, SPLIT_ABOVE, SPLIT_BELOW = range(5)
"""What a node is: undecided, proved right, proved wrong, or divided by its next number above or below."""


@dataclass(frozen=True, order=True)
class ListClass:
    """The lists whose answer after `d`, their number of rank `k`, should be `y`; for k = 0 the answer at SEP, d is -1.

    >>> ListClass(1, 0, 42, list_len=10, max_value=50).sets
    1
    """

    k: int
    d: int
    y: int
    list_len: int
    max_value: int

    @property
    def free_below(self) -> int:
        """How many numbers of a list lie below d."""
        return max(self.k - 1, 0)

    @property
    def free_above(self) -> int:
        """How many lie above y."""
        return self.list_len - 1 - self.k

    @property
    def sets(self) -> int:
        """How many sets of numbers the class holds."""
        return sets_of_node(self, self.d, self.free_below, self.y, self.free_above)

    def holds(self, numbers: Sequence[int]) -> bool:
        """Whether these numbers, in any order, are a list of the class.

        >>> ListClass(1, 0, 4, list_len=3, max_value=5).holds([4, 0, 5])
        True
        """
        ordered = sorted(numbers)
        return (
            len(set(numbers)) == len(numbers) == self.list_len
            and all(type(number) is int and 0 <= number <= self.max_value for number in numbers)
            and ordered[self.k] == self.y
            and (not self.k or ordered[self.k - 1] == self.d)
        )

    @property
    def jump(self) -> int | None:
        """From d to y; None at SEP."""
        return self.y - self.d if self.k else None

    def __str__(self) -> str:
        return f"({self.k}, {self.d if self.k else 'SEP'}, {self.y})"


def sets_of_node(of: ListClass, bottom: int, free_below: int, top: int, free_above: int) -> int:
    """How many sets have so many free numbers below `bottom` and above `top`."""
    below = math.comb(bottom, free_below) if free_below else 1
    return below * math.comb(of.max_value - top, free_above)


def classes_of_query(k: int, d: int, list_len: int, max_value: int) -> list[ListClass]:
    """The classes of one query, by right answer; d is -1 for SEP."""
    least = d + 1 if k else 0
    return [ListClass(k, d, y, list_len, max_value) for y in range(least, max_value + 2 - (list_len - k))]


def queries(list_len: int, max_value: int) -> list[tuple[int, int]]:
    """Every query: rank and number, in order; (0, -1) is SEP.

    >>> len(queries(10, 50))
    379
    """
    of_numbers = [(k, d) for k in range(1, list_len) for d in range(k - 1, max_value + 1 - (list_len - k))]
    return [(0, -1), *of_numbers]


def classes(list_len: int, max_value: int) -> Iterator[ListClass]:
    """Every class that there is, in order.

    >>> sum(1 for _ in classes(10, 50))
    8169
    """
    for k, d in queries(list_len, max_value):
        yield from classes_of_query(k, d, list_len, max_value)


def all_classes(list_len: int, max_value: int) -> int:
    """How many classes there are.

    >>> all_classes(10, 50)
    8169
    """
    return sum(1 for _ in classes(list_len, max_value))


def all_sets(list_len: int, max_value: int) -> int:
    """How many sets there are: of each, every rank is one answer."""
    return math.comb(max_value + 1, list_len)
