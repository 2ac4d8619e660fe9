"""What is proved is true: held against every list of small models, run by the model itself."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from every_list import by_class, random_model, trained_small, without_positions

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.hard_inputs import right
from sorted_list_model.proof import bound
from sorted_list_model.proof.bound import Node
from sorted_list_model.proof.certificate import BUDGETS, Kind, Proved, certify, rounded_down, rounded_up
from sorted_list_model.proof.classes import OPEN, RIGHT, SPLIT_ABOVE, SPLIT_BELOW, WRONG, classes
from sorted_list_model.proof.proving import Prover, count
from sorted_list_model.proof.tables import Unprovable, tables
from sorted_list_model.task import untrained
from toy_model.arithmetic.balls import Ball
from toy_model.surgery import copied

MODELS = {
    "trained": trained_small,
    "untrained": lambda: random_model(0),
    "sharp": lambda: random_model(1, 3.0),
    "alike": lambda: without_positions(random_model(2, 2.0)),
    "one head": lambda: random_model(3, 2.0, SortedListConfig(max_value=7, n_ctx=9, n_heads=1, d_model=16, d_head=8)),
}


def sets_that_are(of_class, right):
    """How many sets of a class are answered rightly in every order, or wrongly in every order."""
    return sum(all((margin > 0) == right for margin in margins) for margins in of_class.values())


@pytest.mark.parametrize("budget", [0, 20, 10_000])
@pytest.mark.parametrize("name", MODELS)
def test_counts_are_between_those_of_every_list(name, budget):
    model = MODELS[name]()
    truth = by_class(model)
    certificate = certify(model, budget=budget)
    assert [proved.of for proved in certificate.proved] == sorted(truth)
    for proved in certificate.proved:
        of_class = truth[proved.of]
        assert len(of_class) == proved.of.sets
        assert proved.right <= sets_that_are(of_class, right=True)
        assert proved.wrong <= sets_that_are(of_class, right=False)
    low, high = certificate.accuracy
    answered = [margin > 0 for of_class in truth.values() for margins in of_class.values() for margin in margins]
    assert low <= Fraction(sum(answered), len(answered)) <= high


@pytest.mark.parametrize("seed", range(4))
def test_where_positions_do_not_matter_every_set_is_decided(seed):
    """Every node may be divided down to single sets; on one, the bound is the margin itself."""
    model = without_positions(random_model(seed, 2.0))
    model.ln_final.b.data.zero_()  # else the final scale matters as well
    model.unembed.b_U.data.zero_()
    truth = by_class(model)
    for proved in certify(model, budget=10**6).proved:
        assert proved.open == 0
        assert proved.right == sets_that_are(truth[proved.of], right=True)


@pytest.mark.parametrize("room", [0.05, 0.5, 1e6])
def test_only_margins_that_exceed_the_room_are_proved(room):
    """In units of readouts: a margin times the final scale. The same of lists that are found to be answered wrongly."""
    model = random_model(1, 3.0)
    truth, read = by_class(model), tables(model)
    decided = 0
    for of, of_class in truth.items():
        query = read.query(of.k, of.d)
        proof = Prover(query, 1.0, room).prove(of)
        least = room / query.scale_high
        assert proof.right <= sum(min(margins) > least for margins in of_class.values())
        assert proof.wrong <= sum(max(margins) < -least for margins in of_class.values())
        if proof.found is not None:
            numbers = tuple(sorted(proof.found))
            place = list(itertools.permutations(numbers)).index(proof.found)
            assert of_class[numbers][place] < -least
        decided += proof.right + proof.wrong
    assert (decided > 0) == (room < 1)


@pytest.mark.parametrize("name", ["trained", "sharp"])
def test_a_list_called_wrong_is_answered_wrongly(name):
    model = MODELS[name]()
    found = [proved for proved in certify(model).proved if proved.found is not None]
    assert found
    for proved in found:
        data = SortedListDataset.of(torch.tensor([proved.found]), model.cfg.max_value)
        k, y = proved.of.k, proved.of.y
        assert data.targets[0, k] == y
        assert k == 0 or data.current[0, k] == proved.of.d
        assert not right(model, data)[0, k]


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_hundreds_of_tiny_models(first):
    generator = np.random.default_rng(first)
    for seed in range(first, first + 50):
        list_len, n_heads = int(generator.integers(1, 4)), int(generator.integers(1, 3))
        cfg = SortedListConfig(
            max_value=int(generator.integers(list_len + 1, 6)),
            n_ctx=2 * list_len + 1,
            n_heads=n_heads,
            d_model=8,
            d_head=4,
        )
        model = random_model(seed, float(generator.uniform(0.5, 4)), cfg)
        truth = by_class(model)
        for proved in certify(model, budget=int(generator.choice([0, 5, 1000]))).proved:
            assert proved.right <= sets_that_are(truth[proved.of], right=True), (seed, proved)
            assert proved.wrong <= sets_that_are(truth[proved.of], right=False), (seed, proved)


def leaves(proof):
    """Every node of a proof: its kind, the answers that are excluded here with their intervals, and those before."""
    kinds, excluded, witness = (iter(array.tolist()) for array in (proof.nodes, proof.excluded, proof.witness))
    of = proof.of

    def tree(low, high):
        at = next(witness)
        if at == at:
            return [(low, high, at)]
        middle = float(np.float32(np.sqrt(low * high)))
        return tree(low, middle) + tree(middle, high)

    def walk(node, before):
        kind, n = next(kinds), next(excluded)
        ends = (next(witness), next(witness)) if n else None
        here = [(c, None) for c in [next(excluded) for _ in range(n)]]
        here = [(c, tree(*ends)) for c, _ in here]
        yield node, kind, here, before
        top, bottom = node.above[-1] if node.above else of.y, node.below[-1] if node.below else of.d
        above, below = of.free_above - len(node.above), of.free_below - len(node.below)
        known = before | {c for c, _ in here}
        if kind == SPLIT_ABOVE:
            for t in range(top + 1, of.max_value + 2 - above):
                yield from walk(Node(node.y, (*node.above, t), node.below), known)
        elif kind == SPLIT_BELOW:
            for t in range(bottom - 1, below - 2, -1):
                yield from walk(Node(node.y, node.above, (*node.below, t)), known)

    yield from walk(Node(of.y), set())
    assert [next(rest, None) for rest in (kinds, excluded, witness)] == [None] * 3


@pytest.mark.parametrize("name", ["trained", "sharp", "one head"])
def test_every_witness_proves_what_it_is_a_witness_of(name):
    """By the plain bound, without float32's room, which only makes it harder."""
    model = MODELS[name]()
    read, proofs = tables(model), []
    certify(model, budget=200, keep=proofs.append)
    proved = 0
    for proof in proofs:
        query = read.query(proof.of.k, proof.of.d)
        rivals = set(range(model.cfg.max_value + 2)) - {proof.of.y}
        assert count(proof.of, proof.nodes) == (proof.right, proof.wrong)
        for node, kind, here, before in leaves(proof):
            if kind == RIGHT:
                assert before | {c for c, _ in here} == rivals
            for c, intervals in here:
                assert c in rivals - before
                for low, high, lambda_0 in intervals:
                    proved += 1
                    assert (
                        proves_wrong(query, node, c, lambda_0, (low, high))
                        if kind == WRONG
                        else bound.proves(query, node, c, lambda_0, (low, high))
                    )
            if kind == OPEN:
                assert rivals - before - {c for c, _ in here}
    assert proved > 90


