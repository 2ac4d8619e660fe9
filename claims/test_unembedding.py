"""The unembedding: "pos" and "neg" are read off opposite ends of u"""

from cumsum_model import circuit, mutants
from cumsum_model.circuit import no_account_of
from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.verification import claim


@claim(
    "The pos and neg unembeddings point in opposite directions",
    source="write-up, Analysing neurons",
    over="the weights",
    refuted_by=[mutants.unembed_neg_apart_from_pos, mutants.shift_unembeddings, mutants.untrained],
)
def test_pos_and_neg_are_opposite(model, measure):
    cosine = circuit.cosine(model.W_U[:, POS], model.W_U[:, NEG])
    measured = measure("cosine of pos with neg", cosine, published=-0.949)
    assert measured < -0.9
    assert measured.as_published(within=1 / 5)


@claim(
    "u points at pos and away from neg",
    source="write-up, Analysing neurons",
    over="the weights",
    refuted_by=[mutants.swap_verdicts, mutants.unembed_neg_apart_from_pos, mutants.untrained],
    unless=no_account_of,
)
def test_u_points_from_neg_to_pos(model, measure):
    u = circuit.value_direction(model)
    measured = measure("cosine of u with pos", circuit.cosine(u, model.W_U[:, POS]), published=0.970)
    assert measured > 0.9
    assert measured.as_published(within=1 / 5)
    measured = measure("cosine of u with neg", circuit.cosine(u, model.W_U[:, NEG]), published=-0.958)
    assert measured < -0.9
    assert measured.as_published(within=1 / 5)


@claim(
    "The zero unembedding takes neither side: it is nearer to a right angle than to pos or neg",
    source="write-up, Analysing neurons",
    over="the weights",
    refuted_by=[mutants.unembed_zero_as_pos, mutants.shift_unembeddings],
)
def test_zero_takes_no_side(model, measure):
    # Nearer to 90 degrees than to 0 or 180: a cosine below 1/sqrt(2) in size.
    for name, side, published in (("pos", POS, 0.190), ("neg", NEG, 0.128)):
        cosine = circuit.cosine(model.W_U[:, side], model.W_U[:, ZERO])
        measured = measure(f"|cosine| of {name} with zero", abs(cosine), published=published)
        assert measured < 0.5**0.5
        assert measured.as_published(within=1 / 5)
