"""Rival accounts: the head does not match strings, does not count, and does not need SMILES as training wrote them"""

from pytest_claims import claim

import controls
import mapping
import rivals
from paper import HEAD_NUMBERS, PACKAGE

WHERE_WRONG = "those of 828 product atoms of 67 reactions that this wrongly maps (lower end of 95 %, bootstrap)"


@claim(
    "Head 5 only matches strings: where the longest common substrings of reactants and product are misleading, it "
    "errs on most atoms",
    source="ours: half of a product usually is a substring of its reactants",
    over=WHERE_WRONG,
    true_of=[controls.untrained, controls.see_positions_alone, controls.scramble_reactants],
    evidence="sampled",
    role="alternative",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_matches_strings(model, measure, attention, reactions):
    misled = rivals.errs(rivals.by_matching_strings, reactions)
    _, (low, _) = mapping.rate(mapping.some_atoms(mapping.found(attention), misled))
    assert measure("atoms found where strings mislead, at least", low) < 0.5


@claim(
    "Head 5 only counts: where the n-th atom of an element in the product is not the n-th of the reactants, it errs on "
    "most atoms",
    source="ours: canonical SMILES often keep the order of atoms",
    over=WHERE_WRONG,
    true_of=[controls.untrained, controls.shuffle_tokens],
    evidence="sampled",
    role="alternative",
    depends_on=HEAD_NUMBERS,
)
def test_head_5_counts(model, measure, attention, reactions):
    misled = rivals.errs(rivals.by_counting, reactions)
    _, (low, _) = mapping.rate(mapping.some_atoms(mapping.found(attention), misled))
    assert measure("atoms found where counting misleads, at least", low) < 0.5


@claim(
    "The order of molecules does not matter: with the reactants in reverse order, which the package never shows "
    "the model, head 5 of layer 10 still finds nine tenths of the atoms",
    source=f"ours: {PACKAGE} sorts the molecules by their SMILES",
    over="828 product atoms of these 67 reactions, reactants in reverse order (95 %: bootstrap over reactions)",
    refuted_by=[controls.untrained, controls.renumber_heads, controls.forget_positions],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_order_of_molecules_does_not_matter(model, measure, reversed_reactions):
    fraction, interval = mapping.rate(mapping.found(mapping.attention(model, reversed_reactions)))
    assert measure("atoms found with reactants reversed", fraction, interval=interval) > 0.9


@claim(
    "The mapping does not hinge on canonical SMILES: with each product rewritten in another order of atoms, head 5 of "
    "layer 10 still finds three quarters of them",
    source=f"ours: {PACKAGE} makes all SMILES canonical first",
    over="828 product atoms of these 67 reactions, each product rewritten at random (seed 0; 95 %: bootstrap)",
    refuted_by=[controls.untrained, controls.see_positions_alone, controls.shuffle_queries_of_the_head],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_canonical_smiles_are_not_needed(model, measure, rewritten_reactions):
    fraction, interval = mapping.rate(mapping.found(mapping.attention(model, rewritten_reactions)))
    assert measure("atoms found with products rewritten", fraction, interval=interval) > 0.75
