"""Use: the network predicts masked atoms of the product through the mapping head"""

from pytest_claims import claim

import controls
import masking
from paper import HEAD_NUMBERS, PAPER

MASKED = "half of the atoms of each of {} products, masked at once (drawn once, seed 0; 95 %: bootstrap over reactions)"


@claim(
    "The network uses its mapping head: without what head 5 writes, the loss on masked product atoms rises more than "
    "twice as much as without any other head",
    source="ours: removed in all layers, by zeroing its columns of W_O",
    over=MASKED.format("34"),
    refuted_by=[controls.renumber_heads, controls.shuffle_queries_of_the_head],
    evidence="sampled",
    depends_on=HEAD_NUMBERS,
)
def test_masked_atoms_are_predicted_through_head_5(model, measure, half_of_reactions):
    sums = masking.losses_without_each_head(model, half_of_reactions)
    rise, interval = masking.rise_without_the_head(sums, half_of_reactions)
    assert measure("rise without head 5", rise, "nats", interval=interval) > 0.5
    excess, interval = masking.rise_above_twice_any_other(sums, half_of_reactions)
    assert measure("that, less twice the largest of another head", excess, "nats", interval=interval) > 0


@claim(
    "The network knows the product from its reactants: with half of a product's atoms masked, the loss is below a "
    "quarter of a nat per atom",
    source=f"{PAPER}: trained without labels, on masked tokens of reactions",
    over=MASKED.format("67"),
    refuted_by=[controls.untrained, controls.scramble_reactants, controls.shuffle_queries_of_the_head],
    evidence="sampled",
)
def test_masked_atoms_are_predicted(model, measure, reactions):
    loss, interval = masking.mean_loss(masking.masked_losses(model, reactions), reactions)
    assert measure("loss on masked product atoms", loss, "nats", interval=interval) < 0.25
