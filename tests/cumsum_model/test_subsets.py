"""The loss of every set of neurons, causal scrubbing and dose-response: against the hooks, and on altered models."""

import copy
import math

import pytest
import torch

from cumsum_model import dose_response, mutants, scrubbing
from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.ov_circuit import value_step
from cumsum_model.reading import sign_readout
from cumsum_model.subsets import MOST_NEURONS, first_of_evaluation_set, no_subsets_of, subset_losses
from cumsum_model.task import untrained
from toy_model.behaviour import label_entropy
from toy_model.intervention import ABLATIONS, loss_under


@pytest.fixture(scope="module")
def data(reference):
    return first_of_evaluation_set(reference)


@pytest.fixture(scope="module")
def losses(reference, data):
    return subset_losses(reference, data)


@pytest.fixture(scope="module")
def pairs(reference):
    return evaluation_set(reference.cfg.max_value, reference.cfg.n_ctx)


@pytest.mark.parametrize("kind", ABLATIONS)
@pytest.mark.parametrize("neurons", [set(), {2}, {0, 5}, {1, 2, 7}, {0, 1, 2, 3, 4, 7}, set(range(8))])
def test_the_loss_of_a_set_is_that_of_the_ablated_model(reference, data, losses, kind, neurons):
    ablated = loss_under(reference, data, ABLATIONS[kind](set(range(8)) - neurons))
    assert losses[kind](frozenset(neurons)) == pytest.approx(ablated, rel=1e-5)


@pytest.mark.parametrize("mutant", [mutants.add_mlp_output_twice, mutants.attend_to_last, mutants.fork_the_stream])
def test_of_models_that_are_altered_as_well(reference, data, mutant):
    model = mutant(reference)
    resampled = subset_losses(model, data)["resample"]
    ablated = loss_under(model, data, ABLATIONS["resample"]([0, 3]))
    assert resampled(frozenset({1, 2, 4, 5, 6, 7})) == pytest.approx(ablated, rel=1e-5)


def test_louder_logits_do_not_overflow(reference, data):
    louder = copy.deepcopy(reference).requires_grad_(False)
    louder.unembed.W_U *= 1000
    louder.unembed.b_U *= 1000
    resampled = subset_losses(louder, data)["resample"]
    assert resampled.per_sequence.max() > 1000
    assert resampled(frozenset()) == pytest.approx(loss_under(louder, data, ABLATIONS["resample"](range(8))), rel=1e-5)


def test_the_circuit_is_the_live_neurons_and_the_order_is_that_of_strength(losses):
    assert losses["zero"].live == {0, 1, 2, 3, 4, 7}
    assert losses["zero"].everything == set(range(8))
    assert losses["zero"].by_strength[0] == 2
    assert set(losses["zero"].by_strength[6:]) == {5, 6}


def test_resampled_losses_scatter_around_the_loss(losses):
    mean_losses = losses["mean"]
    resampled = mean_losses.resampled(frozenset({2}))
    assert resampled.mean() == pytest.approx(mean_losses(frozenset({2})), rel=0.01)
    assert resampled.std() > 0


def test_of_too_many_neurons_the_sets_are_not_gone_through(reference):
    wide = untrained(type(reference.cfg)(**{**vars(reference.cfg), "d_mlp": MOST_NEURONS + 1}), seed=0)
    assert f"the model has {MOST_NEURONS + 1}" in no_subsets_of(wide)
    with pytest.raises(ValueError, match=r"2\^13"):
        subset_losses(wide, CumsumDataset(2, 5, 20))
    assert no_subsets_of(reference) is None
    assert "none on one of them" in no_subsets_of(mutants.silence_mlp(reference))


@pytest.mark.parametrize("hypothesis", [scrubbing.same_sum, scrubbing.same_sign, scrubbing.same_last_value])
def test_what_is_drawn_is_alike_another_and_drawn_once(data, hypothesis):
    classes = hypothesis(data.values)
    drawn, redrawn = scrubbing.draw_alike(classes)
    assert (classes.gather(0, drawn) == classes).all()
    itself = torch.arange(len(data))[:, None]
    assert ((drawn != itself) == redrawn).all()
    assert (drawn.sort(0).values == itself).all()


def test_who_is_alone_in_its_class_keeps_itself():
    drawn, redrawn = scrubbing.draw_alike(torch.tensor([[4], [7], [4]]))
    assert drawn[:, 0].tolist() == [2, 1, 0]
    assert redrawn[:, 0].tolist() == [True, False, True]


def test_what_is_drawn_depends_on_the_seed_alone(data):
    classes = scrubbing.same_sign(data.values)
    state = torch.get_rng_state()
    assert (scrubbing.draw_alike(classes)[0] == scrubbing.draw_alike(classes)[0]).all()
    assert (scrubbing.draw_alike(classes)[0] != scrubbing.draw_alike(classes, seed=1)[0]).any()
    assert (torch.get_rng_state() == state).all()


def test_the_mean_loss_cannot_see_what_is_redrawn_within_a_label(reference, data):
    # Not even of an untrained model: sequences exchange their losses, nothing more.
    for model in (reference, mutants.untrained(reference), mutants.attend_to_last(reference)):
        for hypothesis in (scrubbing.same_sum, scrubbing.same_sign):
            scrubbed = scrubbing.scrub(model, data, hypothesis)
            assert scrubbed.scrubbed_loss.mean().item() == pytest.approx(scrubbed.loss.mean().item(), rel=1e-5)
            assert scrubbed.loss_change.max() > 0.05
            assert scrubbed.margin_change.max() > 0.05


