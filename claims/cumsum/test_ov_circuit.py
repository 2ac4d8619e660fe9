"""The OV circuit: each value v is moved by v steps along one direction u"""

from pytest_claims import claim

from cumsum_model import mutants, ov_circuit, reading, writeup
from cumsum_model.least_norm import as_training_leaves
from cumsum_model.mutants.symmetries import CONSTANTS, STREAM_BASIS
from cumsum_model.scope import no_account_of
from toy_model import statistics

EVERY_VALUE = "every value (exact, from the weights)"


@claim(
    "OV has rank one on the values: it moves no value off u by more than a hundredth of a unit step",
    source=writeup.FIRST_PASS,
    over=f"{EVERY_VALUE}, in the basis and gauge that weight decay leaves",
    evidence="exact",
    refuted_by=[mutants.carry_a_second_direction, mutants.open_back_door, mutants.untrained],
    unless=no_account_of,
    depends_on=(STREAM_BASIS,),
    exhaustive=True,
)
def test_OV_is_rank_one(model, measure):
    assert measure("largest move off u", ov_circuit.value_leak(as_training_leaves(model)), "unit steps") < 0.01


@claim(
    "OV is essentially one-dimensional: the second singular value of W_E W_V W_O, and of W_V W_O, is under a "
    "thousandth of the first",
    source=f"{writeup.SUMMARY}; {writeup.FIRST_PASS}",
    over="the weights, in the basis and gauge that weight decay leaves",
    evidence="exact",
    refuted_by=[mutants.carry_a_second_direction, mutants.open_back_door, mutants.untrained],
    unless=no_account_of,
    depends_on=(STREAM_BASIS, CONSTANTS),
    exhaustive=True,
)
def test_one_singular_value_dominates(model, measure):
    # A thousandth of the first, which carries five unit steps, comes to about the hundredth of one step above.
    model = as_training_leaves(model)
    on_values = statistics.second_singular_share(ov_circuit.value_outputs(model))
    assert measure("second over first singular value of W_E W_V W_O", on_values) < 1e-3
    anywhere = statistics.second_singular_share(ov_circuit.W_OV(model))
    assert measure("second over first singular value of W_V W_O", anywhere) < 1e-3


@claim(
    "Every reader of the stream reads value v as v steps: no live neuron and no logit difference is off by half the "
    "smallest gap between two means, and none at all by half of what a unit of sum does at full length",
    source=f"ours: what {writeup.FIRST_PASS} says of OV, in any basis",
    over=f"{EVERY_VALUE}; the input weights of live neurons, and pos against neg and zero past the neurons",
    evidence="exact",
    refuted_by=[mutants.let_size_vote_zero, mutants.let_a_dead_neuron_read_size, mutants.stretch_one_value],
    unless=no_account_of,
    exhaustive=True,
)
def test_every_reader_reads_the_value(model, measure):
    # Errors below e units move an average of any number of values by less than e. Two sums that differ at full
    # length have means 1/n_ctx apart.
    half_gap = 1 / (2 * model.cfg.n_ctx)
    furthest = max(reading.value_spacing_error(model, readout) for readout in reading.readouts(model).values())
    assert measure("largest distance from v", furthest, "units of value") < half_gap
    push = reading.unexplained_push(model)
    assert measure("most that any neuron makes of the rest", push, "logits") < reading.unit_of_sum(model) / 2


@claim(
    "Values lie on a straight line as the model reads them, so evenly that no average is off by half the smallest gap "
    "between two means",
    source=writeup.FIRST_PASS,
    over=EVERY_VALUE,
    evidence="exact",
    refuted_by=[mutants.count_signs, mutants.clip_values, mutants.stretch_one_value, mutants.square_values],
    unless=no_account_of,
    exhaustive=True,
)
def test_values_are_evenly_spaced(model, measure):
    half_gap = 1 / (2 * model.cfg.n_ctx)
    assert measure("largest distance from the line", reading.value_spacing_error(model), "units of value") < half_gap
    assert measure("largest deviation of a step from the mean step", reading.value_step_error(model)) < half_gap


@claim(
    "Value s is moved by s u, without an offset: the line of the values passes within a tenth of a step of zero",
    source=f"{writeup.SUMMARY}; the tolerance is ours",
    over=EVERY_VALUE,
    evidence="exact",
    refuted_by=[mutants.offset_values, mutants.untrained],
    unless=no_account_of,
    depends_on=(CONSTANTS, STREAM_BASIS),
    exhaustive=True,
)
def test_values_have_no_offset(model, measure):
    model = as_training_leaves(model)
    offset = ov_circuit.value_projections(model).mean() / ov_circuit.value_slope(model)
    assert measure("|offset| of the line", abs(offset), "unit steps") < 0.1
