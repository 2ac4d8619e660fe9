"""What a proof over every sequence costs, how that grows, and what else could say the same.

Times are ratios of what ran in turns; where a law is fitted, they are processor seconds and what is kept is the power.
"""

import numpy as np
import pytest
import torch

from benchmarks import brute_force
from benchmarks.growth import Growth, command_costs, cpu_seconds, growth, peak_bytes, stretched
from benchmarks.integer_program import relaxed_difference, smallest_difference, sums_of
from benchmarks.intervals import interval_bounds
from cumsum_model.data import POS, ZERO, evaluation_set
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.rounding import margin_error
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint
from toy_model.timing import in_turns, seconds_of, spread

LENGTHS = (10, 20, 40, 70, 100)
RANGES = (2, 3, 5, 7, 10)
WRITTEN = (20, 40, 80, 160)

PASSES = 30
"""Forward passes of a bridge over the evaluation set, which take about as long as a proof did when this was written."""

YEAR = 365.25 * 24 * 3600


def prove(model):
    """Without counting inside split classes, which takes what time one gives it."""
    return certify(model, budget=0)


@pytest.fixture(scope="module")
def reference():
    """The shipped model, whatever model is under test: figures are kept to be compared."""
    return read_checkpoint(REFERENCE, SYSTEM).model


@pytest.fixture(scope="module")
def trained_for_40():
    return read_checkpoint(REFERENCE.with_name("length40.safetensors"), SYSTEM).model


# What it costs


@pytest.mark.guard
def test_proof_of_the_shipped_model(reference, versus):
    # A bridge is no rival: it says nothing of every sequence. But it keeps to one core, works on small arrays as the
    # proof does, and no change of ours makes it faster or slower.
    tokens, bridge = evaluation_set(reference.cfg.max_value, reference.cfg.n_ctx).toks, reference.bridge()
    with torch.inference_mode():
        versus(
            f"the proof over all 11^20 sequences, in units of {PASSES} passes of a bridge over the evaluation set",
            lambda: prove(reference),
            lambda: [bridge(tokens) for _ in range(PASSES)],
            rounds=9,
            goal_seconds=1.0,
        )
    assert prove(reference).proved_right


# How it grows


def shares(certificate):
    """What decides how much work a proof is, to see whether a family of models is a fair one."""
    signs = [length.signs == 0 for length in certificate.lengths]
    right = [length.right for length in certificate.lengths]
    return {
        "mixed_signs": sum(int(sign.sum()) for sign in signs) / sum(sign.size for sign in signs),
        "right_classes": sum(int(classes.sum()) for classes in right) / sum(classes.size for classes in right),
    }


def fitted(figure, what, sizes, model_of, cost, *, rounds, patience, goal, **more):
    """Fit a law, and keep its power; the models are made before, and what was proved of them is told."""
    models = {size: model_of(size) for size in sizes}
    proved = {}

    def cost_of(size):
        def run_it():
            proved[size] = shares(prove(models[size]))

        return cost(run_it)

    law = growth(cost_of, sizes, rounds=rounds, patience=patience)
    figure(
        what, law.powers.tolist(), unit="power", goal=goal, medians=law.medians, steps=law.steps, family=proved, **more
    )
    for size, measured in proved.items():
        assert measured["right_classes"] > 0.999, f"size {size} does not do what the family is for: {measured}"
        assert measured["mixed_signs"] < 0.01, f"size {size} is another kind of work: {measured}"


def test_time_over_lengths(reference, figure):
    prove(reference)
    fitted(
        figure,
        "processor time of the proof over the length: its power",
        LENGTHS,
        lambda n_ctx: stretched(reference, n_ctx=n_ctx),
        cpu_seconds,
        rounds=5,
        patience=4.0,
        goal=3.0,
    )


def test_time_over_values(reference, figure):
    prove(reference)
    fitted(
        figure,
        "processor time of the proof over the largest value: its power",
        RANGES,
        lambda max_value: stretched(reference, max_value=max_value),
        cpu_seconds,
        rounds=5,
        patience=4.0,
        goal=3.0,
    )


def test_memory_over_lengths(reference, figure):
    fitted(
        figure,
        "peak memory of the proof over the length: its power",
        LENGTHS[:-1],
        lambda n_ctx: stretched(reference, n_ctx=n_ctx),
        peak_bytes,
        rounds=1,
        patience=0.0,
        goal=2.0,
    )


@pytest.fixture(scope="module")
def written(reference, tmp_path_factory):
    """What `certify --out` costs by length: seconds, bytes in memory, bytes of the file."""
    folder = tmp_path_factory.mktemp("written")

    def certified(n_ctx):
        checkpoint = folder / f"{n_ctx}.safetensors"
        write_checkpoint(checkpoint, stretched(reference, n_ctx=n_ctx), {})
        return ["certify", str(checkpoint), "--budget", "0", "--out", str(folder / f"{n_ctx}.json"), "--force"]

    def costs(n_ctx):
        return *command_costs(certified(n_ctx), after=certified(1)), (folder / f"{n_ctx}.json").stat().st_size

    return {n_ctx: costs(n_ctx) for n_ctx in WRITTEN}


@pytest.mark.parametrize(
    ("place", "what", "goal"),
    [
        (0, "processor time of a certificate that is written as it is found over the length: its power", 3.0),
        (1, "peak memory of a certificate that is written as it is found over the length: its power", 1.0),
        (2, "size of the certificate as a file over the length: its power", None),
    ],
    ids=["time", "memory", "size"],
)
def test_a_certificate_that_is_written_as_it_is_found(written, figure, place, what, goal):
    law = Growth({n_ctx: [costs[place]] for n_ctx, costs in written.items()})
    figure(what, law.powers.tolist(), unit="power", goal=goal, medians=law.medians, steps=law.steps)


