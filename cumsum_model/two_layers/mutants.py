"""Controls: models of two layers with one mechanism broken, each named for what it does."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from cumsum_model.mutants import SYMMETRIES as SYMMETRIES
from cumsum_model.mutants.architecture import add_a_layer
from cumsum_model.mutants.criteria import shuffle_weights
from cumsum_model.mutants.unembedding import swap_verdicts
from cumsum_model.mutants.whole import add_much_noise, untrained
from cumsum_model.scope import reference_model
from toy_model.surgery import CannotBeMade, copied, rewired

FIRST, SECOND = 0, 1

FAR = 20.0
"""Less score than another position: a weight smaller by e^20."""

WINDOW = 5


def attend_evenly_in_second_layer(model: CumsumTransformer) -> CumsumTransformer:
    """The second layer's head attends to all positions alike: its queries ask for nothing."""
    mutant = copied(model)
    mutant.blocks[SECOND].attn.W_Q.zero_()
    mutant.blocks[SECOND].attn.b_Q.zero_()
    return mutant


def attend_to_the_other_sign(model: CumsumTransformer) -> CumsumTransformer:
    """The second layer's head looks for the opposite of what it looked for: its queries have the other sign."""
    mutant = copied(model)
    mutant.blocks[SECOND].attn.W_Q *= -1
    mutant.blocks[SECOND].attn.b_Q *= -1
    return mutant


def attend_to_a_window(model: CumsumTransformer) -> CumsumTransformer:
    """The second layer's head attends to the last five positions, whatever is there: a step of the sum."""

    def within_window(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        n = scores.shape[-1]
        far = torch.ones(n, n, dtype=torch.bool, device=scores.device).tril(-WINDOW)
        return scores.masked_fill(torch.isfinite(scores), 0).masked_fill(far, -FAR)

    return rewired(model, {"blocks.1.attn.hook_attn_scores": within_window})


def attend_to_the_beginning(model: CumsumTransformer) -> CumsumTransformer:
    """Beside what it looks for, the second layer's head prefers early positions, by a factor of e a step."""

    def early(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        return scores - torch.arange(scores.shape[-1], dtype=scores.dtype, device=scores.device)

    return rewired(model, {"blocks.1.attn.hook_attn_scores": early})


def ask_alike(model: CumsumTransformer) -> CumsumTransformer:
    """All queries of the second layer are the mean one of their position: they know nothing of the running mean."""
    return _at_its_mean(model, "blocks.1.attn.hook_q")


def answer_alike(model: CumsumTransformer) -> CumsumTransformer:
    """All keys of the second layer are the mean one of their position: they know nothing of value or mean."""
    return _at_its_mean(model, "blocks.1.attn.hook_k")


def move_alike(model: CumsumTransformer) -> CumsumTransformer:
    """What the second layer's head moves is the mean at each position."""
    return _at_its_mean(model, "blocks.1.attn.hook_v")


def let_second_layer_ask_by_itself(model: CumsumTransformer) -> CumsumTransformer:
    """W_Q and W_K of the second layer are as they were before training: it looks for something, nobody knows what."""
    mutant = copied(model)
    theirs = untrained(model).blocks[SECOND].attn
    scale = model.blocks[SECOND].attn.W_Q.norm() / theirs.W_Q.norm()
    mutant.blocks[SECOND].attn.W_Q.copy_(theirs.W_Q * scale)
    mutant.blocks[SECOND].attn.W_K.copy_(theirs.W_K * scale)
    return mutant


def square_keys(model: CumsumTransformer) -> CumsumTransformer:
    """The second layer's keys depend on the size of what they depended on, and not on its sign."""
    return rewired(model, {"blocks.1.attn.hook_k": lambda k: _square(k)})


def square_what_is_moved(model: CumsumTransformer) -> CumsumTransformer:
    """What the second layer's head moves depends on the size of what it depended on, and not on its sign."""
    return rewired(model, {"blocks.1.attn.hook_v": lambda v: _square(v)})


def silence_second_head(model: CumsumTransformer) -> CumsumTransformer:
    """The second layer's head writes nothing but its bias."""
    mutant = copied(model)
    mutant.blocks[SECOND].attn.W_O.zero_()
    return mutant


def silence_first_head(model: CumsumTransformer) -> CumsumTransformer:
    """The first layer's head writes nothing but its bias: no mean is stored."""
    mutant = copied(model)
    mutant.blocks[FIRST].attn.W_O.zero_()
    return mutant


def attend_to_last_in_first_layer(model: CumsumTransformer) -> CumsumTransformer:
    """The first layer's head prefers recent positions, by a factor of e a step."""

    def recent(scores: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        return scores + torch.arange(scores.shape[-1], dtype=scores.dtype, device=scores.device)

    return rewired(model, {"blocks.0.attn.hook_attn_scores": recent})


def put_one_layer_in_two(model: CumsumTransformer) -> CumsumTransformer:
    """The shipped model of one layer, with a second that writes nothing: right on all sequences of its length."""
    one_layer = reference_model()
    larger = add_a_layer(one_layer).to(model.device)
    if larger.cfg != model.cfg:
        raise CannotBeMade(f"the shipped model of one layer has other sizes: its context is {one_layer.cfg.n_ctx}")
    return larger


def _at_its_mean(model: CumsumTransformer, name: str) -> CumsumTransformer:
    """An activation is its mean over the sequences of a batch, at each position."""
    return rewired(model, {name: lambda activation: activation.mean(0, keepdim=True).expand_as(activation)})


def _square(activation: Tensor) -> Tensor:
    """Of each vector along its main direction the distance from the mean, in place of which side it is on."""
    flat = activation.flatten(0, -2)
    centre = flat.mean(0)
    _, _, directions = torch.linalg.svd(flat - centre, full_matrices=False)
    along = (flat - centre) @ directions[0]
    return (flat + (along.abs() - along)[:, None] * directions[0]).view_as(activation)


BREAKING = (
    attend_evenly_in_second_layer,
    attend_to_the_other_sign,
    attend_to_a_window,
    attend_to_the_beginning,
    ask_alike,
    answer_alike,
    move_alike,
    let_second_layer_ask_by_itself,
    square_keys,
    square_what_is_moved,
    silence_second_head,
    silence_first_head,
    attend_to_last_in_first_layer,
    swap_verdicts,
    add_much_noise,
    shuffle_weights,
    untrained,
)
HIDDEN = ()
IDEALS = (put_one_layer_in_two,)
