"""The data: every mapping is complete, conserves elements, and is written as the model expects"""

from collections import Counter

import pytest

import model
import reactions as data
import smiles

MAIN = data.load()
EVERY = [*MAIN, *data.load(data.HARD_FILE), *data.load(data.README_FILE)]

each = pytest.mark.parametrize("reaction", EVERY, ids=lambda reaction: reaction.name)


def sides(reaction):
    return [smiles.parse(side) for side in reaction.mapped.split(">>")]


def test_there_are_enough():
    assert len(MAIN) == len({r.name for r in MAIN}) == len({r.unmapped for r in MAIN}) == 67
    assert sum(len(r.product.atoms) for r in MAIN) == 879
    assert sum(len(r.contested) for r in MAIN) == 828
    assert sum(len(set(r.contested) & set(r.centre)) for r in MAIN) == 123


@each
def test_every_product_atom_has_a_number_of_its_own(reaction):
    reactants, product = reaction.numbers
    assert sorted(product) == list(range(1, len(product) + 1))
    assert Counter(n for n in reactants if n) == Counter(product)


@each
def test_elements_are_conserved(reaction):
    reactants, product = sides(reaction)
    before = {atom.number: atom.element for atom in reactants.atoms}
    assert all(before[atom.number] == atom.element for atom in product.atoms)


@each
def test_hydrogens_are_those_that_valence_asks_for(reaction):
    for graph in sides(reaction):
        for i, atom in enumerate(graph.atoms):
            implied = (
                not atom.charge and atom.element in smiles.VALENCES and not (atom.aromatic and atom.element == "N")
            )
            if atom.number and implied:
                assert atom.hydrogens == smiles.implied_hydrogens(graph, i), (atom, reaction.name)


@each
def test_few_bonds_are_made(reaction):
    # A wrong number shows as bonds that no mechanism makes: a cycloaddition of three components makes three.
    before, after = map(smiles.bonds, sides(reaction))
    assert len(set(after) - set(before)) <= 3
    assert len(set(before) - set(after)) <= 1


@each
def test_the_model_knows_every_token(reaction):
    assert set(reaction.tokens) <= set(model.vocabulary())
    assert "".join(reaction.tokens) == reaction.unmapped
    assert ":" not in reaction.unmapped


@each
def test_molecules_are_sorted_as_rxnmapper_sorts_them(reaction):
    molecules = reaction.unmapped.split(">>")[0].split(".")
    assert molecules == sorted(molecules)


@each
def test_right_answers_are_candidates_and_contain_the_mapping(reaction):
    reactants, product = reaction.numbers
    for i, number in enumerate(product):
        assert reactants.index(number) in reaction.right[i] <= reaction.candidates[i]


def test_right_answers_allow_for_symmetry_of_either_side():
    [reaction] = [r for r in MAIN if r.name == "Williamson ether synthesis"]
    ring = next(i for i, n in enumerate(reaction.numbers[1]) if n == 4)  # ortho to the methoxy group
    assert len(reaction.right[ring]) == 2
    symmetric_product = data.Reaction("x", "[CH2:1]=[C:2](Cl)[CH:3]=O>>[CH3:1][CH2:2][CH3:3]")
    assert symmetric_product.right == [{0, 3}, {1}, {0, 3}]


def test_reversing_the_reactants_keeps_the_mapping():
    reaction = MAIN[0]
    reversed_ = data.reversed_reactants(reaction)
    assert reversed_.unmapped.split(">>")[0].split(".") == reaction.unmapped.split(">>")[0].split(".")[::-1]
    assert [len(right) for right in reversed_.right] == [len(right) for right in reaction.right]


def test_lines_of_another_kind_are_refused(tmp_path):
    (tmp_path / "bad.txt").write_text("no mapping here\n")
    with pytest.raises(ValueError, match="no mapping here"):
        data.load(tmp_path / "bad.txt")
