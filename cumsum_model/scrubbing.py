"""Causal scrubbing of resid_mid: the loss when it is drawn again from inputs that a hypothesis calls alike.

A hypothesis gives every position of every sequence a class, such as its running sum. At each position resid_mid is
replaced by that of another sequence at the same position and of the same class, drawn at random. If the class is all
that resid_mid holds and the rest of the model reads, nothing changes.

The mean loss cannot tell: where classes determine labels, sequences of a class exchange their losses and no more, so
that their mean stays as it was, whatever the model, if its logits depend on resid_mid at that position alone. So
changes are measured at each position of each sequence.

Source: Chan et al. 2022, Causal scrubbing (Redwood Research).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cumsum_model.data import CumsumDataset
from cumsum_model.model import CumsumTransformer
from toy_model.behaviour import margins
from toy_model.intervention import run_under

SCRUBBING_SEED = 0

Hypothesis = Callable[[Int[Tensor, "batch pos"]], Int[Tensor, "batch pos"]]
"""From the values to a class for each position: resid_mid is the same, it says, wherever the class is."""


def same_sum(values: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Alike are prefixes of one sum: at one position, that is of one mean."""
    return values.cumsum(-1)


def same_sign(values: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Alike are prefixes whose sums have one sign: those of one label."""
    return values.cumsum(-1).sign()


def same_last_value(values: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Alike are prefixes that end with one value."""
    return values


def nothing(values: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """All prefixes of one length are alike: what is drawn is any other sequence."""
    return torch.zeros_like(values)


@dataclass(frozen=True)
class Scrubbed:
    """What a model says at every position of every sequence, as it is and with resid_mid drawn again from alike inputs.

    labels   the right answers
    redrawn  whether there was another sequence to draw from; elsewhere resid_mid stays what it was
    """

    logits: Float[Tensor, "batch pos d_vocab_out"]
    scrubbed: Float[Tensor, "batch pos d_vocab_out"]
    labels: Int[Tensor, "batch pos"]
    redrawn: Bool[Tensor, "batch pos"]

    @property
    def alone(self) -> int:
        """How many positions of sequences are alone in their class, so that nothing is drawn."""
        return int((~self.redrawn).sum())

    @cached_property
    def loss(self) -> Float[Tensor, "batch pos"]:
        """In nats, of the model as it is."""
        return _losses(self.logits, self.labels)

    @cached_property
    def scrubbed_loss(self) -> Float[Tensor, "batch pos"]:
        return _losses(self.scrubbed, self.labels)

    @cached_property
    def loss_change(self) -> Float[Tensor, "batch pos"]:
        """How far the loss moves, up or down, in nats."""
        return (self.scrubbed_loss - self.loss).abs()

    @cached_property
    def margin_change(self) -> Float[Tensor, "batch pos"]:
        """How far the right label's logit moves against the best wrong one, up or down."""
        return (margins(self.scrubbed, self.labels) - margins(self.logits, self.labels)).abs()


def draw_alike(
    classes: Int[Tensor, "batch pos"], seed: int = SCRUBBING_SEED
) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch pos"]]:
    """For each position of each sequence, another sequence of the same class there, and whether there is one.

    At each position the sequences of a class are put into a random circle, and each is given the next: any other one
    with the same chance, and none of them twice. A sequence that is alone in its class keeps itself.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn, alone = torch.empty_like(classes), torch.empty_like(classes, dtype=torch.bool)
    for pos in range(classes.shape[1]):
        shuffled = torch.randperm(len(classes), generator=generator)
        order = shuffled[classes[shuffled, pos].argsort(stable=True)]
        _, sizes = classes[order, pos].unique_consecutive(return_counts=True)
        last = sizes.cumsum(0) - 1
        follower = order.roll(-1)
        follower[last] = order[last - sizes + 1]
        drawn[order, pos] = follower
        alone[order, pos] = (sizes == 1).repeat_interleave(sizes)
    return drawn, ~alone


@torch.no_grad()
def scrub(
    model: CumsumTransformer, data: CumsumDataset, hypothesis: Hypothesis, seed: int = SCRUBBING_SEED
) -> Scrubbed:
    """What `model` says on `data` before and after resid_mid is drawn again, as `hypothesis` allows."""
    drawn, redrawn = draw_alike(hypothesis(data.values.cpu()), seed)
    rows = drawn.to(model.device)
    positions = torch.arange(rows.shape[1], device=rows.device)
    scrubbed = run_under(model, data.toks, {"blocks.0.hook_resid_mid": lambda resid: resid[rows, positions]})
    return Scrubbed(run_under(model, data.toks, {}).cpu(), scrubbed.cpu(), data.labels.cpu(), redrawn)


def recovered(scrubbed: Scrubbed, baseline: float) -> float:
    """The fraction of the mean loss recovered: (baseline - scrubbed) / (baseline - loss).

    1 if scrubbing leaves the mean loss as it was, 0 if it raises it to `baseline`, in nats.
    Raises ValueError if the model does no better than the baseline.
    """
    before, after = scrubbed.loss.mean().item(), scrubbed.scrubbed_loss.mean().item()
    if before >= baseline:
        raise ValueError(f"nothing can be recovered: the loss is {before} nats, the baseline {baseline}")
    return (baseline - after) / (baseline - before)


def _losses(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos"]:
    return F.cross_entropy(logits.double().mT, labels, reduction="none")
