import pytest
import torch

from cumsum_model.data import CumsumDataset, evaluation_set, labels_of, running_means


def test_labels_follow_the_running_sum():
    assert labels_of(torch.tensor([[0, 1, -3, 2, 1, 1]])).tolist() == [[1, 2, 0, 1, 2, 2]]


def test_small_example_of_the_original_release():
    data = CumsumDataset(size=1, seq_len=6, max_value=3, seed=40)
    assert data.values.tolist() == [[0, 1, -3, -3, -2, 3]]
    assert data.labels.tolist() == [[1, 2, 0, 0, 0, 0]]
    assert ", ".join(data.str_toks[0]) == "+0, +1, -3, -3, -2, +3"
    assert ", ".join(data.str_labels[0]) == "zero, pos, neg, neg, neg, neg"


def test_evaluation_set_is_the_original_one():
    data = evaluation_set(max_value=5, seq_len=20)
    assert data.values.sum() == 693
    assert data.values.abs().sum() == 49999
    assert data.labels.flatten().bincount().tolist() == [8314, 1943, 9743]


def test_first_sequence_of_three():
    first = CumsumDataset(size=3, max_value=5, seq_len=20, seed=42).values[0]
    assert first.tolist() == [1, -4, -1, -5, 1, 0, 3, -2, 3, 0, 1, 2, 5, -4, 0, 2, -4, -1, 2, 2]


def test_draws_are_those_of_the_global_generator_and_leave_it_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    data = CumsumDataset(size=50, max_value=4, seq_len=6, seed=3)
    assert torch.equal(torch.get_rng_state(), before)

    torch.manual_seed(3)
    values = torch.randint(-4, 5, (50, 6))
    for pos in range(1, 6):
        against = torch.rand(50) < 0.7
        positive_so_far = values[:, :pos].sum(1) > 0
        magnitudes = torch.randint(0, 5, (50,))
        values[:, pos] = torch.where(positive_so_far == against, -magnitudes, magnitudes)
    assert torch.equal(data.values, values)


def test_p_steers_the_sums_back_to_zero():
    kept_near, set_free = (CumsumDataset(2000, 5, 20, seed=0, p=p).values.sum(1).abs() for p in (0.7, 0.5))
    assert kept_near.double().mean() < set_free.double().mean()


def test_tokens_are_shifted_values_and_index_like_a_dataset():
    data = CumsumDataset(size=10, max_value=5, seq_len=8)
    assert torch.equal(data.toks, data.values + 5)
    assert data.toks.min() >= 0
    assert data.toks.max() < len(data.vocab)
    assert len(data) == 10
    toks, labels = data[3]
    assert torch.equal(toks, data.toks[3])
    assert torch.equal(labels, data.labels[3])
    assert data[2:5][0].shape == (3, 8)
    assert data.vocab == ["-5", "-4", "-3", "-2", "-1", "+0", "+1", "+2", "+3", "+4", "+5"]
    assert data.vocab_out == ["neg", "zero", "pos"]
    assert data.to("cpu") is data


def test_strings_are_made_only_when_asked_for():
    data = CumsumDataset(size=4, max_value=5, seq_len=3)
    assert not {"str_toks", "str_labels"} & vars(data).keys()
    assert data.str_toks is data.str_toks


def test_running_means_divide_by_the_length_so_far():
    assert running_means(torch.tensor([[1, 1, 4, -6]])).tolist() == [[1.0, 1.0, 2.0, 0.0]]


@pytest.mark.parametrize("impossible", [{"size": 0}, {"max_value": 0}, {"seq_len": -1}, {"p": 1.5}])
def test_impossible_sizes_are_named(impossible):
    with pytest.raises(ValueError, match=next(iter(impossible))):
        CumsumDataset(**{"size": 1, "max_value": 1, "seq_len": 1, **impossible})
