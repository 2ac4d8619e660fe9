"""The explanation as a program: if this is how the model works, these lines can stand in for it.

Everything in it is a quantity that the explanation names: the mean of the values, one line per neuron,
what the neurons push, and what the current token and position add. It knows no attention pattern and
no residual stream. How far its logits are from the model's is how much the explanation leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.data import running_means
from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import W_OV, value_step


@dataclass(frozen=True)
class Explanation:
    """The program's coefficients, all in float64.

    Per unit of mean: `pre_gain` for each neuron, `logit_gain` for each logit past the neurons. What the
    current token and the position contribute to the same: `pre_token`, `pre_pos`, `logit_token`, `logit_pos`.
    What a firing neuron adds to each logit: `push`.
    """

    pre_gain: Float[Tensor, " d_mlp"]
    pre_token: Float[Tensor, "d_vocab d_mlp"]
    pre_pos: Float[Tensor, "n_ctx d_mlp"]
    logit_gain: Float[Tensor, " d_vocab_out"]
    logit_token: Float[Tensor, "d_vocab d_vocab_out"]
    logit_pos: Float[Tensor, "n_ctx d_vocab_out"]
    push: Float[Tensor, "d_mlp d_vocab_out"]

    def __call__(
        self, values: Int[Tensor, "batch pos"], mean: Float[Tensor, "batch pos"] | None = None
    ) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Logits of the program. `mean` puts another number in place of the running mean."""
        if mean is None:
            mean = running_means(values)
        return self.at(slice(values.shape[-1]), values + len(self.pre_token) // 2, mean)

    def at(
        self, pos: int | slice, toks: Int[Tensor, "*batch"], mean: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_vocab_out"]:
        """Logits at given positions, counted from 0, for the token that stands there and the mean up to it."""
        pre = mean[..., None] * self.pre_gain + self.pre_token[toks] + self.pre_pos[pos]
        past_neurons = mean[..., None] * self.logit_gain + self.logit_token[toks] + self.logit_pos[pos]
        return past_neurons + pre.relu() @ self.push

    def tabulated(self) -> Table:
        """The same program as a table: all that it is given are length, last token and sum, and those are few."""
        n_ctx, d_vocab = len(self.pre_pos), len(self.pre_token)
        largest = n_ctx * (d_vocab // 2)
        sums = torch.arange(-largest, largest + 1, device=self.push.device).expand(d_vocab, -1)
        toks = torch.arange(d_vocab, device=self.push.device)[:, None].expand(sums.shape)
        return Table(torch.stack([self.at(pos, toks, sums.double() / (pos + 1)) for pos in range(n_ctx)]).float())


@dataclass(frozen=True)
class Table:
    """An explanation's logits, written down for everything that it can be given: in float32.

    logits: [position, last token, sum + n_ctx * max_value]; of the sums that some lengths do not reach nobody asks.
    """

    logits: Float[Tensor, "n_ctx d_vocab n_sums d_vocab_out"]

    def __call__(self, values: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Logits: a running sum, and one row of the table for each position.

        Nothing looks whether the values are the model's, which would take as long as the rest: others give other rows.
        """
        rows = values.cumsum(1).add_(values, alpha=self.logits.shape[2]).add_(self._starts[: values.shape[-1]])
        return F.embedding(rows, self._flat)

    def at(
        self, pos: int | slice, toks: Int[Tensor, "*batch"], mean: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_vocab_out"]:
        """As `Explanation.at`: the mean has to be that of whole numbers."""
        counts = torch.arange(1, len(self.logits) + 1, device=mean.device)
        sums = (mean * counts[pos]).round().long()
        return self.logits[torch.arange(len(self.logits), device=toks.device)[pos], toks, sums + self._largest]

    @property
    def _largest(self) -> int:
        return self.logits.shape[2] // 2

    @cached_property
    def _flat(self) -> Float[Tensor, "row d_vocab_out"]:
        return self.logits.flatten(0, 2)

    @cached_property
    def _starts(self) -> Int[Tensor, " n_ctx"]:
        """The row of each position for the value 0 and the sum 0."""
        n_ctx, d_vocab, n_sums, _ = self.logits.shape
        positions = torch.arange(n_ctx, device=self.logits.device)
        return (positions * d_vocab + d_vocab // 2) * n_sums + self._largest


def explain(model: CumsumTransformer) -> Explanation:
    """Read the program off a checkpoint of one layer.

    Left out on purpose, since the explanation says that it is nothing: every deviation of attention
    from uniform, everything that OV moves off u, every deviation of the values from a straight line.
    """
    if model.cfg.n_layers != 1:
        raise ValueError(f"the explanation is of one layer, the model has {model.cfg.n_layers}")
    return first_layer(model)


def first_layer(model: CumsumTransformer) -> Explanation:
    """The program of the first layer as if its output were unembedded at once, which `explain` takes for granted."""
    block, W = model.blocks[0], {name: tensor.double() for name, tensor in model.state_dict().items()}
    W_in, W_out, W_U = (W[name] for name in ("blocks.0.mlp.W_in", "blocks.0.mlp.W_out", "unembed.W_U"))
    heads = range(model.cfg.n_heads)

    gain = value_step(model)
    # What the head writes whatever the values: its biases, their common part, the mean of positions.
    W_OV_all = W_OV(model)
    b_V = sum(block.attn.b_V[head].double() @ block.attn.W_O[head].double() for head in heads)
    counts = torch.arange(1, model.cfg.n_ctx + 1, dtype=torch.float64, device=model.device)
    mean_pos = W["pos_embed.W_pos"].cumsum(0) / counts[:, None]
    common = W["embed.W_E"].mean(0) @ W_OV_all + b_V + W["blocks.0.attn.b_O"]

    from_token = W["embed.W_E"]
    from_pos = W["pos_embed.W_pos"] + mean_pos @ W_OV_all + common
    return Explanation(
        pre_gain=gain @ W_in,
        pre_token=from_token @ W_in,
        pre_pos=from_pos @ W_in + W["blocks.0.mlp.b_in"],
        logit_gain=gain @ W_U,
        logit_token=from_token @ W_U,
        logit_pos=from_pos @ W_U + W["blocks.0.mlp.b_out"] @ W_U + W["unembed.b_U"],
        push=W_out @ W_U,
    )
