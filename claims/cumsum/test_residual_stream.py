"""The residual stream: resid_mid stores the running mean, as pos against neg reads it"""

import numpy as np
from pytest_claims import claim

from cumsum_model import mutants, reading, writeup
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, running_means
from cumsum_model.least_norm import as_training_leaves
from cumsum_model.mutants.symmetries import STREAM_BASIS
from cumsum_model.proof.by_length import largest, smallest
from cumsum_model.proof.residual_stream import equal_mean_spread, resolution, stored, stored_on_u
from cumsum_model.scope import no_account_of, no_account_of_sizes
from cumsum_model.writeup import too_small_for_the_examples
from toy_model import statistics


def no_account_of_examples(model):
    return no_account_of(model) or too_small_for_the_examples(model)


# What is stored is read by g, the covector that decides between pos and neg where all neurons fire: see
# `cumsum_model.reading`. The projection on u is kept where the write-up speaks of it.


@claim(
    "At every length what pos against neg reads of resid_mid rises with the sum: no two sums overlap, whatever the "
    "values",
    source=f"{writeup.FINDING_U}, in any basis",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.shout_current_value, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_no_two_sums_overlap(model, measure, proved):
    ranges = proved(stored, model)
    # In units of mean, neighbouring sums are 1/n apart; what is left of it between their ranges.
    around_zero = smallest(
        ((length.n * length.gaps[np.isin(length.sums[:-1], (-1, 0))]).min() for length in ranges), enough=0
    )
    assert measure("least gap between sums -1, 0 and +1, of the 1/n between means", around_zero) > 0
    anywhere = smallest(((length.n * length.gaps).min() for length in ranges), enough=0)
    assert measure("least gap between any two neighbouring sums", anywhere) > 0


@claim(
    "Only the sum matters to pos against neg: it reads sequences of one length and sum as less than the gap to the "
    "next sum apart",
    source=f"{writeup.END}, in any basis",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.shout_current_value, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_only_the_sum_is_stored(model, measure, proved):
    spread = largest((length.n * length.spread for length in proved(stored, model)), enough=1)
    assert measure("largest difference, of the 1/n between neighbouring sums", spread) < 1


@claim(
    "The projection of resid_mid on u rises with the running mean: two means as far apart as two sums at full length "
    "are never in the wrong order",
    source=f'{writeup.FINDING_U} ("zero exceptions" holds only down to this resolution)',
    over=f"{EVERY_SEQUENCE}, in the basis and gauge that weight decay leaves",
    evidence="proved",
    refuted_by=[mutants.shout_current_value, mutants.drift_with_position, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
    depends_on=(STREAM_BASIS,),
)
def test_projection_on_u_is_monotone_in_the_mean(model, measure, proved):
    gap = 1 / model.cfg.n_ctx
    assert (
        measure(
            "largest difference in mean out of order",
            resolution(proved(stored_on_u, as_training_leaves(model))),
            "units",
        )
        < gap
    )


@claim(
    "What pos against neg reads of resid_mid rises with the running mean: two means as far apart as two sums at full "
    "length are never in the wrong order",
    source=f"{writeup.FINDING_U}, in any basis",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.shout_current_value, mutants.drift_with_position, mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_resid_mid_is_monotone_in_the_mean(model, measure, proved):
    gap = 1 / model.cfg.n_ctx
    assert measure("largest difference in mean out of order", resolution(proved(stored, model)), "units") < gap


@claim(
    "Pos against neg reads two sequences of equal mean, of whatever lengths, as less than the smallest gap between two "
    "sums apart",
    source=f'ours: what is left of "zero exceptions" ({writeup.FINDING_U})',
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.shout_current_value, mutants.drift_with_position, mutants.attend_to_last],
    unless=no_account_of,
)
def test_equal_means_are_stored_alike(model, measure, proved):
    gap = 1 / model.cfg.n_ctx
    assert measure("largest difference", equal_mean_spread(proved(stored, model)), "units of mean") < gap


@claim(
    "The mean is stored, not the sum: it explains all but a thousandth of the variance of what is read, and at every "
    "length n a unit of sum counts 1/n to a twentieth",
    source=f"{writeup.SUMMARY}; {writeup.FINDING_U}",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.add_instead_of_averaging, mutants.attend_to_last, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_is_the_mean_and_not_the_sum(model, measure, data):
    read = reading.stored_mean(model, data.toks).cpu()
    assert measure("R^2 against the mean", statistics.r_squared(running_means(data.values), read)) > 0.999
    off = (reading.slope_by_length(read, data.values) - 1).abs().max()
    assert measure("largest deviation of n times the slope from 1", off) < 1 / 20


@claim(
    "Grouped by the sum, whatever the length, what is read is not separated: a single value s is read as more than "
    "half a unit of mean beyond every full-length sequence of the next larger sum",
    source=f"{writeup.FINDING_U} (violin plot)",
    over=f"{EVERY_SEQUENCE}; values of 1 to max_value - 1 of either sign",
    evidence="proved",
    refuted_by=[mutants.attend_to_last, mutants.untrained],
    unless=no_account_of_sizes,
)
def test_sums_are_not_separated(model, measure, proved):
    ranges = proved(stored, model)
    shortest, full = ranges[0], ranges[-1]
    beyond = []
    for value in range(1, model.cfg.max_value):
        beyond.append(shortest.low[shortest.sums == value].min() - full.high[full.sums == value + 1].max())
        beyond.append(full.low[full.sums == -value - 1].min() - shortest.high[shortest.sums == -value].max())
    assert measure("least distance beyond the next larger sum", min(beyond), "units of mean") > 0.5


@claim(
    "A sequence and the same repeated, such as (1, 2) and (1, 2, 1, 2) or (1, 1, 2) and (1, 1, 2, 1, 1, 2), are read "
    "alike: as less than the smallest gap between two sums apart",
    source=f"{writeup.SUMMARY}; {writeup.FINDING_U}",
    over=f"the two printed pairs; {EVERY_SEQUENCE}, against all of twice its length and sum",
    evidence="proved",
    refuted_by=[mutants.add_instead_of_averaging, mutants.drift_with_position, mutants.attend_to_last],
    unless=no_account_of_examples,
)
def test_repetition_changes_nothing(model, measure, proved):
    gap, ranges = 1 / model.cfg.n_ctx, proved(stored, model)
    for once, twice in writeup.REPETITIONS:
        moved = abs(reading.stored_of(model, twice) - reading.stored_of(model, once))
        assert measure(f"move from {once} to {twice}", moved, "units of mean") < gap / 2
    moves = (repetition_range(ranges[n - 1], ranges[2 * n - 1]) for n in range(1, model.cfg.n_ctx // 2 + 1))
    furthest = largest(moves, enough=gap)
    assert measure("largest move by repeating any", furthest, "units of mean") < gap


def repetition_range(once, twice):
    """How far what is read of any sequence of one length can be from one of twice its length and sum."""
    doubled = np.isin(twice.sums, 2 * once.sums)
    return np.maximum(twice.high[doubled] - once.low, once.high - twice.low[doubled]).max()
