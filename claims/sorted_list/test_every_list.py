"""Every list: what is proved of all 463,677,608,338,560,000 answers, where tests can only sample"""

import torch
from pytest_claims import claim, erratum

from sorted_list_model import mutants, writeup
from sorted_list_model.data import FIRST_LISTS, SortedListDataset
from sorted_list_model.model import answers_to
from sorted_list_model.proof.certificate import certify
from sorted_list_model.scope import not_provable, not_the_reference
from toy_model.engine import run

EVERY_LIST = "every list, in every order"


def at_SEP(model):
    return certify(model, chosen=lambda of: of.k == 0)


def at_the_last_number(model):
    return certify(model, chosen=lambda of: of.k == of.list_len - 1)


def after_a_first_0(model):
    return certify(model, chosen=lambda of: of.k == 1 and of.d == 0)


def jumps_of_two(model):
    return certify(model, chosen=lambda of: of.k >= 5 and of.jump == 2)


def jumps_of_two_to_six_and_of_38_up(model):
    return certify(model, chosen=lambda of: of.k > 0 and (2 <= of.jump <= 6 or of.jump >= 38))


def wrong_list(model, certificate):
    """A list that the proof found to be answered wrongly, and what the model answers, to be shown."""
    found = [proved for proved in certificate.proved if proved.found is not None]
    if not found:
        return "no wrong list is known"
    proved = max(found, key=lambda proved: proved.of.sets)
    after = f"after {proved.of.d}" if proved.of.k else "at SEP"
    answer = answers_to(model, proved.found)[proved.of.k]
    return f"list {list(proved.found)}: {after} the answer is {answer}, right is {proved.of.y}"


@claim(
    "More than nine answers in ten are right, and fewer than 9,999 of 10,000",
    source=f"ours: {writeup.SETUP} (accuracy on a sample), as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.swap_two_numbers, mutants.forget_sorted_positions, mutants.exchange_QK],
    unless=not_the_reference,
)
def test_accuracy_over_every_list(model, measure, computed):
    low, high = computed(certify, model).accuracy
    assert measure("accuracy, at least", float(low)) > 0.9
    assert measure("accuracy, at most", float(high)) < 0.9999


@claim(
    "The smallest number is answered at SEP on every list that has one of 0 .. 19",
    source=f"ours: {writeup.ATTENTION}, as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.swap_two_numbers, mutants.take_SEP_for_the_last_number, mutants.silence_main_head],
    unless=not_provable,
)
def test_small_numbers_are_answered_at_SEP(model, measure, computed):
    small = [proved for proved in computed(at_SEP, model).proved if proved.of.y <= 19]
    open_or_wrong = sum(proved.of.sets - proved.right for proved in small)
    assert measure("sets of numbers that may be answered wrongly", open_or_wrong) == 0, wrong_list(
        model, computed(at_SEP, model)
    )


@claim(
    "Lists without small numbers are adversarial: no list is answered rightly at SEP whose smallest is 31, 38 or 41",
    source=f"{writeup.ATTENTION}; {writeup.ADVERSARIAL}, as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.attend_to_next_alone, mutants.swap_two_distant_numbers, mutants.share_out_as_published],
    unless=not_the_reference,
)
def test_lists_without_small_numbers_are_adversarial(model, measure, computed):
    large = [proved for proved in computed(at_SEP, model).proved if proved.of.y in (31, 38, 41)]
    assert measure("sets of numbers that may be answered rightly", sum(p.of.sets - p.wrong for p in large)) == 0


@claim(
    "Large jumps are adversarial: after a first 0, none of 25 and 27 .. 42 is ever answered rightly",
    source=f"{writeup.ADVERSARIAL}, as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.attend_to_next_alone, mutants.double_scores, mutants.copy_small_numbers_more],
    unless=not_the_reference,
)
def test_large_jumps_from_0_are_never_answered(model, measure, computed):
    large = [proved for proved in computed(after_a_first_0, model).proved if proved.of.y in (25, *range(27, 43))]
    assert measure("sets of numbers that may be answered rightly", sum(p.of.sets - p.wrong for p in large)) == 0


@claim(
    "After jumps of 2 to 6 more than 95 answers in 100 are right, and after jumps of 38 or more fewer than one in five",
    source=f"{writeup.POST}; {writeup.ADVERSARIAL}, as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.attend_to_next_alone, mutants.swap_two_numbers, mutants.forget_sorted_positions],
    unless=not_provable,
)
def test_large_jumps_are_adversarial_on_every_list(model, measure, computed):
    certificate = computed(jumps_of_two_to_six_and_of_38_up, model)
    small, _ = certificate.accuracy_where(lambda of: of.jump <= 6)
    _, large = certificate.accuracy_where(lambda of: of.jump >= 38)
    assert measure("accuracy at jumps of 2 to 6, at least", float(small)) > 0.95
    assert measure("accuracy at jumps of 38 and more, at most", float(large)) < 0.2


