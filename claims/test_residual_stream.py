"""The residual stream: resid_mid stores the running mean along u"""

from cumsum_model import circuit, mutants
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, running_means
from cumsum_model.verification import claim


@claim(
    "resid_mid . u rises with the running mean, and tells any two means apart that differ as much as "
    "two sums at full length do",
    source='write-up, Finding u in resid mid ("zero exceptions" holds only down to this resolution)',
    over=EVALUATION_SET,
    refuted_by=[
        mutants.shout_current_value,
        mutants.drift_with_position,
        mutants.count_signs,
        mutants.untrained_attention_scores,
    ],
    unless=no_account_of,
)
def test_resid_mid_is_monotone_in_the_mean(model, measure, data):
    gap = 1 / model.cfg.n_ctx
    resolution = circuit.mean_resolution(model, data.values)
    assert measure("largest difference in mean out of order", resolution, "units") < gap


@claim(
    "resid_mid . u stores the mean, not the sum: the mean explains all but a thousandth of it, the sum not half",
    source="write-up, Finding u in resid mid",
    over=EVALUATION_SET,
    refuted_by=[mutants.add_instead_of_averaging, mutants.attend_to_last, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_is_the_mean_and_not_the_sum(model, measure, data):
    projections = circuit.resid_mid_along_u(model, data.toks).cpu()
    assert measure("R^2 against the mean", circuit.r_squared(running_means(data.values), projections)) > 0.999
    assert measure("R^2 against the sum", circuit.r_squared(data.values.cumsum(1), projections)) < 0.5


@claim(
    "Two positions of equal mean differ along u by less than half the smallest gap between sums at full length",
    source='ours: what is left of "zero exceptions" (write-up, Finding u in resid mid)',
    over=EVALUATION_SET,
    refuted_by=[mutants.shout_current_value, mutants.drift_with_position, mutants.attend_to_last],
    unless=no_account_of,
)
def test_equal_means_are_stored_alike(model, measure, data):
    half_gap = 1 / (2 * model.cfg.n_ctx)
    assert measure("largest difference", circuit.equal_mean_spread(model, data.values), "units of mean") < half_gap


@claim(
    "Saying a sequence twice, such as (1, 1, 2), moves resid_mid . u by less than half the smallest gap",
    source="write-up, Finding u in resid mid",
    over="every sequence of up to three values, against the same said twice",
    refuted_by=[mutants.add_instead_of_averaging, mutants.drift_with_position],
    unless=no_account_of,
)
def test_repetition_changes_nothing(model, measure):
    half_gap = 1 / (2 * model.cfg.n_ctx)
    assert measure("largest move", circuit.repetition_error(model), "units of mean") < half_gap
