"""Heads: what is lost without each of them, and for which answers"""

import torch
from pytest_claims import claim

from sorted_list_model import heads, mutants, writeup
from sorted_list_model.data import EVALUATION_SET, FIRST_LISTS
from sorted_list_model.scope import no_account_of_two_heads, not_the_reference
from sorted_list_model.surgery import lesser_head, main_head
from toy_model.intervention import HEAD_ABLATIONS

BOTH_NEEDED = 0.5
"""Nats: a fall in log probability that leaves a certain answer three chances in five."""


@claim(
    "Mean-ablating the lesser head lowers the log probability of the right answer by 0.920 on average, the main head "
    "by 4.963, to a hundredth",
    source=f"{writeup.HEADS}; the tolerance is ours",
    over=f"{EVALUATION_SET}; mean-ablation by position",
    evidence="sampled",
    refuted_by=[mutants.soften_scores, mutants.silence_lesser_head, mutants.silence_main_head, mutants.train_briefly],
    unless=not_the_reference,
)
def test_ablation_costs_are_as_published(model, measure, computed, data):
    lesser, main = sorted(computed(heads.costs, model, data).tolist())
    for name, cost, published in zip(("lesser", "main"), (lesser, main), writeup.ABLATION_COSTS, strict=True):
        assert measure(f"{name} head", cost, "nats", published=published).as_published(within=1 / 100)


@claim(
    "The lesser head is the less important one, whatever kind of ablation is used: ablating the main head costs more "
    "than three times as much",
    source=writeup.HEADS,
    over=f"{EVALUATION_SET}; zero-, mean-, positional mean- and resample-ablation",
    evidence="sampled",
    refuted_by=[mutants.silence_main_head, mutants.copy_in_both_heads, mutants.untrained],
    unless=not_the_reference,
)
def test_one_head_matters_more(model, measure, computed, data):
    for kind, ablate in HEAD_ABLATIONS.items():
        costs = computed(heads.costs, model, data, ablate)
        ratio = costs[main_head(model)] / costs[lesser_head(model)].clamp(min=1e-6)
        assert measure(f"{kind}: cost of the main head over that of the lesser", ratio) > 3


@claim(
    "Both heads are needed: ablating either costs more than half a nat on average, whatever kind of ablation is used",
    source=f"ours: {writeup.HEADS}",
    over=f"{EVALUATION_SET}; zero-, mean-, positional mean- and resample-ablation",
    evidence="sampled",
    refuted_by=[mutants.silence_lesser_head, mutants.silence_main_head, mutants.untrained],
    unless=no_account_of_two_heads,
)
def test_both_heads_are_needed(model, measure, computed, data):
    for kind, ablate in HEAD_ABLATIONS.items():
        smallest = computed(heads.costs, model, data, ablate).min()
        assert measure(f"{kind}: smallest cost of a head", smallest, "nats") > BOTH_NEEDED


@claim(
    "The head that copies a number is the one that it is lost without: for nine numbers in ten, ablating the head with "
    "the larger OV diagonal costs more where that number is the answer",
    source=f"ours: {writeup.HEADS} and {writeup.OV}, number by number",
    over=f"{FIRST_LISTS}; mean-ablation by position",
    evidence="sampled",
    refuted_by=[mutants.negate_keys, mutants.copy_in_both_heads, mutants.answer_one_higher],
    unless=no_account_of_two_heads,
)
def test_copying_and_ablation_agree(model, measure, lists):
    second_costs_more = heads.costlier_targets(model, lists, head=1, than=0)
    agree = second_costs_more == heads.responsible_heads(model).bool()
    assert measure("numbers on which they agree", agree.double().mean()) > 0.9


@claim(
    "Ablating the lesser head costs more than ablating the main one exactly where the answer is 28 .. 35",
    source=f"ours: {writeup.HEADS}, which says about 28 .. 37",
    over=f"{FIRST_LISTS}; mean-ablation by position",
    evidence="sampled",
    refuted_by=[mutants.silence_lesser_head, mutants.exchange_QK, mutants.swap_two_distant_numbers],
    unless=not_the_reference,
)
def test_which_answers_are_lost_without_the_lesser_head(model, measure, lists):
    costlier = heads.costlier_targets(model, lists, lesser_head(model), than=main_head(model))
    wanted = torch.zeros(51, dtype=torch.bool)
    wanted[28:36] = True
    assert measure("answers that are not as said", (costlier != wanted).sum()) == 0