def proves_wrong(query, node, c, lambda_0, interval):
    lambdas = lambda_0, -bound.direct(query, c, node.y) - lambda_0
    kept = Node(node.y, node.above, node.below)
    return all(bound.least(query, kept, bound.costs(query, c, node.y, lambdas, rho)) > 0 for rho in interval)


def test_a_certificate_adds_up():
    model = random_model(1, 3.0)
    certificate = certify(model, budget=100)
    assert certificate.lists == 126 * 120
    assert sum(proved.of.sets for proved in certificate.proved) == 126 * 5
    by_rank = [certificate.at_rank(k) for k in range(5)]
    assert certificate.accuracy == tuple(sum(ends) / 5 for ends in zip(*by_rank, strict=True))
    at_most = 1 - sum(1 - low for low, _ in by_rank)
    assert certificate.lists_wholly_right == max(0, at_most)
    assert len(repr(certificate)) < 100
    with pytest.raises(ValueError, match="no answer"):
        certificate.accuracy_where(lambda of: of.k > 5)


def test_more_budget_never_proves_less_and_the_same_is_the_same():
    model = random_model(1, 3.0)
    before = certify(model, budget=10)
    assert certify(model, budget=10) == before
    after = certify(model, budget=10_000)
    assert after.accuracy[0] >= before.accuracy[0]
    assert after.accuracy[1] <= before.accuracy[1]
    assert sorted(BUDGETS.values()) == list(BUDGETS.values())


