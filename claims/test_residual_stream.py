"""The residual stream: resid_mid stores the running mean along u"""

import numpy as np

from cumsum_model import circuit, mutants
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, running_means
from cumsum_model.proof.stored import equal_mean_spread, resolution, stored
from cumsum_model.verification import claim


@claim(
    "At every length resid_mid . u rises with the sum, whatever the values: no two sums overlap",
    source="write-up, Finding u in resid mid",
    over=EVERY_SEQUENCE,
    refuted_by=[mutants.shout_current_value, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_no_two_sums_overlap(model, measure, proved):
    ranges = proved(stored, model)
    # In units of mean, neighbouring sums are 1/n apart; what is left of it between their ranges.
    around_zero = min((one.n * one.gaps[np.isin(one.sums[:-1], (-1, 0))]).min() for one in ranges)
    assert measure("least gap between sums -1, 0 and +1, of the 1/n between means", around_zero) > 0
    anywhere = min((one.n * one.gaps).min() for one in ranges)
    assert measure("least gap between any two neighbouring sums", anywhere) > 0


@claim(
    "Only the sum matters: sequences of one length and sum differ along u by less than the gap to the next sum",
    source="write-up, end",
    over=EVERY_SEQUENCE,
    refuted_by=[mutants.shout_current_value, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_only_the_sum_matters_along_u(model, measure, proved):
    spread = max(one.n * one.spread for one in proved(stored, model))
    assert measure("largest difference, of the 1/n between neighbouring sums", spread) < 1


@claim(
    "resid_mid . u rises with the running mean, and tells any two means apart that differ as much as "
    "two sums at full length do",
    source='write-up, Finding u in resid mid ("zero exceptions" holds only down to this resolution)',
    over=EVERY_SEQUENCE,
    refuted_by=[
        mutants.shout_current_value,
        mutants.drift_with_position,
        mutants.count_signs,
        mutants.attend_to_last,
    ],
    unless=no_account_of,
)
def test_resid_mid_is_monotone_in_the_mean(model, measure, proved):
    gap = 1 / model.cfg.n_ctx
    assert measure("largest difference in mean out of order", resolution(proved(stored, model)), "units") < gap


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
    "Two sequences of equal mean differ along u by less than the smallest gap between two sums at full length",
    source='ours: what is left of "zero exceptions" (write-up, Finding u in resid mid)',
    over=EVERY_SEQUENCE,
    refuted_by=[mutants.shout_current_value, mutants.drift_with_position, mutants.attend_to_last],
    unless=no_account_of,
)
def test_equal_means_are_stored_alike(model, measure, proved):
    gap = 1 / model.cfg.n_ctx
    assert measure("largest difference", equal_mean_spread(proved(stored, model)), "units of mean") < gap


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
