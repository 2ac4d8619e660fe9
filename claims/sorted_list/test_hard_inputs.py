"""Hard inputs: large jumps mislead the model, and so do lists without small numbers"""

from hypothesis import given
from hypothesis import strategies as st
from pytest_claims import claim

from sorted_list_model import hard_inputs, mutants, writeup
from sorted_list_model.data import VALIDATION_SET, SortedListDataset
from sorted_list_model.model import answers_to
from sorted_list_model.scope import not_of_0_to_50, not_the_reference
from sorted_list_model.strategies import lists_with_large_jump, lists_within

SEED = 0
A_SIZE = 200
"""Lists that are drawn for each size of a jump and each smallest number."""

DRAWN = f"{A_SIZE} lists for each, seed {SEED}"
LARGE = 17
"""From here on jumps are large: fewer than one in sixty of the training set, and misleading."""

IN_ORDER = "hypothesis, lists in ascending order"


@claim(
    "Large jumps are adversarial: after jumps up to 12 more than 999 answers of 1,000 are right, and after those of 30 "
    "to 40 fewer than half",
    source=f"{writeup.POST}; {writeup.ADVERSARIAL}",
    over=f"lists with a jump of each size of 1 .. 40; {DRAWN}",
    evidence="sampled",
    refuted_by=[
        mutants.attend_to_next_alone,
        mutants.double_scores,
        mutants.swap_two_numbers,
        mutants.forget_sorted_positions,
    ],
    unless=not_of_0_to_50,
)
def test_large_jumps_are_adversarial(model, measure):
    accuracy = hard_inputs.accuracy_by_jump(model, range(1, 41), A_SIZE, SEED)
    assert measure("accuracy at jumps up to 12", accuracy[:12].mean()) > 0.999
    assert measure("accuracy at jumps of 30 to 40", accuracy[29:].mean()) < 0.5


@claim(
    "The larger the jump, the more misleading: from 13 on, fewer answers are right after each four sizes than after "
    "the four before",
    source=f"{writeup.POST}, as a curve",
    over=f"lists with a jump of each size of 13 .. 32; {DRAWN}",
    evidence="sampled",
    refuted_by=[mutants.attend_to_next_alone, mutants.negate_keys, mutants.untrained],
    unless=not_of_0_to_50,
)
def test_accuracy_falls_with_the_jump(model, measure):
    accuracy = hard_inputs.accuracy_by_jump(model, range(13, 33), A_SIZE, SEED).view(5, 4).mean(-1)
    for least, (before, now) in zip(range(17, 33, 4), accuracy.unfold(0, 2, 1).tolist(), strict=True):
        assert measure(f"fall of accuracy to jumps of {least} .. {least + 3}", before - now) > 0


@claim(
    "Nearly all errors after a sorted number are at large jumps: more than nine in ten at one of at least 13",
    source=f"ours: {writeup.ADVERSARIAL}, the other way round",
    over=f"{VALIDATION_SET}, SEP left out",
    evidence="sampled",
    refuted_by=[
        mutants.double_scores,
        mutants.forget_sorted_positions,
        mutants.blur_unembedding_upwards,
        mutants.swap_two_numbers,
    ],
    unless=not_of_0_to_50,
)
def test_errors_are_at_large_jumps(model, measure, computed, validation):
    wrong = ~computed(hard_inputs.right, model, validation)[:, 1:]
    at_large = wrong & (validation.jumps >= 13)
    assert measure("errors at a jump of at least 13", at_large.sum() / wrong.sum().clamp(min=1)) > 0.9


@claim(
    "The two printed lists are answered wrongly where the jump is, and nowhere else",
    source=writeup.ADVERSARIAL,
    over="the two printed lists, every answer",
    evidence="exact",
    refuted_by=[mutants.attend_to_next_alone, mutants.swap_two_distant_numbers, mutants.negate_keys],
    unless=not_the_reference,
)
def test_printed_lists(model, measure):
    for numbers in writeup.LARGE_JUMPS:
        wrong = [answer != number for answer, number in zip(answers_to(model, numbers), numbers, strict=True)]
        assert measure(f"wrong after {numbers[0]} of {numbers[0]}, {numbers[1]}, ..", int(wrong[1])) == 1
        assert measure(f"wrong elsewhere in {numbers[0]}, {numbers[1]}, ..", sum(wrong) - int(wrong[1])) == 0


@claim(
    "Large jumps to 50 are no problem: from each of 10, 15, 20 and 25 they are answered in 95 of 100 cases",
    source=f"ours: against {writeup.ADVERSARIAL}, which makes no exception",
    over=f"lists whose largest numbers are 50 and one of these; {DRAWN}",
    evidence="sampled",
    refuted_by=[mutants.silence_main_head, mutants.forget_sorted_positions, mutants.exchange_QK],
    unless=not_the_reference,
)
def test_jumps_to_the_largest_number(model, measure):
    for d in (10, 15, 20, 25):
        lists = hard_inputs.lists_with_jump_to_the_largest(d, A_SIZE, SEED)
        answered = hard_inputs.right(model, SortedListDataset.of(lists))[:, -1]
        assert measure(f"accuracy from {d} to 50", answered.double().mean()) > 0.95


@claim(
    "Lists without small numbers are adversarial: the smallest number is answered in 99 of 100 cases where it is at "
    "most 20, and in fewer than one of ten where it is 30 or more",
    source=f"{writeup.ATTENTION}; {writeup.ADVERSARIAL}",
    over=f"lists with each smallest number of 0 .. 41; {DRAWN}",
    evidence="sampled",
    refuted_by=[
        mutants.attend_to_next_alone,
        mutants.take_SEP_for_the_last_number,
        mutants.silence_main_head,
        mutants.exchange_QK,
    ],
    unless=not_the_reference,
)
def test_lists_without_small_numbers(model, measure):
    accuracy = hard_inputs.accuracy_at_SEP(model, range(42), A_SIZE, SEED)
    assert measure("accuracy at SEP where the smallest is at most 20", accuracy[:21].mean()) > 0.99
    assert measure("accuracy at SEP where it is 30 or more", accuracy[30:].mean()) < 0.1


@claim(
    "Where the smallest number is 0 and the next one 33 .. 42, that one is not answered: no list was found on which "
    "it is",
    source=f"ours: {writeup.ADVERSARIAL}, searched",
    over=f"what a search finds: {IN_ORDER} whose two smallest numbers are 0 and one of 33 .. 42",
    evidence="searched",
    refuted_by=[mutants.attend_to_next_alone, mutants.double_scores],
    unless=not_the_reference,
)
@given(search=st.data())
def test_no_large_jump_from_0_is_answered(model, measure, search):
    second = search.draw(st.integers(33, 42), label="second number")
    rest = search.draw(lists_within(second + 1, 50, list_len=8), label="the rest")
    numbers = [0, second, *rest]
    answer = answers_to(model, numbers)[1]
    assert measure("answered rightly", int(answer == second)) == 0, f"list {numbers}: after 0 the answer is {answer}"


@claim(
    "Every list is answered rightly",
    source="ours: a known limit",
    over=f"what a search finds: {IN_ORDER} with a jump of at least {LARGE}",
    evidence="searched",
    role="stress",
    unless=not_of_0_to_50,
)
@given(search=st.data())
def test_every_list_is_answered(model, measure, search):
    numbers = search.draw(lists_with_large_jump(LARGE), label="numbers")
    answered = answers_to(model, numbers)
    wrong = sum(answer != number for answer, number in zip(answered, numbers, strict=True))
    assert measure("wrong answers", wrong) == 0, f"list {numbers}: the answers are {answered}"
