"""Two ways to map atoms with no chemistry in them, which a head that maps atoms might come down to."""

from functools import cache

from reactions import Reaction


def by_counting(reaction: Reaction) -> list[int | None]:
    """Map the n-th atom of an element in the product to the n-th of the reactants, and later ones to the last."""
    elements = [atom.element for atom in reaction.product.atoms]
    sources = []
    for i, candidates in enumerate(reaction.candidates):
        rank = elements[:i].count(elements[i])
        sources.append(sorted(candidates)[min(rank, len(candidates) - 1)])
    return sources


def by_matching_strings(reaction: Reaction) -> list[int | None]:
    """Match the longest string of tokens that both sides have in common, then the longest of what is left, and so on.

    Returns for each product atom the reactant atom that its token was matched with, or None.
    """
    arrow = reaction.tokens.index(">>")
    left, right = reaction.tokens[:arrow], reaction.tokens[arrow + 1 :]
    matched: dict[int, int] = {}
    while longest := _longest_common(left, right, matched):
        length, i, j = longest
        matched |= {j + k: i + k for k in range(length)}
    reactants, product = reaction.atom_positions
    atom_at = {position: atom for atom, position in enumerate(reactants)}
    return [atom_at.get(matched.get(position - arrow - 1)) for position in product]


def _longest_common(left: list[str], right: list[str], matched: dict[int, int]) -> tuple[int, int, int] | None:
    """Length and beginnings of the longest common run of tokens that are not matched yet; the first of equals."""
    used = set(matched.values())
    best, runs = (0, 0, 0), [0] * (len(right) + 1)
    for i, token in enumerate(left):
        row = [0] * (len(right) + 1)
        for j, candidate in enumerate(right):
            if token == candidate and i not in used and j not in matched:
                row[j + 1] = runs[j] + 1
                if row[j + 1] > best[0]:
                    best = (row[j + 1], i - runs[j], j - runs[j])
        runs = row
    return best if best[0] else None


@cache
def errs(rival, reactions: tuple[Reaction, ...]) -> list[list[bool]]:
    """For each contested atom of each reaction, whether the rival maps it wrongly."""
    sources = [rival(reaction) for reaction in reactions]
    return [
        [answer[i] not in reaction.right[i] for i in reaction.contested]
        for reaction, answer in zip(reactions, sources, strict=True)
    ]
