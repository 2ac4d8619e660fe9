"""The data set: reactions with a mapping known from mechanism, and what counts as a right answer for each atom."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

import smiles

FILE = Path(__file__).with_name("reactions.txt")
HARD_FILE = Path(__file__).with_name("hard_reactions.txt")
README_FILE = Path(__file__).with_name("readme_reactions.txt")


@dataclass(frozen=True)
class Reaction:
    """One reaction, as mapped SMILES; atoms of a side are counted in the order in which they are written."""

    name: str
    mapped: str

    @cached_property
    def unmapped(self) -> str:
        """What the model reads: no map numbers."""
        return smiles.without_numbers(self.mapped)

    @cached_property
    def tokens(self) -> list[str]:
        return smiles.tokens(self.unmapped)

    @cached_property
    def reactants(self) -> smiles.Graph:
        return smiles.parse(self.unmapped.split(">>")[0])

    @cached_property
    def product(self) -> smiles.Graph:
        return smiles.parse(self.unmapped.split(">>")[1])

    @cached_property
    def atom_positions(self) -> tuple[list[int], list[int]]:
        """Where the atoms of the reactants and of the product are among the tokens."""
        arrow = self.tokens.index(">>")
        atoms = [i for i, token in enumerate(self.tokens) if smiles.is_atom(token)]
        return [i for i in atoms if i < arrow], [i for i in atoms if i > arrow]

    @cached_property
    def numbers(self) -> tuple[list[int | None], list[int | None]]:
        """The map numbers of both sides."""
        reactants, product = self.mapped.split(">>")
        return smiles.parse(reactants).numbers, smiles.parse(product).numbers

    @cached_property
    def candidates(self) -> list[frozenset[int]]:
        """For each atom of the product, the reactant atoms of its element."""
        elements = [atom.element for atom in self.reactants.atoms]
        return [
            frozenset(i for i, element in enumerate(elements) if element == atom.element) for atom in self.product.atoms
        ]

    @cached_property
    def right(self) -> list[frozenset[int]]:
        """For each atom of the product, the reactant atoms that are a right answer.

        A symmetry of the product followed by the mapping and by a symmetry of the reactants is as good as the mapping.
        """
        of_reactants, of_product = map(smiles.equivalence_classes, (self.reactants, self.product))
        reactants, product = self.numbers
        source = {number: i for i, number in enumerate(reactants) if number}
        return [
            frozenset().union(*(of_reactants[source[product[atom]]] for atom in alike)) & candidates
            for alike, candidates in zip(of_product, self.candidates, strict=True)
        ]

    @cached_property
    def contested(self) -> list[int]:
        """Atoms of the product with a wrong candidate: all others are right by their element alone."""
        return [i for i, candidates in enumerate(self.candidates) if candidates - self.right[i]]

    @cached_property
    def masks(self) -> tuple[Bool[Tensor, "product reactant"], Bool[Tensor, "product reactant"]]:
        """The candidates and the right answers, as masks."""
        pair = torch.zeros(2, len(self.product.atoms), len(self.reactants.atoms), dtype=torch.bool)
        for mask, sets in zip(pair, (self.candidates, self.right), strict=True):
            for row, members in zip(mask, sets, strict=True):
                row[list(members)] = True
        return pair[0], pair[1]

    @cached_property
    def centre(self) -> list[int]:
        """Atoms of the product that gain or lose a neighbour, hydrogens aside."""
        reactants, product = (smiles.parse(side) for side in self.mapped.split(">>"))
        before = {atom.number: around for atom, around in zip(reactants.atoms, _around(reactants), strict=True)}
        return [i for i, around in enumerate(_around(product)) if around != before[product.numbers[i]]]


def reversed_reactants(reaction: Reaction) -> Reaction:
    """The same reaction with its molecules in reverse order."""
    reactants, product = reaction.mapped.split(">>")
    return Reaction(reaction.name, ".".join(reversed(reactants.split("."))) + ">>" + product)


def rewritten_product(reaction: Reaction, seed: int) -> Reaction:
    """The same reaction with the SMILES of its product begun at another atom and walked in another order."""
    reactants, product = reaction.mapped.split(">>")
    return Reaction(reaction.name, f"{reactants}>>{smiles.rewritten(product, seed)}")


def _around(graph: smiles.Graph) -> list[list[tuple[str, int]]]:
    """For each atom, its neighbours by element and map number."""
    return [sorted((graph.atoms[n].element, graph.numbers[n] or 0) for n in bonds) for bonds in graph.neighbours]


def load(file: Path = FILE) -> list[Reaction]:
    """Read the data set. Raises ValueError for a line that is not `name | mapped reaction SMILES`."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    if bad := [line for line in lines if line.count(" | ") != 1 or line.count(">>") != 1]:
        raise ValueError(f"not `name | reaction SMILES`: {bad[0]!r}")
    return [Reaction(*line.split(" | ")) for line in lines]
