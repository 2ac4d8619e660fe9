"""Without the MLP: it still leans the right way, but "zero" is its default"""

from cumsum_model import mutants
from cumsum_model.behaviour import behaviour, label_entropy, right_label_probabilities, run
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, ZERO, running_means
from cumsum_model.intervention import all_neurons, loss_under, run_under, without_neurons
from cumsum_model.proof.certificate import certify
from cumsum_model.verification import claim

SOURCE = "write-up, Analysing neurons"
OVER = f"all neurons zero-ablated, {EVALUATION_SET}"


def answers(model, data):
    """Probabilities with and without the MLP, on the CPU."""
    without = run_under(model, data.toks, all_neurons(model))
    return run(model, data.toks).softmax(-1).cpu(), without.softmax(-1).cpu()


@claim(
    "The loss is at least five times what it was, yet lower than label frequencies alone would leave",
    source=SOURCE,
    over=OVER,
    refuted_by=[mutants.silence_mlp, mutants.untrained, mutants.let_neurons_read_backwards],
    unless=no_account_of,
)
def test_loss_without_mlp(model, measure, data):
    without = loss_under(model, data, all_neurons(model))
    measured = measure("cross entropy", without, "nats", published=0.536)
    assert measured < label_entropy(data.labels)
    assert measured.as_published(within=1 / 5)
    assert measure("over that of the whole model", without / behaviour(model, data).cross_entropy) > 5


@claim(
    "The right label stays more likely than not, but somewhere gets less than a blind guess among three",
    source=SOURCE,
    over=OVER,
    refuted_by=[mutants.untrained, mutants.speak_timidly, mutants.swap_verdicts],
    unless=no_account_of,
)
def test_probabilities_without_mlp(model, measure, data):
    logits = run_under(model, data.toks, all_neurons(model))
    p_right = right_label_probabilities(logits, data.labels)
    measured = measure("mean P(right)", p_right.mean(), published=0.637)
    assert measured > 0.5
    assert measured.as_published(within=1 / 5)
    measured = measure("median P(right)", p_right.median(), published=0.614)
    assert measured > 0.5
    assert measured.as_published(within=1 / 5)
    measured = measure("smallest P(right)", p_right.min(), published=0.159)
    assert measured < 1 / 3
    assert measured.as_published(within=1 / 5)


@claim(
    "More than half of the answers are still right, at every length, but not all",
    source=SOURCE,
    over="all neurons zero-ablated; all sequences of each length (counted from the weights, in real arithmetic)",
    refuted_by=[mutants.swap_verdicts, mutants.let_size_vote_zero],
    unless=no_account_of,
)
def test_accuracy_without_mlp(model, measure, proved):
    certificate = proved(certify, without_neurons(model, range(model.cfg.d_mlp)))
    lowest = min(length.accuracy[0] for length in certificate.lengths)
    assert measure("exact accuracy at the worst length, at least", float(lowest)) > 0.5
    assert measure("exact accuracy at full length, at most", float(certificate.lengths[-1].accuracy[1])) < 1


@claim(
    'It leans towards "zero": it says so at least twice as often as it is true',
    source=SOURCE,
    over=OVER,
    refuted_by=[mutants.shun_zero, mutants.attend_to_last],
    unless=no_account_of,
)
def test_it_leans_towards_zero(model, measure, data):
    _, without = answers(model, data)
    said, true = (without.argmax(-1) == ZERO).double().mean(), (data.labels == ZERO).double().mean()
    assert measure('share of answers "zero" over share of zeros', said / true) > 2


@claim(
    "Where the sum is zero little is lost: every answer stays right, and P(zero) falls by less than a tenth",
    source=SOURCE,
    over=f"{OVER} with sum zero",
    refuted_by=[mutants.shun_zero, mutants.attend_to_last, mutants.shout_current_value],
    unless=no_account_of,
)
def test_little_is_lost_at_zero(model, measure, data):
    whole, without = answers(model, data)
    zeros = data.labels == ZERO
    assert measure("accuracy", (without.argmax(-1) == ZERO)[zeros].double().mean()) == 1
    assert measure("fall of P(zero)", (whole - without)[zeros][:, ZERO].mean()) < 0.1


@claim(
    "The sum has to be extreme before it is confident: half a unit of mean leaves no doubt with the MLP, and "
    'without it "zero" keeps more than a tenth',
    source=SOURCE,
    over=f"{OVER} with a mean between 1/2 and 1 in size",
    refuted_by=[mutants.shun_zero, mutants.silence_mlp, mutants.move_kinks],
    unless=no_account_of,
)
def test_P_zero_against_the_mean(model, measure, data):
    whole, without = answers(model, data)
    sizes = running_means(data.values).abs()
    middling = (sizes >= 0.5) & (sizes < 1)
    assert measure("mean P(zero) with the MLP", whole[middling][:, ZERO].mean()) < 0.01
    assert measure("mean P(zero) without it", without[middling][:, ZERO].mean()) > 0.1