@claim(
    "Every jump of two from the fifth sorted number on is answered rightly",
    source="ours: a theorem beside the examples",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.swap_two_numbers, mutants.forget_sorted_positions, mutants.copy_one_higher],
    unless=not_the_reference,
)
def test_jumps_of_two_are_answered(model, measure, computed):
    certificate = computed(jumps_of_two, model)
    open_or_wrong = sum(proved.of.sets - proved.right for proved in certificate.proved)
    assert measure("sets of numbers that may be answered wrongly", open_or_wrong) == 0, wrong_list(model, certificate)


@claim(
    "Once nine numbers are written down, the largest is missed on fewer than one list of 10,000",
    source="ours: the published accuracy at the last position, as a theorem",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.forget_sorted_positions, mutants.silence_main_head, mutants.forget_the_largest_number],
    unless=not_provable,
)
def test_the_largest_number_is_hardly_ever_missed(model, measure, computed):
    low, _ = computed(at_the_last_number, model).at_rank(model.cfg.list_len - 1)
    assert measure("accuracy at the ninth sorted number, at least", float(low)) > 0.9999


@claim(
    "Half of all classes of answers, which share a number, its rank and the next number, are right on every list; a "
    "third hold a wrong list, and one in twelve is wrong on every list",
    source="ours: a theorem beside the examples",
    over=EVERY_LIST,
    evidence="proved",
    refuted_by=[mutants.attend_to_next_alone, mutants.double_scores, mutants.swap_two_numbers],
    unless=not_the_reference,
)
def test_which_classes_hold_a_wrong_list(model, measure, computed):
    proved = computed(certify, model).proved
    right = sum(p.right == p.of.sets for p in proved)
    wrong = sum(p.wrong == p.of.sets for p in proved)
    known = sum(p.found is not None or p.wrong == p.of.sets for p in proved)
    assert measure("classes right on every list", right / len(proved)) > 1 / 2
    assert measure("classes that hold a known wrong list", known / len(proved)) > 1 / 3
    assert measure("classes wrong on every list", wrong / len(proved)) > 1 / 12


@claim(
    "The model agrees with the proof: it answers no class wrongly that is proved right, none rightly that is proved "
    "wrong, and every list that is said to be wrong is",
    source="ours: what ties the proof to the forward pass",
    over=f"{FIRST_LISTS}, and the wrong list that is known of each class",
    evidence="searched",
    refuted_by=[mutants.cut_direct_path, mutants.freeze_final_scale],
    unless=not_the_reference,
    instrument=True,
)
def test_the_model_agrees_with_the_proof(model, measure, computed, lists):
    certificate = computed(certify, model)
    by_answer = {(p.of.k, p.of.d, p.of.y): p for p in certificate.proved}
    answered = run(model, lists.toks, lists.scored).argmax(-1).cpu() == lists.targets
    contradictions = 0
    for numbers, right in zip(lists.targets.tolist(), answered.tolist(), strict=True):
        for k, y in enumerate(numbers):
            proved = by_answer[k, numbers[k - 1] if k else -1, y]
            contradictions += (proved.right == proved.of.sets and not right[k]) or (
                proved.wrong == proved.of.sets and right[k]
            )
    assert measure("answers against the proof", contradictions) == 0
    found = [p for p in certificate.proved if p.found is not None]
    data = SortedListDataset.of(torch.tensor([p.found for p in found]), model.cfg.max_value)
    ranks = torch.tensor([p.of.k for p in found])
    right = (
        run(model, data.toks, data.scored).argmax(-1).cpu()[range(len(found)), ranks]
        == data.targets[range(len(found)), ranks]
    )
    assert measure("lists said to be wrong that are answered rightly", right.sum()) == 0


@erratum(
    "d, d+1, d+2 is not adversarial: on every list that holds them the answer after d is d+1",
    source=f"{writeup.POST}; {writeup.TRIPLES}",
    over=f"{EVERY_LIST}; wrong ones are searched for",
    true_of=[mutants.attend_to_next_alone],
    unless=not_the_reference,
)
def test_no_close_triple_is_adversarial(model, measure, computed):
    certificate = computed(jumps_of_one, model)
    wrong = [p.found for p in certificate.proved if p.found is not None and p.of.y + 1 in p.found]
    assert measure("wrong lists", len(wrong)) == 0


def jumps_of_one(model):
    return certify(model, chosen=lambda of: of.jump == 1)
