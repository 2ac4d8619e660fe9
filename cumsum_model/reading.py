"""What the model reads of resid_mid, whatever the basis of the stream.

Without layer norm every invertible change of the stream's basis gives the same function. What is written to the stream
is a vector and changes one way; what is read from it is a covector (a column of W_in or W_U) and changes the other way;
only pairings of one with the other mean anything. So the running mean is looked for not by projecting on u, which takes
an angle, but by pairing the stream with the covector that decides between pos and neg:

    g = (I + W_in W_out) (W_U[:, pos] - W_U[:, neg]),

summed over the neurons that fire at a mean of zero: the logit difference per unit of stream next to zero, where all
live neurons fire on every sequence (test_neurons.py). A neuron that does not fire there is no part of what is
decided there. Likewise "along u" means along `value_step`, the vector that OV writes per unit of value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cumsum_model.attention import relative_uniformity_gap
from cumsum_model.data import NEG, POS, ZERO, tokens_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import read_neurons
from cumsum_model.ov_circuit import centred_unembedding, token_values, value_outputs, value_step
from toy_model.behaviour import resid_mid
from toy_model.statistics import cosine


def logit_readouts(model: CumsumTransformer) -> Float[Tensor, "d_model d_vocab_out"]:
    """The covectors by which the centred logits read resid_mid next to zero: past the neurons, and through those that
    fire at a mean of zero.
    """
    mlp, W_U = model.blocks[0].mlp, centred_unembedding(model)
    fires = read_neurons(model).fires_at_zero
    return W_U + mlp.W_in.double()[:, fires] @ (mlp.W_out.double()[fires] @ W_U)


def sign_readout(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """g: the covector by which resid_mid decides between pos and neg next to zero, in logits per unit of stream."""
    read = logit_readouts(model)
    return read[:, POS] - read[:, NEG]


def mean_readout(model: CumsumTransformer) -> Float[Tensor, " d_model"]:
    """G in units of running mean: `value_step` reads as 1."""
    g = sign_readout(model)
    return g / (value_step(model) @ g)


def amplification(model: CumsumTransformer) -> float:
    """By how much the neurons multiply what a unit of mean does to pos minus neg, next to zero.

    1 if they add nothing to what reaches the logits past them.
    """
    step = value_step(model)
    past_neurons = step @ (model.W_U[:, POS] - model.W_U[:, NEG]).double()
    return (step @ sign_readout(model) / past_neurons).item()


def stored_mean(model: CumsumTransformer, toks: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    """resid_mid as `mean_readout` reads it, at every position, in units of mean: the running mean, plus a constant."""
    return resid_mid(model, toks) @ mean_readout(model)


def value_readings(model: CumsumTransformer) -> Float[Tensor, " d_vocab"]:
    """What the heads write for each value, -max_value to +max_value, as `mean_readout` reads it: in units of value.

    A constant among it says nothing by itself: it could as well stand in a bias.
    """
    return value_outputs(model) @ mean_readout(model)


def value_spacing_error(model: CumsumTransformer, readout: Float[Tensor, " d_model"] | None = None) -> float:
    """The largest distance of a value's reading from a straight line of slope 1, in units of value.

    readout: a covector in units of mean, such as those of `readouts`; `mean_readout` unless given.
    """
    readings = value_outputs(model) @ (mean_readout(model) if readout is None else readout)
    rest = readings - token_values(model)
    return (rest - rest.mean()).abs().max().item()


def unexplained_push(model: CumsumTransformer) -> float:
    """What the heads write of a value beyond v steps, as any neuron reads it: the most that it can push logits apart.

    Dead neurons included, whatever the mean does to them. In logits.
    """
    if not model.cfg.d_mlp:
        return 0.0
    rest = value_outputs(model) - torch.outer(token_values(model), value_step(model))
    read = (rest - rest.mean(0)) @ model.blocks[0].mlp.W_in.double()
    push = read_neurons(model).push
    return (read.abs().amax(0) * (push.amax(-1) - push.amin(-1))).max().item()


def value_step_error(model: CumsumTransformer) -> float:
    """The largest deviation of a step between neighbouring values from 1, the mean step: in units of value."""
    return (value_readings(model).diff() - 1).abs().max().item()


def info_weighting_error(model: CumsumTransformer) -> float:
    """How far attention weighted by what it moves can be from |value|, in units of value: over every sequence.

    n times an attention weight, times the size of what the head moves from that token beyond what it moves from all of
    them on average, as `mean_readout` reads it. Exact: the weight and the token are bounded independently.
    """
    moved, gap = value_readings(model), relative_uniformity_gap(model)
    moved, sizes = (moved - moved.mean()).abs(), token_values(model).abs()
    return torch.maximum(moved * (1 + gap) - sizes, sizes - moved * (1 - gap)).max().item()


def slope_by_length(stored: Float[Tensor, "batch pos"], values: Int[Tensor, "batch pos"]) -> Float[Tensor, " pos"]:
    """N times the least-squares slope of what is stored against the running sum, at each length n.

    Of the mean it is 1 at every length, of the sum it rises with n.
    """
    sums = values.cumsum(-1).double()
    sums, stored = sums - sums.mean(0), stored.double() - stored.double().mean(0)
    return (sums * stored).sum(0) / sums.square().sum(0) * torch.arange(1, values.shape[-1] + 1)


def stored_of(model: CumsumTransformer, values: Sequence[int]) -> float:
    """What `mean_readout` reads at the end of one sequence of values, in units of mean."""
    toks = tokens_of(torch.tensor([values]), model.cfg.max_value)
    return stored_mean(model, toks)[0, -1].item()


def pushes_towards_a_side(model: CumsumTransformer) -> list[float]:
    """How nearly what moves the logits moves them from neg to pos: cosines in the plane of centred logits.

    First that of a unit of mean past the neurons, then that of each live neuron's output, negative if it pushes
    towards neg. A fact about the function: neither a basis of the stream nor a gauge of the logits changes it.
    """
    neurons = read_neurons(model)
    past_neurons = value_step(model) @ centred_unembedding(model)
    line = past_neurons.new_tensor([-1.0, 0.0, 1.0])
    return [cosine(push, line) for push in (past_neurons, *neurons.push[neurons.live])]


def logits_per_unit_of_mean(model: CumsumTransformer) -> Float[Tensor, " d_vocab_out"]:
    """What a unit of mean adds to the three logits, centred, where the neurons that fire at a mean of zero do."""
    return value_step(model) @ logit_readouts(model)


def unit_of_sum(model: CumsumTransformer) -> float:
    """What one unit of the sum does to pos minus neg at full length, next to zero: in logits, the scale of all errors.

    Two sums that differ by one have means 1/n_ctx apart there.
    """
    return abs((value_step(model) @ sign_readout(model)).item()) / model.cfg.n_ctx


def zero_against_the_sides(model: CumsumTransformer) -> tuple[float, float]:
    """What a unit of mean adds to the centred zero logit, over what it adds to pos minus neg.

    Past the neurons, and with those that fire at a mean of zero. 0 if zero takes no side, 1/2 if it does all that neg
    or pos does.
    """
    past_neurons, whole = value_step(model) @ centred_unembedding(model), logits_per_unit_of_mean(model)
    first, second = ((pushed[ZERO] / (pushed[POS] - pushed[NEG])).item() for pushed in (past_neurons, whole))
    return first, second


def readouts(model: CumsumTransformer) -> dict[str, Float[Tensor, " d_model"]]:
    """Every covector by which the rest of the model reads resid_mid, in units of mean: `value_step` reads as 1.

    The input weights of each live neuron, and the two differences of logits past the neurons that pos has with neg and
    with zero. No others are read: a displacement that none of them sees changes nothing.
    """
    step, W_U = value_step(model), model.W_U.double()
    W_in, live = model.blocks[0].mlp.W_in.double(), read_neurons(model).live
    directions = {f"neuron {neuron}": W_in[:, neuron] for neuron in live.nonzero().flatten().tolist()}
    directions |= {"pos - neg": W_U[:, POS] - W_U[:, NEG], "pos - zero": W_U[:, POS] - W_U[:, ZERO]}
    return {name: covector / (step @ covector) for name, covector in directions.items()}
