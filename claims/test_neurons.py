"""The neurons: each fires on one side of zero and pushes the verdict of that side"""

import torch

from cumsum_model import intervention, mutants
from cumsum_model.behaviour import run
from cumsum_model.checkpoint import not_the_reference
from cumsum_model.circuit import monotone_resolution, no_account_of, value_slope
from cumsum_model.data import EVALUATION_SET
from cumsum_model.neurons import read_neurons
from cumsum_model.roles import live_neurons
from cumsum_model.verification import claim

SOURCE = "write-up, Analysing neurons"
ALONG_U = "resid_mid = k u for every k (exact, from the weights); neurons of at least 1/20 of the strongest"


def nothing_to_compare(model):
    reason = no_account_of(model)
    if reason is None and all(len(live_neurons(model, side)) < 2 for side in ("neg", "pos")):
        reason = "this compares live neurons of one side, the model has no two on any"
    return reason


@claim(
    "Every live neuron fires on one side of zero, and some on each side",
    source=SOURCE,
    over=ALONG_U,
    refuted_by=[mutants.move_kinks, mutants.keep_neurons_firing],
    unless=no_account_of,
)
def test_neurons_are_one_sided(model, measure):
    neurons = read_neurons(model)
    assert measure("live neurons that fire on positive means", (neurons.slope[neurons.live] > 0).sum()) >= 1
    assert measure("live neurons that fire on negative means", (neurons.slope[neurons.live] < 0).sum()) >= 1
    # Closer to mean 0 than to mean 1 of either sign: on every sum but those next to zero it takes one side.
    kink = (neurons.kink[neurons.live] / value_slope(model)).abs().max()
    assert measure("largest distance of a kink from zero", kink, "units of mean") < 0.5


@claim(
    'Every live neuron boosts the class of its side, suppresses the other, and boosts "zero" a little',
    source=SOURCE,
    over=ALONG_U,
    refuted_by=[
        mutants.flip_strongest_neuron,
        mutants.wake_weakest_neuron,
        mutants.let_neurons_read_backwards,
        mutants.suppress_zero,
        mutants.untrained,
    ],
    unless=no_account_of,
)
def test_neurons_push_their_own_side(model, measure):
    neurons = read_neurons(model)
    live = neurons.live
    assert measure("live neurons", live.sum()) >= 1
    assert measure("least push on the class of its own side", neurons.own_side[live].min(), "logits") > 0
    assert measure("largest push on the other side", neurons.other_side[live].max(), "logits") < 0
    assert measure('least push on "zero"', neurons.zero[live].min(), "logits") > 0
    a_little = (neurons.zero[live] / neurons.own_side[live]).max()
    assert measure('largest push on "zero" over that on its own side', a_little) < 0.1


@claim(
    "Live neurons of one side are of one kind: they start to fire at the same mean and push the same way, whatever "
    "their strength",
    source="ours: what is true of the neurons whichever way they are numbered",
    over=ALONG_U,
    refuted_by=[mutants.boast_in_vain, mutants.wake_weakest_neuron, mutants.untrained],
    unless=nothing_to_compare,
)
def test_neurons_of_a_side_are_of_one_kind(model, measure):
    neurons, kinks_apart, pushes_apart = read_neurons(model), [], []
    a_unit_apart = neurons.push / (neurons.push.amax(-1) - neurons.push.amin(-1))[:, None]
    for side in ("neg", "pos"):
        kind = live_neurons(model, side)
        kinks = neurons.kink[kind] / value_slope(model)
        kinks_apart += [kinks.max() - kinks.min()] if kind else []
        pushes = a_unit_apart[kind] - a_unit_apart[kind].mean(-1, keepdim=True)
        pushes_apart += [(pushes.amax(0) - pushes.amin(0)).max()] if kind else []
    # The smallest distance of two sums of full length: between kinks that lie closer there is at most one of them.
    step = 1 / model.cfg.n_ctx
    assert measure("largest distance of two kinks", max(kinks_apart, default=0), "units of mean") < step
    assert measure("largest difference of their pushes, over the push", max(pushes_apart, default=0)) < 0.1


