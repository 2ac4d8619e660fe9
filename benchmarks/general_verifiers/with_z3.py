"""z3: exact arithmetic, and complete."""

from __future__ import annotations

import time
from fractions import Fraction

from classes import LENGTHS, hardest, row


def z3(W, limit, _every):
    import z3 as smt

    for name, build in (("z3, attention as quotients", z3_attention), ("z3, denominator gone", z3_linear)):
        for n in LENGTHS:
            case = hardest(W, n)
            solver = smt.Solver()
            solver.set("timeout", int(limit * 1000))
            chosen = [[smt.Bool(f"x{j}_{t}") for t in case.tokens] for j in range(n - 1)]
            for position in chosen:
                solver.add(smt.PbEq([(x, 1) for x in position], 1))
            addends = [(x, t) for position in chosen for t, x in enumerate(position) if t]
            solver.add(smt.PbEq(addends, case.total - case.a))
            pre, direct = build(smt, solver, case, chosen)
            post = [smt.If(y > 0, y, smt.RealVal(0)) for y in pre]
            solver.add(direct + smt.Sum([_rational(smt, k) * r for k, r in zip(case.push, post, strict=True)]) <= 0)
            start = time.perf_counter()
            answer = solver.check()
            verdict = {"unsat": "proved", "sat": "refuted"}.get(str(answer), f"no answer in {limit:g} s")
            row(name, case, verdict, time.perf_counter() - start)
            if answer == smt.unknown:
                break


def _rational(smt, number):
    exact = Fraction(float(number))
    return smt.RealVal(f"{exact.numerator}/{exact.denominator}")


def z3_linear(smt, _solver, case, chosen):
    def added_up(table):
        terms = [
            smt.If(x, _rational(smt, table[j, t]), smt.RealVal(0))
            for j, position in enumerate(chosen)
            for t, x in enumerate(position)
        ]
        return smt.Sum([*terms, _rational(smt, table[-1, case.a])])

    return [added_up(case.pre[..., i]) for i in range(len(case.push))], added_up(case.direct)


def z3_attention(smt, solver, case, chosen):
    """The exponentials as numbers, which z3 does not know; shares of attention as the unknowns of a quotient."""
    weight, share = ([smt.Real(f"{name}{j}") for j in range(case.n)] for name in ("weight", "share"))

    def entry(variable, table, j):
        for t, x in enumerate(chosen[j]) if j < case.n - 1 else ():
            solver.add(smt.Implies(x, variable == _rational(smt, table[j, t])))
        if j == case.n - 1:
            solver.add(variable == _rational(smt, table[j, case.a]))
        return variable

    for j in range(case.n):
        entry(weight[j], case.weight, j)
        solver.add(share[j] * smt.Sum(weight) == weight[j], share[j] >= 0, share[j] <= 1)
    solver.add(smt.Sum(share) == 1)

    def mean(table, name):
        parts = [entry(smt.Real(f"{name}_{j}"), table / case.weight, j) for j in range(case.n)]
        return smt.Sum([p * x for p, x in zip(share, parts, strict=True)])

    return [mean(case.pre[..., i], f"pre{i}") for i in range(len(case.push))], mean(case.direct, "direct")
