"""Neurons are told by what they do: no numbering, scale or basis changes which plays whose part."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.counterparts import ALIKE, Part, match_neurons, response_curves
from cumsum_model.data import NEG, POS, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import dead_neurons, live_neurons, neuron_roles, read_neurons
from cumsum_model.scope import reference_model
from cumsum_model.surgery import one_neuron_a_side
from cumsum_model.task import untrained
from toy_model.engine import run
from toy_model.intervention import run_under
from toy_model.surgery import without_neurons

DATA = evaluation_set(5, 20)


def rotated(model, seed=0):
    """The same function in another orthonormal basis of the residual stream."""
    generator = torch.Generator().manual_seed(seed)
    d_model = model.cfg.d_model
    Q = torch.linalg.qr(torch.randn(d_model, d_model, generator=generator, dtype=torch.float64)).Q
    written = ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out")
    read = ("W_Q", "W_K", "W_V", "W_in", "W_U")
    turned = copy.deepcopy(model)
    for name, tensor in turned.state_dict().items():
        kind = name.rpartition(".")[2]
        if kind in written:
            tensor.copy_(tensor.double() @ Q)
        elif kind in read:
            tensor.copy_(Q.T @ tensor.double())
    return turned


def with_neurons(model, chosen):
    """The model with the given neurons alone, in that order: another d_mlp."""
    rebuilt = CumsumTransformer(dataclasses.replace(model.cfg, d_mlp=len(chosen))).requires_grad_(False)
    state = dict(model.state_dict())
    state["blocks.0.mlp.W_in"] = state["blocks.0.mlp.W_in"][:, chosen]
    state["blocks.0.mlp.b_in"] = state["blocks.0.mlp.b_in"][chosen]
    state["blocks.0.mlp.W_out"] = state["blocks.0.mlp.W_out"][chosen]
    rebuilt.load_state_dict(state)
    return rebuilt


def scaled(model, neuron, factor):
    """A copy in which one neuron says `factor` times as much."""
    copied = copy.deepcopy(model)
    copied.blocks[0].mlp.W_out[neuron] *= factor
    return copied


def numbers(parts):
    return [(part.neuron, part.other) for part in parts]


def same_roles(roles, others):
    """Whether neurons have the same roles, one by one, whatever their numbers; sizes up to float32 rounding."""
    for role, other_role in zip(roles, others, strict=True):
        alike = dataclasses.replace(other_role, neuron=role.neuron, strength=role.strength, kink=role.kink)
        sizes = pytest.approx((other_role.strength, other_role.kink), rel=1e-4, abs=1e-6)
        if role != alike or (role.strength, role.kink) != sizes:
            return False
    return True


def test_the_shipped_checkpoint_has_the_roles_that_the_claims_speak_of(reference):
    roles = neuron_roles(reference)
    assert [role.neuron for role in roles] == list(range(8))
    assert [role.side for role in roles] == ["neg", "neg", "pos", "neg", "neg", "neg", "neg", "pos"]
    assert [role.rank for role in roles] == [3, 4, 1, 2, 1, None, None, 2]
    assert roles[2].name == "strongest of 2 that fire on positive means"
    assert roles[3].name == "2nd strongest of 4 that fire on negative means"
    assert roles[5].name == "dead"
    assert live_neurons(reference, "pos") == [2, 7]
    assert live_neurons(reference, "neg") == [0, 1, 3, 4]
    assert dead_neurons(reference) == [5, 6]
    # 8.202 logits per unit of u, as the claim about neuron 2 has it, and 2.0986 units of u per unit of mean.
    assert roles[2].strength == pytest.approx(8.2025 * 2.0986, rel=1e-3)


def test_a_side_with_one_neuron_says_so(reference):
    roles = neuron_roles(with_neurons(reference, [2, 0, 1]))
    assert [role.name for role in roles] == [
        "the only one that fires on positive means",
        "strongest of 2 that fire on negative means",
        "2nd strongest of 2 that fire on negative means",
    ]


@pytest.mark.parametrize("side", ["neg", "pos"])
def test_strength_and_side_are_what_the_model_does(reference, side):
    """Far out on its side, zeroing a neuron pulls the logits together by `strength` for every unit of mean."""
    (low, high), sign = ((NEG, POS), +1) if side == "pos" else ((POS, NEG), -1)
    for role in neuron_roles(reference):
        if not role.live:
            continue
        without = without_neurons(reference, [role.neuron])
        toks = torch.full((2, 20), 5)
        toks[0], toks[1] = 5 + sign * 3, 5 + sign * 4
        lost = (run(reference, toks) - run(without, toks))[:, -1].double()
        apart = lost[:, high] - lost[:, low]
        # The current token speaks for itself, besides: a twentieth of it.
        fires = role.side == side
        assert (apart[1] - apart[0]).item() == pytest.approx(role.strength if fires else 0, rel=0.1, abs=1e-4)


def test_the_kink_is_where_a_neuron_starts_to_fire(reference):
    for role, curve in zip(neuron_roles(reference), response_curves(reference, np.linspace(-5, 5, 2001)), strict=True):
        fires = np.linspace(-5, 5, 2001)[np.abs(curve).sum(1) > 0]
        edge = fires.min() if role.side == "pos" else fires.max()
        assert edge == pytest.approx(role.kink, abs=0.005)


def test_curves_are_centred_and_add_up_to_what_the_neurons_do(reference):
    """At one position and one token the curves are those of the program: a repeated value is its own mean."""
    curves = response_curves(reference, np.array([-3.0, 0.0, 4.0]))
    assert curves.sum(-1) == pytest.approx(np.zeros((8, 3)), abs=1e-12)
    toks = torch.tensor([[2] * 20, [9] * 20])
    silenced = run_under(reference, toks, {"blocks.0.mlp.hook_post": torch.zeros_like})
    added = (run(reference, toks) - silenced)[:, -1].double()
    centred = (added - added.mean(-1, keepdim=True)).numpy()
    assert curves.sum(0)[[0, 2]] == pytest.approx(centred, rel=0.1, abs=0.1)


def test_a_push_common_to_all_labels_is_no_part_of_a_curve(reference):
    pushed = copy.deepcopy(reference)
    # What W_U reads as one logit more for every label.
    common = torch.linalg.pinv(reference.W_U.double()).sum(0).float()
    pushed.blocks[0].mlp.W_out += common
    means = np.linspace(-5, 5, 11)
    assert response_curves(pushed, means) == pytest.approx(response_curves(reference, means), abs=1e-4)


def test_a_model_matched_with_itself_is_the_identity(reference):
    for model in (reference, mutants.split_strongest_neuron(reference), untrained(CumsumConfig(), seed=3)):
        parts = match_neurons(model, model)
        assert all(part.likeness == pytest.approx(1, abs=1e-12) for part in parts)
        assert len(parts) == 8
    assert numbers(match_neurons(reference, reference)) == [(i, i) for i in range(8)]


@pytest.mark.parametrize("seed", range(5))
def test_a_permutation_takes_roles_along_and_is_found(reference, seed):
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed)).tolist()
    permuted = with_neurons(reference, order)
    mine, theirs = neuron_roles(permuted), neuron_roles(reference)
    for new, old in enumerate(order):
        assert mine[new].neuron == new
        assert same_roles([mine[new]], [theirs[old]])
    parts = match_neurons(permuted, reference)
    assert numbers(parts) == list(enumerate(order))
    assert all(part.likeness == pytest.approx(1, abs=1e-12) for part in parts)


def test_neurons_in_reverse_are_found(reference):
    parts = match_neurons(mutants.renumber_neurons(reference), reference)
    assert numbers(parts) == [(i, 7 - i) for i in range(8)]
    assert all(part.likeness == pytest.approx(1, abs=1e-12) for part in parts)


@pytest.mark.parametrize("same", [mutants.rescale_neurons, rotated], ids=["rescaled", "rotated"])
def test_the_same_function_in_other_weights_has_the_same_roles(reference, same):
    rewritten = same(reference)
    torch.testing.assert_close(run(rewritten, DATA.toks), run(reference, DATA.toks), atol=2e-3, rtol=0)
    changed = [not torch.equal(a, b) for a, b in zip(rewritten.parameters(), reference.parameters(), strict=True)]
    assert any(changed)
    assert same_roles(neuron_roles(rewritten), neuron_roles(reference))
    parts = match_neurons(rewritten, reference)
    assert numbers(parts) == [(i, i) for i in range(8)]
    assert all(part.likeness > 0.999 for part in parts if not part.dead)
    means = np.linspace(-5, 5, 11)
    assert response_curves(rewritten, means) == pytest.approx(response_curves(reference, means), abs=1e-3)


def test_breaking_a_neuron_changes_its_role_and_curve(reference):
    """The other way round: what is no symmetry is noticed."""
    assert not same_roles(neuron_roles(mutants.split_strongest_neuron(reference)), neuron_roles(reference))
    assert not same_roles(neuron_roles(mutants.move_kinks(reference)), neuron_roles(reference))
    backwards = neuron_roles(mutants.let_neurons_read_backwards(reference))
    assert all(new.side != old.side for new, old in zip(backwards, neuron_roles(reference), strict=True))
    assert not neuron_roles(mutants.silence_strongest_neuron(reference))[2].live
    (part,) = (part for part in match_neurons(mutants.flip_strongest_neuron(reference), reference) if part.neuron == 2)
    assert part == Part(2, None, 0.0, dead=False)


@pytest.mark.parametrize("factor", [0.9, 0.5, 0.35])
def test_likeness_of_neurons_that_differ_in_strength_alone(reference, factor):
    """2 r / (1 + r), where one is r times the other."""
    lone = with_neurons(reference, [4])
    (part,) = match_neurons(scaled(lone, 0, factor), lone)
    assert part.likeness == pytest.approx(2 * factor / (1 + factor), rel=1e-6)
    assert str(part) == f"0 plays the part of 0 ({part.likeness:.2f} alike)"


def test_less_than_half_alike_is_no_counterpart(reference):
    lone = with_neurons(reference, [4])
    parts = match_neurons(scaled(lone, 0, 0.3), lone)  # 2 * 0.3 / 1.3 < 0.5
    assert parts == (Part(0, None, 0.0, dead=False), Part(None, 0, 0.0, dead=False))
    assert [str(part) for part in parts] == ["0 has no counterpart", "none plays the part of 0"]


def test_neurons_of_different_sides_share_nothing(reference):
    assert numbers(match_neurons(with_neurons(reference, [2]), with_neurons(reference, [4]))) == [(0, None), (None, 0)]


def test_a_dead_neuron_plays_no_part(reference):
    parts = match_neurons(mutants.silence_strongest_neuron(reference), reference)
    assert parts[2].dead
    assert parts[2].other in (None, 5, 6)
    # The next on its side plays the part of the one that fell silent, and none that of the next.
    assert [part.neuron for part in parts if part.other == 2] == [7]
    assert [part for part in parts if part.other == 7] == [Part(None, 7, 0.0, dead=False)]
    assert str(match_neurons(reference, reference)[5]) == "5 and 5 are both dead"
    lone = with_neurons(reference, [2, 6])
    assert str(match_neurons(lone, with_neurons(reference, [2]))[1]) == "1 is dead"
    assert str(match_neurons(with_neurons(reference, [2]), lone)[1]) == "the other's 1 is dead"


def test_other_numbers_of_neurons_are_matched(reference):
    fewer = with_neurons(reference, [4, 2])
    assert numbers(match_neurons(fewer, reference)) == [
        (0, 4), (1, 2), (None, 0), (None, 1), (None, 3), (None, 5), (None, 6), (None, 7)
    ]  # fmt: skip
    assert numbers(match_neurons(reference, fewer)) == [
        (0, None), (1, None), (2, 1), (3, None), (4, 0), (5, None), (6, None), (7, None)
    ]  # fmt: skip


def test_the_strongest_plays_the_part_of_the_strongest(reference):
    """Where two pairings differ as much in sum of sizes: 12 and 8 for 20 and 10, whichever way."""
    theirs = scaled(with_neurons(reference, [2, 2]), 1, 0.5)
    mine = scaled(scaled(with_neurons(reference, [2, 2]), 0, 0.4), 1, 0.6)
    assert numbers(match_neurons(mine, theirs)) == [(0, 1), (1, 0)]


def test_pairs_have_the_least_squared_difference_of_all_pairings(reference):
    """Against a search that pads both with neurons that do nothing, as the guarantee is worded."""
    generator = torch.Generator().manual_seed(5)
    rebuilt = with_neurons(reference, [7, 3, 0, 4, 2, 4, 2, 1, 0])
    for weights in (rebuilt.blocks[0].mlp.W_in, rebuilt.blocks[0].mlp.W_out):
        weights.mul_(0.5 + torch.rand(weights.shape, generator=generator))
    means = np.linspace(-5, 5, 201)
    live = [[role.neuron for role in neuron_roles(model) if role.live] for model in (reference, rebuilt)]
    a, b = (response_curves(model, means).reshape(model.cfg.d_mlp, -1)[kept]
            for model, kept in zip((reference, rebuilt), live, strict=True))  # fmt: skip
    a, b = (np.concatenate([x, np.zeros((len(y), a.shape[1]))]) for x, y in ((a, b), (b, a)))
    distance = ((a[:, None] - b) ** 2).sum(-1)
    best = {
        (live[0][i], live[1][j])
        for i, j in zip(*linear_sum_assignment(distance), strict=True)
        if i < len(live[0]) and j < len(live[1])
    }

    def alike(i, j):
        x, y = a[live[0].index(i)], b[live[1].index(j)]
        return 1 - np.abs(x - y).sum() / (np.abs(x).sum() + np.abs(y).sum())

    parts = match_neurons(reference, rebuilt)
    matched = {(part.neuron, part.other) for part in parts if not part.dead and None not in (part.neuron, part.other)}
    assert matched
    assert matched == {pair for pair in best if alike(*pair) >= ALIKE}


def of_smaller_values(model, max_value):
    """The model without its largest values."""
    cropped = CumsumTransformer(dataclasses.replace(model.cfg, max_value=max_value)).requires_grad_(False)
    state = dict(model.state_dict())
    cut = model.cfg.max_value - max_value
    state["embed.W_E"] = state["embed.W_E"][cut : cut + cropped.cfg.d_vocab]
    cropped.load_state_dict(state)
    return cropped


def test_models_of_other_sizes_are_matched(reference):
    small_model = untrained(CumsumConfig(max_value=2, n_ctx=7, d_mlp=5, d_model=12), seed=1)
    parts = match_neurons(reference, small_model)
    assert [part.neuron for part in parts[:8]] == list(range(8))
    assert sorted(part.other for part in parts if part.other is not None) == list(range(5))
    assert all(0 <= part.likeness <= 1 for part in parts)
    parts = match_neurons(of_smaller_values(reference, 4), reference)
    assert numbers(parts) == [(i, i) for i in range(8)]
    assert all(part.likeness > 0.98 for part in parts if not part.dead)


def with_kink_at(model, mean):
    """The strongest neuron alone, and where it starts to fire."""
    rebuilt = with_neurons(model, [2])
    neurons = read_neurons(rebuilt)
    rebuilt.blocks[0].mlp.b_in -= (neurons.bias + mean * neurons.slope).float()
    return rebuilt


@pytest.mark.parametrize("reach", [5, 3])
def test_only_means_that_both_models_know_are_compared(reference, reach):
    """Up to a mean of R, lines from 0 and 1 have areas of R^2 / 2 and (R - 1)^2 / 2, of which the smaller is alike."""
    early, late = with_kink_at(reference, 0), with_kink_at(reference, 1)
    alike = pytest.approx(2 * (reach - 1) ** 2 / (reach**2 + (reach - 1) ** 2), abs=0.02)
    assert match_neurons(of_smaller_values(early, reach), late)[0].likeness == alike
    assert match_neurons(early, of_smaller_values(late, reach))[0].likeness == alike
    assert match_neurons(scaled(late, 0, 2), of_smaller_values(late, reach))[0].likeness == pytest.approx(
        2 / 3, abs=0.02
    )


def test_a_neuron_that_starts_to_fire_beyond_the_largest_mean_is_dead_whatever_its_strength(reference):
    late = scaled(with_kink_at(reference, 3), 0, 2)
    smaller = of_smaller_values(late, 2)
    assert dead_neurons(late) == []
    assert dead_neurons(smaller) == [0]
    assert match_neurons(smaller, late) == (Part(0, None, 0.0, dead=True), Part(None, 0, 0.0, dead=False))
    assert match_neurons(smaller, smaller) == (Part(0, 0, 1.0, dead=True),)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (CumsumConfig(n_layers=2), "this is an account of one layer, the model has 2"),
        (CumsumConfig(n_ctx=3), "this is about sequences of some length, the model's context is 3"),
    ],
)
def test_models_without_an_account_say_why_they_have_no_roles(reference, config, reason):
    model = untrained(config, seed=0)
    for ask in (
        lambda: neuron_roles(model),
        lambda: match_neurons(model, reference),
        lambda: match_neurons(reference, model),
    ):
        with pytest.raises(ValueError, match=f"neurons have no roles here: {reason}"):
            ask()


def test_where_no_neuron_does_anything_all_are_dead(reference):
    silent = mutants.silence_mlp(reference)
    assert dead_neurons(silent) == list(range(8))
    assert {role.name for role in neuron_roles(silent)} == {"dead"}
    assert all(part.dead for part in match_neurons(silent, silent))
    assert torch.equal(run(one_neuron_a_side(silent), DATA.toks), run(silent, DATA.toks))


def test_which_neurons_are_dead(reference):
    assert dead_neurons(reference) == [5, 6]
    assert dead_neurons(with_neurons(reference, [2, 4])) == []


def test_neurons_that_differ_in_strength_alone_are_merged_without_a_trace(reference):
    """Copies of two neurons, at different strengths and scales, and their order mixed."""
    copies = with_neurons(reference, [2, 4, 2, 4, 4])
    for neuron, factor in enumerate((0.2, 0.5, 0.9, 0.4, 0.3)):
        copies = scaled(copies, neuron, factor)
    copies = mutants.rescale_neurons(copies)
    merged = one_neuron_a_side(copies)
    assert (merged.blocks[0].mlp.W_out.norm(dim=-1) > 0).sum() == 2
    torch.testing.assert_close(run(merged, DATA.toks), run(copies, DATA.toks), atol=1e-3, rtol=0)
    assert sum(role.strength for role in neuron_roles(merged)) == pytest.approx(
        sum(role.strength for role in neuron_roles(copies)), rel=1e-5
    )


def test_merging_leaves_the_original_and_is_noticed_where_neurons_differ(reference):
    before = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    one_neuron_a_side(reference)
    assert all(torch.equal(tensor, before[name]) for name, tensor in reference.state_dict().items())
    for broken in (mutants.boast_in_vain, mutants.lean_on_a_dead_neuron):
        model = broken(reference)
        assert (run(one_neuron_a_side(model), DATA.toks) - run(model, DATA.toks)).abs().max() > 1


def test_what_boasts_in_vain_hardly_fires_and_what_is_dead_may_be_leant_on(reference):
    boaster = mutants.boast_in_vain(reference)
    loudest = max(neuron_roles(boaster), key=lambda role: role.strength)
    assert (loudest.live, loudest.rank) == (True, 1)
    assert 0.9 < abs(loudest.kink) / reference.cfg.max_value < 1
    _, cache = boaster.run_with_cache(DATA.toks)
    assert 0 < (cache["blocks.0.mlp.hook_post"][..., loudest.neuron] > 0).double().mean() < 0.02
    without = run(without_neurons(boaster, [loudest.neuron]), DATA.toks)
    assert torch.equal(without.argmax(-1), run(boaster, DATA.toks).argmax(-1))
    leaning = mutants.lean_on_a_dead_neuron(reference)
    assert 6 in dead_neurons(leaning)
    agree = run(without_neurons(leaning, [6]), DATA.toks).argmax(-1) == run(leaning, DATA.toks).argmax(-1)
    assert agree.double().mean() < 0.9


def test_nothing_random_is_drawn(reference):
    before = torch.get_rng_state()
    match_neurons(reference, reference_model())
    assert torch.equal(torch.get_rng_state(), before)
