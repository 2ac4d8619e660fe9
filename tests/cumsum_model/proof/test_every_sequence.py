"""The proof against brute force: every sequence of up to five values, through the model itself."""

import copy
import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from brute_force import by_class, every_run, shortened
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import labels_of
from cumsum_model.explanation import explain
from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_direction, value_slope
from cumsum_model.proof import mixed_signs, splitting
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.explanation import distance
from cumsum_model.proof.residual_stream import equal_mean_spread, resolution, stored, stored_on_u
from cumsum_model.proof.tables import Unprovable
from cumsum_model.reading import mean_readout
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.behaviour import margins
from toy_model.checkpoint.checkpoint import read_checkpoint

LONGEST = 5

SUBJECTS = {
    "fixture": lambda model: model,
    "seed 7": lambda model: read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model,
    "silence_strongest_neuron": mutants.silence_strongest_neuron,
    "shout_current_value": mutants.shout_current_value,
    "stretch_one_value": mutants.stretch_one_value,
    "clip_values": mutants.clip_values,
    "attend_to_large_values": mutants.attend_to_large_values,
    "untrained": mutants.untrained,
}


@torch.no_grad()
def every_margin(model):
    """The margins of every sequence, in float64, at each length: {n: (tokens, margins)}."""
    exact = copy.deepcopy(model).double()
    by_length = {}
    for n in range(1, model.cfg.n_ctx + 1):
        tokens = torch.tensor(list(itertools.product(range(model.cfg.d_vocab), repeat=n)))
        values = tokens - model.cfg.max_value
        logits = torch.cat([exact(chunk)[:, -1:] for chunk in tokens.split(50_000)])
        by_length[n] = tokens, margins(logits, labels_of(values)[:, -1:])[:, 0].numpy()
    return by_length


def assert_encloses(certificate, model):
    """Every bound is on its side of every sequence, and every count holds what was counted."""
    throughout = np.array([True])
    for length, (tokens, observed) in zip(certificate.lengths, every_margin(model).values(), strict=True):
        least = by_class(length, tokens, observed, np.minimum, np.inf)
        most = by_class(length, tokens, observed, np.maximum, -np.inf)
        size = 1e-9 * (1 + np.abs(observed).max())
        assert (length.smallest <= least + size).all()
        assert (least <= length.least + size).all()
        assert (length.most - size <= most).all()
        assert (most <= length.largest + size).all()
        # A margin that float64 cannot tell from a tie counts as either.
        surely = by_class(length, tokens, (observed > size).astype(int), np.add, 0)
        perhaps = by_class(length, tokens, (observed > -size).astype(int), np.add, 0)
        assert (length.right_low <= perhaps).all()
        assert (surely <= length.right_high).all()
        throughout = np.repeat(throughout, model.cfg.d_vocab) & (observed > 0)
    low, high = certificate.right_at_every_position
    assert low <= throughout.sum() <= high


@pytest.fixture(params=SUBJECTS)
def subject(request):
    model = shortened(SUBJECTS[request.param](read_checkpoint(REFERENCE, SYSTEM).model), LONGEST)
    model.name = request.param
    return model


def test_no_bound_is_beyond_any_sequence(subject):
    assert_encloses(certify(subject), subject)


EXACT = ("fixture", "seed 7", "silence_strongest_neuron", "shout_current_value", "stretch_one_value")
"""Where no class holds both signs of a neuron that matters, every bound is attained."""


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name != "attend_to_large_values"])
def test_the_smallest_margin_of_every_class_is_exact(name):
    # Not where hardly anything is attended to: the margin of such a sequence is a quotient of two tiny numbers.
    subject = shortened(SUBJECTS[name](read_checkpoint(REFERENCE, SYSTEM).model), LONGEST)
    certificate = certify(subject, refine_all=True)
    compared = 0
    for length, (tokens, observed) in zip(certificate.lengths, every_margin(subject).values(), strict=True):
        least = by_class(length, tokens, observed, np.minimum, np.inf)
        # Where a class holds both signs of a neuron, the bound may be smaller; it is never larger.
        settled = (length.signs != 0).all(-1) | (name in EXACT)
        assert np.abs(length.smallest - least)[settled].max(initial=0) < 1e-5
        assert np.abs(length.least - least)[settled].max(initial=0) < 1e-5
        compared += settled.sum()
    every_class = 1155
    assert compared == every_class if name in EXACT else compared > every_class / 3


def test_counts_are_exact_where_the_budget_allows(subject):
    certificate = certify(subject, budget=10**11)
    for length, (tokens, observed) in zip(certificate.lengths, every_margin(subject).values(), strict=True):
        right = by_class(length, tokens, (observed > 0).astype(int), np.add, 0)
        # A readout of many neurons of both signs is only bounded, so some classes stay open.
        if subject.name not in ("attend_to_large_values", "clip_values", "untrained"):
            assert (length.right_low == right).all()
            assert (length.right_high == right).all()
        assert length.accuracy[0] <= Fraction(int((observed > 0).sum()), len(observed)) <= length.accuracy[1]


def test_witnesses_are_in_their_class_and_have_their_margin(subject):
    double = copy.deepcopy(subject).double()
    for length in certify(subject).lengths:
        for margin, witness in ((length.least, length.least_witness), (length.most, length.most_witness)):
            tokens = torch.from_numpy(witness.reshape(-1, length.n))
            values = tokens - subject.cfg.max_value
            assert (values.sum(1).numpy() == length.sums.ravel()).all()
            assert (tokens[:, -1].numpy() == np.repeat(np.arange(len(margin)), margin.shape[1])).all()
            observed = margins(double(tokens), labels_of(values))[:, -1].numpy()
            assert np.abs(observed - margin.ravel()).max() < 1e-9 * (1 + np.abs(observed).max())


