"""The loss of a model with any set of its neurons, for all 2^d_mlp sets at once.

The logits of one layer are affine in what its neurons output: past the neurons, plus what each of them writes. So
d_mlp + 1 forward passes give what every set of neurons says under every kind of ablation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.criteria import Parts
from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import live_neurons
from cumsum_model.scope import no_account_of
from toy_model.intervention import RESAMPLING_SEED, run_under, zero_neurons
from toy_model.uncertainty import resampled_means

KINDS = ("zero", "mean", "resample")
MOST_NEURONS = 12
"""Of more neurons there are more than 4,096 sets, which is too much to go through in a claim."""

SEQUENCES = 300
SET_OF_SUBSETS = f"the first {SEQUENCES} sequences of CumsumDataset(1000, seed=42), every position"
"""On what the losses of sets of neurons are measured."""

_MASKS_AT_ONCE = 64


@dataclass(frozen=True)
class SubsetLosses:
    """Cross entropy in nats of a model with some of its neurons, the others being ablated in one way.

    per_sequence  by set of neurons and sequence, the mean over positions; the set that has neuron i has bit i
    live          the neurons that are live: the circuit of the write-up
    by_strength   all neurons, the strongest first
    """

    per_sequence: Float[np.ndarray, "2**d_mlp n_sequences"]
    live: Parts
    by_strength: tuple[int, ...]

    @cached_property
    def everything(self) -> Parts:
        return frozenset(self.by_strength)

    @cached_property
    def _means(self) -> list[float]:
        return list(self.per_sequence.mean(1).tolist())

    def __call__(self, neurons: Parts) -> float:
        """F(S): the loss with `neurons` alone."""
        return self._means[_mask(neurons)]

    def of_sequences(self, neurons: Parts) -> Float[np.ndarray, " n_sequences"]:
        """The loss of each sequence with `neurons` alone."""
        losses: Float[np.ndarray, " n_sequences"] = self.per_sequence[_mask(neurons)]
        return losses

    def resampled(self, neurons: Parts) -> Float[np.ndarray, " resamples"]:
        """F(S) of every bootstrap resample of the sequences, the same resamples for all sets."""
        return self._resampled_means[_mask(neurons)]

    @cached_property
    def _resampled_means(self) -> Float[np.ndarray, "2**d_mlp resamples"]:
        return resampled_means(self.per_sequence.T).T


def no_subsets_of(model: CumsumTransformer) -> str | None:
    """Why the sets of neurons of `model` are not gone through; None if they are."""
    if model.cfg.d_mlp > MOST_NEURONS:
        return f"this goes through every set of neurons, the model has {model.cfg.d_mlp}: 2^{model.cfg.d_mlp} sets"
    reason = no_account_of(model)
    if reason is None and not (live_neurons(model, "neg") and live_neurons(model, "pos")):
        reason = "this is about the live neurons of both sides, the model has none on one of them"
    return reason


def all_neurons_live(model: CumsumTransformer) -> str | None:
    """Why no other set of neurons has the size of the live ones; None if some do. ValueError as `live_neurons`."""
    if len(live_neurons(model, "neg") + live_neurons(model, "pos")) < model.cfg.d_mlp:
        return None
    return "this compares sets of as many neurons as are live, all of the model's are"


def first_of_evaluation_set(model: CumsumTransformer) -> CumsumDataset:
    """The first `SEQUENCES` sequences of the evaluation set for the sizes of `model`."""
    data = evaluation_set(model.cfg.max_value, model.cfg.n_ctx)
    data.values, data.toks, data.labels = (x[:SEQUENCES] for x in (data.values, data.toks, data.labels))
    return data


def neuron_logits(
    model: CumsumTransformer, toks: Int[Tensor, "batch pos"]
) -> tuple[Float[Tensor, "batch pos d_vocab_out"], Float[Tensor, "d_mlp batch pos d_vocab_out"]]:
    """The logits without any neuron, and what each neuron adds to them, in float64.

    From d_mlp + 1 forward passes, so that it holds of models whose forward pass is altered, too.
    Raises ValueError for models of several layers, whose logits are not affine in the neurons of the first.
    """
    if model.cfg.n_layers > 1:
        raise ValueError(f"the logits of {model.cfg.n_layers} layers are not affine in the neurons of the first")
    everything = range(model.cfg.d_mlp)
    past = run_under(model, toks, zero_neurons(everything)).double()
    added = [run_under(model, toks, zero_neurons(set(everything) - {i})).double() - past for i in everything]
    return past, torch.stack(added)


def subset_losses(model: CumsumTransformer, data: CumsumDataset) -> dict[str, SubsetLosses]:
    """The loss on `data` of every set of neurons, by kind of ablation: what the others output instead.

    zero      nothing
    mean      their mean over all sequences and positions of `data`
    resample  what they do at the same position of another sequence of `data`, by one seeded permutation for all
    Kinds and seed are those of `cumsum_model.intervention`. Raises ValueError for more than `MOST_NEURONS` neurons.
    """
    d_mlp = model.cfg.d_mlp
    if d_mlp > MOST_NEURONS:
        raise ValueError(f"2^{d_mlp} sets of neurons are too many: at most 2^{MOST_NEURONS} are gone through")
    past, added = neuron_logits(model, data.toks)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(RESAMPLING_SEED)).to(past.device)
    instead = {
        "zero": torch.zeros_like(added),
        "mean": added.mean((1, 2), keepdim=True).expand_as(added),
        "resample": added[:, order],
    }
    live = frozenset(live_neurons(model, "neg") + live_neurons(model, "pos"))
    strength = added.amax(-1) - added.amin(-1)
    by_strength = tuple(strength.mean((1, 2)).argsort(descending=True).tolist())
    labels = data.labels.to(past.device)
    return {
        kind: SubsetLosses(_losses(past + instead[kind].sum(0), added - instead[kind], labels), live, by_strength)
        for kind in KINDS
    }


def _losses(
    without: Float[Tensor, "batch pos d_vocab_out"],
    gained: Float[Tensor, "d_mlp batch pos d_vocab_out"],
    labels: Int[Tensor, "batch pos"],
) -> Float[np.ndarray, "2**d_mlp batch"]:
    """Mean cross entropy of each sequence, for every set: `without` any neuron, plus what each of the set brings."""
    d_mlp = len(gained)
    # Only differences to the right label's logit enter the loss, two numbers instead of three.
    right = labels[..., None]
    others = (right + torch.arange(1, without.shape[-1], device=right.device)) % without.shape[-1]
    ahead = without.gather(-1, others) - without.gather(-1, right)
    gained_ahead = torch.stack([logits.gather(-1, others) - logits.gather(-1, right) for logits in gained])
    masks = torch.arange(2**d_mlp, device=ahead.device)
    has = (masks[:, None] >> torch.arange(d_mlp, device=ahead.device)) & 1
    losses = []
    for chunk in has.to(ahead).split(_MASKS_AT_ONCE):
        # log(1 + e^a + e^b), with the largest of 0, a and b taken out.
        a, b = (ahead[..., k].flatten() + chunk @ gained_ahead[..., k].flatten(1) for k in range(2))
        largest = torch.maximum(a, b).clamp_(min=0)
        total = a.sub_(largest).exp_().add_(b.sub_(largest).exp_()).add_(largest.neg().exp_())
        loss = total.log_().add_(largest)
        losses.append(loss.view(len(chunk), *ahead.shape[:2]).mean(-1))
    return torch.cat(losses).cpu().numpy()


def _mask(neurons: Parts) -> int:
    return sum(1 << neuron for neuron in neurons)
