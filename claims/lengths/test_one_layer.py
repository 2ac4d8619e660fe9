"""One layer: how long it can go"""

from pytest_claims import claim

from cumsum_model import writeup
from cumsum_model.lengths import mutants
from cumsum_model.lengths.cells import Cell

SEEDS = "every seed of the study at these lengths; of each model every sequence (proved); the end of the 95% interval"


@claim(
    "Trained by the recipe, one layer is right on all sequences of 10 values, and of 20, for more than half of all "
    "seeds",
    source=f"{writeup.FINDING_U}: a question; the answer is ours",
    over=SEEDS,
    evidence="sampled",
    refuted_by=[mutants.reverse_lengths, mutants.exchange_layers, mutants.keep_one_seed],
)
def test_up_to_20_it_is_right(model, measure):
    right = model.count([Cell(10), Cell(20)], lambda run: run.proved_right)
    assert measure("share of seeds that are proved right, at least", right.low) > 1 / 2


@claim(
    "At 80 values it is right on all sequences for fewer than three quarters of all seeds, and at 160 it is, too",
    source=f"{writeup.FINDING_U}: for long sequences the problem always exists",
    over=SEEDS,
    evidence="sampled",
    refuted_by=[mutants.shuffle_lengths, mutants.keep_one_seed],
)
def test_from_80_on_it_is_not(model, measure):
    right = model.count([Cell(80), Cell(160)], lambda run: not run.known_wrong)
    assert measure("share of seeds of which no wrong sequence is known, at most", right.high) < 1 / 2
