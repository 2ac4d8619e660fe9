"""auto_LiRPA: linear relaxations, in float32."""

from __future__ import annotations

import time
import warnings

import numpy as np
from classes import hardest, row, to_be_shown


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

        def __init__(self, case):
            super().__init__()
            W, blocks, self.n = case.W, np.eye(case.n), case.n
            # Each table as a linear map of one-hot tokens: a block for each position.
            positions = np.arange(case.n)
            scores = np.zeros((case.n, len(case.values), case.n))
            scores[positions, :, positions] = case.scores
            v = np.einsum("jk,jtd->jtkd", blocks, case.v)
            tokens = case.n * len(case.values)
            self.scores = layer(scores.reshape(tokens, -1), np.zeros(case.n))
            self.v = layer(v.reshape(tokens, -1), np.zeros(v[0, 0].size))
            self.out = layer(W["W_O"][0], W["b_O"] + case.own)
            self.pre = layer(W["W_in"], W["b_in"])
            self.post = layer(case.push[:, None], np.array([W["b_out"] @ case.towards + case.bias]))
            self.skip = layer(case.towards[:, None], np.zeros(1))

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

        def __init__(self, case, kind, **box):
            super().__init__(norm=np.inf, **box)
            self.one, self.kind = case, kind

        def concretize_matrix(self, x, A, sign, extra_constr):
            case, d_vocab = self.one, len(self.one.values)
            A = A if isinstance(A, torch.Tensor) else torch.eye(case.n * d_vocab)[None]
            A = -sign * A.reshape(-1, case.n, d_vocab).double()
            free, own = A[:, :-1], A[:, -1, case.a]
            return (-sign * (self.smallest(free) + own)).float()[None]

        def smallest(self, free):
            case, d_vocab, rest = self.one, len(self.one.values), self.one.total - self.one.a
            if self.kind == "tokens":
                return free.min(-1).values.sum(-1)
            if self.kind == "line":
                # For any price, sum_j min_t (A - price t) + price left is a bound: the best one, by ternary search.
                low = torch.full((len(free), 1, 1), -float(free.abs().max()) - 1, dtype=torch.double)
                high = -low
                token = torch.arange(d_vocab, dtype=torch.double)
                at = lambda price: (free - price * token).min(-1).values.sum(-1) + price[:, 0, 0] * rest  # noqa: E731
                for _ in range(100):
                    third = (high - low) / 3
                    rises = (at(low + third) < at(high - third))[:, None, None]
                    low, high = torch.where(rises, low + third, low), torch.where(rises, high, high - third)
                return at((low + high) / 2)
            least = torch.zeros(len(free), 1, dtype=torch.double)
            for j in range(case.n - 1):
                moved = [
                    torch.nn.functional.pad(least + free[:, j, t, None], (t, d_vocab - 1 - t), value=np.inf)
                    for t in range(d_vocab)
                ]
                least = torch.stack(moved).amin(0)
            return least[:, rest]

    def bound(case, kind, method):
        x = torch.zeros(1, case.n, len(case.values))
        low, high = torch.zeros_like(x), torch.ones_like(x)
        x[..., len(case.values) // 2] = 1
        for end in (x, low, high):
            end[0, -1] = torch.eye(len(case.values))[case.a]
        network = BoundedModule(Network(case), x.flatten(1))
        box = {"x_L": low.flatten(1), "x_U": high.flatten(1)}
        known = PerturbationLpNorm(norm=np.inf, **box) if kind == "box" else Tokens(case, kind, **box)
        start = time.perf_counter()
        least = network.compute_bounds(x=(BoundedTensor((low + high).flatten(1) / 2, known),), method=method)[0].item()
        return least, time.perf_counter() - start

    for kind, label in (
        ("box", "any mixtures, weights 0 to 1"),
        ("tokens", "a token at each position"),
        ("line", "the sum as a linear condition"),
        ("sum", "the sum by our program"),
    ):
        for method in ("IBP", "CROWN", "CROWN-Optimized") if kind == "box" else ("CROWN", "CROWN-Optimized"):
            for n in (2, 5, 10, 20):
                case = hardest(W, n)
                least, seconds = bound(case, kind, method)
                row(f"{method.replace('-Optimized', ' (alpha)')}, {label}", case, f">= {least:.4f}", seconds)
    for kind in ("line", "sum"):
        for n in (5, 10, 20):
            answers = [bound(case, kind, "CROWN") for case in to_be_shown(W, n, 1)]
            shown = sum(least > 0 for least, _ in answers)
            print(f"{kind}, n={n}, sums -1, 0, +1: {shown} of {len(answers)} differences shown, ", end="")
            print(f"{sum(seconds for _, seconds in answers):.2f} s")
