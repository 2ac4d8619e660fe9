"""Hard inputs: long sequences whose sum ends next to zero"""

import numpy as np
import torch
from hypothesis import given, settings, target
from hypothesis import strategies as st
from pytest_claims import claim

from cumsum_model import mutants, reading, writeup
from cumsum_model.data import EVALUATION_SET, EVERY_SEQUENCE, NEG, POS, ZERO, labels_of, running_means, tokens_of
from cumsum_model.proof.by_length import largest, smallest
from cumsum_model.proof.proving import prove_each
from cumsum_model.proof.rounding import margin_error
from cumsum_model.scope import no_account_of, no_account_of_long
from cumsum_model.strategies import long_cancellations, near_zero_values
from cumsum_model.writeup import not_of_the_published_sizes
from toy_model.behaviour import cross_entropies, margins, right_label_probabilities
from toy_model.engine import run


@claim(
    "The hardest hundredth of all positions are in the second half of the context and have a sum of -1, 0 or +1",
    source=writeup.END,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.clip_values, mutants.attend_to_last],
    unless=no_account_of_long,
)
def test_the_hardest_are_long_and_near_zero(model, measure, data):
    losses = cross_entropies(run(model, data.toks), data.labels).cpu().flatten()
    hardest = losses.argsort(stable=True, descending=True)[: len(losses) // 100]
    sums, lengths = data.values.cumsum(1).flatten()[hardest], hardest % model.cfg.n_ctx + 1
    assert measure("largest |sum| among them", sums.abs().max()) <= 1
    assert measure("shortest of them", lengths.min(), "values") > model.cfg.n_ctx / 2


@claim(
    "On the sequence whose probabilities are printed the hard positions are late ones with a mean close to zero: where "
    "P(right) is below 0.9 the mean is smaller than at any other position, and half of the context has been read",
    source=f"{writeup.FINDING_U}, of the heat map of {writeup.SETUP}; that hard means below 0.9 is ours",
    over="sequence 1 of CumsumDataset(1000, seed=42), every position",
    evidence="exact",
    refuted_by=[mutants.raise_confidence, mutants.attend_to_first, mutants.untrained],
    unless=not_of_the_published_sizes,
)
def test_means_close_to_zero_are_hard_in_the_printed_sequence(model, measure, data):
    p_right = right_label_probabilities(run(model, data.toks[1:2]), data.labels[1:2])[0].cpu()
    sizes, hard = running_means(data.values[1:2])[0].abs(), p_right < 0.9
    assert measure("hard positions", hard.sum()) > 0
    earliest = min(hard.nonzero().flatten().tolist(), default=model.cfg.n_ctx) + 1
    assert measure("values read at the first hard position", earliest) > model.cfg.n_ctx / 2
    largest, others = max(sizes[hard].tolist(), default=0.0), min(sizes[~hard].tolist(), default=0.0)
    assert measure("largest |mean| at a hard position", largest, "units of mean") < others


@claim(
    "Among sums of -1 and +1 the mean loss rises from each quarter of the context to the next",
    source=writeup.END,
    over=f"{EVALUATION_SET} with sum -1 or +1, averaged over each quarter",
    evidence="sampled",
    refuted_by=[mutants.add_instead_of_averaging, mutants.untrained, mutants.swap_verdicts],
    unless=no_account_of_long,
)
def test_longer_is_harder(model, measure, data):
    losses = cross_entropies(run(model, data.toks), data.labels).cpu()
    next_to_zero = data.values.cumsum(1).abs() == 1
    quarters = torch.arange(model.cfg.n_ctx) * 4 // model.cfg.n_ctx
    means = [losses[:, quarters == quarter][next_to_zero[:, quarters == quarter]].mean() for quarter in range(4)]
    for quarter in range(1, 4):
        rise = means[quarter] - means[quarter - 1]
        assert measure(f"rise of the mean loss in quarter {quarter + 1}", rise, "nats") > 0


@claim(
    "At every length the hardest sequences are those with a sum of -1, 0 or +1: all others have a larger margin",
    source=writeup.END,
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.open_back_door, mutants.swap_verdicts, mutants.attend_to_last],
    unless=no_account_of,
)
def test_the_hardest_sums_are_next_to_zero(model, measure, proved):
    ahead = smallest(map(others_above_the_hardest, proved(prove_each, model)), enough=0)
    assert measure("smallest margin of the others, above the hardest next to zero", ahead, "logits") > 0


def others_above_the_hardest(length):
    """How far the smallest margin of other sums is above that of the hardest sequence next to zero."""
    near_zero = np.abs(length.sums) <= 1
    return length.smallest[~near_zero].min(initial=np.inf) - length.least[near_zero].min()


