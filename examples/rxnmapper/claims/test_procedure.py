"""The procedure: what rxnmapper makes of the attention of its head, and where it fails"""

import pytest
import torch
from pytest_claims import claim

import controls
import mapping
import procedure
from model import HEAD, LAYER
from paper import HEAD_NUMBERS, PACKAGE, PAPER

README = f"{PACKAGE}, README, basic usage"
REACTIONS = "67 reactions"


@pytest.mark.parametrize(
    ("example", "confidence"), [(1, 0.9565619900376546), (2, 0.9704424331552834)], ids=["thioether", "ester"]
)
@claim(
    "rxnmapper's README is right, example {example}: the procedure on the attention of head 5 in layer 10 gives the "
    "mapping and the confidence that it prints",
    source=README,
    over="one reaction",
    refuted_by=[controls.untrained, controls.renumber_heads, controls.forget_positions],
    evidence="exact",
    depends_on=HEAD_NUMBERS,
)
def test_readme_is_reproduced(model, measure, readme_reactions, example, confidence):
    reaction = readme_reactions[example - 1]
    [paid] = mapping.attention(model, (reaction,))
    mapped, own_confidence = procedure.map_atoms(paid)
    n_wrong = sum(mapped.get(atom) not in right for atom, right in enumerate(reaction.right))
    assert measure("atoms mapped otherwise", n_wrong) == 0
    # float32 sums in another order than on the authors' machine: six digits agree
    assert measure("confidence", own_confidence, published=confidence).as_published(within_abs=1e-5)


@claim(
    "The procedure maps four of five reactions without an error",
    source=f'{PAPER}, abstract: "remarkable performance in terms of accuracy", here as a bound of ours',
    over=f"{REACTIONS} (95 %: bootstrap over reactions)",
    refuted_by=[
        controls.untrained,
        controls.renumber_heads,
        controls.shuffle_tokens,
        controls.scramble_reactants,
    ],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_procedure_maps_reactions(model, measure, attention):
    errors = procedure.errors(attention)
    fraction, interval = mapping.mean_over_reactions((errors == 0).double())
    assert measure("reactions without an error", fraction, interval=interval) > 0.8


@claim(
    "The procedure corrects the head: it leaves less than half of the errors that head 5 of layer 10 makes alone",
    source=f"{PACKAGE}: neighbours of mapped atoms are preferred, and no atom is used twice",
    over=f"828 atoms of {REACTIONS} (95 %: bootstrap over reactions)",
    refuted_by=[controls.untrained, controls.without_feed_forward],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_procedure_corrects_the_head(model, measure, attention):
    alone = torch.stack([(~hits[LAYER, HEAD]).sum() for hits in mapping.found(attention)]).double()
    remaining, interval = mapping.ratio(procedure.errors(attention), alone)
    assert measure("errors left, of those of the head alone", remaining, interval=interval) < 0.5


@claim(
    "The procedure maps what is hard to map, four rearrangements and a coupling that it is known to get wrong, without "
    "an error",
    source=f'{PAPER}, abstract: "nontrivial atom-mapping"; github.com/rxn4chemistry/rxnmapper, issue 12',
    over="5 reactions",
    refuted_by=[controls.untrained, controls.renumber_heads],
    role="stress",
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_hard_reactions(model, measure, hard_reactions):
    errors = procedure.errors(mapping.attention(model, hard_reactions))
    assert measure("atoms mapped wrongly", int(errors.sum())) == 0
    assert measure("reactions with an error", int((errors > 0).sum())) == 0
