"""The proof of one length after the other: each is done with before the next is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cumsum_model.model import CumsumTransformer
from cumsum_model.proof import dynamic_program
from cumsum_model.proof.by_length import ByLength
from cumsum_model.proof.counting import count_right
from cumsum_model.proof.extremes import Cells, Position
from cumsum_model.proof.length import Length
from cumsum_model.proof.tables import Tables, Unprovable, tables
from toy_model.arithmetic.balls import Array, Ball, exact

REFINED = 64
"""At most so many classes of one length are refined for each reason: those of smallest margin, of most sequences."""

SURE = 1e-11
"""A margin computed in float64 is right to this part of the largest logit that there can be, and to spare."""

LABELS = 3
OTHERS = ((1, 2), (0, 2), (0, 1))
"""For each label, the two wrong answers."""

_DIFFERENCES = np.array(
    [
        [(logit == label) - (logit == other) for logit in range(LABELS)]
        for label in range(LABELS)
        for other in OTHERS[label]
    ]
)
"""The six logit differences: rows 2 l and 2 l + 1 belong to label l."""

_READOUTS = np.concatenate([_DIFFERENCES, -_DIFFERENCES]).astype(np.float64)
"""Their smallest values, and (as the smallest of the opposite) their largest."""


def prove(
    model: CumsumTransformer, *, refine_all: bool = False, budget: int, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Length]:
    """Everything that is proved of `model`, from the shortest length to the longest, each when it is asked for.

    Nothing is kept of a length here: what all of them take in memory is up to whoever asks. The arguments are those of
    `certify`. Raises Unprovable at once for a model that this proof does not speak of, and at a length where the
    weights turn out to be out of range.
    """
    proving = _Proving(tables(model), refine_all, budget, progress)
    return map(proving.length, range(1, model.cfg.n_ctx + 1))


def prove_each(model: CumsumTransformer) -> ByLength[Length]:
    """What `prove` says of every length when nothing is counted inside split classes, each when it is asked for.

    For who asks whether every sequence is right, and not how many are where some are not. Raises Unprovable.
    """
    read = tables(model)
    counts, largest_logit = dynamic_program.count(read.n_ctx - 1, read.d_vocab), read.largest_logit
    return ByLength(read.n_ctx, lambda n: _length(read, n, counts[n - 1], largest_logit)[0])


def _length(
    read: Tables, n: int, counts: np.ndarray, largest_logit: float, refine_all: bool = False, budget: int = 0
) -> tuple[Length, int]:
    """Prove one length, and how much of the budget it took."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            query = read.query(n)
            doubt = (SURE + 4 * query.score_error) * largest_logit
            return _prove(Position(read, query), counts, refine_all, budget, doubt)
    except ArithmeticError as error:
        raise Unprovable(f"the weights are out of the range that float64 can handle: {error}") from None


class _Proving:
    """What one length leaves to the next: the budget, and the number of sequences of each sum."""

    def __init__(self, read: Tables, refine_all: bool, budget: int, progress: Callable[[int], None]) -> None:
        self.read, self.refine_all, self.budget, self.progress = read, refine_all, budget, progress
        self.counts = dynamic_program.counts(read.d_vocab)
        self.to_do = sum(n * n for n in range(1, read.n_ctx + 1))
        self.largest_logit = read.largest_logit

    def length(self, n: int) -> Length:
        """Prove length n, after all shorter ones."""
        # What there is to count grows with the square of the length; so does what may be spent on it. What one length
        # leaves, the later ones share.
        share = self.budget * n**2 // self.to_do
        proved, spent = _length(self.read, n, next(self.counts), self.largest_logit, self.refine_all, share)
        self.budget, self.to_do = self.budget - spent, self.to_do - n**2
        self.progress(n)
        return proved


def _prove(position: Position, counts: np.ndarray, refine_all: bool, budget: int, doubt: float) -> tuple[Length, int]:
    """Everything about one length, and how much of the budget it took."""
    push = exact(_READOUTS) @ Ball(position.tables.push.mid.T, position.tables.push.rad.T)
    labels = np.sign(position.sum_of) + 1
    applies = np.stack([labels == row % len(_DIFFERENCES) // 2 for row in range(len(_READOUTS))])
    cells = position.smallest(_READOUTS, applies, push)
    differences = cells.readout < len(_DIFFERENCES)
    if refine_all:
        position.refine(cells, np.arange(len(cells.s)))
    else:
        lowest = cells.attained[differences].min()
        hardest = np.flatnonzero(differences & (cells.bound < lowest))
        by_margin = cells.attained[hardest].argsort(kind="stable")
        position.refine(cells, hardest[by_margin[:REFINED]])
        undecided = np.flatnonzero((cells.bound <= 0) & (cells.attained >= 0))
        by_size = (-counts[cells.s[undecided]].astype(np.float64)).argsort(kind="stable")
        position.refine(cells, undecided[by_size[:REFINED]])

    at_least, at_most = _places(position, cells, differences), _places(position, cells, ~differences)
    smallest, least = cells.bound[at_least].min(0), cells.attained[at_least].min(0)
    least_tokens = cells.witness[_chosen(at_least, cells.attained[at_least].argmin(0))]
    # The largest margin is the largest of the smaller of two differences: no more than the smaller largest.
    largest = (-cells.bound[at_most]).min(0)
    # Of the two sequences with the largest differences, the better one.
    margins = _margins(cells, at_most)
    most, most_tokens = margins.max(0), cells.witness[_chosen(at_most, margins.argmax(0))]
    right, wrong = smallest > 0, largest <= 0
    low = np.where(right, counts, 0)
    high = np.where(wrong, 0, np.broadcast_to(counts, wrong.shape))
    split = ~right & ~wrong
    open_ = np.flatnonzero(differences & (cells.bound <= 0) & split[cells.a, cells.s])
    spent = budget if len(open_) else 0
    if spent:
        for a, s, n_right in count_right(position, cells, open_, budget):
            low[a, s], high[a, s] = n_right
    proved = Length(
        position.n,
        position.sum_of,
        counts,
        smallest,
        least,
        least_tokens,
        largest,
        most,
        most_tokens,
        low,
        high,
        position.signs,
        doubt,
    )
    # One sequence that is known is one that counts.
    np.copyto(low, np.maximum(low, 1), where=split & proved.shown_right)
    np.copyto(high, np.minimum(high, np.broadcast_to(counts, high.shape) - 1), where=split & proved.shown_wrong)
    return proved, spent


def _places(position: Position, cells: Cells, chosen: np.ndarray) -> np.ndarray:
    """Where the chosen cells are in `cells`: [one of the two differences, a, sum index]."""
    places = np.empty((2, *position.sum_of.shape), dtype=np.int64)
    places[cells.readout[chosen] % 2, cells.a[chosen], cells.s[chosen]] = np.flatnonzero(chosen)
    return places


def _chosen(places: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Of the two cells of each class, [a, sum index], the one that is chosen."""
    return np.take_along_axis(places, which[None], 0)[0]


def _margins(cells: Cells, places: np.ndarray) -> Array:
    """The margin of the witness of each cell; -inf where none is known. [as `places`]."""
    outputs = cells.outputs[places]
    pair = cells.readout[places] % len(_DIFFERENCES) // 2 * 2
    differences = [(outputs * _DIFFERENCES[pair + which]).sum(-1) for which in range(2)]
    known = np.isfinite(cells.attained[places])  # else there is no sequence to speak of
    return np.where(known, np.nan_to_num(np.minimum(*differences), nan=-np.inf, posinf=-np.inf), -np.inf)
