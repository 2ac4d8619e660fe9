"""Intervals for what is sampled: exact for fractions, by bootstrap over sequences for means."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LEVEL = 0.95
RESAMPLES = 1_000
BOOTSTRAP_SEED = 0


def clopper_pearson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a probability of which `successes` of `trials` independent trials were seen.

    Exact: whatever the probability is, the interval misses it with a chance of 1 - level at most, half of it on either
    side. Raises ValueError if there are no trials, or more successes than trials.
    Source: Clopper and Pearson 1934.
    """
    from scipy.special import betaincinv

    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials say nothing")
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def percentile_interval(
    resampled: Float[np.ndarray, " resamples"], level: float = LEVEL, around: float | None = None
) -> tuple[float, float]:
    """The middle `level` of a statistic's values on bootstrap resamples, stretched to reach `around`, if it is given.

    That is the value measured: a maximum over resampled means, say, is seldom as low as the maximum over the means.
    Source: Efron 1979.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    ends = (low, high) if around is None else (min(low, around), max(high, around))
    return float(ends[0]), float(ends[1])


def resampled_means(
    per_sequence: Float[np.ndarray, "n_sequences ..."], resamples: int = RESAMPLES, seed: int = BOOTSTRAP_SEED
) -> Float[np.ndarray, "resamples ..."]:
    """The mean over sequences of every bootstrap resample: as many sequences as there are, drawn with replacement.

    Whole sequences are drawn, since positions of one sequence are not independent. Raises ValueError if there are fewer
    than two: one sequence does not vary.
    """
    n = len(per_sequence)
    if n < 2:
        raise ValueError(f"a bootstrap over {n} sequences says nothing")
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    flat = (counts / n) @ per_sequence.reshape(n, -1)  # as floats: numpy multiplies integer matrices far more slowly
    means: Float[np.ndarray, "resamples ..."] = flat.reshape(resamples, *per_sequence.shape[1:])
    return means


def bootstrap_mean(
    values: Float[np.ndarray, "n_sequences ..."],
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> tuple[float, float]:
    """The interval of the mean of `values` over sequences and, within them, positions: `resampled_means` by percentile.

    Approximate: its coverage reaches `level` as sequences grow many.
    """
    per_sequence = np.asarray(values, dtype=float).reshape(len(values), -1).mean(1)
    return percentile_interval(resampled_means(per_sequence, resamples, seed), level)
