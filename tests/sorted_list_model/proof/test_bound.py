"""The bound of a node: below every list of it, tight where positions do not matter, and the same when compiled."""

import itertools

import numpy as np
import pytest
import torch
from every_list import margins_of_every_list, random_model, without_positions

from sorted_list_model.config import SortedListConfig
from sorted_list_model.proof import bound
from sorted_list_model.proof.bound import Node
from sorted_list_model.proof.certificate import room
from sorted_list_model.proof.classes import queries
from sorted_list_model.proof.compiled import bound as fast
from sorted_list_model.proof.compiled.lists import judge
from sorted_list_model.proof.compiled.search import least_direct
from sorted_list_model.proof.compiled.tables import Keys as FastKeys
from sorted_list_model.proof.compiled.tables import Node as FastNode
from sorted_list_model.proof.compiled.tables import memory_for
from sorted_list_model.proof.proving import Prover
from sorted_list_model.proof.rounding import Float32Error
from sorted_list_model.proof.tables import keys_of_query, tables
from toy_model.transformer import EPSILON

TINY = SortedListConfig(max_value=6, n_ctx=9, n_heads=2, d_model=16, d_head=8)


def nodes_of(query):
    """Every node of every class of a query, with the sets of it."""
    n, past = query.list_len, query.n_numbers
    found = {}
    for numbers in itertools.combinations(range(past), n):
        if query.k and numbers[query.k - 1] != query.d:
            continue
        y = numbers[query.k]
        above, below = numbers[query.k + 1 :], numbers[: max(query.k - 1, 0)][::-1]
        for i, j in itertools.product(range(len(above) + 1), range(len(below) + 1)):
            found.setdefault(Node(y, above[:i], below[:j]), []).append(numbers)
    return found


def sum_of(query, of_keys, order):
    """The sum over the keys of one list, whose unsorted half is `order`."""
    ranked = sorted(order)
    unsorted = sum(of_keys.unsorted[j, t] for j, t in enumerate(order))
    return of_keys.sep + unsorted + sum(of_keys.ranked[r, ranked[r]] for r in range(query.k))


@pytest.mark.parametrize(("k", "d"), [(0, -1), (1, 2), (2, 3), (3, 4)])
def test_no_list_of_a_node_has_a_smaller_sum(k, d):
    query = tables(random_model(1, 2.0, TINY)).query(k, d)
    generator = np.random.default_rng(k)
    for node, sets in nodes_of(query).items():
        c = int(generator.integers(0, query.n_numbers + 1))
        of_keys = bound.costs(query, node.y, c, tuple(generator.normal(size=2)), float(generator.uniform(0.1, 3)))
        least = bound.least(query, node, of_keys)
        sums = [sum_of(query, of_keys, order) for numbers in sets for order in itertools.permutations(numbers)]
        assert least <= min(sums) + 1e-12


@pytest.mark.parametrize(("k", "d"), [(0, -1), (2, 3), (3, 5)])
def test_where_positions_do_not_matter_some_list_has_the_least_sum(k, d):
    query = tables(without_positions(random_model(2, 2.0, TINY))).query(k, d)
    for node, sets in nodes_of(query).items():
        of_keys = bound.costs(query, node.y, 0 if node.y else 1, (0.3, -0.2), 0.7)
        assert bound.least(query, node, of_keys) == pytest.approx(
            min(sum_of(query, of_keys, s) for s in sets), abs=1e-12
        )


def compiled_node(node, query):
    forced = np.zeros((2, query.list_len), np.int64)
    forced[0, : len(node.above)], forced[1, : len(node.below)] = node.above, node.below
    return FastNode(node.y, forced, np.array([len(node.above), len(node.below)], np.int64))


def advantage_of(query, y, c):
    weights, readouts = query.weights, query.readouts
    return FastKeys(
        *(e * (o[..., y] - o[..., c]) for e, o in zip(vars(weights).values(), vars(readouts).values(), strict=True))
    )


