"""Marabou: piecewise linear networks, complete, in floating point."""

from __future__ import annotations

import time
import warnings

import numpy as np
from classes import LENGTHS, hardest, row, to_be_shown


class Query:
    """A query for Marabou, whose variables get their bounds as they are made."""

    def __init__(self, core):
        self.core, self.made, self.bounds, self.equations, self.later = core, core.InputQuery(), [], [], []

    def variable(self, low, high):
        self.bounds.append((float(low), float(high)))
        return len(self.bounds) - 1

    def linear(self, coefficients, variables, scalar, kind="EQ"):
        self.equations.append((coefficients, variables, scalar, kind))

    def solve(self, inputs, outputs, limit):
        self.made.setNumberOfVariables(len(self.bounds))
        for variable, (low, high) in enumerate(self.bounds):
            self.made.setLowerBound(variable, low)
            self.made.setUpperBound(variable, high)
        for mark, variables in ((self.made.markInputVariable, inputs), (self.made.markOutputVariable, outputs)):
            for index, variable in enumerate(variables):
                mark(variable, index)
        for coefficients, variables, scalar, kind in self.equations:
            equation = self.core.Equation(getattr(self.core.Equation, kind))
            for coefficient, variable in zip(coefficients, variables, strict=True):
                equation.addAddend(float(coefficient), variable)
            equation.setScalar(float(scalar))
            self.made.addEquation(equation)
        for add, arguments in self.later:
            add(self.made, *arguments)
        from maraboupy import Marabou

        start = time.perf_counter()
        answer = self.core.solve(self.made, Marabou.createOptions(timeoutInSeconds=int(limit), verbosity=0), "")[0]
        told = {"unsat": "proved", "sat": "refuted for mixtures"}.get(answer, f"no answer ({answer.lower()})")
        return told, time.perf_counter() - start


def marabou(W, limit, every):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it cannot read the formats of other libraries
        from maraboupy import Marabou  # noqa: F401
        from maraboupy import MarabouCore as core  # noqa: N813

    for name, build in (
        ("marabou, softmax and products", marabou_attention),
        ("marabou, denominator gone", marabou_linear),
    ):
        for n in LENGTHS:
            one = hardest(W, n)
            row(name, one, *build(core, one, 0.0, limit))
    # The margin that it can still show, by bisection.
    for n in (5, 10, 20):
        one = hardest(W, n)
        low, high, spent = 0.0, one.least + 1.0, 0.0
        while high - low > 1e-3:
            answer, seconds = marabou_linear(core, one, (low + high) / 2, limit)
            low, high = ((low + high) / 2, high) if answer == "proved" else (low, (low + high) / 2)
            spent += seconds
        row("marabou, largest margin shown", one, f"> {low:.3f}", spent)
    asked = shown = 0
    solving, start = 0.0, time.perf_counter()
    for n in range(1, 21):
        answers = [marabou_linear(core, one, 0.0, limit) for one in to_be_shown(W, n, np.inf if every else 1)]
        asked, shown = asked + len(answers), shown + sum(answer == "proved" for answer, _ in answers)
        solving += sum(seconds for _, seconds in answers)
    print(
        f"{'every sum' if every else 'sums -1, 0, +1'} of every length: {shown} of {asked} differences shown, ", end=""
    )
    print(f"{solving:.2f} s of solving, {time.perf_counter() - start:.2f} s in all")


def _chosen(query, one):
    x = [[query.variable(*((t == one.a,) * 2 if j == one.n - 1 else (0, 1))) for t in one.tokens] for j in range(one.n)]
    for position in x:
        query.linear([1] * len(position), position, 1)
    query.linear([t for _ in x for t in one.tokens], [v for position in x for v in position], one.total)
    return x


def marabou_linear(core, one, mu, limit):
    """Z (difference - mu) <= 0 somewhere?"""
    query = Query(core)
    x = _chosen(query, one)
    flat = [v for position in x for v in position]

    def added_up(table):
        reach = np.array([one.range_of(table, j) for j in range(one.n)]).sum(0)
        y = query.variable(reach[0] - 1e-9, reach[1] + 1e-9)
        query.linear([*table.ravel(), -1], [*flat, y], 0)
        return y

    post = []
    for i in range(len(one.push)):
        y = added_up(one.pre[..., i])
        post.append(query.variable(0, max(query.bounds[y][1], 0)))
        query.later.append((core.addReluConstraint, (y, post[-1])))
    direct = added_up(one.direct - mu * one.weight)
    query.linear([1, *one.push], [direct, *post], 0, "LE")
    return query.solve(flat, [direct, *post], limit)


def marabou_attention(core, one, _mu, limit):
    query = Query(core)
    x = _chosen(query, one)

    def looked_up(table, j):
        low, high = one.range_of(table, j)
        y = query.variable(low - 1e-9, high + 1e-9)
        query.linear([*table[j], -1], [*x[j], y], 0)
        return y

    scores = [looked_up(one.scores, j) for j in range(one.n)]
    low, high = np.exp([one.range_of(one.scores, j) for j in range(one.n)]).T
    shares = [
        query.variable(low[j] / (low[j] + high.sum() - high[j]) - 1e-9, high[j] / (high[j] + low.sum() - low[j]) + 1e-9)
        for j in range(one.n)
    ]
    query.later.append((core.addSoftmaxConstraint, (scores, shares)))
    z = []
    for d in range(one.v.shape[-1]):
        products = []
        for j, share in enumerate(shares):
            v = looked_up(one.v[..., d], j)
            corners = [p * q for p in query.bounds[share] for q in query.bounds[v]]
            products.append(query.variable(min(corners), max(corners)))
            query.later.append((core.addBilinearConstraint, (share, v, products[-1])))
        reach = np.array([query.bounds[product] for product in products]).sum(0)
        z.append(query.variable(*reach))
        query.linear([1] * one.n + [-1], [*products, z[-1]], 0)
    W, start = one.W, one.own + one.W["b_O"]
    reads = W["W_O"][0] @ W["W_in"]
    post = []
    for i, bias in enumerate(start @ W["W_in"] + W["b_in"]):
        reach = np.sort(reads[:, i, None] * np.array([query.bounds[v] for v in z]), 1).sum(0) + bias
        y = query.variable(*reach)
        query.linear([*reads[:, i], -1], [*z, y], -bias)
        post.append(query.variable(0, max(reach[1], 0)))
        query.later.append((core.addReluConstraint, (y, post[-1])))
    constant = (start + W["b_out"]) @ one.towards + one.bias
    query.linear([*(W["W_O"][0] @ one.towards), *one.push], [*z, *post], -constant, "LE")
    return query.solve([v for position in x for v in position], post, limit)
