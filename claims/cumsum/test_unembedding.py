"""The unembedding: "pos" and "neg" are read off opposite ends of u"""

from pytest_claims import claim

from cumsum_model import mutants, ov_circuit, reading, writeup
from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.gauge import not_in_the_basis_of_training
from cumsum_model.least_norm import as_training_leaves
from cumsum_model.mutants.symmetries import LOGIT_GAUGE, STREAM_BASIS
from cumsum_model.neurons import no_live_neurons
from cumsum_model.scope import no_account_of
from cumsum_model.writeup import SIBLING, not_of_the_published_sizes
from toy_model import statistics

IN_THE_BASIS = "the weights, in the basis and gauge that weight decay leaves"


@claim(
    "The pos and neg unembeddings point in opposite directions: the cosine of the raw columns is below -0.9",
    source=writeup.NEURONS,
    over=IN_THE_BASIS,
    evidence="exact",
    refuted_by=[mutants.unembed_neg_apart_from_pos, mutants.untrained],
    unless=no_account_of,
    depends_on=(STREAM_BASIS, LOGIT_GAUGE),
    exhaustive=True,
)
def test_pos_and_neg_are_opposite(model, measure):
    model = as_training_leaves(model)
    cosine = measure("cosine of pos with neg", statistics.cosine(model.W_U[:, POS], model.W_U[:, NEG]))
    assert cosine < -0.9


@claim(
    "Whatever moves the logits moves pos and neg in opposite directions: a unit of mean, and every live neuron, pushes "
    "within 12 degrees of the line from neg to pos",
    source=f"ours: what {writeup.NEURONS} says of pos and neg, in any basis and gauge",
    over="a unit of mean past the neurons and the output of every live neuron (exact, from the weights)",
    evidence="exact",
    refuted_by=[mutants.unembed_neg_apart_from_pos, mutants.swap_verdicts, mutants.untrained],
    unless=no_live_neurons,
    exhaustive=True,
)
def test_what_is_written_pushes_pos_against_neg(model, measure):
    # In the plane of centred logits, where angles are a fact about the function: a cosine of 0.98.
    along, *others = reading.pushes_towards_a_side(model)
    assert measure("cosine of what a unit of mean pushes with pos minus neg", along) > 0.98
    assert measure("least |cosine| of what a live neuron pushes", min(map(abs, others), default=0)) > 0.98


@claim(
    "u points at pos and away from neg: cosines above 0.9 and below -0.9",
    source=f"{writeup.SUMMARY}; {writeup.FINDING_U}; {writeup.NEURONS}",
    over=f"{IN_THE_BASIS}; unembeddings centred",
    evidence="exact",
    refuted_by=[mutants.swap_verdicts, mutants.unembed_neg_apart_from_pos, mutants.untrained],
    unless=no_account_of,
    depends_on=(STREAM_BASIS,),
    exhaustive=True,
)
def test_u_points_from_neg_to_pos(model, measure):
    model = as_training_leaves(model)
    u, W_U = ov_circuit.value_direction(model), ov_circuit.centred_unembedding(model)
    pos = measure("cosine of u with pos", statistics.cosine(u, W_U[:, POS]))
    assert pos > 0.9
    neg = measure("cosine of u with neg", statistics.cosine(u, W_U[:, NEG]))
    assert neg < -0.9


@claim(
    "The pos and neg unembeddings have small negative cosines with zero: nearer to a right angle than to a straight "
    "one",
    source=writeup.NEURONS,
    over=f"{IN_THE_BASIS}; unembeddings centred",
    evidence="exact",
    refuted_by=[mutants.unembed_zero_as_pos, mutants.unembed_neg_apart_from_pos],
    unless=no_account_of,
    depends_on=(STREAM_BASIS,),
    exhaustive=True,
)
def test_pos_and_neg_have_small_negative_cosines_with_zero(model, measure):
    model = as_training_leaves(model)
    W_U = ov_circuit.centred_unembedding(model)
    for name, side in (("pos", POS), ("neg", NEG)):
        cosine = measure(f"cosine of {name} with zero", statistics.cosine(W_U[:, side], W_U[:, ZERO]))
        assert cosine < 0
        # Nearer to a right angle than to a straight one.
        assert cosine > -(0.5**0.5)


@claim(
    "All cosines of u and the unembeddings are the published ones to a fifth",
    source=f"{writeup.NEURONS}; the tolerance is ours",
    over=f"{IN_THE_BASIS}; unembeddings centred",
    evidence="exact",
    refuted_by=[
        mutants.swap_verdicts,
        mutants.unembed_zero_as_pos,
        mutants.unembed_neg_apart_from_pos,
        mutants.untrained,
    ],
    unless=not_of_the_published_sizes,
    depends_on=(STREAM_BASIS,),
    exhaustive=True,
)
def test_cosines_are_as_published(model, measure):
    model = as_training_leaves(model)
    u, W_U = ov_circuit.value_direction(model), ov_circuit.centred_unembedding(model)
    neg, zero, pos = W_U.T
    for name, a, b, published in (
        ("pos with neg", pos, neg, -0.949),
        ("u with pos", u, pos, 0.970),
        ("u with neg", u, neg, -0.958),
        ("pos with zero", pos, zero, -0.190),
        ("neg with zero", neg, zero, -0.128),
    ):
        cosine = measure(f"cosine of {name}", statistics.cosine(a, b), published=published)
        assert cosine.as_published(within=SIBLING)


@claim(
    "The cosines of pos and neg with zero are those of any three vectors of their lengths that add up to nothing, to a "
    "fifth: no neuron has to push against zero to make them negative",
    source=f"ours, against the reason that {writeup.NEURONS} gives for them",
    over=f"{IN_THE_BASIS}; raw columns",
    evidence="exact",
    refuted_by=[mutants.unembed_zero_as_pos, mutants.unembed_neg_apart_from_pos, mutants.untrained],
    unless=not_in_the_basis_of_training,
    depends_on=(STREAM_BASIS, LOGIT_GAUGE),
    exhaustive=True,
)
def test_cosines_with_zero_follow_from_lengths(model, measure):
    W_U = model.W_U.double()
    neg, zero, pos = W_U.norm(dim=0).tolist()
    for name, column, own, opposite in (("pos", POS, pos, neg), ("neg", NEG, neg, pos)):
        # |own + zero| = |other|, by the law of cosines.
        expected = (opposite**2 - own**2 - zero**2) / (2 * own * zero)
        off = abs(statistics.cosine(W_U[:, column], W_U[:, ZERO]) - expected) / abs(expected)
        assert measure(f"deviation of the cosine of {name} with zero, over it", off) < SIBLING


@claim(
    "Zero takes neither side: a unit of mean moves the zero logit by less than a twentieth of what it moves pos - neg",
    source=f"ours: what {writeup.NEURONS} says of zero, in any basis and gauge",
    over="a unit of mean, past the neurons and where all of them fire (exact, from the weights); logits centred",
    evidence="exact",
    refuted_by=[mutants.unembed_zero_as_pos, mutants.let_zero_take_a_side, mutants.untrained],
    unless=no_account_of,
    exhaustive=True,
)
def test_zero_takes_no_side(model, measure):
    past_neurons, with_neurons = reading.zero_against_the_sides(model)
    assert measure("past the neurons: |zero| over |pos - neg|", abs(past_neurons)) < 1 / 20
    assert measure("where all neurons fire: |zero| over |pos - neg|", abs(with_neurons)) < 1 / 20