@claim(
    "Strength tells cost: of two live neurons of one side, one that responds a tenth more costs more",
    source="ours; of neuron 2 the write-up, Analysing neurons",
    over=f"zero-ablation at every position, {EVALUATION_SET}",
    refuted_by=[mutants.boast_in_vain, mutants.let_neurons_read_backwards, mutants.swap_verdicts],
    unless=nothing_to_compare,
)
def test_strength_tells_what_a_neuron_costs(model, measure, data, computed):
    costs, strength = computed(intervention.neuron_costs, model, data), read_neurons(model).strength
    kinds = [kind for side in ("neg", "pos") if (kind := live_neurons(model, side))]
    # In logarithms, so that what is resolved is a ratio.
    resolved = [monotone_resolution(strength[kind].log(), costs[kind]) for kind in kinds]
    ratio = torch.tensor(max(resolved, default=0.0)).exp()
    assert measure("largest ratio of strengths in which the weaker costs as much", ratio) < 1.1


@claim(
    "Neuron 2 matters most: zeroing it costs half as much again as zeroing any other",
    source=SOURCE,
    over=f"zero-ablation at every position, {EVALUATION_SET}",
    refuted_by=[mutants.split_strongest_neuron, mutants.renumber_neurons],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_neuron_2_matters_most(model, measure, data, computed):
    costs = computed(intervention.neuron_costs, model, data)
    others = costs[torch.arange(model.cfg.d_mlp) != 2]
    next_most = measure("cost of the next, times 1.5", 1.5 * others.max(), "nats")
    measured = measure("rise in cross entropy without neuron 2", costs[2], "nats", published=0.0951)
    assert measured > next_most
    assert measured.as_published(within=1 / 5)


@claim(
    "Neurons 5 and 6 are useless, 0, 1, 3, 4 and 7 lie in between: a hundredth of what neuron 2 costs parts them",
    source=SOURCE,
    over=f"zero-ablation of one neuron at a time, {EVALUATION_SET}",
    refuted_by=[mutants.renumber_neurons, mutants.split_strongest_neuron, mutants.silence_mlp],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_each_neuron_costs_what_was_published(model, measure, data, computed):
    published = [0.0185, 0.0163, 0.0951, 0.0200, 0.0311, 0.0002, 0.0000, 0.0465]
    costs = computed(intervention.neuron_costs, model, data).tolist()
    for neuron in (0, 1, 3, 4, 7):
        cost = measure(f"rise without neuron {neuron}", costs[neuron], "nats", published[neuron])
        assert cost > costs[2] / 100
        assert cost < costs[2]
        assert cost.as_published(within=1 / 5)
    for neuron in (5, 6):
        measured = measure(f"rise without neuron {neuron}", costs[neuron], "nats", published[neuron])
        assert measured < costs[2] / 100
        assert measured.as_published(within_abs=0.0001)  # the last digit that is published


@claim(
    "Neurons 5 and 6 hardly respond: under a quarter of any other, and no answer needs them",
    source=SOURCE,
    over=f"resid_mid = k u; zero-ablation of both, {EVALUATION_SET}",
    refuted_by=[mutants.renumber_neurons, mutants.split_strongest_neuron, mutants.wake_weakest_neuron],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_neurons_5_and_6_are_inert(model, measure, data):
    slope = read_neurons(model).slope.abs()
    others = slope[[0, 1, 2, 3, 4, 7]].min()
    assert measure("steeper slope of neurons 5 and 6", slope[[5, 6]].max()) < others / 4
    without = intervention.run_under(model, data.toks, intervention.zero_neurons([5, 6]))
    assert measure("answers that change", (without.argmax(-1) != run(model, data.toks).argmax(-1)).sum()) == 0


@claim(
    "Neuron 2 responds most: the steepest slope, and the most it does to the logits",
    source=SOURCE,
    over="resid_mid = k u for every k (exact, from the weights)",
    refuted_by=[mutants.renumber_neurons, mutants.silence_strongest_neuron],
    unless=not_the_reference,
    depends_on=("neuron numbers",),
)
def test_neuron_2_responds_most(model, measure):
    neurons = read_neurons(model)
    others = torch.arange(model.cfg.d_mlp) != 2
    assert measure("slope of neuron 2", neurons.slope[2]) > neurons.slope[others].abs().max()
    pulled = measure("logits that neuron 2 moves apart per unit of u", neurons.strength[2])
    assert pulled > neurons.strength[others].max()
