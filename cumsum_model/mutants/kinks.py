"""Where neurons fire: kinks moved, sides swapped, and a model that does need its ReLUs."""

from __future__ import annotations

import torch

from cumsum_model.data import ZERO, evaluation_set, running_means
from cumsum_model.model import CumsumTransformer
from cumsum_model.mutants.symmetries import EVERYTHING, FIGURES, changes
from cumsum_model.neurons import read_neurons
from cumsum_model.reading import mean_readout, stored_mean
from cumsum_model.surgery import require_working_neurons
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied


def let_neurons_read_backwards(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron fires on the other side of zero."""
    require_working_neurons(model)
    mutant = copied(model)
    mutant.blocks[0].mlp.W_in *= -1
    return mutant


def let_all_neurons_fire_on_positive_means(model: CumsumTransformer) -> CumsumTransformer:
    """Neurons of the negative side fire on positive means, too, and still push neg."""
    return _on_one_side(model, 1)


def let_all_neurons_fire_on_negative_means(model: CumsumTransformer) -> CumsumTransformer:
    """Neurons of the positive side fire on negative means, too, and still push pos."""
    return _on_one_side(model, -1)


def move_kinks(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron starts to fire two units of mean further out, on its own side."""
    return _start_later(model, 2)


def silence_near_zero(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron starts to fire a quarter of a unit of mean later, on its own side: next to zero none does."""
    return _start_later(model, 1 / 4)


def keep_neurons_firing(model: CumsumTransformer) -> CumsumTransformer:
    """Every neuron fires on both sides: its kink lies at twice the largest mean that there is."""
    return _start_later(model, -2 * model.cfg.max_value)


def detect_zero_by_silence(model: CumsumTransformer) -> CumsumTransformer:
    """Two neurons, one a side, start to fire half a gap from zero and only push zero down; the sign is read past them.

    The mechanism of the write-up's summary: right as long as neurons bend, and "zero" throughout if they do not.
    """
    if model.cfg.d_mlp < 2:
        raise CannotBeMade("there is no second neuron")
    mutant = copied(model)
    mlp, W_U = mutant.blocks[0].mlp, model.W_U.double()
    readout = mean_readout(model)
    data = evaluation_set(model.cfg.max_value, model.cfg.n_ctx)
    constant = (stored_mean(model, data.toks).cpu() - running_means(data.values)).mean()
    threshold = 1 / (2 * model.cfg.n_ctx)
    # What lowers zero and neither of the others, in the two directions that the centred unembedding has.
    wanted = W_U.new_tensor([1.0, -2.0, 1.0]) / 3
    down = wanted @ torch.linalg.pinv(W_U - W_U.mean(-1, keepdim=True), rtol=1e-3)
    steepness = 400.0  # logits per unit of mean: enough to outweigh the bias within a hundredth of a unit
    for weights in (mlp.W_in, mlp.b_in, mlp.W_out, mlp.b_out):
        weights.zero_()
    for neuron, sign in enumerate((1, -1)):
        mlp.W_in[:, neuron] = (sign * steepness * readout).float()
        mlp.b_in[neuron] = steepness * (-sign * constant.item() - threshold)
        mlp.W_out[neuron] = down.float()
    # At a mean of zero the three logits are level but for a lead of zero, which the neurons undo within half a gap.
    mutant.unembed.b_U -= run(mutant, data.toks)[data.labels == ZERO].mean(0)
    mutant.unembed.b_U[ZERO] += 2
    return mutant


@changes(*EVERYTHING, FIGURES)
def deafen_dead_neurons(model: CumsumTransformer) -> CumsumTransformer:
    """Neurons that are not live read nothing of the stream: their pre-activation is their bias."""
    mutant = copied(model)
    mutant.blocks[0].mlp.W_in[:, ~read_neurons(model).live] = 0
    return mutant


def _start_later(model: CumsumTransformer, by: float) -> CumsumTransformer:
    """Move every kink by so many units of mean, towards its own side."""
    require_working_neurons(model)
    mutant = copied(model)
    mutant.blocks[0].mlp.b_in -= (by * read_neurons(model).slope.abs()).float()
    return mutant


def _on_one_side(model: CumsumTransformer, side: int) -> CumsumTransformer:
    require_working_neurons(model)
    mutant = copied(model)
    slope = read_neurons(model).slope
    mutant.blocks[0].mlp.W_in[:, slope.sign() == -side] *= -1
    return mutant
