"""The OV circuit: each value v is moved by v steps along one direction u"""

from cumsum_model import circuit, mutants
from cumsum_model.circuit import no_account_of
from cumsum_model.verification import claim

EVERY_VALUE = "every value (exact, from the weights)"


@claim(
    "OV has rank one on the values: what it moves off u is under a hundredth of a unit step",
    source="write-up, First pass",
    over=EVERY_VALUE,
    refuted_by=[mutants.carry_a_second_direction, mutants.open_back_door, mutants.untrained],
    unless=no_account_of,
)
def test_OV_is_rank_one(model, measure):
    assert measure("largest move off u", circuit.value_leak(model), "unit steps") < 0.01


@claim(
    "OV is essentially one-dimensional: a second singular value is under a thousandth of the first",
    source="write-up, First pass",
    over="the weights",
    refuted_by=[mutants.carry_a_second_direction, mutants.open_back_door, mutants.untrained],
    unless=no_account_of,
)
def test_one_singular_value_stands_alone(model, measure):
    # A thousandth of the first, which carries five unit steps, comes to about the hundredth of one step above.
    on_values = circuit.second_singular_share(circuit.value_outputs(model))
    assert measure("second over first singular value of W_E W_V W_O", on_values) < 1e-3
    anywhere = circuit.second_singular_share(circuit.W_OV(model))
    assert measure("second over first singular value of W_V W_O", anywhere) < 1e-3


@claim(
    "Values lie on a straight line along u, so evenly that no average can be off by half the smallest gap",
    source="write-up, First pass",
    over=EVERY_VALUE,
    refuted_by=[mutants.count_signs, mutants.clip_values, mutants.stretch_one_value, mutants.square_values],
    unless=no_account_of,
)
def test_values_are_evenly_spaced(model, measure):
    # Errors below e units move an average of any number of values by less than e. Two sums that
    # differ at full length have means 1/n_ctx apart; half of that tells them apart from either side.
    half_gap = 1 / (2 * model.cfg.n_ctx)
    assert measure("largest distance from the line", circuit.value_spacing_error(model), "units") < half_gap
    assert measure("largest deviation of a step from the mean", circuit.value_step_error(model)) < half_gap
