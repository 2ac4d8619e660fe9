"""The task: ten different numbers, SEP, and the same numbers in increasing order.

The model reads all 21 tokens and answers at every position what comes next. It is trained and judged on the answers
at SEP and at the first nine sorted numbers: positions 10 .. 19, whose right answers are the tokens 11 .. 20.

    12  7  5  3  SEP   3   5   7  12        tokens, for lists of four
                       5   7  12            right answers at the sorted numbers
                   3                        and at SEP
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from toy_model.dataset import Dataset

MAX_VALUE, LIST_LEN = 50, 10

EVALUATION_SIZE, EVALUATION_SEED = 500, 43
VALIDATION_SIZE = 10_000

ANSWERS = "SEP and the sorted numbers but the last"
EVALUATION_SET = f"SortedListDataset({EVALUATION_SIZE}, seed={EVALUATION_SEED}), {ANSWERS}"
"""What "on the evaluation set" means. Source: solution, "Looking at the model"."""

VALIDATION_SET = f"SortedListDataset({VALIDATION_SIZE}, seed={EVALUATION_SEED}), {ANSWERS}"
"""What "on the validation set" means: the lists that training validates on, whose first 500 are the above."""

LISTS = 2_000
FIRST_LISTS = f"the first {LISTS:,} lists of SortedListDataset({VALIDATION_SIZE}, seed={EVALUATION_SEED})"
"""What is said of most lists is measured on these."""


def draw_lists(size: int, max_value: int, list_len: int, generator: torch.Generator) -> Int[Tensor, "size list_len"]:
    """Different numbers of 0 .. max_value in random order, as the original release draws them."""
    return torch.rand(size, max_value + 1, generator=generator).argsort(-1)[:, :list_len]


def tokens_of(lists: Int[Tensor, "batch list_len"], max_value: int) -> Int[Tensor, "batch pos"]:
    """What the model reads of each list: its numbers, SEP, and its numbers in order.

    >>> tokens_of(torch.tensor([[9, 6, 2, 4, 5]]), max_value=10).tolist()
    [[9, 6, 2, 4, 5, 11, 2, 4, 5, 6, 9]]
    """
    sep = lists.new_full((len(lists), 1), max_value + 1)
    return torch.cat([lists, sep, lists.sort(-1).values], -1)


def labels_of(toks: Int[Tensor, "batch pos"], sep: int) -> Int[Tensor, "batch pos"]:
    """The token that comes next at every position; after the last, where nothing does, SEP.

    >>> labels_of(torch.tensor([[9, 6, 11, 6, 9]]), sep=11).tolist()
    [[6, 11, 6, 9, 11]]
    """
    return torch.cat([toks[:, 1:], toks.new_full((len(toks), 1), sep)], -1)


def positions(list_len: int) -> slice:
    """Those at which a model is judged: SEP and the sorted numbers but the last."""
    return slice(list_len, 2 * list_len)


class SortedListDataset(Dataset):
    """Lists of different numbers, with their tokens and the right answers.

    Attributes:
        lists   (size, list_len): the numbers, unsorted
        toks    (size, 2 * list_len + 1): what the model reads
        labels  of the same shape: what comes next
        scored  the positions that count: SEP and the sorted numbers but the last
        targets (size, list_len): the labels there, which are the sorted list

    The lists are drawn from `seed`, or from `generator` where one is given; `of` has those of a data set of one's own.

    >>> data = SortedListDataset(size=1, list_len=5, max_value=10, seed=42)
    >>> " ".join(data.str_toks[0])
    '9 6 2 4 5 SEP 2 4 5 6 9'

    """

    def __init__(
        self,
        size: int,
        list_len: int = LIST_LEN,
        max_value: int = MAX_VALUE,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        if (seed is None) == (generator is None):
            raise ValueError("give either a seed or a generator")
        if generator is None:
            assert seed is not None
            generator = torch.Generator().manual_seed(seed)
        self._fill(draw_lists(size, max_value, list_len, generator), max_value)

    @classmethod
    def of(cls, lists: Int[Tensor, "size list_len"], max_value: int = MAX_VALUE) -> SortedListDataset:
        """These lists. Raises ValueError for a number that there is not, or one that a list holds twice."""
        if lists.numel() and not (int(lists.min()) >= 0 and int(lists.max()) <= max_value):
            raise ValueError(f"numbers have to lie in 0 .. {max_value}, there are {lists.min()} .. {lists.max()}")
        if (lists.sort(-1).values.diff(dim=-1) == 0).any():
            raise ValueError("a list holds a number twice")
        data = cls.__new__(cls)
        data._fill(lists, max_value)
        return data

    def _fill(self, lists: Int[Tensor, "size list_len"], max_value: int) -> None:
        self.max_value = max_value
        self.lists = lists
        toks = tokens_of(lists, max_value)
        super().__init__(toks, labels_of(toks, max_value + 1))
        self.scored = positions(lists.shape[-1])

    @property
    def targets(self) -> Int[Tensor, "size list_len"]:
        return self.labels[:, self.scored]

    @property
    def current(self) -> Int[Tensor, "size list_len"]:
        """The token at each position that counts: SEP, then the sorted numbers but the last."""
        return self.toks[:, self.scored]

    @property
    def jumps(self) -> Int[Tensor, "size list_len_less_1"]:
        """From each sorted number to the next."""
        return self.targets.diff(dim=-1)

    @property
    def str_toks(self) -> list[list[str]]:
        """The tokens, spelled."""
        return [["SEP" if tok == self.max_value + 1 else str(tok) for tok in row] for row in self.toks.tolist()]


def evaluation_set(max_value: int = MAX_VALUE, list_len: int = LIST_LEN) -> SortedListDataset:
    """The set that the solution's figures are about, for a model of these sizes."""
    return SortedListDataset(EVALUATION_SIZE, list_len, max_value, EVALUATION_SEED)


def validation_set(max_value: int = MAX_VALUE, list_len: int = LIST_LEN) -> SortedListDataset:
    """The set that the published training run was validated on, for a model of these sizes."""
    return SortedListDataset(VALIDATION_SIZE, list_len, max_value, EVALUATION_SEED)


def first_lists(max_value: int = MAX_VALUE, list_len: int = LIST_LEN) -> SortedListDataset:
    """The first lists of the validation set."""
    return SortedListDataset.of(validation_set(max_value, list_len).lists[:LISTS], max_value)
