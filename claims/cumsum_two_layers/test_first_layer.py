"""The first layer: as in a model of one, it attends evenly and stores the running mean"""

from pytest_claims import claim

from cumsum_model import attention
from cumsum_model.data import EVALUATION_SET, running_means
from cumsum_model.mutants import untrained
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers.scope import no_account_of
from cumsum_model.two_layers.second_head import explained_by, written_by


@claim(
    "The first layer's attention is uniform: no attention weight differs from 1/n by more than a twentieth of it",
    source="ours: as of one layer",
    over=f"every pattern of the first layer on {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=[mutants.attend_to_last_in_first_layer, untrained],
    unless=no_account_of,
)
def test_first_attention_is_uniform(model, measure, data):
    assert measure("largest |n pattern - 1|", attention.sampled_uniformity_gap(model, data, layer=0)) < 1 / 20


@claim(
    "What the first layer's head writes is the running mean: an affine function of it explains more than 99% of the "
    "variance along the direction in which it varies most, and that direction has more than 99% of the variance",
    source="ours: as of one layer",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.attend_to_last_in_first_layer, mutants.silence_first_head, untrained],
    unless=no_account_of,
)
def test_first_layer_stores_the_mean(model, measure, data):
    written, share = written_by(model, data, layer=0)
    assert (
        measure("R^2 of what is written on the running mean", explained_by(written, running_means(data.values))) > 0.99
    )
    assert measure("share of the variance that has this direction", share) > 0.99
