"""What a model answers, measured on a data set: logits, loss, probability of the right label, accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from toy_model.dataset import Dataset
from toy_model.engine import CHUNK, run
from toy_model.transformer import Transformer


@dataclass(frozen=True)
class Behaviour:
    """How well a model does over the scored positions of a data set.

    cross_entropy is in nats; the three p_* summarise the probability given to the right label.
    """

    cross_entropy: float
    accuracy: float
    p_mean: float
    p_median: float
    p_min: float


def cross_entropy(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, ""]:
    """Mean over all positions, in nats and float64: of a model that is sure, float32 would leave nothing."""
    return F.cross_entropy(logits.double().flatten(0, 1), labels.to(logits.device).flatten())


def cross_entropies(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos"]:
    """That of each position by itself, in nats and float64."""
    chosen = logits.double().log_softmax(-1).gather(-1, labels.to(logits.device).unsqueeze(-1))
    return -chosen.squeeze(-1)


@torch.no_grad()
def resid_mid(model: Transformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
    """The stream of the first layer between attention and MLP, in float64, a chunk of sequences at a time."""
    chunks = toks.to(model.device).split(CHUNK)
    return torch.cat([model.run_with_cache(chunk)[1]["blocks.0.hook_resid_mid"].double() for chunk in chunks])


def accuracy(logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]) -> float:
    """Share of positions whose largest logit is that of the right label."""
    return (logits.argmax(-1) == labels.to(logits.device)).double().mean().item()


def right_label_probabilities(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos"]:
    """The probability that each position gives to its right label, in float64."""
    chosen = logits.double().softmax(-1).gather(-1, labels.to(logits.device).unsqueeze(-1))
    return chosen.squeeze(-1)


def right_label_log_probabilities(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos"]:
    """Its logarithm, in nats and float64."""
    return -cross_entropies(logits, labels)


def margins(
    logits: Float[Tensor, "batch pos d_vocab_out"], labels: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos"]:
    """The right label's logit minus the best wrong one: positive where the answer is right."""
    labels = labels.to(logits.device).unsqueeze(-1)
    right = logits.gather(-1, labels).squeeze(-1)
    return right - logits.scatter(-1, labels, -torch.inf).amax(-1)


def label_entropy(labels: Int[Tensor, "batch pos"]) -> float:
    """Entropy of the label frequencies, in nats: the loss of the best guess that never looks."""
    shares = labels.flatten().bincount().double() / labels.numel()
    return torch.special.entr(shares).sum().item()


def behaviour(model: Transformer, data: Dataset) -> Behaviour:
    """Run `model` on `data` and summarise what it answers at the positions that are scored."""
    logits, labels = run(model, data.toks, data.scored), data.labels[:, data.scored]
    p_right = right_label_probabilities(logits, labels)
    return Behaviour(
        cross_entropy=cross_entropy(logits, labels).item(),
        accuracy=accuracy(logits, labels),
        p_mean=p_right.mean().item(),
        p_median=p_right.median().item(),
        p_min=p_right.min().item(),
    )


def divergence(logits: Float[Tensor, "batch pos d_vocab_out"], others: Float[Tensor, "batch pos d_vocab_out"]) -> float:
    """Mean over positions of KL(logits || others) in nats: what is lost by believing `others` instead."""
    log_p, log_q = logits.double().log_softmax(-1), others.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean().item()
