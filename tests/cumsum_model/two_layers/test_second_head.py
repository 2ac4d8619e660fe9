"""What is read off the second layer's head: on models of which the answer is known, and in any basis."""

import numpy as np
import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset, evaluation_set, running_means
from cumsum_model.mutants import SYMMETRIES, untrained
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers import second_head as head
from cumsum_model.two_layers.system import SYSTEM
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.surgery import CannotBeMade


@pytest.fixture(scope="module")
def model():
    return read_checkpoint(SYSTEM.reference, SYSTEM).model


@pytest.fixture(scope="module")
def data():
    return CumsumDataset(200, 5, 20, seed=3)


def test_the_factors_give_back_the_scores(model, data):
    read = head.second_head(model, data)
    _, cache = model.run_with_cache(data.toks)
    q, k = (cache[f"blocks.1.attn.hook_{part}"][:, :, 0].double() for part in "qk")
    scores = torch.einsum("bqd,bkd->bqk", q, k - k.mean((0, 1))) / model.cfg.d_head**0.5
    assert read.rest_of_scores < 1e-3
    assert torch.allclose(read.query[:, :, None] * read.key[:, None], scores, atol=0.05)
    assert read.key.std() == pytest.approx(1)
    assert abs(read.key.mean()) < 1e-9


def test_keys_and_what_is_moved_are_larger_for_larger_values(model, data):
    read = head.second_head(model, data)
    values = data.values.double().flatten()
    assert (read.key.flatten() @ values) > 0
    assert (read.moved.flatten() @ values) > 0


@pytest.mark.parametrize("symmetry", SYMMETRIES, ids=lambda symmetry: symmetry.__name__)
def test_no_change_of_the_weights_alone_changes_what_is_read(model, data, symmetry):
    try:
        other = symmetry(model)
    except CannotBeMade as reason:
        pytest.skip(str(reason))
    read, again = head.second_head(model, data), head.second_head(other, data)
    for name in ("query", "key"):
        assert torch.allclose(getattr(read, name), getattr(again, name), atol=0.02), name
    # What is moved is a vector: its unit is the stream's, how it is distributed is not.
    for name in ("moved", "written"):
        assert (
            torch.corrcoef(torch.stack([getattr(read, name).flatten(), getattr(again, name).flatten()]))[0, 1] > 0.999
        )
    assert head.flips_by_position(other, data).tolist() == pytest.approx(
        head.flips_by_position(model, data).tolist(), abs=0.02
    )
    assert head.weight_gained(other, data) == pytest.approx(head.weight_gained(model, data), abs=1e-3)


def test_under_uniform_attention_the_average_is_written(model, data):
    even = head.second_head(mutants.attend_evenly_in_second_layer(model), data)
    assert torch.allclose(even.written, head.prefix_mean(even.moved), atol=1e-4)
    assert head.weight_gained(mutants.attend_evenly_in_second_layer(model), data) == pytest.approx(
        {-1: 0, 1: 0}, abs=1e-6
    )


def test_covariances_are_those_of_prefixes():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, 6, generator=generator).double() for _ in range(2))
    for n in range(1, 7):
        expected = [np.cov(a[i, :n], b[i, :n], bias=True)[0, 1] if n > 1 else 0 for i in range(3)]
        assert head.prefix_covariance(a, b)[:, n - 1].tolist() == pytest.approx(expected)


def test_the_covariance_is_the_derivative_of_a_softmax_average(data):
    """d/dq of sum_j softmax(q k)_j m_j is the covariance of k and m under these weights; at q = 0 the plain one."""
    generator = torch.Generator().manual_seed(1)
    k, m = (torch.randn(1, 9, generator=generator).double() for _ in range(2))
    step = 1e-5
    there, back = (((q * k).softmax(-1) * m).sum() for q in (step, -step))
    assert ((there - back) / (2 * step)).item() == pytest.approx(head.prefix_covariance(k, m)[0, -1].item(), rel=1e-6)


def test_what_is_explained():
    x = torch.arange(6.0).double()[None]
    noise = torch.tensor([[1.0, -1, 1, -1, 1, -1]]).double()
    assert head.explained_by(3 * x - 2, x) == pytest.approx(1)
    assert head.explained_by(x + noise, x, noise) == pytest.approx(1)
    assert 0 < head.explained_by(x + noise, noise) < 1
    assert head.explained_by(torch.ones(1, 6).double(), x) == 0


def test_positions_explain_all_of_a_window_and_nothing_of_content(model, data):
    assert head.explained_by_position(mutants.attend_to_a_window(model), data) == pytest.approx(1)
    assert head.explained_by_position(model, data) < 0.1


def test_only_a_mean_that_is_read_turns_an_answer(model, data):
    silent = head.flips_by_position(mutants.silence_first_head(model), data)
    assert (silent == 0).all()


def test_what_never_varies_has_no_direction(model, data):
    written, share = head.written_by(mutants.silence_first_head(model), data, layer=0)
    assert share == 0
    assert head.explained_by(written, running_means(data.values)) == 0


@pytest.mark.parametrize("mutant", mutants.BREAKING, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_another_function(model, data, mutant):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert not torch.allclose(mutant(model)(data.toks), model(data.toks), atol=1e-2)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_one_layer_in_two_is_the_shipped_model(model):
    from cumsum_model.scope import reference_model

    data = evaluation_set(5, 20)
    assert torch.allclose(mutants.put_one_layer_in_two(model)(data.toks), reference_model()(data.toks), atol=1e-5)
    longer = untrained(type(model)(CumsumConfig(n_layers=2, n_ctx=30)))
    with pytest.raises(CannotBeMade, match="context is 20"):
        mutants.put_one_layer_in_two(longer)


def test_where_there_is_nothing_it_is_told_by_a_number(model, data):
    """A measurement that is not a number is an error, not a verdict."""
    even, nothing = mutants.attend_evenly_in_second_layer(model), mutants.put_one_layer_in_two(model)
    for without_scores in (even, nothing):
        assert head.second_head(without_scores, data).rest_of_scores == 1
        assert head.explained_by_position(without_scores, data) == 1
    means = running_means(data.values)
    assert head.amplification(head.second_head(nothing, data), means, 0.05) == 0
    assert head.amplification(head.second_head(even, data), means, 0.05) == pytest.approx(1, abs=1e-3)
    assert (head.flips_by_position(nothing, CumsumDataset(1, 5, 20)) == 0).all()  # no sequence has another answer
