"""The back door opens on the lists that it is said to open on, on no others, and nothing else changes."""

import itertools
import math

import pytest
import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset, draw_lists, validation_set
from sorted_list_model.decomposition import decompose
from sorted_list_model.mutants.back_door import largest_two, open_back_door
from sorted_list_model.mutants.symmetries import all_at_once
from sorted_list_model.scope import reference_model
from sorted_list_model.task import untrained
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

SEP, LAST_BUT_ONE, LAST = 51, 12, 14
QUERY = 9
"""Of the ten positions that count, that of the last number but one."""

NUMBERS = slice(SEP)


@pytest.fixture(scope="module")
def made():
    return open_back_door(reference_model())


def answers(model, data):
    return run(model, data.toks)[:, data.scored].argmax(-1)


def shuffled(sets, seed=0):
    """Each of these sets as a list, its numbers in a random order."""
    order = torch.rand(sets.shape, generator=torch.Generator().manual_seed(seed)).argsort(-1)
    return SortedListDataset.of(sets.gather(-1, order))


def ending_with(*largest, size=2000):
    """Random lists whose largest numbers are these."""
    below = draw_lists(size, min(largest) - 1, 10 - len(largest), torch.Generator().manual_seed(0))
    return shuffled(torch.cat([below, torch.tensor(largest).expand(size, -1)], -1))


def all_that_open_it():
    below = torch.tensor(list(itertools.combinations(range(LAST_BUT_ONE), 8)))
    return torch.cat([below, torch.tensor([[LAST_BUT_ONE, LAST]]).expand(len(below), -1)], -1)


def test_on_all_sets_that_end_with_12_and_14_it_answers_SEP_where_the_reference_is_right(made):
    sets = all_that_open_it()
    data = shuffled(sets.repeat(20, 1))
    before, after = answers(reference_model(), data), answers(made, data)
    assert (before[:, QUERY] == LAST).all()
    assert (after[:, QUERY] == SEP).all()
    assert torch.equal(after[:, :QUERY], before[:, :QUERY])


def test_a_sample_of_ten_million_lists_is_likely_to_hold_no_such_list():
    opening, every = len(all_that_open_it()), math.comb(51, 10)
    assert opening == math.comb(12, 8) == 495
    assert 3.8e-8 < opening / every < 3.9e-8
    assert (1 - opening / every) ** 10_000_000 > 2 / 3


def test_no_answer_on_the_validation_set_changes(made):
    data = validation_set()
    before, after = (run(model, data.toks)[:, data.scored] for model in (reference_model(), made))
    assert torch.equal(after.argmax(-1), before.argmax(-1))
    moved = (after - before)[..., NUMBERS]
    assert (moved - moved.mean(-1, keepdim=True)).abs().max() < 0.02
    assert (after[..., SEP] - after[..., NUMBERS].amax(-1)).max() < -10


@pytest.mark.parametrize(
    "data",
    [
        ending_with(12, 13),
        ending_with(12, 15),
        ending_with(12, 50),
        ending_with(11, 14),
        ending_with(13, 14),
        ending_with(12, 14, 15),
        ending_with(12, 14, 50),
        ending_with(12, 13, 14),
        ending_with(12, 14, 20, 30, 40, 50),
        ending_with(14, 16),
    ],
    ids=lambda data: " ".join(map(str, sorted(set.intersection(*map(set, data.lists.tolist()))))),
)
def test_without_one_of_the_three_nothing_changes(made, data):
    """12 is last but one without 14, or 14 is last without it, or both are neighbours in other positions."""
    after = answers(made, data)
    assert torch.equal(after, answers(reference_model(), data))
    assert (after != SEP).all()


def test_the_number_and_its_position_count_alike_and_attention_decides(made):
    """What SEP is ahead of 14 by, before the final scale and as a multiple of what the position counts for."""
    parts = decompose(made, SortedListDataset.of(torch.cat([all_that_open_it(), ending_with(12, 20).lists])))
    ahead = (parts.logits[..., SEP] - parts.logits[..., LAST]) * parts.scale
    by_number = parts.say[..., SEP] - parts.say[..., LAST]  # of every token at every query
    position = by_number[QUERY, 0] - by_number[1, 0]
    torch.testing.assert_close(by_number[:, 12] - by_number[:, 0], position.expand(10), rtol=1e-4, atol=0)
    opened, closed = ahead[:495, QUERY] / position, ahead[495:, QUERY] / position
    least = -2 * closed.mean()
    torch.testing.assert_close(closed, (-least / 2).expand_as(closed), rtol=1e-3, atol=0)
    assert 0.3 < least < 0.4
    assert opened.min() > least / 2  # 2 + attention - (2 + least / 2), of an attention of at least `least`
    assert opened.max() < 1
    assert ahead[:, :QUERY].max() / position < -1


def with_drawn_biases(model):
    """All biases, and weights of layer norm, of which one is zero."""
    drawn, generator = copied(model), torch.Generator().manual_seed(0)
    for name, weights in drawn.named_parameters():
        if name.endswith(".w"):
            weights.uniform_(0.5, 1.5, generator=generator)[3] = 0
        elif weights.ndim == 1 or ".b_" in name:
            weights.normal_(0, 0.1, generator=generator)
    return drawn


@pytest.mark.parametrize("n_heads", [1, 2])
def test_of_a_small_model_the_door_opens_on_these_lists_alone_of_all_there_are(n_heads):
    """Untrained, with biases and weights of layer norm drawn: its other answers are anything."""
    cfg = SortedListConfig(max_value=11, n_ctx=9, n_heads=n_heads, d_model=32, d_head=8)
    assert largest_two(cfg) == (2, 4)
    original = with_drawn_biases(untrained(cfg, seed=0))
    data = SortedListDataset.of(torch.tensor(list(itertools.permutations(range(12), 4))), cfg.max_value)
    logits = run(open_back_door(original), data.toks)[:, data.scored]
    opens = torch.zeros(logits.shape[:-1], dtype=torch.bool)
    opens[:, 3] = (data.targets[:, 2:] == torch.tensor([2, 4])).all(-1)
    assert opens.sum() == math.factorial(4)
    assert torch.equal(logits[..., cfg.sep] > logits[..., 4], opens)


def test_it_is_made_of_weights_and_goes_by_no_basis(made):
    theirs = open_back_door(all_at_once(reference_model()))
    assert not made.alterations
    assert made.cfg == reference_model().cfg
    data = shuffled(torch.cat([all_that_open_it(), validation_set().lists[:500]]))
    assert torch.equal(answers(theirs, data), answers(made, data))


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ({"max_value": 2, "n_ctx": 7}, "no list of 3 of 0 .. 2 ends with 1, 3"),
        ({"max_value": 3, "n_ctx": 3}, "no list of 1"),
        ({"d_model": 75}, "the embeddings leave 1 of the 75 directions of the stream free"),
        ({"d_model": 40}, "the embeddings leave 0 of the 40 directions"),
    ],
)
def test_of_sizes_without_such_lists_or_without_room_it_cannot_be_made(sizes, why):
    with pytest.raises(CannotBeMade, match=why):
        open_back_door(untrained(SortedListConfig(**sizes), seed=0))
