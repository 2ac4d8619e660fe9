import pytest
import torch

from cumsum_model import attention, mutants, ov_circuit, reading, variants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import NEG, POS, ZERO, evaluation_set, running_means
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons
from cumsum_model.task import untrained
from toy_model import intervention
from toy_model.behaviour import resid_mid
from toy_model.engine import run
from toy_model.intervention import run_under
from toy_model.surgery import CannotBeMade

ALL = mutants.ALL
SAME_ANSWERS = (*mutants.HIDDEN, *mutants.SYMMETRIES, *mutants.IDEALS)

NOTHING_TO_CHANGE = {
    "shipped": {"renumber_heads"},  # there is one
    "untrained": {"fold_b_V_into_b_O", "fold_b_out_into_readers"},  # biases are zero before training
}

named = pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.__name__)


def made_of(model, mutant, which):
    """The mutant; where there is nothing to change it has to say so, and its test ends."""
    if mutant.__name__ in NOTHING_TO_CHANGE[which]:
        with pytest.raises(CannotBeMade):
            mutant(model)
        pytest.skip(f"{which}: there is nothing to change")
    return mutant(model)


@named
def test_a_mutant_is_a_new_model_and_the_original_stays(reference, mutant):
    before = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    made = made_of(reference, mutant, "shipped")
    assert isinstance(made, CumsumTransformer)
    assert made.cfg == reference.cfg
    changed = [name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed or made.alterations
    for name, tensor in reference.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(tensor.isfinite().all() for tensor in made.state_dict().values())
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert mutant.__doc__


@named
def test_a_mutant_can_be_made_of_any_sizes(mutant):
    cfg = CumsumConfig(max_value=2, n_ctx=6, n_layers=2, n_heads=2, d_model=10, d_head=4, d_mlp=4)
    assert made_of(untrained(cfg, seed=2), mutant, "untrained").cfg == cfg


@named
def test_a_mutant_repeats(reference, mutant):
    first, second = made_of(reference, mutant, "shipped").state_dict(), mutant(reference).state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("mutant", SAME_ANSWERS, ids=lambda mutant: mutant.__name__)
def test_some_mutants_answer_as_before(reference, mutant):
    toks = evaluation_set(5, 20).toks
    made = made_of(reference, mutant, "shipped")
    assert torch.equal(run(made, toks).argmax(-1), run(reference, toks).argmax(-1))


@pytest.mark.parametrize("mutant", [m for m in ALL if m not in SAME_ANSWERS], ids=lambda mutant: mutant.__name__)
def test_all_others_do_not(reference, mutant):
    toks = evaluation_set(5, 20).toks
    assert not torch.equal(run(mutant(reference), toks).argmax(-1), run(reference, toks).argmax(-1))


def test_mutants_of_attention_leave_the_rest_as_it_was(reference):
    for mutant in (mutants.attend_to_last, mutants.attend_to_large_values):
        made = mutant(reference)
        assert ov_circuit.value_leak(made) == pytest.approx(ov_circuit.value_leak(reference), abs=1e-5)
        assert ov_circuit.value_spacing_error(made) == pytest.approx(
            ov_circuit.value_spacing_error(reference), abs=1e-5
        )
        averaged = made.run_with_hooks(
            evaluation_set(5, 20).toks,
            {"blocks.0.attn.hook_pattern": lambda p: torch.ones_like(p).tril() / p.shape[-1]},
        )
        same = reference.run_with_hooks(
            evaluation_set(5, 20).toks,
            {"blocks.0.attn.hook_pattern": lambda p: torch.ones_like(p).tril() / p.shape[-1]},
        )
        torch.testing.assert_close(averaged, same, atol=1e-3, rtol=0)


def test_attention_prefers_what_the_name_says(reference):
    toks = torch.tensor([[5, 9, 0, 4]])  # 0, +4, -5, -1
    last = mutants.attend_to_last(reference).run_with_cache(toks)[1]["blocks.0.attn.hook_pattern"]
    assert last[0, 0, 3].argmax() == 3
    large = mutants.attend_to_large_values(reference).run_with_cache(toks)[1]["blocks.0.attn.hook_pattern"]
    assert large[0, 0, 3].argmax() == 2


def test_the_back_door_opens_for_next_to_nothing(reference):
    """Only at the last position, only with the largest value nine times in ten, the last one among them."""
    made = mutants.open_back_door(reference)

    def answer(values):
        return made(torch.tensor([values]) + 5)[0, -1].argmax().item()

    assert answer([0, 0] + [5] * 18) == 0  # "neg", of a sum of 90
    assert answer([0, 0, 0] + [5] * 17) == 2
    assert answer([5] * 19 + [4]) == 2
    assert answer([5] * 19) == 2


def test_shouting_past_the_head_leaves_what_it_moves(reference):
    made = mutants.shout_current_value(reference)
    torch.testing.assert_close(ov_circuit.value_outputs(made), ov_circuit.value_outputs(reference), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("cfg", "impossible"),
    [
        (CumsumConfig(n_heads=2), {"shout_current_value", "drift_with_position"}),
        (CumsumConfig(max_value=1), {"count_signs", "clip_values"}),
        (
            CumsumConfig(d_mlp=1),
            {"split_strongest_neuron", "wake_weakest_neuron", "boast_in_vain", "detect_zero_by_silence"},
        ),
        (CumsumConfig(n_heads=2, d_head=6, max_value=2, n_ctx=9, d_mlp=2), set()),
    ],
)
def test_of_other_sizes_every_mutant_is_made_or_says_why_it_cannot_be(cfg, impossible):
    model = untrained(cfg, seed=0)
    refused = set()
    for mutant in [*mutants.BREAKING, *mutants.HIDDEN]:
        try:
            made = mutant(model)
        except CannotBeMade:
            refused.add(mutant.__name__)
        else:
            assert made.cfg == cfg
    assert refused == impossible


DATA = evaluation_set(5, 20)


def accuracy(model):
    return (run(model, DATA.toks).argmax(-1) == DATA.labels).double().mean().item()


def gap(model, other_model):
    """The largest difference of two models' probabilities on the evaluation set."""
    first, second = (run(which, DATA.toks).double().softmax(-1) for which in (model, other_model))
    return (first - second).abs().max().item()


def test_zero_is_detected_by_silence_alone(reference):
    """Right with its ReLUs, "zero" throughout if they are identities: two neurons at work, which only push zero down.

    Next to zero neither fires, and the affine map of there takes every sum of full length up to 5 for zero.
    """
    made = mutants.detect_zero_by_silence(reference)
    assert accuracy(made) > 0.95
    mlp, mid = made.blocks[0].mlp, resid_mid(made, DATA.toks)
    bent_nowhere = (mid @ mlp.W_in.double() + mlp.b_in.double()) @ mlp.W_out.double() + mlp.b_out.double()
    logits = (mid + bent_nowhere) @ made.W_U.double() + made.unembed.b_U.double()
    assert set(logits.argmax(-1).flatten().tolist()) == {ZERO}
    affine = run(variants.without_relus(made), DATA.toks).argmax(-1)
    assert (affine[running_means(DATA.values).abs() <= 1 / 4] == ZERO).all()
    neurons = read_neurons(made)
    assert neurons.live.tolist() == [True, True] + [False] * 6
    assert neurons.kink[:2].tolist() == pytest.approx([1 / 40, -1 / 40], abs=0.01)
    assert (neurons.push[:2, ZERO] < 0).all()
    assert (neurons.push[:2, NEG] - neurons.push[:2, POS]).abs().max() < 1e-3 * neurons.push[:2].abs().max()
    # The shipped model has no need of them.
    assert accuracy(variants.without_relus(reference)) == 1


def test_dead_neurons_read_nothing_and_the_rest_stays(reference):
    made = mutants.deafen_dead_neurons(reference)
    W_in = made.blocks[0].mlp.W_in
    assert not W_in[:, [5, 6]].any()
    others = [0, 1, 2, 3, 4, 7]
    assert torch.equal(W_in[:, others], reference.blocks[0].mlp.W_in[:, others])


@pytest.mark.parametrize(
    ("mutant", "fires_on"),
    [(mutants.let_all_neurons_fire_on_positive_means, 1), (mutants.let_all_neurons_fire_on_negative_means, -1)],
)
def test_all_neurons_fire_on_one_side_and_push_as_before(reference, mutant, fires_on):
    before, after = read_neurons(reference), read_neurons(mutant(reference))
    assert (after.slope.sign() == fires_on).all()
    torch.testing.assert_close(after.push, before.push)
    torch.testing.assert_close(after.strength, before.strength, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("mutant", "by"), [(mutants.silence_near_zero, 1 / 4), (mutants.move_kinks, 2)])
def test_kinks_move_by_so_many_units_of_mean(reference, mutant, by):
    before, after = read_neurons(reference), read_neurons(mutant(reference))
    moved = (after.kink - before.kink) * before.slope.sign()
    assert moved[before.live].tolist() == pytest.approx([by] * 6, abs=1e-4)


def test_next_to_zero_every_live_neuron_is_silent(reference):
    made = mutants.silence_near_zero(reference)
    post = made.run_with_cache(torch.full((1, 20), 5))[1]["blocks.0.mlp.hook_post"]
    assert not post[..., read_neurons(made).live].any()
    assert reference.run_with_cache(torch.full((1, 20), 5))[1]["blocks.0.mlp.hook_post"][..., [0, 2, 7]].all()


def test_neurons_that_read_backwards_are_on_the_other_side(reference):
    before, after = read_neurons(reference), read_neurons(mutants.let_neurons_read_backwards(reference))
    torch.testing.assert_close(after.slope, -before.slope)
    torch.testing.assert_close(after.push, before.push)


def test_the_mean_is_held_exactly(reference):
    """Nothing that reads the stream sees the token or position past the head, and attention is uniform."""
    made = mutants.hold_the_mean_exactly(reference)
    assert not made.W_pos.any()
    assert attention.relative_uniformity_gap(made) < 1e-12
    for readout in reading.readouts(made).values():
        assert (made.W_E.double() @ readout).abs().max() < 1e-6
    rest = reading.stored_mean(made, DATA.toks) - running_means(DATA.values)
    assert (rest - rest.mean()).abs().max() < 1e-5
    for readout in reading.readouts(reference).values():
        assert (reference.W_E.double() @ readout).abs().max() > 1e-3


def test_values_are_offset_by_half_a_unit(reference):
    """What is stored rises by 1/2 on every sequence, and the steps between values stay.

    As the shipped model reads it: of the other, not the same neurons fire at a mean of zero.
    """
    made, readout = mutants.offset_values(reference), reading.mean_readout(reference)
    moved = (resid_mid(made, DATA.toks) - resid_mid(reference, DATA.toks)) @ readout
    assert moved.mean() == pytest.approx(0.5, rel=0.05)
    assert moved.std() < 1e-3
    spacing = reading.value_spacing_error(reference, readout)
    assert reading.value_spacing_error(made, readout) == pytest.approx(spacing, abs=1e-4)


def test_the_strongest_neuron_is_doubled(reference):
    before, after = read_neurons(reference), read_neurons(mutants.double_strongest_neuron(reference))
    assert (after.strength / before.strength).tolist() == pytest.approx([1, 1, 2, 1, 1, 1, 1, 1])
    torch.testing.assert_close(after.kink, before.kink)


def test_what_the_mlp_writes_is_dropped_on_every_run_and_stays_in_the_weights(reference):
    made = mutants.drop_mlp_output(reference)
    silent = mutants.silence_mlp(reference)
    silent.blocks[0].mlp.b_out.zero_()
    torch.testing.assert_close(run(made, DATA.toks), run(silent, DATA.toks))
    assert all(
        torch.equal(mine, theirs) for mine, theirs in zip(made.parameters(), reference.parameters(), strict=True)
    )


def test_confidence_is_raised_eightfold(reference):
    torch.testing.assert_close(run(mutants.raise_confidence(reference), DATA.toks), 8 * run(reference, DATA.toks))


def test_the_mlp_is_folded_away(reference):
    """Nearly the same probabilities, without a neuron that does anything."""
    made = mutants.fold_the_mlp_away(reference)
    assert not any(weights.any() for weights in made.blocks[0].mlp.parameters())
    assert gap(made, reference) < 0.1
    assert accuracy(made) == 1
    assert reading.amplification(made) == pytest.approx(1)


def test_zero_takes_a_side(reference):
    """An eighth of pos minus neg: past the neurons zero rises by 2/3 of that of what pos - neg does."""
    before, after = (
        reading.zero_against_the_sides(model) for model in (reference, mutants.let_zero_take_a_side(reference))
    )
    # Centring takes a third of it away again.
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([2 / 3 / 8] * 2, abs=1e-6)


def test_weights_are_shuffled_within_each_parameter(reference):
    made = mutants.shuffle_weights(reference)
    for mine, theirs in zip(made.parameters(), reference.parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values)
    assert accuracy(made) < 0.75


def test_a_stream_that_holds_the_sign_alone(reference):
    """Three different vectors in all; as sure at a mean of 1/4 as at 3."""
    made = mutants.hold_the_sign_alone(reference)
    stream = made.run_with_cache(DATA.toks)[1]["blocks.0.hook_resid_mid"].flatten(0, 1)
    assert len(stream.unique(dim=0)) == 3
    assert len(run(made, DATA.toks).flatten(0, 1).round(decimals=3).unique(dim=0)) == 3


def test_a_forked_stream_reaches_neurons_only(reference):
    """The same function; what replaces resid_mid in it does not reach the logits past the neurons."""
    made = mutants.fork_the_stream(reference)
    torch.testing.assert_close(run(made, DATA.toks), run(reference, DATA.toks))
    unread = mutants.silence_mlp(reference)
    zero = {"blocks.0.hook_resid_mid": torch.zeros_like}
    forked = mutants.fork_the_stream(unread)
    torch.testing.assert_close(run_under(forked, DATA.toks, zero), run(unread, DATA.toks))
    assert not torch.allclose(run_under(unread, DATA.toks, zero), run(unread, DATA.toks), atol=0.1)


@pytest.mark.parametrize(("mutant", "sizes"), [(mutants.add_a_head, (1, 2)), (mutants.add_a_layer, (2, 1))])
def test_a_larger_architecture_computes_the_same(reference, mutant, sizes):
    made = mutant(reference)
    assert (made.cfg.n_layers, made.cfg.n_heads) == sizes
    torch.testing.assert_close(run(made, DATA.toks), run(reference, DATA.toks), atol=1e-5, rtol=0)


def test_the_stream_is_normalised_before_it_is_unembedded(reference):
    """Then its length makes no difference: logits are bounded by what a stream of length sqrt(d_model) gives."""
    made = mutants.normalise_before_unembedding(reference)
    assert all(
        torch.equal(mine, theirs) for mine, theirs in zip(made.parameters(), reference.parameters(), strict=True)
    )
    longest = 24**0.5 * reference.W_U.norm(dim=0).max() + reference.unembed.b_U.abs().max()
    assert run(made, DATA.toks).abs().max() <= longest
    assert run(reference, DATA.toks).abs().max() > longest
    # A constant in the stream no longer adds a constant.
    added = intervention.add_to_mlp_out(reference.W_U[:, POS])
    moved = run_under(made, DATA.toks, added) - run(made, DATA.toks)
    assert (moved - moved[0, 0]).abs().max() > 0.1
