"""The checker rejects a certificate in which anything was tampered with, and says what."""

import itertools
import json

import pytest
from brute_force import shortened
from certificates import document_of, drop, every_class, first_of, put, query_of, tampered, verify

from cumsum_model import mutants
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.certificate_file import differing
from cumsum_model.proof.check.checker import Rejected


def test_a_margin_raised_by_a_millionth_is_rejected_at_full_length(written, reference):
    document = json.loads(written.read_bytes())
    sha256 = document["checkpoint"]["sha256"]
    smallest = document["smallest_margin"]
    length = document["lengths"][smallest["length"] - 1]
    query = length["queries"][smallest["values"][-1] + 5]
    place = smallest["sum"] - query["lowest_sum"]
    smallest["proved"] += 1e-6
    length["smallest_margin"] += 1e-6
    query["smallest"][place] += 1e-6
    # Twice over: a sequence is at hand that has a smaller margin, and without it the bound cannot be proved.
    place_in_words = r"length 20, last value -5, sum \+1: the smallest margin .* is "
    with pytest.raises(Rejected, match=place_in_words + "contradicted by"):
        verify(document, reference, sha256)
    query["smallest_witness"][place] = None
    with pytest.raises(Rejected, match=place_in_words + "not proved"):
        verify(document, reference, sha256)


def test_no_margin_can_be_raised_anywhere(short, document):
    """Each class in turn, a millionth above what a sequence in it has: a stride of them, to save time."""
    certificate = certify(short, refine_all=True)
    for length, query, place in itertools.islice(every_class(document), 0, None, 31):
        true = certificate.lengths[length["length"] - 1].smallest[query["last"] + 5, place]

        def change(changed, length=length, query=query, place=place, true=true):
            query = changed["lengths"][length["length"] - 1]["queries"][query["last"] + 5]
            query["smallest"][place] = true + 1e-6
            query["smallest_witness"][place] = None

        with pytest.raises(Rejected, match="not proved"):
            verify(tampered(document, change), short)


LISTS = ("labels", "verdicts", "signs", "smallest", "smallest_witness", "largest", "largest_witness", "right")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: drop(query_of(d), *LISTS), "is of 20 classes, there are 21"),
        (lambda d: drop(query_of(d), "verdicts"), '"verdicts" is of 20 classes'),
        (lambda d: query_of(d).update(lowest_sum=-9), "other sums"),
        (lambda d: d["lengths"][2]["queries"].pop(), "lacks queries"),
        (lambda d: d["lengths"].pop(), "has 3 lengths, the checkpoint has 4"),
        (lambda d: d["lengths"].reverse(), "length 1 is missing"),
        (lambda d: put(query_of(d), "labels", 4, "p"), "sum -4: the label is not 'p'"),
        (lambda d: put(query_of(d), "labels", 8, "p"), "sum \\+0: the label is not 'p'"),
        (lambda d: put(query_of(d), "verdicts", 4, "W"), '"smallest" does not belong to its verdict'),
        (lambda d: put(query_of(d), "verdicts", 4, "U"), '"smallest" does not belong to its verdict'),
        (lambda d: query_of(d)["largest"].__setitem__(4, 9.0), '"largest" does not belong to its verdict'),
        (lambda d: query_of(d)["right"].__setitem__(4, ["0", "0"]), '"right" does not belong to its verdict'),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+-?*+-?*"), "signs of neurons"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5.0, -1.0, 2.0]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, ["-5", "-1", "2"]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, True, 2]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, -(2**70), 2]), "witness is no sequence"),
        (lambda d: d["smallest_margin"].update(length=0), "hardest sequence is no sequence"),
        (lambda d: d["smallest_margin"].update(length=1, sum=5, values=[5]), "not of the class of the smallest margin"),
        (lambda d: d["smallest_margin"].update(sum=-999), "hardest sequence has another sum"),
        (lambda d: d.update(proved_right=1), "does not follow from the classes"),
        (lambda d: put(query_of(d), "verdicts", 4, "X"), "no verdict"),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+" * 8), "neuron . is not always '.'"),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+"), "1 signs of neurons"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, -1.0), "called right with a smallest margin of -1.0"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, 0.0), "called right with a smallest margin of 0.0"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, None), "no bound"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-4, -3, 3]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, 0, 2]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, float("nan")), "nan is no bound"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, True), "True is no bound"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [1, 1, 1]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-12, 6, 2]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-3, -3]), "inhomogeneous|not in its class"),
        (lambda d: d["lengths"][2].update(right=["1330", "1331"]), "does not follow from the classes"),
        (lambda d: d["lengths"][2].update(sequences="1332"), "does not follow from the classes"),
        (lambda d: d.update(sequences="14642"), "does not follow from the classes"),
        (lambda d: d.update(proved_right=False), "does not follow from the classes"),
        (lambda d: d.update(right_at_every_position=["0", "14641"]), "does not follow from the classes"),
        (lambda d: d["smallest_margin"].update(proved=0.5), "its smallest margin is 0.5"),
        (lambda d: d["smallest_margin"].update(proved=5.0), "its smallest margin is 5.0"),
        (lambda d: d["lengths"][1].update(smallest_margin=0.5), "length 2: the smallest margin is 0.5"),
        (lambda d: d["smallest_margin"].update(values=[0]), "hardest sequence is no sequence|another sum|no witness"),
        (lambda d: d.update(version=3), "its version is '3', this checker reads 1 and 2"),
        (lambda d: d["architecture"].update(activation="GELU"), "is of a model of another architecture"),
        (lambda d: d.pop("architecture"), "not a complete certificate"),
        (lambda d: d.update(format="recipe"), "not a certificate of this kind"),
        (lambda d: d.pop("lengths"), "not a complete certificate"),
        (lambda d: d["checkpoint"].update(sha256="1" * 64), "of another checkpoint"),
    ],
)
def test_what_was_tampered_with_is_rejected(short, document, change, reason):
    assert verify(document, short).counted_on_trust == 0
    with pytest.raises(Rejected, match=reason) as caught:
        verify(tampered(document, change), short)
    assert "\n" not in str(caught.value)