@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize(("k", "d"), [(0, -1), (1, 0), (1, 2), (2, 3), (3, 4)])
def test_the_compiled_bound_is_the_plain_one(k, d, n_heads):
    cfg = SortedListConfig(max_value=6, n_ctx=9, n_heads=n_heads, d_model=16, d_head=8)
    query = tables(random_model(3, 1.5, cfg)).query(k, d)
    compiled = Prover(query, 1.0, 0.0).compiled
    memory, generator = memory_for(compiled), np.random.default_rng(0)
    for node in nodes_of(query):
        c = int(generator.integers(0, query.n_numbers + 1))
        lambdas, (low, high) = generator.normal(size=2), np.sort(generator.uniform(0.1, 3, size=2))
        raised = lambdas + compiled.raised * (query.sizes + np.abs(lambdas))
        fast_node = compiled_node(node, query)
        together = fast.least(compiled, advantage_of(query, node.y, c), 1.0, fast_node, *raised, low, high, memory)
        for (at, slope), rho in zip(together, (low, high), strict=True):
            plain = bound.least(query, node, bound.costs(query, node.y, c, tuple(lambdas), rho))
            assert at == pytest.approx(plain, abs=1e-12)
            little = np.array([1e-7, -1e-7])
            changed = bound.least(query, node, bound.costs(query, node.y, c, tuple(lambdas + little), rho)) - plain
            assert slope * 1e-7 == pytest.approx(changed, abs=1e-13)
        # With y and c exchanged by the sign.
        exchanged = fast.least(compiled, advantage_of(query, c, node.y), -1.0, fast_node, *raised, low, high, memory)
        assert np.array(exchanged) == pytest.approx(np.array(together), abs=1e-12)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_margins_of_the_tables_are_those_of_the_model(n_heads):
    """M / sigma, for each list and answer: between what the smallest and the largest scale make of the biases."""
    cfg = SortedListConfig(max_value=5, n_ctx=7, n_heads=n_heads, d_model=16, d_head=8)
    model = random_model(4, 2.0, cfg)
    data, margins = margins_of_every_list(model)
    read = tables(model)
    _, cache = model.double().run_with_cache(data.toks)
    sigma = cache["ln_final.hook_scale"][:, data.scored, 0].numpy()
    past = cfg.max_value + 2
    parts, found = np.empty((2, past)), np.empty(past)
    for k, d in queries(cfg.list_len, cfg.max_value):
        query = read.query(k, d)
        compiled = Prover(query, 1.0, 0.0).compiled
        for i in range(0, len(data.lists), 7):
            numbers = data.targets[i].numpy()
            if k and numbers[k - 1] != d:
                continue
            y = int(numbers[k])
            rivals = np.array([c for c in range(past) if c != y])
            order = np.array([data.lists[i].tolist().index(number) for number in numbers.tolist()])
            rho = judge(compiled, y, rivals, len(rivals), numbers, order, parts, found)
            assert query.scale_low <= sigma[i, k] <= query.scale_high
            middle = (query.scale_low + query.scale_high) / 2
            exact = found[: len(rivals)] + (sigma[i, k] - middle) * (query.bias[y] - query.bias[rivals])
            assert exact.min() / sigma[i, k] == pytest.approx(float(margins[i, k]), abs=1e-9)
            assert rho > 0


@pytest.mark.parametrize(("k", "d"), [(0, -1), (2, 3)])
def test_rho_of_every_list_lies_in_its_interval(k, d):
    query = tables(random_model(5, 3.0, TINY)).query(k, d)
    compiled = Prover(query, 1.0, 0.0).compiled
    memory = memory_for(compiled)
    zero = FastKeys(*(np.zeros_like(weights) for weights in vars(query.weights).values()))
    Z = [
        lambda order, h=h: sum_of(query, type(query.weights)(*(w[h] for w in vars(query.weights).values())), order)
        for h in (0, 1)
    ]
    for node, sets in nodes_of(query).items():
        rhos = [Z[0](order) / Z[1](order) for numbers in sets for order in itertools.permutations(numbers)]
        interval = np.array(fast.crude_range(compiled, zero, compiled_node(node, query), memory))
        assert interval[0] <= min(rhos) <= max(rhos) <= interval[1]
        crude = interval.copy()
        fast.narrow(compiled, zero, compiled_node(node, query), interval, min(rhos), max(rhos), memory)
        assert crude[0] <= interval[0] <= min(rhos) <= max(rhos) <= interval[1] <= crude[1]
        assert (interval.astype(np.float32) == interval).all()


def test_lambda_is_found_where_there_is_one():
    """Both ends are positive at it; where none is found, no lambda on a fine grid does it."""
    query = tables(without_positions(random_model(6, 2.0, TINY))).query(2, 3)
    compiled, generator = Prover(query, 1.0, 0.0).compiled, np.random.default_rng(1)
    memory, proved, not_proved = memory_for(compiled), 0, 0
    zero = FastKeys(*(np.zeros_like(weights) for weights in vars(query.weights).values()))
    for node in nodes_of(query):
        c = int(generator.integers(0, query.n_numbers + 1))
        if c == node.y:
            continue
        interval = fast.crude_range(compiled, zero, compiled_node(node, query), memory)
        D = bound.direct(query, node.y, c)
        advantage = advantage_of(query, node.y, c)
        found = fast.lambda_for(compiled, advantage, 1.0, compiled_node(node, query), D, 0.0, 0.1, *interval, memory)
        if np.isnan(found):
            not_proved += 1
            assert not any(bound.proves(query, node, c, at, interval) for at in np.linspace(-3, 3, 61))
        else:
            proved += 1
            assert bound.proves(query, node, c, found, interval)
    assert proved > 10
    assert not_proved > 3


