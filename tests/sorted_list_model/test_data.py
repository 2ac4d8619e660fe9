"""Lists, their tokens and what comes next."""

import pytest
import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset, evaluation_set, validation_set
from sorted_list_model.model import SortedListTransformer, answers_to


def test_the_printed_example_of_the_challenge():
    data = SortedListDataset.of(torch.tensor([[7, 5, 12, 3]]))
    assert data.str_toks == [["7", "5", "12", "3", "SEP", "3", "5", "7", "12"]]
    assert data.targets.tolist() == [[3, 5, 7, 12]]
    assert data.current.tolist() == [[51, 3, 5, 7]]
    assert data.jumps.tolist() == [[2, 2, 5]]


def test_the_printed_example_of_seed_42():
    (spelled,) = SortedListDataset(size=1, list_len=5, max_value=10, seed=42).str_toks
    assert " ".join(spelled) == "9 6 2 4 5 SEP 2 4 5 6 9"


def test_the_evaluation_set_is_the_start_of_the_validation_set():
    evaluated, validated = evaluation_set(), validation_set()
    assert torch.equal(evaluated.toks, validated.toks[: len(evaluated)])


def test_lists_hold_different_numbers_of_the_whole_range():
    data = validation_set()
    assert (data.targets.diff(dim=-1) > 0).all()
    assert torch.equal(data.lists.unique(), torch.arange(51))
    assert torch.equal(data.lists.sort(-1).values, data.targets)


def test_large_jumps_are_rare_in_the_training_set():
    """As the challenge post says: one number in seventy follows a jump of 17 and more, one in 1,400 a jump of 25."""
    jumps = SortedListDataset(150_000, seed=42).jumps
    assert (jumps >= 17).double().mean() < 1 / 60
    assert (jumps >= 25).double().mean() < 1 / 1_000


def test_torchs_generator_is_left_alone():
    before = torch.get_rng_state()
    evaluation_set()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [([[1, 2, 2]], "twice"), ([[1, 2, 51]], "0 .. 50"), ([[-1, 2, 3]], "0 .. 50")],
    ids=["twice", "too large", "negative"],
)
def test_what_is_no_list_is_refused(numbers, reason):
    with pytest.raises(ValueError, match=reason):
        SortedListDataset.of(torch.tensor(numbers))


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [({"n_ctx": 20}, "odd"), ({"n_ctx": 1}, "odd"), ({"max_value": 8}, "no 10 different"), ({"d_mlp": 3}, "no MLP")],
)
def test_impossible_sizes_are_refused(sizes, reason):
    with pytest.raises(ValueError, match=reason):
        SortedListConfig(**sizes)


def test_answers_are_tokens(zero_model):
    zero_model.unembed.b_U.data[7] = 1
    assert answers_to(zero_model, [3, 1, 2]) == [7, 7, 7]


@pytest.fixture
def zero_model():
    return SortedListTransformer(SortedListConfig(n_ctx=7, max_value=9))
