"""The task: two layers make few mistakes on their data, with a lower loss than one"""

from pytest_claims import claim

from cumsum_model import writeup
from cumsum_model.data import EVALUATION_SET
from cumsum_model.mutants import swap_verdicts, untrained
from cumsum_model.scope import reference_model
from cumsum_model.two_layers import mutants
from cumsum_model.two_layers.scope import no_account_of, not_beside_one_layer
from toy_model.behaviour import behaviour


@claim(
    "More than 999 of 1,000 running sums of the evaluation set are classified correctly",
    source="ours",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.silence_second_head, swap_verdicts, untrained],
    unless=no_account_of,
)
def test_nearly_every_answer_is_right(model, measure, data):
    assert measure("accuracy", behaviour(model, data).accuracy) > 0.999


@claim(
    "The cross entropy is less than half of that of the shipped model of one layer",
    source=f"{writeup.FINDING_U}: two layers might do a bit better",
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.put_one_layer_in_two, mutants.attend_evenly_in_second_layer],
    unless=not_beside_one_layer,
)
def test_the_loss_is_lower(model, measure, data):
    one_layer = behaviour(reference_model().to(model.device), data).cross_entropy
    ratio = behaviour(model, data).cross_entropy / one_layer
    assert measure("cross entropy over that of one layer", ratio) < 1 / 2
