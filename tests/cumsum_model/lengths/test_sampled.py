"""What the study draws and searches: each sequence of a class as likely as any other, and margins that are there."""

import itertools

import numpy as np
import pytest
import torch

from cumsum_model.data import labels_of, tokens_of
from cumsum_model.lengths import sampled as module
from cumsum_model.lengths.sampled import drawn, of_sum, sampled, searched
from cumsum_model.scope import reference_model
from cumsum_model.task import TASK
from toy_model.behaviour import margins
from toy_model.recipe import changed


def small(n=5, max_value=2, seed=0, scale=1.0):
    """An untrained model of few and short sequences."""
    cfg = changed(TASK.recipe, {"n_ctx": n, "max_value": max_value}).config
    model = TASK.untrained(cfg, seed).requires_grad_(False)
    for weights in model.parameters():
        weights.mul_(scale)
    return model


def every(n, max_value):
    return torch.tensor(list(itertools.product(range(-max_value, max_value + 1), repeat=n)))


@pytest.mark.parametrize("sum_", [-8, -1, 0, 3])
def test_a_class_is_drawn_uniformly(sum_):
    values = of_sum(sum_, 40_000, max_value=2, n=4, generator=np.random.default_rng(1))
    assert (values.sum(1) == sum_).all()
    there = every(4, 2)
    there = there[there.sum(1) == sum_]
    met, counts = values.unique(dim=0, return_counts=True)
    assert len(met) == len(there)  # each of them, and no other
    expected = 40_000 / len(there)
    chi_squared = ((counts - expected) ** 2 / expected).sum().item()
    assert chi_squared < len(there) + 5 * (2 * len(there)) ** 0.5


def test_the_largest_lengths_overflow_nothing():
    values = of_sum(1, 100, max_value=5, n=400, generator=np.random.default_rng(1))
    assert (values.sum(1) == 1).all()
    assert values.unique().tolist() == list(range(-5, 6))


def test_a_sum_that_no_sequence_has_is_refused():
    with pytest.raises(ValueError, match="4 values of at most 2 have no sum of 9"):
        of_sum(9, 10, max_value=2, n=4, generator=np.random.default_rng(1))


def test_all_sequences_are_drawn_in_pieces_and_the_same_every_time(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 7)
    pieces = list(drawn(5, 3, 20))
    assert [len(piece) for piece in pieces] == [7, 7, 6]
    assert torch.equal(torch.cat(pieces), torch.cat(list(drawn(5, 3, 20))))


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_all_sequences(seed):
    model = small(seed=seed)
    values = every(5, 2)
    wrong = margins(model(tokens_of(values, 2)), labels_of(values)) <= 0
    found = sampled(model, size=40_000, hard=20_000)
    for share, count, size in (
        (wrong[:, -1].double().mean().item(), found.wrong_at_end, found.drawn),
        (wrong.any(1).double().mean().item(), found.wrong_anywhere, found.drawn),
        *(
            (wrong[values.sum(1) == sum_, -1].double().mean().item(), found.wrong_hard[name], found.hard)
            for sum_, name in ((-1, "-1"), (0, "0"), (1, "+1"))
        ),
    ):
        assert abs(count - share * size) <= 5 * (share * (1 - share) * size) ** 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_the_smallest_margin_of_all(seed):
    model = small(seed=seed)
    values = every(5, 2)
    along = margins(model(tokens_of(values, 2)), labels_of(values))
    near_zero = values.sum(1).abs() <= 1  # at the end; before it any sum is met
    found = searched(model, rounds=300, climbers=60)
    assert found.margin == pytest.approx(along[near_zero].min().item(), abs=1e-6)
    wrong = (along[near_zero] <= 0).any(0)
    assert found.shortest_wrong == (int(wrong.int().argmax()) + 1 if wrong.any() else None)


def test_what_was_found_has_the_margin_that_is_said():
    model = reference_model()
    found = searched(model, rounds=20)
    values = torch.tensor([found.values])
    margin = margins(model(tokens_of(values, 5)), labels_of(values))[0, -1].item()
    assert margin == pytest.approx(found.margin, abs=1e-5)
    assert found.shortest_wrong is None


def test_longer_searches_find_no_larger_margin():
    model = reference_model()
    short, long = searched(model, rounds=5), searched(model, rounds=60)
    assert long.margin < short.margin


def test_one_value_leaves_nothing_to_change():
    found = searched(small(n=1), rounds=3)
    assert len(found.values) == 1
