"""Hard inputs: long sequences whose sum ends next to zero"""

import torch
from hypothesis import given
from hypothesis import strategies as st

from cumsum_model import mutants
from cumsum_model.behaviour import margins, right_label_probabilities, run
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, NEAR_ZERO_SET, labels_of, near_zero_set
from cumsum_model.strategies import near_zero_values
from cumsum_model.verification import claim


@claim(
    "The hardest hundredth of all positions are late ones with a sum of -1, 0 or +1",
    source="write-up, end",
    over=EVALUATION_SET,
    refuted_by=[mutants.clip_values, mutants.attend_to_last],
    unless=no_account_of,
)
def test_the_hardest_are_long_and_near_zero(model, measure, data):
    p_right = right_label_probabilities(run(model, data.toks), data.labels).cpu().flatten()
    hardest = p_right.argsort(stable=True)[: len(p_right) // 100]
    sums, lengths = data.values.cumsum(1).flatten()[hardest], hardest % model.cfg.n_ctx + 1
    assert measure("largest |sum| among them", sums.abs().max()) <= 1
    assert measure("shortest of them", lengths.min(), "values") > model.cfg.n_ctx / 2


@claim(
    "Among sums of -1 and +1 the longer the harder: P(right) falls with every quarter of the context",
    source="write-up, end",
    over=f"{EVALUATION_SET} with sum -1 or +1, averaged over each quarter",
    refuted_by=[mutants.add_instead_of_averaging, mutants.untrained, mutants.swap_verdicts],
    unless=no_account_of,
)
def test_longer_is_harder(model, measure, data):
    p_right = right_label_probabilities(run(model, data.toks), data.labels).cpu()
    next_to_zero = data.values.cumsum(1).abs() == 1
    quarters = torch.arange(model.cfg.n_ctx) * 4 // model.cfg.n_ctx
    means = [p_right[:, quarters == quarter][next_to_zero[:, quarters == quarter]].mean() for quarter in range(4)]
    for quarter in range(1, 4):
        fall = means[quarter - 1] - means[quarter]
        assert measure(f"fall of mean P(right) in quarter {quarter + 1}", fall) > 0


@claim(
    "At full length, sums of -1, 0 and +1 are all classified correctly",
    source="write-up, end",
    over=NEAR_ZERO_SET,
    refuted_by=[mutants.drift_with_position, mutants.silence_strongest_neuron],
    unless=no_account_of,
)
def test_near_zero_sums_are_right(model, measure):
    data = near_zero_set(model.cfg.max_value, model.cfg.n_ctx)
    right = run(model, data.toks).argmax(-1).cpu() == data.labels
    assert measure("accuracy", right[:, data.scored].double().mean()) == 1


@claim(
    "Sums of -1, 0 and +1 are told apart, however the sequence gets there",
    source="write-up, end",
    over="what a search finds: hypothesis, sequences of every length that end next to zero",
    refuted_by=[mutants.attend_to_last, mutants.shout_current_value, mutants.drift_with_position],
)
@given(search=st.data())
def test_near_zero_sums_are_told_apart(model, measure, search):
    values = search.draw(near_zero_values(model.cfg.max_value, model.cfg.n_ctx), label="values")
    sequence = torch.tensor([values], device=model.device)
    logits = run(model, sequence + model.cfg.max_value)
    label = labels_of(sequence)[0, -1]
    p_right = logits[0, -1].softmax(-1)[label]
    margin = margins(logits, labels_of(sequence))[0, -1]
    assert measure("smallest margin of the right logit", margin, "logits") > 0, (
        f"values {values}, sum {sum(values):+d}: P(right) = {p_right:.3f}"
    )