def test_some_classes_are_proved_as_in_the_whole():
    model = random_model(1, 3.0)
    whole, some = certify(model, budget=50), certify(model, budget=50, chosen=lambda of: of.jump == 2)
    assert list(some.proved) == whole.where(lambda of: of.jump == 2)


def test_a_model_of_another_kind_is_refused():
    for cfg, why in (
        (SortedListConfig(n_layers=2), "one layer"),
        (SortedListConfig(n_heads=3), "one or two heads"),
        (SortedListConfig(max_value=300), "more than is handled"),
    ):
        with pytest.raises(Unprovable, match=why):
            certify(untrained(cfg, 0))
    model = untrained(SortedListConfig(max_value=5, n_ctx=7), 0)
    for name, weight, why in (
        ("W_Q", torch.inf, "not finite"),
        ("W_Q", 1e18, "scores"),
    ):
        broken = copied(model)
        getattr(broken.blocks[0].attn, name)[0, 0, 0] = weight
        with pytest.raises(Unprovable, match=why):
            certify(broken)


def test_a_model_that_float64_does_not_determine_is_refused():
    model = untrained(SortedListConfig(max_value=5, n_ctx=7), 0)
    loud = copied(model)
    loud.blocks[0].attn.b_K.data.fill_(1e9)  # adds as much to all scores of a query
    with pytest.raises(Unprovable, match="float64 does not determine the weights"):
        certify(loud)
    mean_alone = copied(model)
    mean_alone.blocks[0].attn.W_O.data.fill_(1.0)  # of which the layer norm leaves nothing
    with pytest.raises(Unprovable, match="float64 does not determine what the heads write"):
        certify(mean_alone)


def test_slack_covers_what_own_and_biases_are_off_by():
    read = tables(random_model(1, 3.0))
    assert min(read.own.rad.max(), read.bias.rad.max()) > 0
    for k, d in ((0, -1), (2, 3)):
        query = read.query(k, d)
        own = read.own[k, d if k else 9].rad.max()
        assert query.slack >= 2 * (own + query.scale_high * read.bias.rad.max())
        of_own = replace(read, own=Ball(read.own.mid, read.own.rad + 1.0)).query(k, d)
        of_biases = replace(read, bias=Ball(read.bias.mid, read.bias.rad + 1.0)).query(k, d)
        assert of_own.slack >= 2
        assert of_biases.slack >= 2 * query.scale_high


def test_shares_are_rounded_to_the_safe_side():
    for share in (Fraction(2, 3), Fraction(1, 3), Fraction(1, 2), Fraction(999_999_999, 10**9)):
        assert Fraction(rounded_down(share, 6)) <= share <= Fraction(rounded_up(share, 6))
    assert (rounded_down(Fraction(2, 3), 3), rounded_up(Fraction(1, 3), 3)) == ("0.666", "0.334")


def test_all_classes_of_other_sizes_are_there():
    for list_len, max_value in itertools.product((1, 2, 3), (4, 5)):
        cfg = SortedListConfig(max_value=max_value, n_ctx=2 * list_len + 1, d_model=8, d_head=4)
        certificate = certify(untrained(cfg, 0))
        assert [proved.of for proved in certificate.proved] == list(classes(list_len, max_value))


def test_what_is_known_of_a_class_is_of_one_kind():
    of = next(classes(3, 6))
    for n_right, n_wrong, found, kind in (
        (of.sets, 0, None, Kind.RIGHT),
        (0, of.sets, (2, 0, 1), Kind.WRONG),
        (0, of.sets, None, Kind.WRONG),
        (1, 1, (2, 0, 1), Kind.KNOWN),
        (1, 1, None, Kind.OPEN),
        (0, 0, None, Kind.OPEN),
    ):
        assert Proved(of, n_right, n_wrong, found).kind is kind


def test_of_wrong_lists_that_of_the_largest_class_is_shown():
    certificate = certify(random_model(1, 3.0))
    largest = certificate.found_wrong
    assert largest.found is not None
    assert all(largest.of.sets >= proved.of.sets for proved in certificate.proved if proved.found is not None)
    without = replace(certificate, proved=tuple(replace(proved, found=None) for proved in certificate.proved))
    assert without.found_wrong is None
