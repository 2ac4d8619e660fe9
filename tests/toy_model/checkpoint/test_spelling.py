"""Names with what wrappers put in front of them or into them."""

import itertools
from collections import OrderedDict

import pytest
import torch
from saved_files import complaint, equal, hooked, prefixed, read

from cumsum_model import mutants
from toy_model.checkpoint.spelling import WRAPPERS


def test_a_checkpoint_with_two_state_dicts_is_not_guessed_at(save, reference):
    path = save({"state_dict": hooked(reference), "model": hooked(mutants.swap_verdicts(reference))})
    assert "holds several state dicts, model and state_dict: save one of them alone" in complaint(path)


PREFIXES = [f"{wrapper}." for wrapper in (*WRAPPERS, "model", "net", "a.b.c", "0")]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_that_all_names_have_is_dropped(save, reference, prefix):
    for state in (hooked(reference), reference.bridge().state_dict()):
        saved = read(save(prefixed(prefix, state)))
        assert equal(saved.model, reference)
        assert f'names without their "{prefix}"' in saved.notes


@pytest.mark.parametrize("pair", [*itertools.permutations(["module.", "_orig_mod.", "model.", "net."], 2)], ids="".join)
def test_prefixes_nest_in_any_order(save, reference, pair):
    saved = read(save(prefixed("".join(pair), hooked(reference))))
    assert equal(saved.model, reference)
    assert f'names without their "{"".join(pair)}"' in saved.notes


def test_what_FSDP_puts_into_names_is_taken_out(save, reference):
    state = OrderedDict(
        (
            "_fsdp_wrapped_module."
            + name.replace("blocks.0.", "blocks.0._fsdp_wrapped_module._checkpoint_wrapped_module."),
            w,
        )
        for name, w in hooked(reference).items()
    )
    saved = read(save(state))
    assert equal(saved.model, reference)
    assert "names without _checkpoint_wrapped_module, _fsdp_wrapped_module" in saved.notes


def test_an_averaged_model_is_read_without_its_counter(save, reference):
    saved = read(save(torch.optim.swa_utils.AveragedModel(reference).state_dict()))
    assert equal(saved.model, reference)
    assert "left out n_averaged: how many models it is the average of" in saved.notes


def test_a_Lightning_checkpoint_is_read_with_a_loss_beside_the_model(save, reference):
    state = prefixed("model._orig_mod.", hooked(reference)) | {"loss.weight": torch.ones(3)}
    saved = read(save({"epoch": 3, "state_dict": state, "loops": {"fit_loop": {"a": {"b": 1}}}, "callbacks": {}}))
    assert equal(saved.model, reference)
    assert saved.notes[0] == 'taken from its entry "state_dict"'
    assert 'left out loss.weight: beside the model, whose names begin with "model."' in saved.notes


def test_two_models_under_two_prefixes_are_not_guessed_at(save, reference):
    for first, second in (("model.", "ema."), ("student.net.", "teacher.net."), ("", "ema.")):
        state = prefixed(first, hooked(reference)) | prefixed(second, hooked(mutants.swap_verdicts(reference)))
        message = complaint(save(state))
        assert message.startswith("holds several models, whose names begin with")
        assert second in message


def test_one_name_in_two_spellings_is_refused(save, reference):
    state = hooked(reference) | {"module.unembed.b_U": torch.ones(3)}
    assert complaint(save(state)) == (
        "holds unembed.b_U twice, as unembed.b_U and module.unembed.b_U: save one of them alone"
    )


@pytest.mark.parametrize("entry", ["state_dict", "model_state_dict", "model", "net", "weights.best", "ckpt/model"])
def test_the_state_dict_in_a_training_checkpoint_is_found(save, reference, entry):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))])
    saved = {"epoch": 3, "optimizer": optimizer.state_dict(), (1, 2): [None, 2**70, -0.5]}
    inside = saved
    *outer, last = entry.split("/")
    for name in outer:
        inside = inside.setdefault(name, {})
    inside[last] = hooked(reference)
    checkpoint = read(save(saved))
    assert equal(checkpoint.model, reference)
    assert checkpoint.notes[0] == f'taken from its entry "{entry.replace("/", ".")}"'
