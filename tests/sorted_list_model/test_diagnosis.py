"""A model that was read as what it is not is noticed by what it answers."""

import pytest
import torch
from saved_files import equal, hooked

from sorted_list_model import diagnosis, mutants
from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import evaluation_set
from sorted_list_model.system import SYSTEM
from sorted_list_model.task import REFERENCE, untrained
from toy_model.architectures import OURS, Architecture
from toy_model.checkpoint import rereading
from toy_model.checkpoint.checkpoint import Misread, OfAnotherModel, Reading, build_model, read_checkpoint
from toy_model.surgery import CannotBeMade, copied


def unscaled(model):
    """The weights with which a model whose scores are not divided by sqrt(d_head) answers as `model` does."""
    weights = copied(model)
    for name in ("W_Q", "b_Q"):
        getattr(weights.blocks[0].attn, name).div_(model.cfg.d_head**0.5)
    return weights


def beside_heads_that_do_nothing(model):
    """The same function with a head after each that attends sharply and writes nothing: taken for one, they disturb."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if ".attn." in name and not name.endswith("b_O"):
            idle = torch.randn(tensor.shape, generator=generator) * (0 if name.endswith("W_O") else 1)
            state[name] = torch.stack([tensor, idle], 1).flatten(0, 1)
    return build_model(state, SYSTEM)


def test_scores_that_are_not_divided_are_noticed_and_the_file_refused(save, trained):
    path = save(hooked(unscaled(trained)))
    with pytest.raises(OfAnotherModel) as caught:
        read_checkpoint(path, SYSTEM)
    told = str(caught.value)
    assert "99.9% with scores that are not divided by sqrt(d_head): this file is of another model" in told
    assert "as it was read (scores / sqrt(d_head))" in told
    assert "\n" not in told
    assert caught.value.misreading.architecture == Architecture(scaled=False)


def test_attention_to_later_positions_is_noticed_and_the_file_refused(save, trained, monkeypatch):
    """What a model that sees the list to come would answer: here as if it did sort, which as causal it does not."""
    answered = rereading.answered
    whole = Architecture(causal=False)
    bad = mutants.untrained(trained)
    monkeypatch.setattr(
        rereading, "answered", lambda model, data, kind: answered(trained if kind == whole else model, data, OURS)
    )
    with pytest.raises(OfAnotherModel, match="with attention to later positions: this file is of another model"):
        read_checkpoint(save(hooked(bad)), SYSTEM)


def test_another_number_of_heads_is_noticed(save, trained):
    model = beside_heads_that_do_nothing(trained)
    path = save(model.bridge().state_dict())
    with pytest.raises(Misread) as caught:
        read_checkpoint(path, SYSTEM)
    assert "its matrices look like those of 4 heads" in str(caught.value)
    assert "say --n-heads 4, or --n-heads with the number that it has to take it as it is" in str(caught.value)
    assert equal(read_checkpoint(path, SYSTEM, reading=Reading(n_heads=4)).model, model)


def misread(model):
    return diagnosis.misread(model, Reading(), lambda _: model)


def test_no_broken_copy_is_taken_for_another_model(trained):
    judged = []
    for mutant in mutants.ALL:
        try:
            broken = mutant(trained)
        except CannotBeMade:
            continue
        if not broken.alterations:
            judged.append(mutant)
            assert misread(broken) is None, mutant.__name__
    assert len(judged) > 30


def test_a_model_that_has_not_learnt_is_taken_as_it_is(save):
    model = untrained(SortedListConfig(), seed=1)
    assert equal(read_checkpoint(save(hooked(model)), SYSTEM).model, model)


def test_one_forward_pass_is_enough_where_all_is_well(save, trained, monkeypatch):
    passes = []
    answered = rereading.answered
    monkeypatch.setattr(rereading, "answered", lambda *seen: passes.append(seen) or answered(*seen))
    read_checkpoint(save(hooked(trained)), SYSTEM)
    assert len(passes) == 1
    read_checkpoint(REFERENCE, SYSTEM)  # its card vouches for it
    assert len(passes) == 1


def test_large_models_are_judged_by_less():
    assert len(diagnosis.sample(SortedListConfig())) == 500
    wide = diagnosis.sample(SortedListConfig(n_ctx=101, max_value=97, d_model=500))
    assert rereading.FEWEST_SEQUENCES <= len(wide) < 500
    assert diagnosis.sample(SortedListConfig(n_layers=100, d_model=4_096)) is None


def test_logits_that_are_not_finite_answer_nothing(trained):
    broken = copied(trained)
    broken.unembed.b_U.fill_(3e38)
    broken.unembed.W_U.mul_(1e38)
    assert rereading.share_right(broken, evaluation_set()) < 1
