"""Certificates of tiny models that sort, made by trying every list: plain, slow, and nothing of it from the package.

`relaxed_lists` are what a proof takes for the lists of a node: its sets, each number of which stands at any unsorted
position, two of them at the same one perhaps.
"""

import base64
import itertools
import json
import math
import zlib
from functools import cache

import numpy as np
import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.task import untrained
from toy_model.surgery import copied
from toy_model.transformer import EPSILON

SHA = "0" * 64
STREAM, SCALE = 1e-6, 2e-6


@cache
def tiny(seed=1, heads=2, max_value=6, list_len=3, steps=15, d_model=12, louder=1.0):
    """A model that was trained for a moment: right on some lists and wrong on others. Its scores are made louder."""
    cfg = SortedListConfig(max_value=max_value, n_ctx=2 * list_len + 1, n_heads=heads, d_model=d_model, d_head=6)
    model = copied(untrained(cfg, seed)).requires_grad_(True)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    data = data_of(cfg)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        logits = model(data.toks)[:, list_len : 2 * list_len]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), data.toks[:, list_len + 1 :].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.requires_grad_(False).blocks[0].attn.W_Q.mul_(louder)
    return model


def data_of(cfg):
    """Every list of a small model, in every order."""
    lists = list(itertools.permutations(range(cfg.max_value + 1), cfg.list_len))
    return SortedListDataset.of(torch.tensor(lists), cfg.max_value)


