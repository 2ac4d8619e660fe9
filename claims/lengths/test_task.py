"""How long: what one layer is right on, and what two are wrong on"""

from pytest_claims import claim, erratum

from cumsum_model import writeup
from cumsum_model.lengths import mutants
from cumsum_model.lengths.cells import Cell

PROVED = "every seed of the study at these lengths, and of each model every sequence (proved); ends of the 95% interval"
FOUND = (
    "every seed of the study at these lengths; of each model a million sequences and those that a search for the "
    "smallest margin meets; ends of the 95% interval"
)


@claim(
    "Trained by the published recipe for 10 values or for 20, one layer is right on all sequences, for more than half "
    "of all seeds",
    source=f"{writeup.FINDING_U}, a question; the answer is ours",
    over=PROVED,
    evidence="sampled",
    refuted_by=[mutants.reverse_lengths, mutants.exchange_layers, mutants.keep_one_seed],
)
def test_one_layer_is_right_up_to_20(model, measure):
    right = model.count([Cell(10), Cell(20)], lambda run: run.proved_right)
    assert measure("share of seeds that are proved right, at least", right.low) > 1 / 2


@claim(
    "Two layers are wrong on some sequence of 10 values, of 20 and of 40, for more than three quarters of all seeds",
    source=f"{writeup.FINDING_U}, a question; the answer is ours",
    over=FOUND,
    evidence="sampled",
    refuted_by=[mutants.exchange_layers, mutants.keep_one_seed],
)
def test_two_layers_are_wrong_from_10_on(model, measure):
    wrong = model.count([Cell(length, 2) for length in (10, 20, 40)], lambda run: run.known_wrong)
    assert measure("share of seeds that are known to be wrong, at least", wrong.low) > 3 / 4


@claim(
    "And yet two layers have less than half of the loss of one, at 10 values, at 20 and at 40",
    source=f"{writeup.FINDING_U}: two layers might do a bit better",
    over="the evaluation set of every length, and every seed of the study; ends of the 95% interval",
    evidence="sampled",
    refuted_by=[mutants.exchange_layers, mutants.keep_one_seed],
)
def test_two_layers_have_a_lower_loss(model, measure):
    ratios = []
    for length in (10, 20, 40):
        one, two = (model.mean(Cell(length, layers), lambda run: run.loss) for layers in (1, 2))
        ratios.append(two.high / max(one.low, 1e-9))  # below zero no loss is: there the seeds say nothing
    assert measure("loss of two layers over that of one, at most", max(ratios)) < 1 / 2


@claim(
    "At 40 values the bias of one number decides: with that of the zero logit where it is best, one layer is right on "
    "all sequences, by more than a tenth of a logit on average over all seeds",
    source="ours",
    over=PROVED,
    evidence="sampled",
    refuted_by=[mutants.exchange_layers, mutants.keep_one_seed],
)
def test_at_40_a_bias_decides(model, measure):
    margin = model.mean(Cell(40), lambda run: run.balanced_margin)
    assert measure("mean of the smallest margin with the best bias, at least", margin.low, "logits") > 1 / 10


@erratum(
    "Two layers can go longer than one: at 40 values more seeds are right on all sequences with two layers than with "
    "one",
    source=f'{writeup.FINDING_U} ("might do a bit better"); that better means right on more sequences is ours',
    over=FOUND,
    true_of=[mutants.exchange_layers],
)
def test_two_layers_can_go_longer(model, measure):
    one, two = (model.count([Cell(40, layers)], lambda run: not run.known_wrong) for layers in (1, 2))
    assert measure("share of seeds of two layers without a known mistake", two.found) > one.found