@st.composite
def tiny_models(draw):
    """Random models small enough to enumerate, some with strong attention, some with several heads."""
    cfg = CumsumConfig(
        max_value=draw(st.integers(1, 2)),
        n_ctx=draw(st.integers(1, 4)),
        n_heads=draw(st.sampled_from([1, 1, 2])),
        d_model=draw(st.integers(1, 4)),
        d_head=draw(st.integers(1, 3)),
        d_mlp=draw(st.integers(1, 5)),
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.1, 1.0, 3.0]))
    model = CumsumTransformer(cfg).requires_grad_(False)
    for parameter in model.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    if draw(st.booleans()):  # nearly uniform attention, as trained models have it
        model.blocks[0].attn.W_K *= 1e-3
    return model


@settings(max_examples=150)
@given(tiny_models())
def test_no_bound_of_any_model_is_beyond_any_sequence(model):
    try:
        certificate = certify(model)
    except Unprovable:
        assume(False)
    assert_encloses(certificate, model)
    assert_encloses(certify(model, refine_all=True, budget=0), model)


@pytest.mark.parametrize("expanded", [0, 1])
@pytest.mark.parametrize("seed", range(15))
def test_neurons_whose_signs_are_not_told_apart_are_allowed_for(monkeypatch, seed, expanded):
    monkeypatch.setattr(mixed_signs, "EXPANDED", expanded)
    generator = torch.Generator().manual_seed(seed)
    model = CumsumTransformer(CumsumConfig(max_value=1, n_ctx=3, d_model=3, d_head=2, d_mlp=6))
    for parameter in model.requires_grad_(False).parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    assert_encloses(certify(model), model)
    monkeypatch.setattr(splitting, "affordable_prefixes", lambda *_: 0)  # by the distribution alone
    assert_encloses(certify(model, budget=10**8), model)


READOUTS = {
    "by the model": (stored, mean_readout),
    "on u": (stored_on_u, lambda model: value_direction(model) / abs(value_slope(model))),
}


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("name", ["fixture", "seed 7", "clip_values"])
def test_what_is_stored_stays_in_its_range_and_fills_it(name, readout):
    model = shortened(SUBJECTS[name](read_checkpoint(REFERENCE, SYSTEM).model), 4)
    proved, covector = READOUTS[readout][0](model), READOUTS[readout][1](model)
    for bounds, (n, tokens, read) in zip(
        proved, every_run(model, lambda cache, _: cache["blocks.0.hook_resid_mid"][:, -1] @ covector), strict=True
    ):
        assert bounds.n == n
        sums, read = (tokens - model.cfg.max_value).sum(1).numpy(), read.numpy()
        assert bounds.spread == (bounds.high - bounds.low).max()
        for place, total in enumerate(bounds.sums):
            of_sum = read[sums == total]
            assert bounds.low[place] <= of_sum.min() + 1e-12
            assert of_sum.max() - 1e-12 <= bounds.high[place]
            assert bounds.low[place] == pytest.approx(of_sum.min(), abs=1e-3)
            assert bounds.high[place] == pytest.approx(of_sum.max(), abs=1e-3)


@pytest.mark.parametrize("name", ["fixture", "shout_current_value"])
def test_equal_means_and_wrong_orders_are_the_worst_there_are(name):
    """Against every pair of sequences of up to four values; what is proved may be larger by rounding alone."""
    model = shortened(SUBJECTS[name](read_checkpoint(REFERENCE, SYSTEM).model), 4)
    covector, ranges = mean_readout(model), stored(model)
    lowest, highest = {}, {}
    for n, tokens, read in every_run(model, lambda cache, _: cache["blocks.0.hook_resid_mid"][:, -1] @ covector):
        for total, number in zip((tokens - model.cfg.max_value).sum(1).tolist(), read.tolist(), strict=True):
            mean = Fraction(total, n)
            lowest[mean] = min(number, lowest.get(mean, number))
            highest[mean] = max(number, highest.get(mean, number))
    spread = max(highest[mean] - lowest[mean] for mean in lowest)
    assert spread - 1e-9 <= equal_mean_spread(ranges) <= spread + 1e-3
    overlaps = [float(b - a) for a in lowest for b in lowest if b > a and lowest[b] <= highest[a]]
    assert resolution(ranges) == pytest.approx(max(overlaps, default=0), abs=1e-12)


@pytest.mark.parametrize("name", ["fixture", "seed 7", "shout_current_value"])
def test_the_distance_from_the_program_is_the_largest_there_is(name):
    model = shortened(SUBJECTS[name](read_checkpoint(REFERENCE, SYSTEM).model), 4)
    program = explain(model)
    furthest = 0.0
    for _, tokens, logits in every_run(model, lambda _, logits: logits[:, -1]):
        apart = program(tokens - model.cfg.max_value)[:, -1] - logits
        furthest = max(furthest, (apart - apart.mean(-1, keepdim=True)).abs().max().item())
    between = distance(model, program)
    assert furthest - 1e-9 <= between.proved <= furthest + 1e-6
    assert between.found == pytest.approx(furthest, abs=1e-9)