def weights_of(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def logits_of(model):
    """The lists of a small model, and the logits at the positions that count, in float64: [list, rank, answer]."""
    data, L = data_of(model.cfg), model.cfg.list_len
    return data.toks[:, :L].numpy(), copied(model).double()(data.toks)[:, L : 2 * L].numpy()


class Tables:
    """Scores, readouts and writes of every token at every position, by the formulas, in float64.

    keys are (position, token); scores [head, query position, query token, position, token].
    """

    def __init__(self, model):
        cfg, double = model.cfg, copied(model).double()
        attn, self.cfg = double.blocks[0].attn, cfg
        resid = double.W_E[None] + double.W_pos[:, None]

        def centred(x):
            return x - x.mean(-1, keepdim=True)

        ln1, final = double.blocks[0].ln1, double.ln_final
        read = centred(resid) / (centred(resid).square().mean(-1, keepdim=True) + EPSILON).sqrt() * ln1.w + ln1.b
        q, k, v = (
            torch.einsum("ptm,hmd->hptd", read, getattr(attn, f"W_{n}")) + getattr(attn, f"b_{n}")[:, None, None]
            for n in "QKV"
        )
        self.scores = (torch.einsum("hptd,hqsd->hptqs", q, k) / math.sqrt(cfg.d_head)).numpy()
        writes = torch.einsum("hptd,hdm->hptm", v, attn.W_O)
        self.moved = ((centred(writes) * final.w) @ double.W_U).numpy()
        self.own = ((centred(resid + attn.b_O) * final.w) @ double.W_U).numpy()
        self.bias = (final.b @ double.W_U + double.unembed.b_U).numpy()
        self.written, self.written_own = centred(writes).numpy(), centred(resid + attn.b_O).numpy()


class Lists:
    """The sums of one query of rank k and number d on lists: for each of them, its keys as (position, token)."""

    def __init__(self, tables, k, d):
        self.tables, self.k, self.cfg = tables, k, tables.cfg
        L, V = self.cfg.list_len, self.cfg.max_value + 1
        self.at, self.token = L + k, d if k else V
        keys = [(p, t) for p in range(L) for t in range(V)] + [(L, V)]
        keys += [(L + r, t) for r in range(1, k) for t in range(V)] + ([(L + k, d)] if k else [])
        scores = tables.scores[:, self.at, self.token]
        self.largest = [max(of[key] for key in keys) for of in scores]
        self.weights = [np.exp(of - largest) for of, largest in zip(scores, self.largest, strict=True)]
        self.moved = list(tables.moved)
        written = list(tables.written)
        if len(scores) == 1:  # the other head attends to SEP alone and writes nothing
            self.weights.append(np.zeros_like(scores[0]))
            self.weights[1][L, V] = 1
            self.moved.append(np.zeros_like(tables.moved[0]))
            written.append(np.zeros_like(written[0]))
        own = tables.written_own[self.at, self.token]
        pairs = itertools.product(keys, keys)
        squares = max(np.mean((own + written[0][a] + written[1][b]) ** 2) for a, b in pairs)
        self.largest_scale = math.sqrt(squares + EPSILON)

    def keys(self, lists):
        """The positions and the tokens of the keys of each list, [list, key]; a list is a set and its positions."""
        L, V = self.cfg.list_len, self.cfg.max_value + 1
        numbers, positions = np.moveaxis(np.array(lists), 1, 0)
        at = np.broadcast_to(np.arange(L, L + self.k + 1), (len(lists), self.k + 1))
        tokens = [np.full((len(lists), 1), V), numbers[:, : self.k]]
        return np.hstack([positions, at]), np.hstack([numbers, *tokens])

    def sums(self, lists, y, c):
        """N_0, Z_0, N_1, Z_1 of each list: [list] each."""
        keys, found = self.keys(lists), []
        for weights, moved in zip(self.weights, self.moved, strict=True):
            e = weights[keys]
            found += [(e * (moved[..., y] - moved[..., c])[keys]).sum(1), e.sum(1)]
        return found

    def direct(self, y, c):
        own, bias = self.tables.own[self.at, self.token], self.tables.bias
        difference = bias[y] - bias[c]
        part = min(math.sqrt(EPSILON) * difference, self.largest_scale * difference)
        return own[y] - own[c] + part - 2 * (STREAM + SCALE * self.largest_scale)


def sets_of(cfg, k, above, below):
    """The sets, in ascending order, with these numbers from y on upwards and from d on downwards, none between."""
    found = []
    for numbers in itertools.combinations(range(cfg.max_value + 1), cfg.list_len):
        upper, lower = numbers[k:], numbers[:k][::-1]
        if upper[: len(above)] == above and lower[: len(below)] == below:
            found.append(numbers)
    return found


def relaxed_lists(cfg, sets):
    return [
        (numbers, positions)
        for numbers in sets
        for positions in itertools.product(range(cfg.list_len), repeat=cfg.list_len)
    ]


def classes(cfg):
    L, V = cfg.list_len, cfg.max_value + 1
    for k in range(L):
        for d in range(V) if k else [None]:
            for y in range(0 if d is None else d + 1, V):
                sets = sets_of(cfg, k, (y,), () if d is None else (d,))
                if sets:
                    yield k, d, y, sets


def packed(content):
    return base64.b64encode(zlib.compress(content)).decode()


def unpacked(text):
    return zlib.decompress(base64.b64decode(text))


def line(document):
    return json.dumps(document).encode() + b"\n"


class Search:
    """The nodes of one class, as a certificate lists them."""

    def __init__(self, lists, y, depth=2):
        self.lists, self.y, self.depth, self.cfg = lists, y, depth, lists.cfg
        self.kinds, self.excluded, self.witness = [], [], []
        self.right = self.wrong = 0

    def go(self, above, below, out=frozenset()):
        cfg, k = self.cfg, self.lists.k
        sets = sets_of(cfg, k, above, below)
        everything = relaxed_lists(cfg, sets)
        _, Z_0, _, Z_1 = self.lists.sums(everything, 0, 0)
        rho = Z_0 / Z_1
        lo, hi = float(np.float32(rho.min() * (1 - 1e-6))), float(np.float32(rho.max() * (1 + 1e-6)))
        answers = [c for c in range(cfg.d_vocab_out) if c != self.y and c not in out]
        proofs = {c: self.proof(everything, self.y, c, lo, hi) for c in answers}
        proofs = {c: proof for c, proof in proofs.items() if proof}
        out, kind = out | proofs.keys(), 0
        if len(out) == cfg.d_vocab_out - 1:
            kind, self.right = 1, self.right + len(sets)
        elif not proofs:
            for c in answers:
                proof = self.proof(everything, c, self.y, lo, hi)
                if proof:
                    proofs, kind, self.wrong = {c: proof}, 2, self.wrong + len(sets)
                    break
        free_above, free_below = cfg.list_len - k - len(above), k - len(below)
        if kind == 0 and free_below and (len(below) < len(above) or not free_above):
            kind = 4
        elif kind == 0 and free_above:
            kind = 3
        self.kinds.append(kind)
        self.excluded += [len(proofs), *proofs]
        self.witness += [lo, hi] * bool(proofs) + [number for proof in proofs.values() for number in proof]
        if kind == 3:
            for number in range(above[-1] + 1, cfg.max_value + 2 - free_above):
                self.go((*above, number), below, out)
        if kind == 4:
            for number in range(below[-1] - 1, free_below - 2, -1):
                self.go(above, (*below, number), out)

    def proof(self, everything, better, worse, lo, hi):
        """A witness that one beats the other on all of these lists, or None."""
        sums, direct = self.lists.sums(everything, better, worse), self.lists.direct(better, worse)
        N_0, Z_0, N_1, Z_1 = sums
        if (direct + N_0 / Z_0 + N_1 / Z_1).min() <= 0:
            return None
        return self.interval(sums, direct, lo, hi, self.depth)

    def interval(self, sums, direct, lo, hi, depth):
        N_0, Z_0, N_1, Z_1 = sums

        def value(lam_0):
            of_0, of_1 = N_0 - lam_0 * Z_0, N_1 + (direct + lam_0) * Z_1
            return min(float((of_0 + rho * of_1).min()) for rho in (lo, hi))

        left, right = -50.0, 50.0
        for _ in range(50):  # concave in lam_0
            a, b = left + (right - left) / 3, right - (right - left) / 3
            left, right = (a, right) if value(a) < value(b) else (left, b)
        lam_0 = float(np.float32((left + right) / 2))
        if value(lam_0) > 1e-7:
            return [lam_0]
        if depth:
            middle = float(np.float32(math.sqrt(lo * hi)))
            halves = [self.interval(sums, direct, *ends, depth - 1) for ends in ((lo, middle), (middle, hi))]
            if all(halves):
                return [math.nan, *halves[0], *halves[1]]
        return None


@cache
def certificate_of(model: SortedListTransformer, depth=2):
    """The lines of a certificate of a tiny model."""
    cfg, tables = model.cfg, Tables(model)
    numbers, logits = logits_of(model)
    header = {
        "format": "sorted_list certificate",
        "version": 1,
        "checkpoint": {"name": "tiny", "sha256": SHA},
        "sizes": {"max_value": cfg.max_value, "list_len": cfg.list_len, "n_heads": cfg.n_heads},
        "budget": 0,
        "float32": {"stream": STREAM, "scale": SCALE},
    }
    lines, total = [line(header)], {"answers": 0, "right": 0, "wrong": 0}
    queries = {}
    for k, d, y, sets in classes(cfg):
        lists = queries.setdefault((k, d), Lists(tables, k, d))
        search = Search(lists, y, depth)
        search.go((y,), () if d is None else (d,))
        of_class = np.array([tuple(sorted(row)) in sets for row in numbers.tolist()])
        margins = (logits[:, k, [y]] - np.delete(logits[:, k], y, 1)).min(1)
        wrong = numbers[of_class & (margins < -1e-6)].tolist()
        entry = {"k": k, "d": d, "y": y, "sets": len(sets), "right": search.right, "wrong": search.wrong}
        entry |= {"found": wrong[0] if wrong else None, "nodes": packed(bytes(search.kinds))}
        entry |= {"excluded": packed(np.array(search.excluded, "<u2").tobytes())}
        entry |= {"witness": packed(np.array(search.witness, "<f4").tobytes())}
        lines.append(line(entry))
        for name, count in (("answers", len(sets)), ("right", search.right), ("wrong", search.wrong)):
            total[name] += count
    return (*lines, line(total))
