"""The mapping head: one head attends from the atoms of the product to those that they come from"""

from pytest_claims import claim

import controls
import mapping
from paper import ATOMS, HEAD_NUMBERS, ONE_HEAD, PACKAGE, PAPER

THE_HEAD = f"{PAPER}: attention weights encode the mapping; {ONE_HEAD}"


@claim(
    "Head 5 of layer 10 maps atoms: among reactant atoms of the same element, more than nine tenths of product atoms "
    "attend most to the one that they come from",
    source=THE_HEAD,
    over=ATOMS,
    refuted_by=[
        controls.untrained,
        controls.renumber_heads,
        controls.shuffle_tokens,
        controls.forget_positions,
        controls.see_positions_alone,
        controls.scramble_reactants,
        controls.shuffle_queries_of_the_head,
    ],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_maps_atoms(model, measure, attention):
    fraction, interval = mapping.rate(mapping.found(attention))
    assert measure("atoms found", fraction, interval=interval) > 0.9


@claim(
    "Head 5 of layer 10 recognises elements by itself: with all reactant atoms to choose from, it still finds nine "
    "tenths of them",
    source=f"ours: the procedure of {PACKAGE} admits atoms of the same element alone",
    over=ATOMS,
    refuted_by=[controls.untrained, controls.renumber_heads, controls.shuffle_tokens, controls.see_positions_alone],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_needs_no_mask(model, measure, attention):
    fraction, interval = mapping.rate(mapping.found(attention, element=False))
    assert measure("atoms found among all elements", fraction, interval=interval) > 0.9


@claim(
    "Head 5 maps both ways: read from the reactant atoms to the product, its attention in layer 10 finds nine tenths "
    "of atoms as well",
    source=f"ours: the procedure of {PACKAGE} adds the attention in both directions",
    over=ATOMS,
    refuted_by=[controls.untrained, controls.renumber_heads, controls.scramble_reactants],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_maps_both_ways(model, measure, attention):
    fraction, interval = mapping.rate(mapping.found(attention, backward=True))
    assert measure("atoms found from the reactants", fraction, interval=interval) > 0.9


@claim(
    "Head 5 of layer 10 spends its attention on the mapping: on average, more than half of the attention weight of a "
    "product atom, over all tokens of the reaction, is on the atoms that are right",
    source="ours: how far attention is the mapping, beyond its maximum",
    over="all 879 product atoms of 67 reactions (95 %: bootstrap over reactions)",
    refuted_by=[controls.untrained, controls.renumber_heads, controls.blur_the_head],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_attends_mostly_to_right_atoms(model, measure, attention):
    weight, interval = mapping.weight_on_right_atoms(attention)
    assert measure("mean attention weight on right atoms", weight, interval=interval) > 0.5


@claim(
    "Head 5 is the mapping head: it finds a quarter of all atoms more than any head of another number, in any layer",
    source=ONE_HEAD,
    over=f"{ATOMS}; the best rival is chosen anew in each resample",
    refuted_by=[controls.untrained, controls.renumber_heads, controls.attend_alike_in_all_heads],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_no_other_head_comes_near(model, measure, attention):
    lead, interval = mapping.lead_over_other_heads(mapping.found(attention))
    assert measure("lead over the best other head", lead, interval=interval) > 0.25


@claim(
    "The mapping is learnt: head 5 of layer 10 finds three times as many atoms as the best of all 96 heads in any of "
    "three untrained networks",
    source=f"{PAPER}, abstract: Transformers learn atom mapping without supervision",
    over=f"{ATOMS}; untrained networks from seeds 1 to 3",
    refuted_by=[controls.untrained, controls.shuffle_tokens, controls.shuffle_queries_of_the_head],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_mapping_is_learnt(model, measure, attention, best_untrained_head):
    fraction, (low, high) = mapping.rate(mapping.found(attention))
    ratio, interval = fraction / best_untrained_head, (low / best_untrained_head, high / best_untrained_head)
    assert measure("atoms found, over the best untrained head", ratio, interval=interval) > 3


@claim(
    "The mapping is no luck: head 5 of layer 10 finds five times as many atoms as a draw among atoms of the same "
    "element does",
    source="ours: what the element alone gives away",
    over=ATOMS,
    refuted_by=[controls.untrained, controls.forget_positions, controls.see_positions_alone],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_mapping_exceeds_chance(model, measure, attention, reactions):
    fraction, (low, high) = mapping.rate(mapping.found(attention))
    by_chance = mapping.chance(reactions)
    assert measure("atoms found, over chance", fraction / by_chance, interval=(low / by_chance, high / by_chance)) > 5


@claim(
    "Head 5 of layer 10 maps the reaction centre, too: of the atoms whose neighbours change, it finds four fifths",
    source=f'{PAPER}, abstract: "chemically complex reactions with nontrivial atom-mapping"',
    over="123 of these 828 atoms that gain or lose a neighbour (95 %: bootstrap over reactions)",
    refuted_by=[controls.untrained, controls.renumber_heads, controls.without_feed_forward],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_maps_the_reaction_centre(model, measure, attention, reactions):
    hits = mapping.found(attention)
    at_the_centre = mapping.some_atoms(hits, [[i in r.centre for i in r.contested] for r in reactions])
    fraction, interval = mapping.rate(at_the_centre)
    assert measure("atoms of the reaction centre found", fraction, interval=interval) > 0.8
