"""What `certify` prints: the interval, overall and by position, and a list that is answered wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_claims.files import shown

from sorted_list_model.proof.certificate import Kind, rounded_down, rounded_up

if TYPE_CHECKING:
    from sorted_list_model.model import SortedListTransformer
    from sorted_list_model.proof.certificate import Certificate, Proved
    from toy_model.checkpoint.checkpoint import Checkpoint


def summary(certificate: Certificate, checkpoint: Checkpoint[SortedListTransformer]) -> list[str]:
    """The lines that are printed."""
    low, high = certificate.accuracy
    n = certificate.list_len
    lines = [
        f"checkpoint {shown(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}",
        f"PROVED: between {down(low)} and {rounded_up(high, 6)} of all {certificate.answers:,} answers are right,",
        f"on all {certificate.lists:,} lists of {n} different numbers of 0 .. {certificate.max_value}",
        f"lists of which every answer is right: at least {down(certificate.lists_wholly_right)}",
        _float32(certificate),
        "",
        f"{'answer at':<11}{'proved right':>13}{'proved wrong':>14}{'open':>10}   classes: right wrong known open",
    ]
    for k in range(n):
        right, at_most = certificate.at_rank(k)
        wrong = 1 - at_most
        kinds = "".join(
            f"{many:>6}" for many in kinds_of([proved for proved in certificate.proved if proved.of.k == k])
        )
        name = "SEP" if not k else f"number {k}"
        open_ = float(1 - right - wrong)
        lines.append(f"{name:<11}{down(right):>13}{down(wrong):>14}{open_:>10.6f}            {kinds}")
    many = kinds_of(certificate.proved)
    lines += [
        "",
        f"{len(certificate.proved):,} classes: {many[0]:,} right on every list, {many[1]:,} wrong on every list,",
        f"{many[2]:,} neither, with a wrong list known, {many[3]:,} neither, with none known",
    ]
    return [*lines, *_a_wrong_list(certificate, checkpoint)]


def kinds_of(of: Sequence[Proved]) -> tuple[int, int, int, int]:
    """How many classes are proved right, proved wrong, neither with a wrong list known, and neither with none known."""
    many = Counter(proved.kind for proved in of)
    return many[Kind.RIGHT], many[Kind.WRONG], many[Kind.KNOWN], many[Kind.OPEN]


def _float32(certificate: Certificate) -> str:
    if certificate.known_of_float32:
        return "this is proved of real arithmetic and of float32, in whatever order it adds"
    return "this is proved of real arithmetic only: float32 may overflow, or does not determine the attention pattern"


def _a_wrong_list(certificate: Certificate, checkpoint: Checkpoint[SortedListTransformer]) -> list[str]:
    """The list known to be wrong that is of the class which holds most sets, and what the model answers."""
    largest = certificate.found_wrong
    if largest is None:
        return []
    from sorted_list_model.model import answers_to

    assert largest.found is not None
    numbers = " ".join(map(str, largest.found))
    answer = answers_to(checkpoint.model, largest.found)[largest.of.k]
    after = f"after {largest.of.d}" if largest.of.k else "at SEP"
    said = "SEP" if answer == certificate.max_value + 1 else answer
    return [f"a wrong list: {numbers}: {after} the model itself answers {said}, right is {largest.of.y}"]


def down(fraction: Fraction) -> str:
    return rounded_down(fraction, 6)
