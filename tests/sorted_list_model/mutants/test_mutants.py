"""Every mutant: a new model, which answers as its kind says, of any sizes and whatever heads are numbered."""

import functools

import pytest
import torch

from sorted_list_model import mutants
from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import first_lists
from sorted_list_model.hard_inputs import right
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.scope import reference_model
from sorted_list_model.surgery import OV, exchange
from sorted_list_model.task import untrained
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

KINDS = (mutants.BREAKING, mutants.HIDDEN, mutants.SYMMETRIES, mutants.IDEALS)

TENTH_OF_A_PERCENT = 0.001

RANDOM = (mutants.shuffle_weights, mutants.add_much_noise, mutants.untrained_attention_scores)
"""What is drawn for each entry of a matrix is drawn for other heads where these have other numbers."""

OF_TWO_HEADS = {
    "exchange_QK",
    "attend_uniformly_in_main_head",
    "attend_uniformly_in_lesser_head",
    "silence_main_head",
    "silence_lesser_head",
    "copy_one_higher_in_main_head",
    "copy_one_higher_in_lesser_head",
    "copy_in_both_heads",
    "share_out_as_published",
    "exchange_heads",
    "all_at_once",
}


def named(mutants_of_a_kind):
    return pytest.mark.parametrize("mutant", mutants_of_a_kind, ids=lambda mutant: mutant.__name__)


@functools.cache
def made(mutant):
    """Of the shipped model; nobody changes it."""
    return mutant(reference_model())


@functools.cache
def lists():
    return first_lists()


def answered(model):
    return right(model, lists()).double().mean().item()


@functools.cache
def answered_by_the_original():
    return answered(reference_model())


def test_kinds_have_no_mutant_in_common():
    names = [mutant.__name__ for kind in (*KINDS, mutants.VARIANTS, mutants.ARCHITECTURES) for mutant in kind]
    assert len(names) == len(set(names))
    assert {mutant for kind in KINDS for mutant in kind} == set(mutants.ALL)
    assert set(mutants.BASELINES) <= set(mutants.BREAKING)


@named((*mutants.ALL, *mutants.VARIANTS, *mutants.ARCHITECTURES))
def test_a_mutant_is_a_new_model_and_the_original_stays(mutant):
    original = reference_model()
    before = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    new = mutant(original)
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not original.alterations
    assert isinstance(new, SortedListTransformer)
    assert not any(parameter.requires_grad for parameter in new.parameters())
    assert all(tensor.isfinite().all() for tensor in new.state_dict().values())
    if mutant not in mutants.ARCHITECTURES:
        assert new.cfg == original.cfg
        changed = [name for name, tensor in new.state_dict().items() if not torch.equal(tensor, before[name])]
        assert bool(changed) != bool(new.alterations)
        stored = {tensor.data_ptr() for tensor in original.parameters()}
        assert stored.isdisjoint(tensor.data_ptr() for tensor in new.parameters())


@named((*mutants.ALL, *mutants.VARIANTS, *mutants.ARCHITECTURES))
def test_a_mutant_says_what_it_is_in_a_sentence(mutant):
    first = mutant.__doc__.splitlines()[0]
    assert first.endswith(".")
    assert first[0].isupper() or first[0].isdigit()


@named([mutant for mutant in mutants.ALL if mutant is not mutants.train_briefly])
def test_a_mutant_repeats_and_draws_from_no_global_generator(mutant):
    before = torch.get_rng_state()
    again = mutant(reference_model())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, again.get_parameter(name)) for name, tensor in made(mutant).state_dict().items())


@named(mutants.HIDDEN)
def test_hidden_mutants_answer_as_rightly_as_the_original(mutant):
    """And are other functions: some probability moves by more than any symmetry moves one."""
    assert abs(answered(made(mutant)) - answered_by_the_original()) <= TENTH_OF_A_PERCENT
    toks = lists().first(200).toks
    moved = run(made(mutant), toks).softmax(-1) - run(reference_model(), toks).softmax(-1)
    assert moved.abs().max() > 1e-3


@named(mutants.BREAKING)
def test_breaking_mutants_do_not(mutant):
    assert answered_by_the_original() - answered(made(mutant)) > TENTH_OF_A_PERCENT


@named([mutant for mutant in mutants.ALL if mutant not in RANDOM])
def test_a_mutant_goes_by_roles_and_not_by_numbers_of_heads(mutant):
    """Made of the shipped model with its heads exchanged it is the same function."""
    theirs = mutant(mutants.exchange_heads(reference_model()))
    toks = lists().first(100).toks
    mine, others = (run(model, toks).softmax(-1) for model in (made(mutant), theirs))
    torch.testing.assert_close(others, mine, atol=1e-3, rtol=0)


def test_exchanging_OV_is_exchanging_QK_with_the_heads_renumbered():
    """So there is one mutant for both."""
    exchanged = copied(reference_model())
    exchange(exchanged, OV)
    renumbered = mutants.exchange_heads(mutants.exchange_QK(reference_model()))
    for name, weights in exchanged.state_dict().items():
        assert torch.equal(weights, renumbered.get_parameter(name))


def refused_of(model):
    refused = set()
    for mutant in mutants.ALL:
        if mutant is mutants.train_briefly and model.cfg.d_model > 50:
            continue  # it takes seconds
        try:
            new = mutant(model)
        except CannotBeMade:
            refused.add(mutant.__name__)
        else:
            assert new.cfg == model.cfg
            toks = first_lists(model.cfg.max_value, model.cfg.list_len).first(5).toks
            assert run(new, toks).isfinite().all()
    return refused


@pytest.mark.parametrize(
    ("sizes", "refused"),
    [
        ({"n_heads": 1}, OF_TWO_HEADS),
        ({"n_heads": 3, "d_head": 32}, set()),
        ({"max_value": 9, "n_ctx": 9, "d_model": 12, "d_head": 40}, {"share_out_as_published", "open_back_door"}),
        (
            {"max_value": 2, "n_ctx": 7, "d_model": 10, "d_head": 4},
            {"share_out_as_published", "swap_two_distant_numbers", "open_back_door"},
        ),
        (
            {"max_value": 3, "n_ctx": 3, "d_model": 10, "d_head": 4},
            {
                "share_out_as_published",
                "attend_to_second_next_alone",
                "forget_sorted_positions",
                "reverse_sorted_positions",
                "open_back_door",
            },
        ),
    ],
)
def test_of_other_sizes_every_mutant_is_made_or_says_why_it_cannot_be(sizes, refused):
    assert refused_of(untrained(SortedListConfig(**sizes), seed=0)) == refused


def test_briefly_trained_is_a_start_that_is_far_from_done():
    new = made(mutants.train_briefly)
    assert 1 / 50 < answered(new) < 1 / 2


@pytest.mark.parametrize(("mutant", "sizes"), [(mutants.add_a_head, (1, 3)), (mutants.add_a_layer, (2, 2))])
def test_a_larger_architecture_computes_the_same(mutant, sizes):
    new = mutant(reference_model())
    assert (new.cfg.n_layers, new.cfg.n_heads) == sizes
    toks = lists().first(100).toks
    torch.testing.assert_close(run(new, toks), run(reference_model(), toks), atol=1e-4, rtol=0)