def test_a_hypothesis_that_is_wrong_recovers_less_than_nothing(reference, data):
    scrubbed = scrubbing.scrub(reference, data, scrubbing.same_last_value)
    assert scrubbing.recovered(scrubbed, label_entropy(data.labels)) < -5


def certain(p_right):
    """Logits of two sequences of three positions that give the right label, 0, this probability."""
    others = (1 - p_right) / 2
    return torch.tensor([p_right, others, others], dtype=torch.float64).log().expand(2, 3, 3)


def test_recovered_is_one_where_nothing_changes_and_zero_at_the_baseline():
    labels, redrawn = torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)
    for p_after, recovered in ((1 / 2, 1), (1 / 8, 0), (1 / 4, 1 / 2), (1 / 16, -1 / 2)):
        scrubbed = scrubbing.Scrubbed(certain(1 / 2), certain(p_after), labels, redrawn)
        assert scrubbing.recovered(scrubbed, baseline=math.log(8)) == pytest.approx(recovered)
    with pytest.raises(ValueError, match="nothing can be recovered"):
        scrubbing.recovered(scrubbed, baseline=math.log(2))


def test_changes_are_taken_at_each_position_whichever_way_they_go():
    labels, redrawn = torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)
    before, after = certain(1 / 2), certain(1 / 2).clone()
    after[0, 0], after[1, 2] = certain(1 / 4)[0, 0], certain(3 / 4)[0, 0]
    scrubbed = scrubbing.Scrubbed(before, after, labels, redrawn)
    assert scrubbed.loss_change.tolist() == [
        pytest.approx([math.log(2), 0, 0]),
        pytest.approx([0, 0, math.log(1.5)]),
    ]
    # From 2:1 to 2:3, and to 6:1, of the right label against each wrong one.
    assert scrubbed.margin_change[0, 0] == pytest.approx(math.log(3))
    assert scrubbed.margin_change[1, 2] == pytest.approx(math.log(3))
    assert scrubbed.alone == 0


def test_a_stream_that_holds_the_sign_alone_does_not_change_within_a_sign(reference, data):
    held = mutants.hold_the_sign_alone(reference)
    assert scrubbing.scrub(held, data, scrubbing.same_sign).margin_change.max() == 0
    assert scrubbing.scrub(held, data, scrubbing.nothing).margin_change.max() > 1


def test_a_dose_of_one_gives_the_answer_of_the_other_mean(reference, pairs):
    response = dose_response.move_the_mean(reference, pairs, doses=(0.0, 1.0))
    assert response.real.all()
    assert response.follow() == [(1000, 1000), (1000, 1000)]
    assert (response.answers[0] == response.undisturbed).all()
    assert (response.answers[1] != response.undisturbed).double().mean() > 0.3
    assert response.steps_back() == 0


def test_a_model_that_reads_backwards_steps_back_and_does_not_follow(reference, pairs):
    response = dose_response.move_the_mean(mutants.swap_verdicts(reference), pairs, doses=(0.0, 1.0))
    assert response.follow()[1][0] < 200
    assert response.steps_back() > 300


def test_means_that_no_sequence_has_are_not_judged(reference, pairs):
    response = dose_response.move_the_mean(reference, pairs, doses=(0.25,))
    right, judged = response.follow()[0]
    assert right == judged < 1000
    assert int(response.real.sum()) == judged


def test_what_is_written_and_read_follow_a_change_of_the_basis(reference, pairs):
    sheared, T = _in_another_basis(reference)
    written, read = value_step, sign_readout
    assert torch.allclose(written(sheared), written(reference) @ T, atol=1e-4)
    pairing = (read(sheared) @ written(sheared)).item()
    assert pairing == pytest.approx((read(reference) @ written(reference)).item(), rel=1e-4)
    for respond in (dose_response.move_the_mean, dose_response.swap_what_lies_beside):
        assert (respond(sheared, pairs).answers == respond(reference, pairs).answers).double().mean() > 0.999


def _in_another_basis(model):
    generator = torch.Generator().manual_seed(0)
    d_model = model.cfg.d_model
    T = torch.eye(d_model, dtype=torch.float64) + 0.1 * torch.randn(
        d_model, d_model, generator=generator, dtype=torch.float64
    )
    back = T.inverse()
    changed = copy.deepcopy(model).requires_grad_(False)
    block = changed.blocks[0]
    for written in (changed.embed.W_E, changed.pos_embed.W_pos, block.attn.W_O, block.mlp.W_out):
        written.copy_(written.double() @ T)
    for written in (block.attn.b_O, block.mlp.b_out):
        written.copy_(written.double() @ T)
    for read in (block.attn.W_Q, block.attn.W_K, block.attn.W_V, block.mlp.W_in, changed.unembed.W_U):
        read.copy_(back @ read.double())
    return changed, T


def test_what_lies_beside_moves_an_answer_where_it_is_read(reference, pairs):
    fractions = [a / b for a, b in dose_response.swap_what_lies_beside(reference, pairs).stay()]
    assert min(fractions) > 0.999
    shouting = [a / b for a, b in dose_response.swap_what_lies_beside(mutants.shout_off_u(reference), pairs).stay()]
    assert shouting[-1] < 0.8
    assert shouting == sorted(shouting, reverse=True)
