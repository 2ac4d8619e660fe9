"""Reaction SMILES without a chemistry toolkit: tokens, graphs, and which atoms are equivalent.

Covers what the data set and the vocabulary of the model need: the organic subset, bracket atoms with hydrogens, charge
and map number, rings, branches, `.` between molecules and `~` between the ions of one salt. Stereochemistry is refused.
"""

import random
import re
from collections import defaultdict
from dataclasses import dataclass

# The tokens of Schwaller et al. 2019 (ACS Cent. Sci. 5, 1572), which rxnmapper's vocabulary lists: one token for each
# bracket atom, atom of the organic subset, ring closure, bond and parenthesis.
TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|[BCNOPSFIbcnops]|%\d\d|\d|>>|[-=#:/\\.~()+@?>*$]")
ATOM = re.compile(r"\[|[A-Za-z]")
BRACKET = re.compile(
    r"\[(?P<symbol>[A-Z][a-z]?|[bcnops])(?:H(?P<hydrogens>\d*))?(?P<charge>[+-]\d*)?(?::(?P<number>\d+))?\]"
)
ORDER = {"-": 1.0, "=": 2.0, "#": 3.0, ":": 1.5}
VALENCES = {"B": (3,), "C": (4,), "N": (3, 5), "O": (2,), "P": (3, 5), "S": (2, 4, 6)} | dict.fromkeys(
    ("F", "Cl", "Br", "I"), (1,)
)


@dataclass(frozen=True)
class Atom:
    """An atom as it is written; `hydrogens` is None outside brackets, where valence implies it."""

    element: str
    aromatic: bool
    hydrogens: int | None = None
    charge: int = 0
    number: int | None = None


@dataclass(frozen=True)
class Graph:
    """Atoms in the order in which they are written, and for each its neighbours with the order of the bond."""

    atoms: list[Atom]
    neighbours: list[dict[int, float]]

    @property
    def numbers(self) -> list[int | None]:
        return [atom.number for atom in self.atoms]


def tokens(smiles: str) -> list[str]:
    """Split a SMILES into the tokens of the model. Raises ValueError where a character belongs to none."""
    parts = TOKEN.findall(smiles)
    if "".join(parts) != smiles:
        raise ValueError(f"not a SMILES that the tokenizer covers: {smiles!r}")
    return parts


def is_atom(token: str) -> bool:
    return ATOM.match(token) is not None


def read_atom(token: str) -> Atom:
    """Raises ValueError for a bracket atom with an isotope or a stereocentre."""
    if not token.startswith("["):
        return Atom(token.capitalize(), token.islower())
    if not (match := BRACKET.fullmatch(token)):
        raise ValueError(f"unsupported bracket atom {token!r}")
    symbol, hydrogens, charge, number = match.group("symbol", "hydrogens", "charge", "number")
    return Atom(
        element=symbol.capitalize(),
        aromatic=symbol.islower(),
        hydrogens=0 if hydrogens is None else int(hydrogens or 1),
        charge=0 if charge is None else int(charge if charge[1:] else charge + "1"),
        number=int(number) if number else None,
    )


def parse(smiles: str) -> Graph:
    """Read molecules separated by `.` or `~` as one graph. Raises ValueError for an open ring or branch."""
    atoms: list[Atom] = []
    neighbours: list[dict[int, float]] = []
    previous, branches, rings, order = None, [], {}, None

    def bond(first, second, order):
        aromatic = atoms[first].aromatic and atoms[second].aromatic
        neighbours[first][second] = neighbours[second][first] = order or (1.5 if aromatic else 1.0)

    for token in tokens(smiles):
        if is_atom(token):
            atoms.append(read_atom(token))
            neighbours.append({})
            if previous is not None:
                bond(previous, len(atoms) - 1, order)
            previous, order = len(atoms) - 1, None
        elif token in ORDER:
            order = ORDER[token]
        elif token == "(":
            branches.append(previous)
        elif token == ")":
            previous = branches.pop()
        elif token in ".~":
            previous = None
        elif token[-1].isdigit():
            if token in rings:
                partner, partner_order = rings.pop(token)
                bond(partner, previous, order or partner_order)
            else:
                rings[token] = (previous, order)
            order = None
        else:
            raise ValueError(f"unsupported token {token!r} in {smiles!r}")
    if rings or branches:
        raise ValueError(f"an open ring or branch in {smiles!r}")
    return Graph(atoms, neighbours)


def implied_hydrogens(graph: Graph, index: int) -> int:
    """Count the hydrogens that valence implies for an atom of the organic subset written without brackets."""
    atom, orders = graph.atoms[index], graph.neighbours[index].values()
    if atom.aromatic:  # a carbon has three partners in the plane; a bare n, o or s has no hydrogen
        return 3 - len(orders) if atom.element == "C" else 0
    return min(valence - sum(orders) for valence in VALENCES[atom.element] if valence >= sum(orders))


def without_numbers(smiles: str) -> str:
    """Remove map numbers, and brackets that no charge and no unusual count of hydrogens asks for.

    >>> without_numbers("[CH3:1][O:2][c:3]1[cH:4]cc[nH:5]1")
    'COc1ccc[nH]1'
    """
    graph = parse(smiles.replace(">>", "."))
    indices = iter(range(len(graph.atoms)))
    return "".join(_bare(graph, next(indices), token) if is_atom(token) else token for token in tokens(smiles))


def _bare(graph: Graph, index: int, token: str) -> str:
    atom = graph.atoms[index]
    if atom.number is None:
        return token
    symbol = atom.element.lower() if atom.aromatic else atom.element
    if atom.charge or atom.element not in VALENCES or atom.hydrogens != implied_hydrogens(graph, index):
        return re.sub(r":\d+\]", "]", token)
    return symbol


def equivalence_classes(graph: Graph) -> list[frozenset[int]]:
    """For each atom, the atoms that a symmetry of the graph takes it to, among them itself.

    The orbits of the automorphism group, found exactly: colour refinement proposes, a search for the symmetry decides.
    Identical molecules are exchanged by a symmetry, and the two ways to write a nitro group or a carboxylate are one.
    """
    graph = _without_formal_charges(graph)
    colours = _refined_colours(graph)
    of_colour = defaultdict(list)
    for index, colour in enumerate(colours):
        of_colour[colour].append(index)
    classes: list[frozenset[int] | None] = [None] * len(colours)
    for index, colour in enumerate(colours):
        if classes[index] is None:
            orbit = frozenset(image for image in of_colour[colour] if _symmetry_exists(graph, colours, index, image))
            for image in orbit:
                classes[image] = orbit
    return classes


def _without_formal_charges(graph: Graph) -> Graph:
    """Write terminal =O and [O-] of one and the same atom alike: which is which is a matter of notation."""
    atoms, neighbours = list(graph.atoms), [dict(bonds) for bonds in graph.neighbours]
    for centre, bonds in enumerate(graph.neighbours):
        terminal = [o for o in bonds if atoms[o].element == "O" and len(graph.neighbours[o]) == 1]
        doubly = [o for o in terminal if bonds[o] == 2]
        charged = [o for o in terminal if graph.atoms[o].charge == -1]
        if doubly and charged:
            for oxygen in doubly + charged:
                atoms[oxygen] = Atom("O", aromatic=False)
                neighbours[centre][oxygen] = neighbours[oxygen][centre] = 1.5
    return Graph(atoms, neighbours)


def _refined_colours(graph: Graph) -> list[int]:
    """Weisfeiler-Leman: split classes of atoms by the classes of their neighbours until none splits any more."""

    def ranked(keys):
        ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        return [ranks[key] for key in keys]

    colours = ranked([(a.element, a.aromatic, a.hydrogens or 0, a.charge) for a in graph.atoms])
    while True:
        around = [sorted((order, colours[n]) for n, order in bonds.items()) for bonds in graph.neighbours]
        finer = ranked([(own, tuple(of_neighbours)) for own, of_neighbours in zip(colours, around, strict=True)])
        if len(set(finer)) == len(set(colours)):
            return finer
        colours = finer


def _symmetry_exists(graph: Graph, colours: list[int], start: int, end: int) -> bool:
    """Whether some isomorphism takes the molecule of `start` to that of `end`, and `start` to `end`."""
    visited, parents = [start], {start: None}
    for atom in visited:
        for neighbour in graph.neighbours[atom]:
            if neighbour not in parents:
                parents[neighbour] = atom
                visited.append(neighbour)

    def extend(image):
        if len(image) == len(visited):
            return True
        atom = visited[len(image)]
        parent = parents[atom]
        choices = [end] if parent is None else graph.neighbours[image[parent]]
        return any(
            colours[choice] == colours[atom]
            and choice not in image.values()
            and all(
                graph.neighbours[choice].get(image[mapped]) == graph.neighbours[atom].get(mapped) for mapped in image
            )
            and extend(image | {atom: choice})
            for choice in choices
        )

    return extend({})


def rewritten(smiles: str, seed: int) -> str:
    """Write one molecule, map numbers and all, in another order: a walk from an atom that is drawn with `seed`."""
    graph, draw = parse(smiles), random.Random(seed)
    written = [token for token in tokens(smiles) if is_atom(token)]
    rings: dict[int, list[tuple[str, int]]] = defaultdict(list)
    children: dict[int, list[int]] = defaultdict(list)
    free = [str(n) for n in range(9, 0, -1)]
    reached: set[int] = set()

    def walk(atom, parent):
        reached.add(atom)
        around = [neighbour for neighbour in graph.neighbours[atom] if neighbour != parent]
        draw.shuffle(around)
        for neighbour in around:
            if neighbour not in reached:
                children[atom].append(neighbour)
                walk(neighbour, atom)
            elif all(partner != atom for _, partner in rings[neighbour]):
                digit = free.pop()
                rings[atom].append((digit, neighbour))
                rings[neighbour].append((digit, atom))

    def text(atom):
        closures = "".join(_symbol(graph, atom, neighbour) + digit for digit, neighbour in rings[atom])
        branches = [_symbol(graph, atom, child) + text(child) for child in children[atom]]
        return written[atom] + closures + "".join(f"({b})" for b in branches[:-1]) + "".join(branches[-1:])

    start = draw.randrange(len(written))
    walk(start, None)
    if len(reached) < len(written):
        raise ValueError(f"more than one molecule: {smiles!r}")
    return text(start)


def _symbol(graph: Graph, first: int, second: int) -> str:
    order = graph.neighbours[first][second]
    if order == 1 and graph.atoms[first].aromatic and graph.atoms[second].aromatic:
        return "-"
    return {1: "", 1.5: "", 2: "=", 3: "#"}[order]


def bonds(graph: Graph) -> dict[frozenset[int], float]:
    """All bonds between numbered atoms, as pairs of map numbers, with their order."""
    return {
        frozenset((graph.numbers[first], graph.numbers[second])): order
        for first, around in enumerate(graph.neighbours)
        for second, order in around.items()
        if first < second and graph.numbers[first] and graph.numbers[second]
    }