def test_a_count_that_is_off_by_one_is_rejected(short):
    """The checker counts for itself where right and wrong sequences mix."""
    model = shortened(mutants.silence_strongest_neuron(short), 4)
    document = document_of(model)
    assert verify(document, model).counted_on_trust == 0
    mixed = [(length, query, place) for length, query, place in every_class(document) if query["right"][place]]
    assert mixed
    _, query, place = mixed[-1]
    count = int(query["right"][place][0])
    query["right"][place] = [str(count - 1)] * 2
    with pytest.raises(Rejected, match=f"{count} sequences are right"):
        verify(document, model)


@pytest.fixture(scope="module")
def broken(short):
    """A model that says the opposite, so that most classes are wrong, with its certificate."""
    model = shortened(mutants.swap_verdicts(short), 3)
    return model, document_of(model)


def test_a_largest_margin_cannot_be_lowered(broken):
    model, document = broken
    truth = certify(model, refine_all=True)
    for length, query, place in itertools.islice(every_class(document), 0, None, 17):
        if query["verdicts"][place] != "W":
            continue
        largest = truth.lengths[length["length"] - 1].most[query["last"] + 5, place]

        def change(changed, n=length["length"], last=query["last"], place=place, largest=largest, witness=True):
            query = query_of(changed, n, last)
            query["largest"][place] = largest - 1e-6
            if not witness:
                query["largest_witness"][place] = None

        with pytest.raises(Rejected, match=r"contradicted by|not proved"):
            verify(tampered(document, change), model)
        with pytest.raises(Rejected, match=r"the largest margin .* is not proved"):
            verify(tampered(document, lambda changed, change=change: change(changed, witness=False)), model)


def test_what_is_said_of_wrong_classes_is_verified(short, document, broken):
    model, of_broken = broken

    def positive(changed):
        query, place = first_of(changed, "W")
        query["largest"][place] = 1.0

    with pytest.raises(Rejected, match=r"called wrong with a largest margin of 1.0"):
        verify(tampered(of_broken, positive), model)

    def slander(changed):
        query, place = query_of(changed), 4
        put(query, "verdicts", place, "W")
        query["largest"][place], query["smallest"][place], query["smallest_witness"][place] = -1.0, None, None

    with pytest.raises(Rejected, match=r"the largest margin -1.0 is not proved"):
        verify(tampered(document, slander), short)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda q, s: q["right"].__setitem__(s, ["2", "1"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["-1", "1"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["0", "999999"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["0", "0"]), "count of right sequences is impossible"),
        (lambda q, s: q["smallest_witness"].__setitem__(s, None), "a witness is missing"),
        (lambda q, s: q["smallest_witness"].__setitem__(s, q["largest_witness"][s]), "its witness is not wrong"),
        (lambda q, s: q["largest_witness"].__setitem__(s, q["smallest_witness"][s]), "its witness is not right"),
    ],
)
def test_what_is_said_of_mixed_classes_is_verified(short, change, reason):
    model = shortened(mutants.silence_strongest_neuron(short), 4)
    document = document_of(model)
    change(*first_of(document, "S"))
    with pytest.raises(Rejected, match=reason):
        verify(document, model)


def test_a_certificate_from_before_architectures_were_named_is_read(short, document):
    def age(document):
        document.update(version=1)
        del document["architecture"]

    old = tampered(document, age)
    assert verify(old, short).sequences == verify(document, short).sequences
    assert differing(old, short) is None
    assert differing(tampered(document, lambda d: d.pop("architecture")), short) == "architecture"
