"""SMILES: tokens, graphs and symmetries, against molecules whose answers are known"""

import pytest

import smiles


def classes(text):
    return {tuple(sorted(members)) for members in smiles.equivalence_classes(smiles.parse(text))}


def test_tokens_are_those_of_the_vocabulary():
    assert smiles.tokens("ClC[C@H](Br)c1c[nH]cc1>>O") == [
        *("Cl", "C", "[C@H]", "(", "Br", ")", "c", "1", "c", "[nH]", "c", "c", "1", ">>", "O")
    ]


def test_two_digit_rings_are_one_token():
    assert smiles.tokens("C%12CC%12") == ["C", "%12", "C", "C", "%12"]


@pytest.mark.parametrize("text", ["C1CC", "C(C", "Xx"])
def test_what_is_no_molecule_is_refused(text):
    with pytest.raises(ValueError, match=r"open ring or branch|not a SMILES"):
        smiles.parse(text)


def test_stereocentres_are_refused():
    with pytest.raises(ValueError, match="C@H"):
        smiles.parse("C[C@H](N)O")


def test_bonds_have_their_orders():
    graph = smiles.parse("C=Cc1ccccc1-c1ccccc1")
    assert graph.neighbours[0] == {1: 2.0}
    assert graph.neighbours[1] == {0: 2.0, 2: 1.0}
    assert graph.neighbours[2] == {1: 1.0, 3: 1.5, 7: 1.5}
    assert graph.neighbours[7][8] == 1.0  # between two rings: written as a single bond


def test_bracket_atoms_are_read():
    graph = smiles.parse("[NH4+].[O-:3].[Pd+2].[nH]1cccc1")
    assert graph.atoms[0] == smiles.Atom("N", False, hydrogens=4, charge=1)
    assert graph.atoms[1] == smiles.Atom("O", False, hydrogens=0, charge=-1, number=3)
    assert graph.atoms[2].charge == 2
    assert graph.atoms[3] == smiles.Atom("N", True, hydrogens=1)


@pytest.mark.parametrize(
    ("mapped", "plain"),
    [
        ("[CH3:1][N+:2](=[O:3])[O-:4]", "C[N+](=O)[O-]"),
        ("[cH:1]1[cH:2][nH:3][cH:4][c:5]1[Cl:6]", "c1c[nH]cc1Cl"),
        ("[CH2:1]=[CH:2][S:3](=[O:4])(=[O:5])[Br:6]", "C=CS(=O)(=O)Br"),
        ("C[Si:1](C)(C)[O:2]C.[Pd]", "C[Si](C)(C)OC.[Pd]"),
    ],
)
def test_map_numbers_are_removed_with_the_brackets_that_they_need(mapped, plain):
    assert smiles.without_numbers(mapped) == plain


def test_atoms_of_symmetric_molecules_are_equivalent():
    assert classes("CC(C)(C)O") == {(0, 2, 3), (1,), (4,)}
    assert classes("Cc1ccccc1") == {(0,), (1,), (2, 6), (3, 5), (4,)}
    assert classes("Cc1cccc(Cl)c1") == {(i,) for i in range(8)}


def test_identical_molecules_are_exchanged():
    assert classes("CO.CO") == {(0, 2), (1, 3)}
    assert classes("CO~CN") == {(0,), (1,), (2,), (3,)}


def test_notation_does_not_break_symmetry():
    assert classes("C[N+](=O)[O-]") == {(0,), (1,), (2, 3)}
    assert classes("CC(=O)[O-]") == {(0,), (1,), (2, 3)}
    assert classes("CC(=O)O") == {(0,), (1,), (2,), (3,)}  # an acid has two kinds of oxygen
    assert classes("[N-]=[N+]=[N-]") == {(0, 2), (1,)}


def test_symmetry_is_exact_where_refinement_is_not():
    # A ring of six and two of three: every atom has two neighbours of its own kind, yet no symmetry joins them.
    graph = smiles.parse("C1CCCCC1.C1CC1.C1CC1")
    assert len(set(smiles._refined_colours(graph))) == 1
    assert classes("C1CCCCC1.C1CC1.C1CC1") == {tuple(range(6)), tuple(range(6, 12))}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "text", ["[CH3:1][c:2]1[cH:3][n:4][c:5](-[c:6]2[cH:7]cc[s:8]2)[cH:9]1", "O=[C:1]1[O:2]C2C3C=CC(C3)C12"]
)
def test_rewriting_keeps_every_bond(text, seed):
    numbered = iter(range(1, 100))
    every = "".join(
        f"[{t.strip('[]').split(':')[0]}:{next(numbered)}]" if smiles.is_atom(t) else t for t in smiles.tokens(text)
    )
    again = smiles.rewritten(every, seed)
    assert smiles.bonds(smiles.parse(again)) == smiles.bonds(smiles.parse(every))


def test_rewriting_refuses_two_molecules():
    with pytest.raises(ValueError, match="more than one"):
        smiles.rewritten("CO.CN", seed=0)
