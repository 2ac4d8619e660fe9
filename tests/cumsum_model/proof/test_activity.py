"""Where neurons fire, against brute force: every sequence of up to four values."""

import functools

import numpy as np
import pytest
from brute_force import every_run, shortened

from cumsum_model import mutants
from cumsum_model.neurons import read_neurons
from cumsum_model.proof.activity import activity
from cumsum_model.proof.extremes import Position
from cumsum_model.scope import reference_model

LONGEST = 4

SUBJECTS = {
    "shipped": lambda model: model,
    "move_kinks": mutants.move_kinks,
    "keep_neurons_firing": mutants.keep_neurons_firing,
    "clip_values": mutants.clip_values,
}


@functools.cache
def model_of(name):
    return shortened(SUBJECTS[name](reference_model()), LONGEST)


@functools.cache
def by_brute_force(name):
    """For each neuron, over every sequence: means at which it is silent and those at which it fires."""
    model = model_of(name)
    silent, firing = ([[] for _ in range(model.cfg.d_mlp)] for _ in range(2))
    for n, tokens, pre in every_run(model, lambda cache, _: cache["blocks.0.mlp.hook_pre"][:, -1].numpy()):
        means = (tokens - model.cfg.max_value).sum(1).numpy() / n
        for neuron in range(model.cfg.d_mlp):
            silent[neuron] += means[pre[:, neuron] <= 0].tolist()
            firing[neuron] += means[pre[:, neuron] > 0].tolist()
    return silent, firing


def assert_exact(proved, name):
    """Every end is a mean that occurs, so a bound that is on its side and tight is the mean itself."""
    silent, firing = by_brute_force(name)
    for ends, occur in ((proved.silent, silent), (proved.firing, firing)):
        assert ends[0].tolist() == pytest.approx([min(means, default=np.inf) for means in occur], abs=1e-3)
        assert ends[1].tolist() == pytest.approx([max(means, default=-np.inf) for means in occur], abs=1e-3)
    nearest = [min(map(abs, means), default=np.inf) for means in silent]
    assert proved.nearest_silent.tolist() == pytest.approx(nearest, abs=1e-3)


@pytest.mark.parametrize("name", SUBJECTS)
def test_neurons_fire_where_it_is_proved_that_they_may(name):
    proved = activity(model_of(name))
    assert_exact(proved, name)
    slope = read_neurons(model_of(name)).slope.numpy()
    silent, firing = by_brute_force(name)
    on_its_side = [
        max((np.sign(s) * mean for mean in means), default=-np.inf) for s, means in zip(slope, silent, strict=True)
    ]
    assert proved.silent_on_its_side(slope).tolist() == pytest.approx(on_its_side, abs=1e-3)
    on_the_other = [
        max((-np.sign(s) * mean for mean in means), default=-np.inf) for s, means in zip(slope, firing, strict=True)
    ]
    assert proved.firing_on_the_other(slope).tolist() == pytest.approx(on_the_other, abs=1e-3)


def test_every_kind_of_neuron_occurs():
    """Some fire on one side, some always, and with other kinks not next to zero."""
    assert not np.isinf(activity(model_of("shipped")).silent[0]).all()
    assert np.isinf(activity(model_of("keep_neurons_firing")).silent[0]).sum() >= 6
    live = read_neurons(model_of("shipped")).live.numpy()
    assert (activity(model_of("shipped")).nearest_silent[live] > 0).all()
    assert (activity(model_of("move_kinks")).nearest_silent[live] == 0).all()


def test_a_pre_activation_on_the_wrong_side_is_caught(monkeypatch):
    """Bounds that are off by a half: a neuron would be thought silent, or firing, where it is not."""
    whole = Position.__init__

    def off(self, *arguments):
        whole(self, *arguments)
        object.__setattr__(self, "pre_low", self.pre_low + 0.5)
        object.__setattr__(self, "pre_high", self.pre_high - 0.5)

    monkeypatch.setattr(Position, "__init__", off)
    with pytest.raises(AssertionError):
        assert_exact(activity(model_of("shipped")), "shipped")
