"""Layers: the head that maps atoms does so in all but the first layers, because layers share their weights"""

from pytest_claims import claim, erratum

import controls
import mapping
from model import HEAD, LAYER
from paper import ATOMS, HEAD_NUMBERS, ONE_HEAD


@claim(
    "Head 5 maps atoms in every layer from 4 to 11: in none does it find less than four fifths of them",
    source="ours: the twelve layers of an ALBERT share one set of weights, so that head 5 is the same in each",
    over=f"{ATOMS}, the least of eight layers",
    refuted_by=[
        controls.untrained,
        controls.renumber_heads,
        controls.without_feed_forward,
        controls.map_in_layer_10_alone,
    ],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_maps_in_all_later_layers(model, measure, attention):
    hits = mapping.found(attention)
    fraction, interval = min(mapping.rate(hits, layer) for layer in range(4, 12))
    assert measure("atoms found in the worst of layers 4 to 11", fraction, interval=interval) > 0.8


@claim(
    "Mapping needs depth: in layer 0, which sees tokens and positions alone, head 5 with the same weights finds less "
    "than a third of the atoms",
    source="ours",
    over=ATOMS,
    refuted_by=[controls.attend_in_all_layers_as_in_10, controls.count_layers_from_the_middle],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_does_not_map_in_the_first_layer(model, measure, attention):
    fraction, interval = mapping.rate(mapping.found(attention), layer=0)
    assert measure("atoms found in layer 0", fraction, interval=interval) < 1 / 3


@claim(
    "The choice of layer 10 matters little: the best layer of head 5 finds at most 3 % of atoms more",
    source=ONE_HEAD,
    over=f"{ATOMS}; the best layer is chosen anew in each resample",
    refuted_by=[controls.without_feed_forward, controls.count_layers_from_the_middle],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_layer_10_is_a_good_choice(model, measure, attention):
    hits = mapping.found(attention)
    gain, interval = mapping.gain_of_the_best_layer(hits)
    assert measure("best layer, less layer 10", gain, interval=interval) < 0.03


@erratum(
    "One attention head of the 96 maps atoms: outside layer 10, no head comes within a tenth of head 5 of layer 10",
    source=f"a reading of {ONE_HEAD}, out of 12 layers of 8 heads",
    over="828 product atoms of 67 reactions",
    true_of=[controls.map_in_layer_10_alone],
)
def test_one_head_of_96_maps_atoms(model, measure, attention):
    fractions = mapping.rates(mapping.found(attention))
    elsewhere = fractions[[layer for layer in range(12) if layer != LAYER]].max()
    assert measure("head 5 of layer 10, less the best head of another layer", fractions[LAYER, HEAD] - elsewhere) > 0.1
