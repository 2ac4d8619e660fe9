"""The task: integers, their running sum, and the data set that the model is trained and judged on.

A value in -max_value .. +max_value is fed to the model as the token `value + max_value`. At every
position the label says where the running sum stands: 0 negative, 1 zero, 2 positive.
"""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.dataset import Dataset

VOCAB_OUT = ("neg", "zero", "pos")
NEG, ZERO, POS = range(3)

EVALUATION_SIZE, EVALUATION_SEED = 1000, 42
EVERY_SEQUENCE = "every sequence of every length up to the context (proved from the weights, in real arithmetic)"
"""Over what a claim holds that is proved by `cumsum_model.proof`."""

EVALUATION_SET = f"CumsumDataset({EVALUATION_SIZE}, seed={EVALUATION_SEED}), every position"
"""What "on the evaluation set" means. Source: write-up, Setup."""

NEAR_ZERO_SEED = 43
NEAR_ZERO_SET = f"{EVALUATION_SIZE} sequences that end at -1, 0 or +1 (seed {NEAR_ZERO_SEED}), last position"
"""What "on near-zero sums" means."""


def tokens_of(values: Int[Tensor, "*shape"], max_value: int) -> Int[Tensor, "*shape"]:
    """What the model reads: the value v is the token v + max_value, for which row v + max_value of W_E is.

    >>> tokens_of(torch.tensor([-5, 0, 3]), max_value=5).tolist()
    [0, 5, 8]
    """
    return values + max_value


def labels_of(values: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Label every position by the sign of the sum so far: 0 negative, 1 zero, 2 positive.

    >>> labels_of(torch.tensor([[0, 1, -3, 2, 1, 1]])).tolist()
    [[1, 2, 0, 1, 2, 2]]
    """
    return values.cumsum(-1).sign() + 1


def running_means(values: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """Mean of the values up to and including each position, in float64.

    >>> running_means(torch.tensor([[1, 1, 4]])).tolist()
    [[1.0, 1.0, 2.0]]
    """
    counts = torch.arange(1, values.shape[-1] + 1, device=values.device)
    return values.cumsum(-1).double() / counts


def draw_values(
    size: int, max_value: int, seq_len: int, generator: torch.Generator, p: float = 0.7
) -> Int[Tensor, "size seq_len"]:
    """Draw sequences whose running sums keep returning to zero.

    Each value after the first gets, with probability `p`, the sign opposite to the sum so far (a sum
    of zero counts as not positive). The draws are made on the CPU in the order of the original
    release, so that a seed means the same sequences everywhere.

    Source: write-up, Setup.
    """
    values = torch.randint(-max_value, max_value + 1, (size, seq_len), generator=generator)
    sums = values[:, 0].clone()
    for pos in range(1, seq_len):
        against_sum = torch.rand(size, generator=generator) < p
        negative = (sums > 0) == against_sum
        magnitudes = torch.randint(0, max_value + 1, (size,), generator=generator)
        values[:, pos] = torch.where(negative, -magnitudes, magnitudes)
        sums += values[:, pos]
    return values


class CumsumDataset(Dataset):
    """`size` seeded sequences with their tokens and labels.

    Attributes, each of shape (size, seq_len):
        values  the integers themselves
        toks    `tokens_of(values, max_value)`, what the model reads
        labels  0, 1, 2: the sum so far is negative, zero, positive

    `scored` selects the positions that a measurement over the set counts: all, unless set otherwise.
    `str_toks` and `str_labels` spell the same out ("+3", "neg"); they are made when first asked for.
    Indexing gives `(toks, labels)` of one sequence or of a slice. torch's global generator is neither
    read nor moved.

    >>> data = CumsumDataset(size=1, max_value=3, seq_len=6, seed=40)
    >>> ", ".join(data.str_toks[0])
    '+0, +1, -3, -3, -2, +3'
    """

    def __init__(
        self,
        size: int,
        max_value: int,
        seq_len: int,
        seed: int = 42,
        p: float = 0.7,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw the set from `seed`, or from `generator` as it stands, which then moves on."""
        for name, number in (("size", size), ("max_value", max_value), ("seq_len", seq_len)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, got {p}")
        if generator is None:
            generator = torch.Generator().manual_seed(seed)
        self.max_value = max_value
        self.values = draw_values(size, max_value, seq_len, generator, p)
        super().__init__(tokens_of(self.values, max_value), labels_of(self.values))

    @property
    def vocab(self) -> list[str]:
        """The spelling of every token, in token order: "-5" .. "+5"."""
        return [f"{value:+d}" for value in range(-self.max_value, self.max_value + 1)]

    @property
    def vocab_out(self) -> list[str]:
        """The spelling of every label, in label order."""
        return list(VOCAB_OUT)

    @cached_property
    def str_toks(self) -> list[list[str]]:
        vocab = self.vocab
        return [[vocab[tok] for tok in toks] for toks in self.toks.tolist()]

    @cached_property
    def str_labels(self) -> list[list[str]]:
        return [[VOCAB_OUT[label] for label in labels] for labels in self.labels.tolist()]

    def __repr__(self) -> str:
        size, seq_len = self.values.shape
        return f"CumsumDataset(size={size}, max_value={self.max_value}, seq_len={seq_len})"


def evaluation_set(max_value: int, seq_len: int) -> CumsumDataset:
    """The sequences that the write-up judges the model on, for any sizes."""
    return CumsumDataset(EVALUATION_SIZE, max_value, seq_len, seed=EVALUATION_SEED)


def near_zero_set(max_value: int, seq_len: int) -> CumsumDataset:
    """Sequences of full length whose sum ends at -1, 0 or +1, each as likely as any other.

    Only the last position is scored: it is where the sum is next to zero for certain.
    """
    generator = torch.Generator().manual_seed(NEAR_ZERO_SEED)
    data = CumsumDataset(1, max_value, seq_len, generator=generator)
    near_zero = torch.empty(0, seq_len, dtype=torch.long)
    while len(near_zero) < EVALUATION_SIZE:
        drawn = torch.randint(-max_value, max_value + 1, (10 * EVALUATION_SIZE, seq_len), generator=generator)
        near_zero = torch.cat([near_zero, drawn[drawn.sum(1).abs() <= 1]])
    data.values = near_zero[:EVALUATION_SIZE]
    data.toks = tokens_of(data.values, max_value)
    data.labels = labels_of(data.values)
    data.scored = slice(-1, None)
    return data
