"""What the solution prints of data and recipe, which are the software's and no claims about weights."""

import dataclasses
import json
from dataclasses import asdict

import pytest
import torch

from sorted_list_model.data import evaluation_set
from sorted_list_model.mutants import fold_layer_norm, shift_stream_mean
from sorted_list_model.scope import reference_model
from sorted_list_model.task import PUBLISHED, REFERENCE, untrained
from sorted_list_model.writeup import LARGE_JUMPS
from toy_model.checkpoint.checkpoint import card_path
from toy_model.engine import run


def test_the_card_says_that_the_published_recipe_was_followed():
    card = json.loads(card_path(REFERENCE).read_text())
    recipe = dataclasses.replace(PUBLISHED, seed=42)
    assert card["recipe"] == asdict(recipe)
    assert (recipe.epochs, recipe.batch_size, recipe.train_size, recipe.weight_decay) == (25, 512, 150_000, 0.005)
    rates = torch.tensor([recipe.learning_rate(epoch) for epoch in range(recipe.epochs)], dtype=torch.float64)
    torch.testing.assert_close(rates.diff(), torch.full((24,), -0.0009 / 25, dtype=torch.float64))
    assert rates[-1].item() == pytest.approx(1e-4)


def test_weights_are_drawn_as_published_and_layer_norms_begin_as_the_identity():
    model = untrained(PUBLISHED.config, seed=42)
    assert model.W_E.std().item() == pytest.approx(0.8 / 96**0.5, rel=0.02)
    assert (model.blocks[0].ln1.w == 1).all()
    assert not model.ln_final.b.any()
    assert not model.unembed.b_U.any()


def test_the_first_weights_are_those_of_torchs_own_generator():
    """The draws of the original, in its order: the first matrix is the first that torch draws after its seed."""
    expected = torch.empty(52, 96).normal_(std=0.8 / 96**0.5, generator=torch.Generator().manual_seed(42))
    assert torch.equal(untrained(PUBLISHED.config, seed=42).W_E, expected)


def test_folding_leaves_what_is_printed():
    """The same answers with layer norms that are the identity, and with any mean over the stream of what writes."""
    model, data = reference_model(), evaluation_set()
    folded = fold_layer_norm(model)
    for norm in (folded.blocks[0].ln1, folded.ln_final):
        assert (norm.w == 1).all()
        assert not norm.b.any()
    for same in (folded, shift_stream_mean(folded)):
        torch.testing.assert_close(run(same, data.toks), run(model, data.toks), atol=1e-4, rtol=0)


def test_training_leaves_nothing_for_the_key_biases():
    """They get no gradient: a softmax does not change where every score of a query is moved alike."""
    assert reference_model().blocks[0].attn.b_K.abs().max() < 1e-5


def test_printed_lists_are_lists():
    for numbers in LARGE_JUMPS:
        assert len(set(numbers)) == 10
        assert list(numbers) == sorted(numbers)
