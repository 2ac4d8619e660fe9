"""The OV circuit: each value v is moved by v steps along one direction u"""

from cumsum_model import circuit, mutants
from cumsum_model.verification import claim


@claim(
    "OV has rank one on the values: what it moves off u is under a hundredth of a unit step",
    source="write-up, First pass",
    over="every value (exact, from the weights)",
    refuted_by=[mutants.carry_a_second_direction, mutants.untrained],
)
def test_OV_is_rank_one(model, measure):
    assert measure("largest move off u", circuit.value_leak(model), "unit steps") < 0.01


@claim(
    "Values lie on a straight line along u, so evenly that no average can be off by half the smallest gap",
    source="write-up, First pass",
    over="every value (exact, from the weights)",
    refuted_by=[mutants.count_signs, mutants.clip_values],
)
def test_values_are_evenly_spaced(model, measure):
    # Errors below e units move an average of any number of values by less than e. Two sums that
    # differ at full length have means 1/n_ctx apart; half of that tells them apart from either side.
    half_gap = 1 / (2 * model.cfg.n_ctx)
    assert measure("largest distance from the line", circuit.value_spacing_error(model), "units") < half_gap
