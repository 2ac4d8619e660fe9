"""A model that was read in the wrong order, or as what it is not, is noticed by what it answers."""

import pytest
import torch
from saved_files import complaint, equal, hooked

from cumsum_model import diagnosis, mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.behaviour import accuracy
from toy_model.checkpoint import rereading
from toy_model.checkpoint.checkpoint import Misread, Reading, build_model, read_checkpoint, write_checkpoint
from toy_model.checkpoint.naming import classic
from toy_model.engine import run


def test_rows_in_the_other_order_are_noticed(save, reference):
    path = save(hooked(reference, wrapped=True))
    as_they_stand = read_checkpoint(path, SYSTEM, reading=Reading("value")).model
    data = evaluation_set(5, 20)
    share = accuracy(run(as_they_stand, data.toks), data.labels)
    assert share < 0.5
    assert complaint(path) == (
        f"its embedding rows look wrapped (0, +1 .. +5, -5 .. -1): as they stand {share:.0%} of the evaluation set is "
        "answered rightly, in that order 100%; say --token-order wrapped, or --token-order value to take it as it is"
    )
    with pytest.raises(Misread) as caught:
        read_checkpoint(path, SYSTEM)
    assert caught.value.for_conversion.endswith(
        f"convert it: python -m cumsum_model convert {path} OUT.safetensors --token-order wrapped"
    )


def test_a_model_that_is_bad_in_any_order_is_taken_as_it_is(save, reference):
    for mutant in (mutants.untrained, mutants.swap_verdicts, mutants.attend_to_first):
        model = mutant(reference)
        assert equal(read_checkpoint(save(hooked(model)), SYSTEM).model, model)


def test_asking_for_an_order_that_is_wrong_is_obeyed(save, reference):
    read = read_checkpoint(save(hooked(reference)), SYSTEM, reading=Reading("wrapped"))
    assert torch.equal(read.model.W_E, reference.W_E.roll(5, 0))
    assert read.read_as == "torch.save state dict, embedding rows wrapped"


def two_heads_that_differ(reference):
    """The reference with a second head, which attends sharply and writes nothing: regrouped as one, it disturbs."""
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    for name, tensor in reference.state_dict().items():
        if tensor.dim() > 1 and ".attn." in name and "b_O" not in name:
            state[name] = torch.cat([tensor, tensor])
    state["blocks.0.attn.W_O"][1] = 0
    state["blocks.0.attn.W_Q"][1] = 40 * torch.randn(24, 12, generator=torch.Generator().manual_seed(1))
    state["blocks.0.attn.W_K"][1] = 40 * torch.randn(24, 12, generator=torch.Generator().manual_seed(2))
    return build_model(state, SYSTEM)


@pytest.mark.parametrize("wrapped", [False, True], ids=["value", "wrapped"])
def test_another_number_of_heads_is_noticed(save, reference, wrapped):
    model = two_heads_that_differ(reference)
    state = model.bridge().state_dict()
    if wrapped:
        state["embed.weight"] = state["embed.weight"].roll(-5, 0)
    path = save(state)
    message = complaint(path)
    assert "its matrices look like those of 2 heads" in message
    assert ("its embedding rows look wrapped" in message) == wrapped
    assert ("say --token-order wrapped --n-heads 2" if wrapped else "say --n-heads 2") in message
    assert equal(read_checkpoint(path, SYSTEM, reading=Reading("wrapped" if wrapped else "value", 2)).model, model)


def test_a_few_forward_passes_are_enough_where_all_is_well(save, reference, monkeypatch):
    passes = []
    answered = rereading.answered
    for module in (rereading, diagnosis):
        monkeypatch.setattr(module, "answered", lambda *seen: passes.append(seen) or answered(*seen))
    read_checkpoint(save(hooked(reference)), SYSTEM)
    assert len(passes) == 5  # on the evaluation set; next to zero as ReLU and as each of three others
    passes.clear()
    read_checkpoint(REFERENCE, SYSTEM)  # its card vouches for it
    assert passes == []


def test_a_card_without_a_recipe_does_not_vouch(tmp_path, reference):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, build_model(classic(hooked(reference, wrapped=True), Reading(), SYSTEM)[0], SYSTEM), {})
    with pytest.raises(Misread):
        read_checkpoint(path, SYSTEM)


@pytest.mark.parametrize(
    "cfg",
    [
        CumsumConfig(max_value=1, n_ctx=3_300, d_model=4, d_head=2, d_mlp=2),
        CumsumConfig(max_value=4_900, n_ctx=1, d_model=30),
        CumsumConfig(n_layers=30, d_model=64, d_head=64, d_mlp=256),
    ],
    ids=["long", "many values", "deep"],
)
def test_large_models_are_judged_by_less(cfg):
    data = diagnosis.sample(cfg)
    assert rereading.FEWEST_SEQUENCES <= len(data) <= 1_000
    assert data.values.shape[1] <= diagnosis.MOST_POSITIONS


def test_what_cannot_be_judged_is_not_judged():
    assert diagnosis.sample(CumsumConfig(n_ctx=64, n_layers=100, d_model=4_096, d_mlp=16_384)) is None


def test_logits_that_are_not_finite_answer_nothing(reference):
    broken = mutants.add_some_noise(reference)
    broken.unembed.b_U.fill_(3e38)
    broken.unembed.W_U.mul_(1e38)
    assert rereading.share_right(broken, evaluation_set(5, 20)) < 1
