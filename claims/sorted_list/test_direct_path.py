"""The direct path: it suppresses the current number, which is written down already"""

from pytest_claims import claim

from sorted_list_model import direct_path, mutants, writeup
from sorted_list_model.attribution import close, share_of, triples
from sorted_list_model.data import FIRST_LISTS
from sorted_list_model.hard_inputs import right
from sorted_list_model.scope import no_account_of, no_account_of_triples, not_the_reference
from toy_model.intervention import cut_direct_path, run_under

FROM_THE_WEIGHTS = "every number (exact, mean over sorted positions), relative to the mean over numbers"


@claim(
    "The direct path lowers the logit of the current number and raises that of the one above it, for nine numbers in "
    "ten",
    source=f"ours: {writeup.DIRECT_PATH}, which draws it",
    over=FROM_THE_WEIGHTS,
    evidence="exact",
    refuted_by=[mutants.answer_one_higher, mutants.untrained, mutants.shuffle_weights],
    unless=no_account_of_triples,
    exhaustive=True,
)
def test_the_direct_path_moves_on(model, measure):
    path = direct_path.direct_path(model)
    assert measure("numbers whose own logit it lowers", (path.diagonal() < 0).double().mean()) > 0.9
    assert measure("numbers for which it raises the next", (path.diagonal(1) > 0).double().mean()) > 0.9


@claim(
    "Without the direct path more than one answer in a hundred becomes wrong, and in more than three quarters of these "
    "cases the model answers the current number again",
    source="ours",
    over=f"{FIRST_LISTS}; the direct path zero-ablated",
    evidence="sampled",
    refuted_by=[mutants.reverse_direct_path, mutants.answer_one_higher, mutants.untrained],
    unless=no_account_of,
)
def test_without_it_numbers_are_said_again(model, measure, computed, lists):
    answered = computed(without_it, model, lists)
    wrong = (answered != lists.targets.cpu()) & right(model, lists)
    assert measure("new errors without it", wrong.double().mean()) > 0.01
    assert measure("of these, the current number again", share_of(answered == lists.current.cpu(), wrong)) > 3 / 4


@claim(
    "It is not the direct path that keeps the model from answering d+2 at d of d, d+1, d+2: without it d+2 is answered "
    "there in fewer than 5 of 100 cases",
    source=writeup.DIRECT_PATH,
    over=f"{FIRST_LISTS}: where the list contains d, d+1, d+2; the direct path zero-ablated",
    evidence="sampled",
    refuted_by=[mutants.silence_lesser_head, mutants.blur_unembedding_upwards, mutants.mirror_cross_terms],
    unless=no_account_of_triples,
)
def test_it_does_not_decide_close_triples(model, measure, computed, lists):
    answered = computed(without_it, model, lists)[:, 1:-1]
    _, _, z = triples(lists)
    assert measure("d+2", share_of(answered == z, close(lists))) < 0.05


@claim(
    "What is answered there without the direct path, if not d+1, is d again, at least three times as often as d+2",
    source=f"ours: {writeup.DIRECT_PATH}, of the shipped checkpoint",
    over=f"{FIRST_LISTS}: where the list contains d, d+1, d+2; the direct path zero-ablated",
    evidence="sampled",
    refuted_by=[mutants.silence_lesser_head, mutants.blur_unembedding_upwards, mutants.untrained],
    unless=not_the_reference,
)
def test_close_triples_are_said_again_without_it(model, measure, computed, lists):
    answered, among = computed(without_it, model, lists)[:, 1:-1], close(lists)
    x, _, z = triples(lists)
    again, skipped = share_of(answered == x, among), share_of(answered == z, among)
    assert measure("d again, over d+2", again / max(skipped, 1e-6)) > 3


def without_it(model, lists):
    """The answers with the direct path zero-ablated."""
    return run_under(model, lists.toks, cut_direct_path())[:, lists.scored].argmax(-1).cpu()
