"""What float32 adds to a list model's logits is within its bound, and each part of the bound is needed."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hostile_float32 import hostile_logits

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof import rounding
from sorted_list_model.proof.rounding import float32_error, order_error, states
from toy_model.arithmetic.balls import exact
from toy_model.arithmetic.float32 import Traced
from toy_model.engine import run
from toy_model.transformer import EPSILON

SMALL = SortedListConfig(max_value=3, n_ctx=5, n_heads=2, d_model=3, d_head=2)


def every_list(cfg):
    lists = itertools.permutations(range(cfg.max_value + 1), cfg.list_len)
    return SortedListDataset.of(torch.tensor(list(lists)), cfg.max_value)


def random_model(seed, loudness, cfg=SMALL):
    generator = torch.Generator().manual_seed(seed)
    model = SortedListTransformer(cfg)
    for parameter in model.requires_grad_(False).parameters():
        parameter.data = loudness * torch.randn(parameter.shape, generator=generator)
    return model


def changed(model, factors=()):
    """A copy of a model, with the weights whose names end so multiplied."""
    copied = copy.deepcopy(model).requires_grad_(False)
    for name, tensor in copied.state_dict().items():
        for ending, factor in dict(factors).items():
            if f".{name}".endswith(f".{ending}"):
                tensor *= factor
    return copied


class Exactly:
    """Logits and final scales of a data set at the positions that count, in float64, and what float32 may add."""

    def __init__(self, model, data):
        with torch.no_grad():
            logits, cache = copy.deepcopy(model).double().run_with_cache(data.toks)
        self.logits = logits[:, data.scored].numpy()
        sigma = cache["ln_final.hook_scale"][:, data.scored].numpy()
        self.allowed, self.allowed_of_order = (error(model).at(sigma) for error in (float32_error, order_error))

    def part_of_bound(self, logits):
        """What logits of the first lists are off, as a part of what is allowed, at most."""
        n = len(logits)
        return (abs(logits - self.logits[:n]) / self.allowed[:n]).max()

    def part_of_order_bound(self, logits):
        """The same of logits times a factor, for each list and position the best of some."""
        n = len(logits)
        near = (logits * self.logits[:n]).sum(-1, keepdims=True) / (logits**2).sum(-1, keepdims=True)
        factors = near * (1 + 1e-6 * np.linspace(-2, 2, 21))
        off = abs(factors[..., None] * logits[..., None, :] - self.logits[:n, :, None])
        return (off / self.allowed_of_order[:n, :, None]).max(-1).min(-1).max()


def computed_in_many_ways(model, data):
    """Logits at the positions that count, as the model and the engine compute them, and as nobody would."""
    some = data.toks[:30]
    with torch.no_grad():
        yield model(data.toks)[:, data.scored]
        yield run(model, data.toks)[:, data.scored]
        yield run(model, data.toks, data.scored)
        yield torch.cat([model(one)[:, data.scored] for one in some.split(1)])
        yield torch.cat([run(model, one, data.scored) for one in some.split(1)])
    yield torch.from_numpy(hostile_logits(model, some.numpy())[:, data.scored])


def all_within(model, data):
    exactly = Exactly(model, data)
    for logits in computed_in_many_ways(model, data):
        assert exactly.part_of_bound(logits.double().numpy()) <= 1
        assert exactly.part_of_order_bound(logits.double().numpy()) <= 1


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_float32_is_within_its_bound_on_the_shipped_model(trained):
    all_within(trained, SortedListDataset(500, seed=1))


def test_float32_is_within_its_bound_on_one_thread(trained, one_thread):
    all_within(trained, SortedListDataset(200, seed=2))


@pytest.mark.parametrize(
    "factors",
    [{"W_E": 10.0, "W_pos": 10.0}, {"W_U": 100.0}, {"W_Q": 5.0}, {"W_V": 4.0, "W_O": 4.0}, {"b": 100.0}],
    ids=str,
)
def test_float32_is_within_its_bound_with_much_larger_weights(trained, factors):
    louder = changed(trained, factors)
    assert math.isfinite(float32_error(louder).stream)
    all_within(louder, SortedListDataset(100, seed=3))


@pytest.mark.parametrize("loudness", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_float32_is_within_its_bound_on_every_list_of_small_models(seed, loudness):
    all_within(random_model(seed, loudness), every_list(SMALL))


def test_the_bound_of_a_small_model_is_nearly_reached():
    parts = []
    for seed in range(8):
        model, data = random_model(seed, 0.05), every_list(SMALL)
        parts.append(Exactly(model, data).part_of_bound(hostile_logits(model, data.toks.numpy())[:, data.scored]))
    assert max(parts) > 1 / 10


def test_the_bound_of_the_shipped_model_is_small_beside_its_margins(trained):
    """Margins before the division by the final scale are some tenths, and no final scale is above 0.09."""
    logits, order = float32_error(trained), order_error(trained)
    assert 2 * (order.stream + 0.09 * order.scale) < 5e-4
    assert order.stream < logits.stream < 1e-3
    assert order.scale < logits.scale < 2e-4
    assert logits.at(0.02) == logits.stream / 0.02 + logits.scale


def test_states_are_what_lists_have():
    data = every_list(SortedListConfig(max_value=4, n_ctx=7))
    had = {(j, token) for toks in data.toks.tolist() for j, token in enumerate(toks)}
    positions, tokens = states(SortedListConfig(max_value=4, n_ctx=7))
    assert set(zip(positions.tolist(), tokens.tolist(), strict=True)) == had
    assert len(positions) == len(had)
    assert (np.diff(positions) >= 0).all()


def test_queries_see_earlier_keys_and_themselves():
    positions = np.array([0, 0, 1, 2, 2])
    visible = rounding._Visible.to(np.array([3, 4]), positions)
    of_key = np.array([[1.0], [2.0], [0.0], [3.0], [-1.0]])
    assert visible.most(of_key).tolist() == [[3], [2]]
    assert visible.most_of_pairs(np.stack([of_key[:, 0], of_key[:, 0]])).tolist() == [[3], [2]]


def head(log_weight=0.0, v=((1.0,), (-1.0,)), off=0.0, n_ctx=2):
    """A head of one query, the last key, whose values are written to the stream as they are."""
    v = np.array(v)
    last = np.array([len(v) - 1])
    visible = rounding._Visible.to(last, np.arange(len(v)))
    return rounding._Head(n_ctx, visible, np.array([[log_weight]]), Traced(exact(v), np.full(v.shape, off)), np.eye(1))


@pytest.mark.parametrize("delta", [1e-3, 0.1, 1.0])
def test_wrong_attention_weights_change_what_a_head_writes_by_no_more_than_is_said(delta):
    generator = np.random.default_rng(0)
    v = generator.normal(size=(6, 1))
    allowed = head(delta, v).error_of(exact(np.eye(1))).item()
    largest = 0.0
    for _ in range(2000):
        scores = generator.normal(size=6) * 3
        before, after = (np.exp(s) / np.exp(s).sum() for s in (scores, scores + delta * generator.choice([-1, 1], 6)))
        largest = max(largest, abs((after - before) @ v).item())
    assert largest <= allowed < 3 * largest
    # Two keys of equal weight: no less is true.
    assert math.tanh(delta) <= head(delta).error_of(exact(np.eye(1))).item() < 1.001 * delta


def test_wrong_values_and_rounded_means_change_what_a_head_writes():
    read = exact(np.eye(1))
    assert head(v=[[1.0], [1.0]], off=0.1).error_of(read).item() == pytest.approx(0.1, rel=1e-4)
    # Weights that add up to 1 + 20 units, and a mean of which 20 units are lost.
    units = head(v=[[1.0]] * 21, n_ctx=21).error_of(read).item() * 2**24
    assert 40 <= units < 60


def stream_of(model):
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    return rounding._Stream.of(model.cfg, weights), rounding._centred_readout(weights).mid


def streams(model, data, hooks=()):
    """The stream before the final layer norm at the positions that count, in float64, by list and position."""
    before, last = dict(hooks), "blocks.0.hook_resid_post"
    caught = []

    def catch(stream):
        caught.append(before.get(last, lambda as_it_is: as_it_is)(stream))
        return caught[0]

    with torch.no_grad():
        copy.deepcopy(model).double().run_with_hooks(data.toks, {**before, last: catch})
    return caught[0][:, data.scored].numpy()


def of_queries(data, at_each):
    """What is said of each query, at each list and position of a data set."""
    positions, tokens = states(SMALL)
    counts = (positions >= SMALL.list_len) & (positions < 2 * SMALL.list_len)
    row = {query: i for i, query in enumerate(zip(positions[counts].tolist(), tokens[counts].tolist(), strict=True))}
    at = [[row[SMALL.list_len + i, token] for i, token in enumerate(tokens)] for tokens in data.current.tolist()]
    return np.broadcast_to(at_each, (len(row), at_each.shape[1]))[np.array(at)]


class Nudge:
    """A hook that adds errors of a size, each up or down by chance."""

    def __init__(self, size, seed=0):
        self.size, self.generator = size, torch.Generator().manual_seed(seed)

    def __call__(self, activation):
        signs = torch.randint(0, 2, activation.shape, generator=self.generator) * 2 - 1
        return activation + signs * (self.size if isinstance(self.size, float) else self.size(activation))


def largest_part(model, hook, size):
    """What a nudge of an activation changes in the stream and its readout, as a part of what is allowed, at most."""
    data = every_list(SMALL)
    said, readout = stream_of(model)
    rms, moved = of_queries(data, said.rms)[..., 0], of_queries(data, said.readout)
    before, parts = streams(model, data), []
    for seed in range(30):
        off = streams(model, data, {hook: Nudge(size, seed)}) - before
        off = off - off.mean(-1, keepdims=True)
        parts.append(((np.sqrt((off**2).mean(-1)) / rms).max(), (abs(off @ readout) / moved).max()))
    return np.max(parts, axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_what_attention_reads_wrong_reaches_the_stream_within_its_error(seed, monkeypatch):
    off, norm = 1e-2, rounding.layer_norm

    def worse_norm(*of_rows):
        read = norm(*of_rows)
        return dataclasses.replace(read, own=read.own + off)

    monkeypatch.setattr(rounding, "layer_norm", worse_norm)
    model = changed(random_model(seed, 0.5))
    model.blocks[0].ln1.w.fill_(1)
    parts = largest_part(model, "blocks.0.ln1.hook_normalized", off)
    assert (parts <= 1).all()
    assert (parts > 1 / 12).all()


def test_what_is_off_in_the_embedding_reaches_the_stream_past_the_heads(monkeypatch):
    off = 1e-3
    monkeypatch.setattr(rounding, "SINGLE", off)
    silent = changed(random_model(0, 0.1), {"W_O": 0.0})
    parts = largest_part(silent, "blocks.0.hook_resid_pre", lambda stream: off * abs(stream))
    assert (parts <= 1).all()
    assert (parts > 1 / 2).all()


def test_what_the_sum_of_the_stream_loses_is_off_in_it(monkeypatch):
    off, given = 1e-2, {}

    def lossy_sum(size, total, n):
        given.update(size=size, total=total, n=n)
        return np.full_like(size, off)

    def lossy_mean(reach):
        given.update(reach=reach)
        return np.full_like(reach[:, :1], 0.25)

    monkeypatch.setattr(rounding, "sum_error", lossy_sum)
    monkeypatch.setattr(rounding, "mean_error", lossy_mean)
    model, data = random_model(1, 0.3), every_list(SMALL)
    parts = largest_part(model, "blocks.0.hook_resid_post", off)
    assert (parts <= 1).all()
    assert (parts > 1 / 2).all()
    assert (stream_of(model)[0].shift == 0.25).all()
    # The sum is what it is said to be, and so are its terms.
    assert given["n"] == SMALL.n_heads * SMALL.d_head + 2
    stream = streams(model, data)
    assert (abs(stream) <= of_queries(data, given["total"])).all()
    assert (abs(stream) + off <= of_queries(data, given["reach"])).all()
    with torch.no_grad():
        _, cache = copy.deepcopy(model).double().run_with_cache(data.toks)
    attn = model.blocks[0].attn
    size = torch.einsum("lphd,hdm->lpm", cache["blocks.0.attn.hook_z"].abs(), attn.W_O.double().abs())
    size = size + attn.b_O.abs() + cache["blocks.0.hook_resid_pre"].abs()
    assert (size[:, data.scored].numpy() <= of_queries(data, given["size"])).all()


def last_layer_norm(W_U, **biases):
    width, answers = W_U.shape
    return {
        "ln_final.w": np.ones(width),
        "ln_final.b": np.zeros(width),
        "unembed.W_U": W_U,
        "unembed.b_U": np.zeros(answers),
        **biases,
    }


def off_stream(shift=0.0, rms=0.0, readout=0.0):
    return rounding._Stream(*(np.array([[number]]) for number in (shift, rms, readout)))


def test_an_error_of_the_final_scale_reaches_all_logits_as_one_factor():
    """The stream is off at right angles to the first answer, which changes with the scale alone."""
    length = math.sqrt(3 * EPSILON)
    stream, off = length * np.array([1.0, 1.0, -1.0, -1.0]), 1e-3 * length * np.array([0.0, 1.0, 0.0, -1.0])
    W_U = np.array([[1.0], [0.0], [-1.0], [0.0]])

    def scale(x):
        return math.sqrt((x**2).mean() + EPSILON)

    sigma = scale(stream)
    rms = math.sqrt((off**2).mean())
    moved = abs(stream @ W_U / sigma - (stream + off) @ W_U / scale(stream + off)).item()
    bound, order = (
        rounding._after_layer_norm(off_stream(rms=rms), last_layer_norm(W_U), order=order) for order in (False, True)
    )
    assert moved > 100 * order.at(sigma)
    assert moved <= bound.at(sigma) < 4 * moved
    # But what is added after the scale is not multiplied by that factor.
    biased = last_layer_norm(W_U, **{"unembed.b_U": np.array([7.0])})
    order = rounding._after_layer_norm(off_stream(rms=rms), biased, order=True)
    factor = scale(stream + off) / sigma
    assert 7 * (factor - 1) <= order.at(sigma) < 21 * (factor - 1)


def test_the_stream_and_its_mean_reach_the_logits_over_the_scale():
    W_U = np.array([[1.0], [1.0], [-0.5]])
    for order in (False, True):
        none = rounding._after_layer_norm(off_stream(), last_layer_norm(W_U), order=order)
        off = rounding._after_layer_norm(off_stream(shift=1e-5, readout=1e-4), last_layer_norm(W_U), order=order)
        assert off.stream - none.stream >= 1.5e-5 + 1e-4
        assert off.scale >= none.scale >= 2**-24


def test_a_bias_that_is_read_loses_in_the_sum():
    W_U = np.array([[1.0], *[[2.0**-24]] * 38])
    nothing_normalised = last_layer_norm(W_U, **{"ln_final.w": np.zeros(39), "ln_final.b": np.ones(39)})
    error = rounding._after_layer_norm(off_stream(), nothing_normalised, order=False)
    lost = 38 * 2**-24  # of which float32 adds none to 1
    assert np.float32(W_U[:, 0]).cumsum(dtype=np.float32)[-1] == W_U.sum() - lost
    assert lost <= error.scale < 1.2 * lost


def test_the_bound_is_that_of_its_worst_logit_and_position(trained):
    error = float32_error(trained)
    louder = changed(trained)
    louder.unembed.W_U[:, 1] *= 100
    assert float32_error(louder).stream > 20 * error.stream
    assert float32_error(louder).scale > 20 * error.scale
    late = changed(trained)
    late.W_pos[-2] *= 1e5
    assert float32_error(late).stream > 5 * error.stream
    unread = changed(trained)
    unread.W_pos[-1] *= 1e5
    assert float32_error(unread) == error


@pytest.mark.parametrize(
    "factors",
    [
        {"W_E": 1e20},  # squares
        {"W_Q": 1e20, "W_K": 1e20},  # scores
        {"W_Q": 1e5, "W_K": 1e5},  # scores that float32 has no digit of
        {"W_V": 1e38},
        {"W_V": 1e15, "W_O": 1e15},  # squares of the stream
        {"W_U": 1e38},  # logits
        {"ln1.w": 1e38, "W_Q": 0.0, "W_K": 0.0, "W_V": 0.0},  # products with the weight of a layer norm
        {"ln_final.w": 1e38, "W_U": 1e-38},
        {"W_pos": math.nan},
        {"W_U": math.inf},
    ],
    ids=str,
)
def test_nothing_is_said_where_float32_overflows_or_scores_are_too_large(trained, factors):
    for error in (float32_error(changed(trained, factors)), order_error(changed(trained, factors))):
        assert error.stream == error.scale == math.inf


def test_a_model_of_several_layers_is_refused():
    two = SortedListTransformer(SortedListConfig(max_value=3, n_ctx=5, n_layers=2, d_model=3, d_head=2))
    with pytest.raises(ValueError, match="one layer, the model has 2"):
        float32_error(two)