def test_lambda_is_raised_for_rounding(monkeypatch):
    """By so much here that not every lambda can be: what is found proves as much by the plain bound."""
    raised = 0.02
    query = tables(random_model(6, 2.0, TINY)).query(2, 3)
    compiled, generator = Prover(query, 1.0, 0.0).compiled._replace(raised=raised), np.random.default_rng(1)
    monkeypatch.setattr(bound, "RAISED", raised)
    memory, found = memory_for(compiled), []
    for node in nodes_of(query):
        for c in set(range(query.n_numbers + 1)) - {node.y}:
            interval = np.sort(generator.uniform(0.5, 2, size=2))
            D, advantage = bound.direct(query, node.y, c), advantage_of(query, node.y, c)
            at = fast.lambda_for(compiled, advantage, 1.0, compiled_node(node, query), D, 0.1, 0.1, *interval, memory)
            if not np.isnan(at):
                found.append(at)
                assert float(np.float32(at)) == at, "which is what a certificate holds"
                assert bound.proves(query, node, c, at, tuple(interval))
    assert len(found) > 10


@pytest.mark.parametrize("loud", ["heads", "direct path"])
def test_no_two_keys_make_a_larger_scale_and_no_difference_of_readouts_is_larger(loud):
    """Both heads write the same, so that what they write adds up; one of the two paths hardly counts."""
    model = random_model(8, 2.0, TINY)
    attn = model.blocks[0].attn
    with torch.no_grad():
        for name in ("W_V", "b_V", "W_O"):
            weights = getattr(attn, name)
            weights[1] = weights[0]
        attn.W_O.mul_(100.0 if loud == "heads" else 0.01)
    read = tables(model)
    for k, d in ((0, -1), (2, 3)):
        query = read.query(k, d)
        token = d if k else query.n_numbers
        seen = keys_of_query(k, d, query.list_len, query.n_numbers)
        first, second = (of_head[seen] for of_head in read.written.mid)
        streams = read.own_written.mid[k, token] + first[:, None] + second
        assert np.sqrt((streams**2).mean(-1) + EPSILON).max() <= query.scale_high
        for of_head, size in zip(read.readouts.mid, query.sizes, strict=True):
            assert np.ptp(of_head[seen], axis=-1).max() <= size


def test_room_for_float32_and_slack_are_taken_off():
    query = tables(random_model(6, 2.0, TINY)).query(2, 3)
    assert query.slack > 0
    compiled = Prover(query, 1.0, 0.25).compiled
    assert compiled.room == 0.25 + query.slack
    for y, c in ((0, 3), (3, 0), (5, 7)):
        assert least_direct(compiled, y, c) == pytest.approx(bound.direct(query, y, c, 0.25), abs=1e-15)
    assert 2 * (0.5 + 0.25 * 8) < room(Float32Error(stream=0.5, scale=0.25), 8.0) < 5.0001


def test_rounding_is_covered_by_raising_lambda():
    """Every weight off by what is allowed of itself, every readout by what is allowed of the largest: still below."""
    query = tables(random_model(7, 2.0, TINY)).query(2, 3)
    generator = torch.Generator().manual_seed(0)

    def off(keys, part, of_itself):
        tables_of = []
        for table in vars(keys).values():
            signs = torch.rand(table.shape, generator=generator).numpy() * 2 - 1
            size = np.abs(table) if of_itself else query.sizes.reshape(-1, *[1] * (table.ndim - 1)) / 2
            tables_of.append(table + part * size * signs)
        return type(keys)(*tables_of)

    from dataclasses import replace

    from sorted_list_model.proof import tables as module

    shifted = replace(
        query, weights=off(query.weights, module.KNOWN, True), readouts=off(query.readouts, module.KNOWN, False)
    )
    for node in nodes_of(query):
        c = 0 if node.y else 1
        raised = bound.least(query, node, bound.costs(query, node.y, c, (0.4, -0.3), 0.9))
        exactly = bound.costs(shifted, node.y, c, (0.4, -0.3), 0.9)
        slack = module.RAISED
        unraised = bound.least(
            shifted,
            node,
            type(exactly)(
                *(
                    cost + slack * ((query.sizes[0] + 0.4) * e[0] + 0.9 * (query.sizes[1] + 0.3) * e[1])
                    for cost, e in zip(vars(exactly).values(), vars(shifted.weights).values(), strict=True)
                )
            ),
        )
        assert raised < unraised