@claim(
    "Among all sequences with sum -1 or +1 the smallest margin falls from each quarter of the context to the next",
    source=writeup.END,
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.swap_verdicts, mutants.unembed_neg_apart_from_pos],
    unless=no_account_of,
)
def test_the_smallest_margin_falls_with_length(model, measure, proved):
    lengths = proved(prove_each, model)
    quarters: list[list] = [[], [], [], []]
    for length in lengths:
        quarters[(length.n - 1) * 4 // len(lengths)].append((length, np.abs(length.sums) == 1))
    for quarter in range(1, 4):
        before = min(length.smallest[near].min() for length, near in quarters[quarter - 1])  # proved
        now = min(length.least[near].min() for length, near in quarters[quarter])  # found: one is as small
        assert measure(f"fall of the smallest margin in quarter {quarter + 1}", before - now, "logits") > 0


@claim(
    "For long sequences the problem always exists: whatever the values, the margins of a sum of 0 and of one of -1 or "
    "+1 at length n add up to less than what 2/n of mean moves their logits apart where all neurons fire",
    source=f"{writeup.FINDING_U}; the rate is ours",
    over=EVERY_SEQUENCE,
    evidence="proved",
    refuted_by=[mutants.attend_to_last, mutants.count_signs, mutants.shout_current_value],
    unless=no_account_of,
)
def test_margins_next_to_zero_fall_with_length(model, measure, proved):
    # 0 and +1 are decided by one difference of logits, which their sequences have to be on either side of. One unit of
    # sum is what they differ by; a second is more than all that the values do beside their sum (test_errata.py).
    rate = reading.logits_per_unit_of_mean(model)

    def room(length):
        zero = length.largest[length.sums == 0].max()
        units = {sum_: (rate[side] - rate[ZERO]).abs().item() / length.n for side, sum_ in ((POS, +1), (NEG, -1))}
        return max((zero + length.largest[length.sums == sum_].max()) / unit for sum_, unit in units.items())

    most = largest(map(room, proved(prove_each, model)), enough=2)
    assert measure("largest sum of two margins, over what 1/n of mean does", most) < 2


@claim(
    "Sums of -1, 0 and +1 are distinguished, however the sequence gets there: the right logit is always the largest",
    source=writeup.END,
    over="what a search finds: hypothesis, sequences of every length that end next to zero, steered to small margins",
    evidence="searched",
    refuted_by=[mutants.attend_to_last, mutants.shout_current_value],
)
@given(search=st.data())
def test_near_zero_sums_are_distinguished(model, measure, search):
    values, margin, p_right = attack(model, search)
    assert measure("smallest margin of the right logit", margin, "logits") > 0, (
        f"values {values}, sum {sum(values):+d}: P(right) = {p_right:.3f}"
    )


@claim(
    "The search finds nothing that the proof excludes, neither a smaller margin nor a larger one",
    source="ours: two independent ways to the hardest inputs",
    instrument=True,
    over="what a search finds: hypothesis, as above; as float32 computes it, against the proof of its class",
    evidence="searched",
    refuted_by=[mutants.add_head_output_twice, mutants.add_mlp_output_twice, mutants.drop_mlp_output],
    unless=no_account_of,
)
@settings(max_examples=settings().max_examples // 4)  # the same search as above; here it is the proof that is on trial
@given(search=st.data())
def test_the_search_finds_nothing_that_the_proof_excludes(model, measure, search, proved):
    values, margin, _ = attack(model, search)
    lengths, rounding = proved(prove_each, model), proved(margin_error, model)
    low, high = lengths[len(values) - 1].range_of(values)
    sentence = f"values {values}, sum {sum(values):+d}: margin {margin:+.4f}, proved {low:+.4f} .. {high:+.4f}"
    assert measure("margin found, above the smallest of its class", margin - low, "logits") > -rounding, sentence
    assert measure("margin found, below the largest of its class", high - margin, "logits") > -rounding, sentence
    # How close the search comes to the hardest of all sequences: its gap to what is proved.
    gap = margin - min(length.smallest_margin for length in lengths)
    assert measure("margin found, above the smallest of all", gap, "logits") > -rounding, sentence


def attack(model, search):
    """Draw a sequence, run it, and tell the search to look for smaller margins: values, margin, P(right)."""
    cfg = model.cfg
    sequences = near_zero_values(cfg.max_value, cfg.n_ctx) | long_cancellations(cfg.max_value, cfg.n_ctx)
    values = search.draw(sequences, label="values")
    sequence = torch.tensor([values], device=model.device)
    logits = run(model, tokens_of(sequence, cfg.max_value))
    labels = labels_of(sequence)
    margin = margins(logits, labels)[0, -1].item()
    target(-margin, label="smallness of the margin")
    return values, margin, logits[0, -1].softmax(-1)[labels[0, -1]].item()
