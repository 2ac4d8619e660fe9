"""Single bounds: what is true with room to spare is accepted, what is false is not, whatever the witness."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from list_certificates import Lists, Search, Tables, classes, logits_of, relaxed_lists, sets_of, tiny, weights_of

from sorted_list_model.proof.check import bounds as module
from sorted_list_model.proof.check.bounds import Bounds, Node
from sorted_list_model.proof.check.circuit import Circuit, largest
from sorted_list_model.proof.check.document import Rejected

MODELS = [{"heads": 1}, {"heads": 2}, {"heads": 2, "louder": 8.0}]


@pytest.fixture(scope="module", params=MODELS, ids=str)
def model(request):
    return tiny(**request.param)


@pytest.fixture(scope="module")
def circuit(model):
    return Circuit(weights_of(model))


def query_of(circuit, k, d):
    (query,) = circuit.queries(k, [d or 0])
    return query


def accepts(query, above, below, lo, hi, better, worse, intervals, stream=0.0, scale=0.0):
    bounds = Bounds(query, stream, scale)
    bounds.node(Node("here", above, below, lo, hi))
    if intervals:
        bounds.add(better, worse, intervals)
    try:
        bounds.verify()
    except Rejected:
        return False
    return True


def ends(lists, sets):
    """The smallest and the largest rho on the lists of some sets, as a proof takes them."""
    _, Z_0, _, Z_1 = lists.sums(relaxed_lists(lists.cfg, sets), 0, 0)
    return float((Z_0 / Z_1).min()), float((Z_0 / Z_1).max())


def test_no_witness_proves_what_is_false_of_some_list(model, circuit):
    """Of every class and every two answers: if the model has one list on which it is not so, no lam_0 is accepted."""
    tables, (numbers, logits) = Tables(model), logits_of(model)
    lam_0 = np.concatenate([np.linspace(-3, 3, 41), 10.0 ** np.arange(-6, 3), -(10.0 ** np.arange(-6, 3))])
    false = true = 0
    for k, d, y, sets in itertools.islice(classes(model.cfg), 0, None, 3):
        query, lists = query_of(circuit, k, d), Lists(tables, k, d)
        lo, hi = ends(lists, sets)
        lo, hi = lo * (1 - 1e-9), hi * (1 + 1e-9)
        of_class = np.array([tuple(sorted(row)) in sets for row in numbers.tolist()])
        for c in range(model.cfg.d_vocab_out):
            for better, worse in ((y, c), (c, y)) if c != y else ():
                smallest = (logits[of_class, k, better] - logits[of_class, k, worse]).min()
                accepted = any(
                    accepts(query, (y,), () if d is None else (d,), lo, hi, better, worse, [(lo, hi, float(lam))])
                    for lam in lam_0
                )
                assert not (accepted and smallest <= 0), (k, d, y, better, worse)
                false, true = false + (smallest <= 0), true + accepted
    assert min(false, true) > 20


@pytest.mark.parametrize("sizes", [*MODELS, {"list_len": 4}], ids=str)
def test_a_range_of_rho_holds_every_list_or_is_refused(sizes):
    """Both ends, in nodes of every depth: with a millionth less at either, one list is outside."""
    model = tiny(**sizes)
    tables, circuit = Tables(model), Circuit(weights_of(model))
    for k, d, y, sets in itertools.islice(classes(model.cfg), 0, None, 3):
        query, lists = query_of(circuit, k, d), Lists(tables, k, d)
        numbers = sets[len(sets) // 2]
        depths = range(1, len(numbers) - k + 1), range(1, k + 1) if k else [0]
        for many_above, many_below in itertools.product(*depths):
            above, below = numbers[k : k + many_above], numbers[k - many_below : k][::-1]
            lo, hi = ends(lists, sets_of(model.cfg, k, above, below))
            where = (query, above, below)
            assert accepts(*where, lo * (1 - 1e-10), hi * (1 + 1e-10), y, 0, [])
            assert not accepts(*where, lo * (1 + 1e-6), hi * (1 + 1e-6), y, 0, [])
            assert not accepts(*where, lo * (1 - 1e-6), hi * (1 - 1e-6), y, 0, [])


def test_both_ends_of_an_interval_are_verified(model, circuit):
    """Some lam_0 are enough at one end of the interval, and not at the other."""
    tables, at_one_end = Tables(model), [0, 0]
    for k, d, y, sets in classes(model.cfg):
        query, lists = query_of(circuit, k, d), Lists(tables, k, d)
        lo, hi = ends(lists, sets)
        lo, hi = lo / 1.2, hi * 1.2
        where = (query, (y,), () if d is None else (d,), lo, hi)
        for c, lam in itertools.product(range(3), np.linspace(-0.5, 0.5, 11)):
            if c == y:
                continue
            alone = [accepts(*where, y, c, [(end, end, lam)]) for end in (lo, hi)]
            assert accepts(*where, y, c, [(lo, hi, lam)]) == all(alone)
            if sum(alone) == 1:
                at_one_end[alone.index(True)] += 1
    if len(model.blocks[0].attn.W_Q) == 2:
        assert min(at_one_end) > 0


@pytest.mark.parametrize("place", [0, 255, 256, 799])
def test_the_first_that_is_not_proved_is_named_wherever_it_is(place):
    """Bounds are verified many at a time: the last of them as the first."""
    model = tiny()
    query = query_of(Circuit(weights_of(model)), 2, 3)
    lists = Lists(Tables(model), 2, 3)
    lo, hi = ends(lists, [(a, 3, 4) for a in range(3)])
    search = Search(lists, 4)
    search.go((4,), (3,))
    worse = search.excluded[1]
    true = (lo * 0.999, hi * 1.001, search.witness[2])
    assert not math.isnan(true[2])
    lie = (*true[:2], 1e6)

    def many(wrong_bound, wrong_range, nodes=800):
        bounds = Bounds(query, 0.0, 0.0)
        for index in range(800):
            if index < nodes:
                bounds.node(Node(f"node {index}", (4,), (3,), hi if index == wrong_range else true[0], true[1]))
            bounds.add(4, worse, [lie if index == wrong_bound else true])
        bounds.verify()
        return bounds.verified

    assert many(None, None) == 800
    with pytest.raises(Rejected, match=f"^node {place}: the witness does not prove that 4 beats {worse} where Z_0"):
        many(place, None)
    assert many(None, None, nodes=1) == 800
    with pytest.raises(Rejected, match=r"^node 0: the witness does not prove that"):
        many(place, None, nodes=1)
    with pytest.raises(Rejected, match=f"^node {place}: Z_0 / Z_1 is not proved to lie between"):
        many(None, place)


def test_room_is_taken_off_for_more_than_rounding_can_do(model, circuit, monkeypatch):
    """The sum of one list, in fractions, with tables that are off as far as they may be, is not below the computed one.

    Without the room it would be.
    """
    rng, above_without = np.random.default_rng(0), 0
    for k, d, y, sets in itertools.islice(classes(model.cfg), 1, None, 3):
        query = query_of(circuit, k, d)
        bounds, c = Bounds(query, 1e-6, 1e-6), (y + 1) % 8
        lam_0, rho = float(rng.normal()) * 10.0 ** rng.integers(-6, 6), float(rng.uniform(0.1, 10))
        chosen = [p * query.sizes.numbers + n for p, n in enumerate(sets[0])] + [query.sizes.sep] + [-1] * bool(k)

        def computed(bounds=bounds, chosen=chosen, pair=([y], [c]), lam_0=lam_0, rho=rho):
            at_0, at_1 = bounds._terms(*map(np.array, pair), np.array([lam_0]))
            return Fraction(float((at_0 + rho * at_1)[0, chosen].sum()))

        least, off = Fraction(0), Fraction(2) ** -52
        for head, lam in enumerate((Fraction(lam_0), -Fraction(bounds._direct[y, c]) - Fraction(lam_0))):
            moved = query.moved[head]
            for key in chosen:
                term = Fraction(moved[y, key]) - Fraction(moved[c, key]) - lam - 2 * off * Fraction(largest(moved))
                e = Fraction(query.weights[head][key]) * (Fraction(rho) if head else 1)
                least += min(e * (1 - off) * term, e * (1 + off) * term)
        assert computed() < least
        with monkeypatch.context() as without:
            without.setattr(module, "ROOM", 0.0)
            above_without += computed() > least
    assert above_without > 0


def test_the_errors_of_float32_are_room_that_a_bound_must_leave(circuit, model):
    tables = Tables(model)
    for k, d, y, sets in classes(model.cfg):
        query, lists = query_of(circuit, k, d), Lists(tables, k, d)
        search = Search(lists, y)
        search.go((y,), () if d is None else (d,))
        if search.excluded[0] and not math.isnan(search.witness[2]):
            lo, hi = ends(lists, sets)
            bound = (lo * 0.999999, hi * 1.000001, search.witness[2])
            where = (query, (y,), () if d is None else (d,), *bound[:2])
            pair = (y, search.excluded[1])
            if search.kinds[0] == 2:
                pair = pair[::-1]
            assert accepts(*where, *pair, [bound], 1e-7, 1e-7)
            assert not accepts(*where, *pair, [bound], 100.0, 0.0)
            assert not accepts(*where, *pair, [bound], 0.0, 100.0)
            return
    raise AssertionError
