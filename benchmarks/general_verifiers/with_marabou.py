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
        verdict = {"unsat": "proved", "sat": "refuted for mixtures"}.get(answer, f"no answer ({answer.lower()})")
        return verdict, time.perf_counter() - start


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
            case = hardest(W, n)
            row(name, case, *build(core, case, 0.0, limit))
    # The margin that it can still show, by bisection.
    for n in (5, 10, 20):
        case = hardest(W, n)
        low, high, spent = 0.0, case.least + 1.0, 0.0
        while high - low > 1e-3:
            answer, seconds = marabou_linear(core, case, (low + high) / 2, limit)
            low, high = ((low + high) / 2, high) if answer == "proved" else (low, (low + high) / 2)
            spent += seconds
        row("marabou, largest margin shown", case, f"> {low:.3f}", spent)
    asked = shown = 0
    solving, start = 0.0, time.perf_counter()
    for n in range(1, 21):
        answers = [marabou_linear(core, case, 0.0, limit) for case in to_be_shown(W, n, np.inf if every else 1)]
        asked, shown = asked + len(answers), shown + sum(answer == "proved" for answer, _ in answers)
        solving += sum(seconds for _, seconds in answers)
    print(
        f"{'every sum' if every else 'sums -1, 0, +1'} of every length: {shown} of {asked} differences shown, ", end=""
    )
    print(f"{solving:.2f} s of solving, {time.perf_counter() - start:.2f} s in all")


def _chosen(query, case):
    x = [
        [query.variable(*((t == case.a,) * 2 if j == case.n - 1 else (0, 1))) for t in case.tokens]
        for j in range(case.n)
    ]
    for position in x:
        query.linear([1] * len(position), position, 1)
    query.linear([t for _ in x for t in case.tokens], [v for position in x for v in position], case.total)
    return x


def marabou_linear(core, case, mu, limit):
    """Z (difference - mu) <= 0 somewhere?"""
    query = Query(core)
    x = _chosen(query, case)
    flat = [v for position in x for v in position]

    def added_up(table):
        reach = np.array([case.range_of(table, j) for j in range(case.n)]).sum(0)
        y = query.variable(reach[0] - 1e-9, reach[1] + 1e-9)
        query.linear([*table.ravel(), -1], [*flat, y], 0)
        return y

    post = []
    for i in range(len(case.push)):
        y = added_up(case.pre[..., i])
        post.append(query.variable(0, max(query.bounds[y][1], 0)))
        query.later.append((core.addReluConstraint, (y, post[-1])))
    direct = added_up(case.direct - mu * case.weight)
    query.linear([1, *case.push], [direct, *post], 0, "LE")
    return query.solve(flat, [direct, *post], limit)


def marabou_attention(core, case, _mu, limit):
    query = Query(core)
    x = _chosen(query, case)

    def looked_up(table, j):
        low, high = case.range_of(table, j)
        y = query.variable(low - 1e-9, high + 1e-9)
        query.linear([*table[j], -1], [*x[j], y], 0)
        return y

    scores = [looked_up(case.scores, j) for j in range(case.n)]
    low, high = np.exp([case.range_of(case.scores, j) for j in range(case.n)]).T
    shares = [
        query.variable(low[j] / (low[j] + high.sum() - high[j]) - 1e-9, high[j] / (high[j] + low.sum() - low[j]) + 1e-9)
        for j in range(case.n)
    ]
    query.later.append((core.addSoftmaxConstraint, (scores, shares)))
    z = []
    for d in range(case.v.shape[-1]):
        products = []
        for j, share in enumerate(shares):
            v = looked_up(case.v[..., d], j)
            corners = [p * q for p in query.bounds[share] for q in query.bounds[v]]
            products.append(query.variable(min(corners), max(corners)))
            query.later.append((core.addBilinearConstraint, (share, v, products[-1])))
        reach = np.array([query.bounds[product] for product in products]).sum(0)
        z.append(query.variable(*reach))
        query.linear([1] * case.n + [-1], [*products, z[-1]], 0)
    W, start = case.W, case.own + case.W["b_O"]
    reads = W["W_O"][0] @ W["W_in"]
    post = []
    for i, bias in enumerate(start @ W["W_in"] + W["b_in"]):
        reach = np.sort(reads[:, i, None] * np.array([query.bounds[v] for v in z]), 1).sum(0) + bias
        y = query.variable(*reach)
        query.linear([*reads[:, i], -1], [*z, y], -bias)
        post.append(query.variable(0, max(reach[1], 0)))
        query.later.append((core.addReluConstraint, (y, post[-1])))
    constant = (start + W["b_out"]) @ case.towards + case.bias
    query.linear([*(W["W_O"][0] @ case.towards), *case.push], [*z, *post], -constant, "LE")
    return query.solve([v for position in x for v in position], post, limit)
