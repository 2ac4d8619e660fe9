"""What verifiers made for any network say of this one, next to the proof.

The property: of n values that add up to c, the right logit beats a wrong one. First, in the project's environment,
write down the model and what the proof found (without CHECKPOINT of the shipped one):

    python benchmarks/general_verifiers.py export classes.npz [CHECKPOINT]

Then one tool after the other, each in an environment of its own; the tools are no dependencies of this project:

    pip install numpy z3-solver==5.4.0.0
    python benchmarks/general_verifiers.py z3 classes.npz
    pip install numpy maraboupy==2.0.0
    python benchmarks/general_verifiers.py marabou classes.npz
    pip install 'numpy<2' torch==1.13.1 tqdm pyyaml appdirs packaging && pip install --no-deps auto_LiRPA==0.3
    python benchmarks/general_verifiers.py auto_lirpa classes.npz

auto_LiRPA 0.3, the newest on PyPI, asks for torch below 1.13 and runs on 1.13.1; alpha-beta-CROWN is not on PyPI.
None of these tools bounds its own rounding, so what they say is a computation; what the proof says is a theorem.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np

from cumsum_model.system import SYSTEM

LENGTHS = (2, 3, 4, 5, 6, 8, 10, 15, 20)
NEG, ZERO, POS = range(3)


def export(target, checkpoint):
    """Save the weights and, of each length, what the proof knows of every class: [last token, sum index]."""
    from cumsum_model.proof.certificate import certify
    from cumsum_model.system import REFERENCE
    from toy_model.checkpoint.checkpoint import read_checkpoint

    model = read_checkpoint(checkpoint or REFERENCE, SYSTEM).model
    saved = {name.split(".")[-1]: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    start = time.perf_counter()
    certificate = certify(model, budget=0)
    saved["seconds"] = np.array(time.perf_counter() - start)
    for length in certificate.lengths:
        saved[f"sums{length.n}"], saved[f"least{length.n}"] = length.sums, length.least
    np.savez(target, **saved)
    classes = sum(length.labels.size for length in certificate.lengths)
    print(f"{target}: {classes} classes, proved in {saved['seconds']:.2f} s")


class Class:
    """Sequences of n values, last token and sum given, and the difference of two logits that has to be positive.

    least: the smallest margin of the class, as the proof has it.
    """

    def __init__(self, W, n, a, place, other=None):
        self.W, self.n, self.a = W, n, a
        self.values = np.arange(len(W["W_E"])) - len(W["W_E"]) // 2
        self.sum = int(W[f"sums{n}"][a, place])
        self.least = float(W[f"least{n}"][a, place])
        self.right = int(np.sign(self.sum)) + 1
        self.other = ZERO if other is None else other
        self.total = self.sum + n * (len(self.values) // 2)
        self.towards = W["W_U"][:, self.right] - W["W_U"][:, self.other]
        self.bias = W["b_U"][self.right] - W["b_U"][self.other]

        # The network, as numbers per position and token: the score and the value vector of each key.
        self.own = W["W_E"][a] + W["W_pos"][n - 1]
        query = (self.own @ W["W_Q"][0] + W["b_Q"][0]) / math.sqrt(W["W_Q"].shape[-1])
        stream = W["W_E"] + W["W_pos"][:n, None]
        self.scores = (stream @ W["W_K"][0] + W["b_K"][0]) @ query
        self.v = stream @ W["W_V"][0] + W["b_V"][0]

        # The denominator gone: Z times pre-activations and the rest of the difference, as sums over positions.
        self.weight = np.exp(self.scores - self.scores.max())
        resid_mid = self.own + self.v @ W["W_O"][0] + W["b_O"]
        self.pre = self.weight[..., None] * (resid_mid @ W["W_in"] + W["b_in"])
        self.direct = self.weight * ((resid_mid + W["b_out"]) @ self.towards + self.bias)
        self.push = W["W_out"] @ self.towards

    @property
    def tokens(self):
        return range(len(self.values))

    def range_of(self, table, j):
        """The smallest and largest number that position j can have."""
        return (table[j, self.a],) * 2 if j == self.n - 1 else (table[j].min(), table[j].max())


def hardest(W, n, total=1):
    """Of the classes of one length with sum `total`, the one with the smallest margin: pos against zero."""
    a, place = np.nonzero(W[f"sums{n}"] == total)
    which = W[f"least{n}"][a, place].argmin()
    return Class(W, n, int(a[which]), int(place[which]))


def to_be_shown(W, n, furthest):
    """All that has to be shown of sums up to `furthest` from 0: each class, against each wrong logit."""
    for a, place in zip(*np.nonzero(abs(W[f"sums{n}"]) <= furthest), strict=True):
        right = int(np.sign(W[f"sums{n}"][a, place])) + 1
        for other in {NEG, ZERO, POS} - {right}:
            yield Class(W, n, int(a), int(place), other)


def row(tool, one, answer, seconds):
    print(f"{tool:34} n={one.n:2} sum {one.sum:+} last {one.values[one.a]:+}  exact {one.least:8.4f}  ", end="")
    print(f"{answer:24} {seconds:9.4f} s", flush=True)


# z3: exact arithmetic, and complete


def z3(W, limit, _every):
    import z3 as smt

    for name, build in (("z3, attention as quotients", z3_attention), ("z3, denominator gone", z3_linear)):
        for n in LENGTHS:
            one = hardest(W, n)
            solver = smt.Solver()
            solver.set("timeout", int(limit * 1000))
            chosen = [[smt.Bool(f"x{j}_{t}") for t in one.tokens] for j in range(n - 1)]
            for position in chosen:
                solver.add(smt.PbEq([(x, 1) for x in position], 1))
            addends = [(x, t) for position in chosen for t, x in enumerate(position) if t]
            solver.add(smt.PbEq(addends, one.total - one.a))
            pre, direct = build(smt, solver, one, chosen)
            post = [smt.If(y > 0, y, smt.RealVal(0)) for y in pre]
            solver.add(direct + smt.Sum([_rational(smt, k) * r for k, r in zip(one.push, post, strict=True)]) <= 0)
            start = time.perf_counter()
            answer = solver.check()
            told = {"unsat": "proved", "sat": "refuted"}.get(str(answer), f"no answer in {limit:g} s")
            row(name, one, told, time.perf_counter() - start)
            if answer == smt.unknown:
                break


def _rational(smt, number):
    exact = Fraction(float(number))
    return smt.RealVal(f"{exact.numerator}/{exact.denominator}")


def z3_linear(smt, _solver, one, chosen):
    def added_up(table):
        terms = [
            smt.If(x, _rational(smt, table[j, t]), smt.RealVal(0))
            for j, position in enumerate(chosen)
            for t, x in enumerate(position)
        ]
        return smt.Sum([*terms, _rational(smt, table[-1, one.a])])

    return [added_up(one.pre[..., i]) for i in range(len(one.push))], added_up(one.direct)


def z3_attention(smt, solver, one, chosen):
    """The exponentials as numbers, which z3 does not know; shares of attention as the unknowns of a quotient."""
    weight, share = ([smt.Real(f"{name}{j}") for j in range(one.n)] for name in ("weight", "share"))

    def entry(variable, table, j):
        for t, x in enumerate(chosen[j]) if j < one.n - 1 else ():
            solver.add(smt.Implies(x, variable == _rational(smt, table[j, t])))
        if j == one.n - 1:
            solver.add(variable == _rational(smt, table[j, one.a]))
        return variable

    for j in range(one.n):
        entry(weight[j], one.weight, j)
        solver.add(share[j] * smt.Sum(weight) == weight[j], share[j] >= 0, share[j] <= 1)
    solver.add(smt.Sum(share) == 1)

    def mean(table, name):
        parts = [entry(smt.Real(f"{name}_{j}"), table / one.weight, j) for j in range(one.n)]
        return smt.Sum([p * x for p, x in zip(share, parts, strict=True)])

    return [mean(one.pre[..., i], f"pre{i}") for i in range(len(one.push))], mean(one.direct, "direct")


# Marabou: linear programs, split by neurons; tokens may be mixtures


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


# auto_LiRPA: linear relaxations, in float32


def auto_lirpa(W, _limit, _every):
    warnings.simplefilter("ignore")  # of what its torch finds deprecated
    import torch
    from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm

    torch.set_num_threads(1)

    def layer(weight, bias):
        made = torch.nn.Linear(*weight.shape)
        made.weight.data, made.bias.data = (torch.tensor(x).float() for x in (weight.T, bias))
        return made

    class Network(torch.nn.Module):
        """One-hot tokens, flattened, to the difference of logits. Softmax is spelled out: no bounds are known of it."""

        def __init__(self, one):
            super().__init__()
            W, blocks, self.n = one.W, np.eye(one.n), one.n
            # Each table as a linear map of one-hot tokens: a block for each position.
            positions = np.arange(one.n)
            scores = np.zeros((one.n, len(one.values), one.n))
            scores[positions, :, positions] = one.scores
            v = np.einsum("jk,jtd->jtkd", blocks, one.v)
            tokens = one.n * len(one.values)
            self.scores = layer(scores.reshape(tokens, -1), np.zeros(one.n))
            self.v = layer(v.reshape(tokens, -1), np.zeros(v[0, 0].size))
            self.out = layer(W["W_O"][0], W["b_O"] + one.own)
            self.pre = layer(W["W_in"], W["b_in"])
            self.post = layer(one.push[:, None], np.array([W["b_out"] @ one.towards + one.bias]))
            self.skip = layer(one.towards[:, None], np.zeros(1))

        def forward(self, x):
            weight = torch.exp(self.scores(x))
            pattern = weight / weight.sum(-1, keepdim=True)
            z = torch.matmul(pattern.unsqueeze(1), self.v(x).reshape(-1, self.n, self.out.in_features)).squeeze(1)
            resid_mid = self.out(z)
            return self.skip(resid_mid) + self.post(torch.relu(self.pre(resid_mid)))

    class Tokens(PerturbationLpNorm):
        """A set of inputs that its authors let one define, by the extremes of a linear function over it.

        "tokens": one token at each position, the last one given. Of a given sum besides, as a linear condition on
        mixtures of tokens ("line"), or on tokens, which takes our dynamic program ("sum").
        """

        def __init__(self, one, kind, **box):
            super().__init__(norm=np.inf, **box)
            self.one, self.kind = one, kind

        def concretize_matrix(self, x, A, sign, extra_constr):
            one, d_vocab = self.one, len(self.one.values)
            A = A if isinstance(A, torch.Tensor) else torch.eye(one.n * d_vocab)[None]
            A = -sign * A.reshape(-1, one.n, d_vocab).double()
            free, own = A[:, :-1], A[:, -1, one.a]
            return (-sign * (self.smallest(free) + own)).float()[None]

        def smallest(self, free):
            one, d_vocab, left = self.one, len(self.one.values), self.one.total - self.one.a
            if self.kind == "tokens":
                return free.min(-1).values.sum(-1)
            if self.kind == "line":
                # For any price, sum_j min_t (A - price t) + price left is a bound: the best one, by ternary search.
                low = torch.full((len(free), 1, 1), -float(free.abs().max()) - 1, dtype=torch.double)
                high = -low
                token = torch.arange(d_vocab, dtype=torch.double)
                at = lambda price: (free - price * token).min(-1).values.sum(-1) + price[:, 0, 0] * left  # noqa: E731
                for _ in range(100):
                    third = (high - low) / 3
                    rises = (at(low + third) < at(high - third))[:, None, None]
                    low, high = torch.where(rises, low + third, low), torch.where(rises, high, high - third)
                return at((low + high) / 2)
            least = torch.zeros(len(free), 1, dtype=torch.double)
            for j in range(one.n - 1):
                moved = [
                    torch.nn.functional.pad(least + free[:, j, t, None], (t, d_vocab - 1 - t), value=np.inf)
                    for t in range(d_vocab)
                ]
                least = torch.stack(moved).amin(0)
            return least[:, left]

    def bound(one, kind, method):
        x = torch.zeros(1, one.n, len(one.values))
        low, high = torch.zeros_like(x), torch.ones_like(x)
        x[..., len(one.values) // 2] = 1
        for end in (x, low, high):
            end[0, -1] = torch.eye(len(one.values))[one.a]
        network = BoundedModule(Network(one), x.flatten(1))
        box = {"x_L": low.flatten(1), "x_U": high.flatten(1)}
        known = PerturbationLpNorm(norm=np.inf, **box) if kind == "box" else Tokens(one, kind, **box)
        start = time.perf_counter()
        least = network.compute_bounds(x=(BoundedTensor((low + high).flatten(1) / 2, known),), method=method)[0].item()
        return least, time.perf_counter() - start

    for kind, told in (
        ("box", "any mixtures, weights 0 to 1"),
        ("tokens", "a token at each position"),
        ("line", "the sum as a linear condition"),
        ("sum", "the sum by our program"),
    ):
        for method in ("IBP", "CROWN", "CROWN-Optimized") if kind == "box" else ("CROWN", "CROWN-Optimized"):
            for n in (2, 5, 10, 20):
                one = hardest(W, n)
                least, seconds = bound(one, kind, method)
                row(f"{method.replace('-Optimized', ' (alpha)')}, {told}", one, f">= {least:.4f}", seconds)
    for kind in ("line", "sum"):
        for n in (5, 10, 20):
            answers = [bound(one, kind, "CROWN") for one in to_be_shown(W, n, 1)]
            shown = sum(least > 0 for least, _ in answers)
            print(f"{kind}, n={n}, sums -1, 0, +1: {shown} of {len(answers)} differences shown, ", end="")
            print(f"{sum(seconds for _, seconds in answers):.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", choices=["export", "z3", "marabou", "auto_lirpa"])
    parser.add_argument("classes", type=Path, help="what export wrote, an .npz file")
    parser.add_argument("checkpoint", nargs="?", help="of export")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help="for one question (60)")
    parser.add_argument("--every", action="store_true", help="marabou: every class, not only sums -1, 0, +1 (minutes)")
    options = parser.parse_args()
    if options.tool == "export":
        export(options.classes, options.checkpoint)
        return
    try:
        with np.load(options.classes, allow_pickle=False) as saved:
            W = dict(saved)
        print(f"the proof of all classes took {float(W['seconds']):.2f} s")
    except (OSError, EOFError, ValueError, KeyError):
        sys.exit(f"{options.classes} is not what `export` writes; make it first: see --help")
    if len(W["W_Q"]) != 1 or "least20" not in W:
        sys.exit("this comparison is made for one head and at least 20 positions")
    try:
        {"z3": z3, "marabou": marabou, "auto_lirpa": auto_lirpa}[options.tool](W, options.limit, options.every)
    except ImportError as error:
        sys.exit(f"{options.tool} cannot run here ({error}); how to install it is told by --help")


if __name__ == "__main__":
    main()
