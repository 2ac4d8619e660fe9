"""Which models claims are about: of each kind one that they are, and one that they are not."""

import pytest
import torch

from sorted_list_model import mutants, scope
from sorted_list_model.config import SortedListConfig
from sorted_list_model.system import SYSTEM
from sorted_list_model.task import REFERENCE, untrained
from sorted_list_model.writeup import not_of_the_published_sizes
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.surgery import copied


def model_of(**sizes):
    return untrained(SortedListConfig(**sizes), seed=0)


@pytest.mark.parametrize(
    ("applies", "sizes", "reason"),
    [
        (scope.no_account_of, {"n_layers": 2}, "one layer, the model has 2"),
        (scope.no_account_of_order, {"n_ctx": 3}, "at least two numbers"),
        (scope.no_account_of_order, {"n_layers": 2}, "one layer"),
        (scope.no_account_of_triples, {"n_ctx": 7}, "at least four numbers"),
        (scope.no_account_of_triples, {"max_value": 19}, "more than twenty"),
        (scope.no_account_of_triples, {"n_layers": 2}, "one layer"),
        (scope.no_account_of_two_heads, {"n_heads": 1}, "two heads, the model has 1"),
        (scope.no_account_of_two_heads, {"n_heads": 3}, "two heads, the model has 3"),
        (scope.no_account_of_two_heads, {"n_ctx": 7}, "at least four numbers"),
        (scope.not_of_0_to_50, {"max_value": 40}, "ten numbers of 0 .. 50"),
        (scope.not_of_0_to_50, {"n_ctx": 19}, "ten numbers of 0 .. 50"),
        (scope.not_of_0_to_50, {"n_layers": 2}, "one layer"),
        (scope.not_the_reference, {"n_heads": 1, "d_head": 96}, "the shipped checkpoint alone"),
        (scope.not_the_reference, {}, "the shipped checkpoint alone"),
        (not_of_the_published_sizes, {"d_head": 47}, "other sizes"),
    ],
)
def test_what_a_claim_is_not_about(trained, applies, sizes, reason):
    assert reason in applies(model_of(**sizes))
    assert applies(trained) is None


@pytest.mark.parametrize(
    ("applies", "sizes"),
    [
        (scope.no_account_of, {"n_ctx": 7, "n_heads": 3, "max_value": 9}),
        (scope.no_account_of_order, {"n_ctx": 5, "max_value": 1}),
        (scope.no_account_of_triples, {"n_ctx": 9, "max_value": 20, "n_heads": 1}),
        (scope.no_account_of_two_heads, {"n_ctx": 9, "max_value": 20, "d_model": 12}),
        (scope.not_of_0_to_50, {"n_heads": 4, "d_head": 24}),
        (not_of_the_published_sizes, {}),
    ],
)
def test_what_a_claim_is_about_beside_the_shipped_model(applies, sizes):
    assert applies(model_of(**sizes)) is None


def test_another_seed_has_the_sizes_and_is_not_the_reference():
    other = read_checkpoint(REFERENCE.parent / "seed7.safetensors", SYSTEM).model
    assert "the shipped checkpoint alone" in scope.not_the_reference(other)
    for applies in (scope.no_account_of_two_heads, scope.not_of_0_to_50, not_of_the_published_sizes):
        assert applies(other) is None


def test_the_same_run_elsewhere_is_the_reference(trained):
    """It differs in the last digits: by 2 in 1,000 of each matrix, as an independent reproduction did."""
    rerun, generator = copied(trained), torch.Generator().manual_seed(0)
    for weights in rerun.parameters():
        noise = torch.randn(weights.shape, generator=generator)
        weights += 0.002 * weights.norm() * noise / noise.norm().clamp(min=1e-9)
    assert scope.not_the_reference(rerun) is None


@pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)
def test_the_reference_in_other_weights_is_the_reference(trained, symmetry):
    """Whatever its heads are numbered or its stream is written in, claims by role are about it."""
    assert scope.not_the_reference(symmetry(trained)) is None


EDITED = (*mutants.BREAKING, *mutants.HIDDEN, *mutants.IDEALS)
OF_NO_REFERENCE = {"untrained", "shuffle_weights", "train_briefly", "add_much_noise"}


@pytest.mark.parametrize("mutant", EDITED, ids=lambda mutant: mutant.__name__)
def test_edited_copies_are_the_reference_and_other_models_are_not(trained, mutant):
    """Claims about the reference alone can be refuted by edited copies of it."""
    is_other = scope.not_the_reference(mutant(trained)) is not None
    assert is_other == (mutant.__name__ in OF_NO_REFERENCE)


def test_claims_about_the_reference_are_lost_with_no_other_model():
    assert scope.not_the_reference.one_model_only
    assert not hasattr(scope.no_account_of, "one_model_only")
