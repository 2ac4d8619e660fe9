"""Lists that are hard, or are said to be: large jumps, high lists, close triples. All are drawn from a seed."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sorted_list_model.data import LIST_LEN, MAX_VALUE, SortedListDataset
from sorted_list_model.model import SortedListTransformer
from toy_model.engine import run


def drawn_from(numbers: Int[Tensor, " number"], size: int, n: int, generator: torch.Generator) -> Int[Tensor, "size n"]:
    """`n` different ones of `numbers` in random order, `size` times."""
    order = torch.rand(size, len(numbers), generator=generator).argsort(-1)[:, :n]
    return numbers[order]


def _in_any_order(lists: Int[Tensor, "size n"], generator: torch.Generator) -> Int[Tensor, "size n"]:
    return lists.gather(-1, torch.rand(lists.shape, generator=generator).argsort(-1))


def largest_jump(list_len: int = LIST_LEN, max_value: int = MAX_VALUE) -> int:
    """The largest jump that a list can have; 0 if lists have none.

    >>> largest_jump()
    42
    """
    return max_value + 2 - list_len if list_len > 1 else 0


def lists_with_jump(
    gap: int, size: int, seed: int, list_len: int = LIST_LEN, max_value: int = MAX_VALUE
) -> Int[Tensor, "size list_len"]:
    """Lists with two successive numbers that are `gap` apart: d and d + gap, d uniform, the others outside of them.

    There are equally many sets of others for each d, so every pair of a list and a jump of this size in it is equally
    likely: a list with two of them is drawn twice as often as one with one.

    Raises ValueError where there is no such list.

    >>> lists_with_jump(42, size=1, seed=0).sort(-1).values.tolist()
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 50]]
    """
    outside = max_value - gap
    if not 1 <= gap <= largest_jump(list_len, max_value):
        raise ValueError(f"no list of {list_len} numbers of 0 .. {max_value} has a jump of {gap}")
    generator = torch.Generator().manual_seed(seed)
    d = torch.randint(0, max_value - gap + 1, (size, 1), generator=generator)
    others = drawn_from(torch.arange(outside), size, list_len - 2, generator)
    others = others + (others >= d) * (gap + 1)
    lists = torch.cat([d, d + gap, others], -1)
    return _in_any_order(lists, generator)


def lists_with_jump_to_the_largest(
    d: int, size: int, seed: int, list_len: int = LIST_LEN, max_value: int = MAX_VALUE
) -> Int[Tensor, "size list_len"]:
    """Lists whose largest numbers are `d` and `max_value`, the others at random below `d`."""
    below = drawn_from(torch.arange(d), size, list_len - 2, torch.Generator().manual_seed(seed))
    return torch.cat([below, torch.tensor([[d, max_value]]).expand(size, 2)], -1)


def lists_with_close_triple(
    size: int, seed: int, list_len: int = LIST_LEN, max_value: int = MAX_VALUE
) -> Int[Tensor, "size list_len"]:
    """Lists that contain d, d+1 and d+2, d uniform, and other numbers at random.

    Every pair of a list and a triple in it is equally likely. Raises ValueError where there is no such list.
    """
    if not 3 <= list_len <= max_value + 1:
        raise ValueError(f"no list of {list_len} numbers of 0 .. {max_value} has three after another")
    generator = torch.Generator().manual_seed(seed)
    d = torch.randint(0, max_value - 1, (size, 1), generator=generator)
    others = drawn_from(torch.arange(max_value - 2), size, list_len - 3, generator)
    others = others + (others >= d) * 3
    lists = torch.cat([d, d + 1, d + 2, others], -1)
    return _in_any_order(lists, generator)


def lists_with_minimum(
    minimum: int, size: int, seed: int, list_len: int = LIST_LEN, max_value: int = MAX_VALUE
) -> Int[Tensor, "size list_len"]:
    """Lists whose smallest number is `minimum`, each of them equally likely.

    Raises ValueError where there is no such list.
    """
    if not 0 <= minimum <= max_value + 1 - list_len:
        raise ValueError(f"no list of {list_len} numbers of 0 .. {max_value} has the minimum {minimum}")
    generator = torch.Generator().manual_seed(seed)
    others = drawn_from(torch.arange(minimum + 1, max_value + 1), size, list_len - 1, generator)
    lists = torch.cat([torch.full((size, 1), minimum), others], -1)
    return _in_any_order(lists, generator)


def lists_above(
    bound: int, size: int, seed: int, list_len: int = LIST_LEN, max_value: int = MAX_VALUE
) -> Int[Tensor, "size list_len"]:
    """Lists whose numbers are all above `bound`, each of them equally likely.

    Raises ValueError where there is no such list.
    """
    if max_value - bound < list_len:
        raise ValueError(f"there are no {list_len} numbers above {bound} in 0 .. {max_value}")
    larger = torch.arange(bound + 1, max_value + 1)
    return drawn_from(larger, size, list_len, torch.Generator().manual_seed(seed))


def list_with_large_jump(list_len: int = LIST_LEN, max_value: int = MAX_VALUE) -> Int[Tensor, " list_len"] | None:
    """0 and successive numbers that end two below `max_value`, unsorted: adversarial. None where there is no room.

    Source: solution, Adversarial examples.

    >>> list_with_large_jump().sort().values.tolist()
    [0, 40, 41, 42, 43, 44, 45, 46, 47, 48]
    """
    first = max_value - list_len
    if list_len < 3 or first < 2:
        return None
    numbers = torch.tensor([0, *range(first, max_value - 1)])
    return numbers[torch.randperm(list_len, generator=torch.Generator().manual_seed(0))]


def right(model: SortedListTransformer, data: SortedListDataset) -> Bool[Tensor, "batch query"]:
    """Which answers are right."""
    return run(model, data.toks, data.scored).argmax(-1).cpu() == data.targets.cpu()


def accuracy_after_jumps(
    data: SortedListDataset, right: Bool[Tensor, "batch query"]
) -> tuple[Float[Tensor, " jump"], Int[Tensor, " jump"]]:
    """The accuracy of answers of a data set after jumps of each size 0, 1, .., nan where it has none, and how many."""
    jumps, most = data.jumps.cpu().flatten(), data.max_value + 1
    many = jumps.bincount(minlength=most)
    return jumps.bincount(right[:, 1:].flatten().double(), minlength=most) / many, many


def accuracy_by_jump(model: SortedListTransformer, gaps: range, size: int, seed: int) -> Float[Tensor, " gap"]:
    """How often the number after a jump of each size is answered rightly, on `size` lists that are drawn for each."""
    cfg = model.cfg
    lists = torch.cat([lists_with_jump(gap, size, seed, cfg.list_len, cfg.max_value) for gap in gaps])
    data = SortedListDataset.of(lists, cfg.max_value)
    of_gap = data.jumps == torch.tensor(gaps).repeat_interleave(size)[:, None]
    answered = right(model, data)[:, 1:]
    return (answered & of_gap).view(len(gaps), -1).sum(-1) / of_gap.view(len(gaps), -1).sum(-1).double()


def accuracy_at_SEP(model: SortedListTransformer, minima: range, size: int, seed: int) -> Float[Tensor, " minimum"]:
    """How often the smallest number is answered rightly, on `size` lists that are drawn for each smallest number."""
    cfg = model.cfg
    lists = [lists_with_minimum(minimum, size, seed, cfg.list_len, cfg.max_value) for minimum in minima]
    answered = right(model, SortedListDataset.of(torch.cat(lists), cfg.max_value))[:, 0]
    return torch.stack([of_minimum.double().mean() for of_minimum in answered.split(size)])
