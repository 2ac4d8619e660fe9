"""The tables of a checkpoint: what each key gives each query, in float64 with errors that are known.

Layer norm before attention acts on W_E[token] + W_pos[position] alone, so that queries, keys and values are functions
of token and position, and what a head adds to the stream is a mean of rows of a table, over the keys of the query.

A list has L numbers of 0 .. V - 1; SEP is the token V. A key is a token at a position, and keys are in this order:
    numbers at the unsorted positions 0 .. L - 1      index position * V + number
    SEP at position L                                 index L * V
    numbers at the sorted positions L + 1 .. 2L - 1   index L * V + 1 + (position - L - 1) * V + number
The query of rank k and number d stands at position L + k: rank 0 is SEP, rank k the k-th smallest number of the list.
Its keys are all before position L + k, and itself.

Only differences of logits matter, so the mean over all answers is taken out of every readout and of the biases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from sorted_list_model.proof.check.balls import (
    BITS,
    FLOOR,
    Array,
    Rows,
    attention_weights,
    centred,
    layer_norm,
    matrix,
    repeated,
    rounded,
)
from sorted_list_model.proof.check.document import OutOfRange

Weights = Mapping[str, NDArray[np.float32]]

MAX_KEYS, MAX_WIDTH, MAX_LEN = 5000, 4096, 200
"""Keys, d_model and numbers of a list, at most: what memory holds, and what the bounds on rounding are proved for."""


@dataclass(frozen=True)
class Sizes:
    """numbers: V, of which there are 0 .. V - 1. list_len: L. heads: 1 or 2."""

    numbers: int
    list_len: int
    heads: int

    @property
    def answers(self) -> int:
        """Every number, and SEP."""
        return self.numbers + 1

    @property
    def sep(self) -> int:
        """The index of SEP among the keys."""
        return self.list_len * self.numbers

    def sorted_keys(self, rank: int) -> int:
        """The index of number 0 at the sorted position of this rank, from 1 on."""
        return self.sep + 1 + (rank - 1) * self.numbers

    def keys(self, k: int, d: int) -> NDArray[np.int64]:
        """The keys of the query of rank k and number d: numbers, SEP, sorted numbers of lower rank, itself."""
        before = np.arange(self.sorted_keys(max(k, 1)))
        return np.append(before, self.sorted_keys(k) + d) if k else before


SHAPES = {
    "embed.W_E": ("token", "model"),
    "pos_embed.W_pos": ("position", "model"),
    "blocks.0.ln1.w": ("model",),
    "blocks.0.ln1.b": ("model",),
    "blocks.0.attn.W_Q": ("heads", "model", "head"),
    "blocks.0.attn.W_K": ("heads", "model", "head"),
    "blocks.0.attn.W_V": ("heads", "model", "head"),
    "blocks.0.attn.W_O": ("heads", "head", "model"),
    "blocks.0.attn.b_Q": ("heads", "head"),
    "blocks.0.attn.b_K": ("heads", "head"),
    "blocks.0.attn.b_V": ("heads", "head"),
    "blocks.0.attn.b_O": ("model",),
    "ln_final.w": ("model",),
    "ln_final.b": ("model",),
    "unembed.W_U": ("model", "token"),
    "unembed.b_U": ("token",),
}
"""The parameters of the models that this checker computes, and the axes of each."""


def sizes_of(weights: Weights) -> Sizes:
    """What the shapes of these parameters say. Raises OutOfRange if they are those of no model that is handled."""
    missing, unknown = sorted(set(SHAPES) - set(weights)), sorted(set(weights) - set(SHAPES))
    if missing or unknown:
        which = f"{missing[0]} is missing" if missing else f"{unknown[0]} belongs to another architecture"
        raise OutOfRange(f"out of range: of the parameters of the checkpoint, {which}")
    axes: dict[str, int] = {}
    for name, names in SHAPES.items():
        shape = weights[name].shape
        of_their_names = len(shape) == len(names) and all(
            axes.setdefault(axis, size) == size for axis, size in zip(names, shape, strict=True)
        )
        if not (of_their_names and weights[name].size):
            raise OutOfRange(f"out of range: {name} of the checkpoint has the shape {shape}")
        if not np.isfinite(weights[name]).all():
            raise OutOfRange(f"out of range: {name} of the checkpoint has an entry that is not finite")
    sizes = Sizes(axes["token"] - 1, axes["position"] // 2, axes["heads"])
    if sizes.heads > 2:
        raise OutOfRange(f"out of range: the checkpoint has {sizes.heads} heads, this checker handles one or two")
    if axes["position"] % 2 == 0 or not 1 <= sizes.list_len <= sizes.numbers:
        raise OutOfRange(f"out of range: no list has {axes['position']} positions and {axes['token']} tokens")
    if sizes.sorted_keys(sizes.list_len) > MAX_KEYS or axes["model"] > MAX_WIDTH or sizes.list_len > MAX_LEN:
        raise OutOfRange("out of range: the checkpoint is too large for this checker")
    return sizes


@dataclass(frozen=True, eq=False)
class Query:
    """The tables of one query, over its keys in the order of `Sizes.keys`, for each of two heads.

    weights: e_h = e^(score - m_h), 2**-52 of themselves off at most, [key] each. moved: o_h, what a head that attends
    to this key alone adds to each logit before the final scale, [answer, key] each; own: the same of the query's own
    stream and b_O, [answer]; bias: of all that is not divided by the final scale, [answer]. written: what a head that
    attends to this key alone adds to the stream, less its mean, [key, d_model] each; written_own [d_model]. All of
    these are off by 2**-52 of their own size and FLOOR together, at most. cross: scalar products of what head 0 and
    head 1 write, [key, key].

    Of a model with one head, the other attends to SEP alone and writes nothing.
    """

    sizes: Sizes
    k: int
    d: int
    weights: tuple[Array, Array]
    moved: tuple[Array, Array]
    own: Array
    bias: Array
    written: tuple[Array, Array]
    written_own: Array
    cross: Array


class Circuit:
    """A model of one block with one or two heads. Raises OutOfRange for weights that it cannot compute with."""

    def __init__(self, weights: Weights) -> None:
        self.sizes = sizes = sizes_of(weights)
        W = {name.removeprefix("blocks.0.").removeprefix("attn."): array for name, array in weights.items()}
        V, L = sizes.numbers, sizes.list_len
        tokens = [t for _ in range(L) for t in range(V)] + [V] + [t for _ in range(L - 1) for t in range(V)]
        positions = [p for p in range(L) for _ in range(V)] + [L] + [p for p in range(L + 1, 2 * L) for _ in range(V)]
        keys = len(tokens)
        with ctx.workprec(BITS):
            stream = matrix(W["embed.W_E"][tokens]) + matrix(W["pos_embed.W_pos"][positions])
            read = layer_norm(stream, W["ln1.w"].tolist(), W["ln1.b"].tolist())
            unembedded = _readout(W["ln_final.w"], W["unembed.W_U"])
            own = stream + repeated(W["b_O"], keys)
            self.own = rounded(own * unembedded, "readouts of the stream")
            self.written_own = rounded(centred(own), "entries of the stream")
            biases = matrix(W["ln_final.b"][None]) * matrix(W["unembed.W_U"]) + matrix(W["unembed.b_U"][None])
            self.bias = rounded(centred(biases), "biases of the logits")[0]
            self.q: list[Rows] = []
            self.k: list[Rows] = []
            moved, written = [], []
            root = arb(W["W_Q"].shape[-1]).sqrt()
            for head in range(sizes.heads):
                q, k, v = (read * matrix(W[f"W_{name}"][head]) + repeated(W[f"b_{name}"][head], keys) for name in "QKV")
                self.q.append((q / root).tolist())
                self.k.append(k.tolist())
                writes = v * matrix(W["W_O"][head])
                moved.append(rounded(writes * unembedded, f"readouts of head {head}"))
                written.append(rounded(centred(writes), f"what head {head} writes"))
        if sizes.heads == 1:
            moved.append(np.zeros_like(moved[0]))
            written.append(np.zeros_like(written[0]))
        self.moved, self.written = moved, written
        self.cross = written[0] @ written[1].T

    def queries(self, k: int, numbers: list[int]) -> Iterator[Query]:
        """The queries of rank k with these numbers, in order; for rank 0 there is one, of SEP. Raises OutOfRange."""
        sizes = self.sizes
        first = sizes.sorted_keys(k) if k else sizes.sep
        shown = [first + d for d in numbers]
        read = [arb_mat(keys[: sizes.sorted_keys(k + 1)]).transpose() for keys in self.k]
        with ctx.workprec(BITS):
            scores = [
                (arb_mat([q[index] for index in shown]) * keys).tolist() for q, keys in zip(self.q, read, strict=True)
            ]
        for place, (d, index) in enumerate(zip(numbers, shown, strict=True)):
            keys = sizes.keys(k, d)
            where = f"the query {d} at position {sizes.list_len + k}" if k else "SEP"
            with ctx.workprec(BITS):
                weights = [attention_weights([of[place][key] for key in keys], where) for of in scores]
            if sizes.heads == 1:
                weights.append((keys == sizes.sep).astype(np.float64))
            yield Query(
                sizes,
                k,
                d,
                (weights[0], weights[1]),
                (self.moved[0][keys].T.copy(), self.moved[1][keys].T.copy()),
                self.own[index],
                self.bias,
                (self.written[0][keys], self.written[1][keys]),
                self.written_own[index],
                self.cross[np.ix_(keys, keys)],
            )


def _readout(w: NDArray[np.float32], W_U: NDArray[np.float32]) -> arb_mat:
    """From the stream to the logits times the final scale, less their mean over all answers: [d_model, answer]."""
    rows = zip(w.tolist(), matrix(W_U).tolist(), strict=True)
    scaled = arb_mat([[arb(w_i) * entry for entry in row] for w_i, row in rows])
    return centred(centred(scaled.transpose()).transpose())


def largest(table: Array) -> float:
    """The largest absolute value in a table, and FLOOR: none of its errors exceeds 2**-52 of that."""
    return float(abs(table).max(initial=0)) + FLOOR