def test_memory_over_values(reference, figure):
    fitted(
        figure,
        "peak memory of the proof over the largest value: its power",
        RANGES,
        lambda max_value: stretched(reference, max_value=max_value),
        peak_bytes,
        rounds=1,
        patience=0.0,
        goal=2.0,
    )


def test_a_trained_model_costs_what_the_family_says(reference, trained_for_40, versus):
    model = stretched(reference, n_ctx=40)
    versus(
        "the proof of a model stretched to 40 values, in units of that of a model trained for 40",
        lambda: prove(model),
        lambda: prove(trained_for_40),
        rounds=2,
        warm_up=0,
    )
    mixed, mixed_if_trained = (shares(prove(subject))["mixed_signs"] for subject in (model, trained_for_40))
    assert 0.5 < mixed / mixed_if_trained < 2, "the family is not what training for that length gives"


# Brute force


def beside_brute_force(reference, k):
    """The proof of all lengths up to k, and every sequence of k values through the model, in turns."""
    model = brute_force.first_positions(reference, k)
    pair = in_turns(lambda: prove(model), lambda: brute_force.smallest_margin(model, k), rounds=3)
    proved = prove(model).lengths[-1].smallest_margin
    smallest = brute_force.smallest_margin(model, k)
    assert abs(proved - smallest) <= margin_error(model), f"length {k}: proved {proved}, found {smallest}"
    return pair, {
        "ratio": float(np.median(pair.ratios)),
        "proof": spread(pair.ours),
        "forward": spread(pair.theirs),
        "sequences_per_second": 11**k / float(np.median(pair.theirs)),
        "proved": proved,
        "found": smallest,
    }


def test_brute_force(reference, figure):
    pairs, rows = zip(*(beside_brute_force(reference, k) for k in range(1, 6)), strict=True)
    by_length = dict(enumerate(rows, start=1))
    rate = rows[-1]["sequences_per_second"]
    whole = seconds_of(lambda: prove(reference))
    figure(
        "the proof of all sequences of up to 5 values, in units of running those of 5",
        pairs[-1].ratios.tolist(),
        goal=1.0,
        by_length=by_length,
        overtakes_at=next((k for k, row in by_length.items() if row["ratio"] < 1), None),
        whole_proof_seconds=whole,
        whole_proof_overtakes_at=next((k for k in range(1, 21) if 11**k / rate > whole), None),
        extrapolated_years_for_length_20=11**20 / rate / YEAR,
    )


# General verifiers: "of n values that add up to +1, pos beats zero", for the last value where that is closest


@pytest.fixture(scope="module")
def proved(reference):
    return prove(reference)


def hardest(proved, n):
    """The last token with the smallest margin among sequences of n values with sum +1, its bound, one that has it."""
    length = proved.lengths[n - 1]
    a, s = np.nonzero(length.sums == 1)
    which = length.least[a, s].argmin()
    return int(a[which]), float(length.smallest[a, s][which]), float(length.least[a, s][which])


@pytest.mark.parametrize("n", [2, 5, 10, 20])
def test_interval_bounds(reference, proved, figure, n):
    # Intervals cannot be told what the values add up to. So the property itself is out of their reach; what they can be
    # asked is about any values at all, and about values that are all positive.
    d_vocab = reference.cfg.d_vocab
    anything = interval_bounds(reference, [range(d_vocab)] * n, POS, ZERO)[0]
    positive = interval_bounds(reference, [range(d_vocab // 2 + 1, d_vocab)] * n, POS, ZERO)[0]
    exact = min(
        smallest_difference(sums_of(reference, n, a, POS, ZERO), [*[range(d_vocab)] * (n - 1), [a]], None).bound
        for a in (0, d_vocab - 1)
    )
    assert anything <= exact
    _, with_sum, _ = hardest(proved, n)
    figure(
        f"how far interval bounds lie below the smallest of pos - zero over any {n} values",
        [exact - anything],
        unit="logits",
        bound=anything,
        exact=exact,
        needed_with_sum_1=with_sum,
        bound_for_positive_values=positive,
        share_of_sequences_with_positive_values=(5 / 11) ** n,
    )


@pytest.mark.parametrize("n", [5, 10, 20])
def test_integer_program(reference, proved, figure, n):
    a, bound, attained = hardest(proved, n)
    choices, total = [*[range(11)] * (n - 1), [a]], 1 + reference.cfg.max_value * n
    classes = sum(length.labels.size for length in proved.lengths)
    optima = []

    def solve():
        sums = sums_of(reference, n, a, POS, ZERO)
        optima.append(smallest_difference(sums, choices, total))

    pair = in_turns(lambda: prove(reference), solve, rounds=3, warm_up=0)
    relaxed = []
    relaxed_seconds = seconds_of(
        lambda: relaxed.append(relaxed_difference(sums_of(reference, n, a, POS, ZERO), choices, total))
    )
    assert bound - 1e-6 <= optima[0].bound <= attained + 1e-6
    assert optima[0].found == pytest.approx(attained, abs=1e-6)
    assert relaxed[0] <= attained + 1e-6
    figure(
        f"the proof of a class, in units of an integer program for one of {n} values",
        (pair.ratios / classes).tolist(),
        goal=1.0,
        seconds={"ours": spread(pair.ours / classes), "theirs": spread(pair.theirs)},
        proof={"bound": bound, "attained": attained},
        bound=optima[0].bound,
        programs=optima[0].programs,
        finished=optima[0].finished,
        with_mixtures={"bound": relaxed[0], "seconds": relaxed_seconds},
    )
