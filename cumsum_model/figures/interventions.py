"""What becomes of the answer when the stream is moved along u."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from pytest_claims.drawing.canvas import LINE, MUTED, Drawing, figure, name_y
from pytest_claims.drawing.figure import NotDrawn
from torch import Tensor

from cumsum_model.data import NEG, POS, VOCAB_OUT, ZERO
from cumsum_model.figures.residual_stream import MOST_SUMS, MOVES_PER_SUM
from cumsum_model.figures.subject import LABEL_COLOURS, Subject, answers_key, u_of
from cumsum_model.ov_circuit import value_direction, value_slope
from toy_model.figures.measured import measured
from toy_model.intervention import move_resid_mid, run_under

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper


@figure("moving-along-u", "Answers when resid_mid is moved along u")
def moving_along_u(subject: Subject) -> Drawing:
    """Our test of the write-up's Finding u in resid mid: what is stored along u is what the answer follows."""
    u_of(subject.model)
    at_zero = subject.data.labels == ZERO
    if not at_zero.any():
        raise NotDrawn("the evaluation set has no position of sum 0")
    gap = 1 / subject.model.cfg.n_ctx
    half = MOST_SUMS * MOVES_PER_SUM
    moves = torch.arange(-half, half + 1, dtype=torch.float64) * gap / MOVES_PER_SUM
    chances = torch.stack([_chances_when_moved(subject, move, at_zero) for move in moves.tolist()])
    caption = (
        f"Mean probability of each answer at the {int(at_zero.sum())} positions of {subject.data_set} where the sum is "
        "0, when resid_mid is moved along u by what a higher or lower mean would have put there. If u carries the "
        'answer, "zero" gives way to "pos" on the right and to "neg" on the left. The dashed lines are 1/n away at '
        f"full length, {gap:.3g}: the mean of a sum of +1 or -1."
    )
    rightmost, leftmost = chances[-1], chances[0]
    alt = (
        f"Unmoved, the mean probability of zero is {chances[half][ZERO].item():.3f}; moved by {moves[-1].item():+.2g} "
        f"that of pos is {rightmost[POS].item():.3f}, by {moves[0].item():+.2g} that of neg "
        f"{leftmost[NEG].item():.3f}. "
        f"{_crossing(moves, chances, POS)}; {_crossing(moves, chances, NEG)}."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.16, "top": 0.92})
        for x in (-gap, gap):
            ax.axvline(x, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        ax.axvline(0, color=LINE, linewidth=0.8)
        for label, colour in enumerate(LABEL_COLOURS):
            ax.plot(moves.numpy(), chances[:, label].numpy(), color=colour, linewidth=2)
        ax.set(xlim=(moves[0].item(), moves[-1].item()), ylim=(-0.02, 1.02))
        name_y(ax, "mean probability")
        ax.set_xlabel("move along u, in what a unit of mean moves it")
        answers_key(ax)

    return Drawing(caption, alt, paint, height=2.9)


def _chances_when_moved(
    subject: Subject, move: float, where: Bool[Tensor, "batch pos"]
) -> Float[Tensor, " d_vocab_out"]:
    """Mean probability of each answer at the positions `where`, all of them moved by `move` units of mean."""
    model = subject.model
    shift = move * value_slope(model) * value_direction(model)
    logits = measured(run_under, model, subject.data.toks, move_resid_mid(shift))
    return logits.cpu()[where].double().softmax(-1).mean(0)


def _crossing(moves: Tensor, chances: Tensor, side: int) -> str:
    """From which move on a side is more likely than zero, in words."""
    ahead = (chances[:, side] > chances[:, ZERO]) & (moves > 0 if side == POS else moves < 0)
    if not ahead.any():
        return f"{VOCAB_OUT[side]} never overtakes zero"
    nearest = moves[ahead][moves[ahead].abs().argmin()].item()
    return f"{VOCAB_OUT[side]} overtakes zero at {nearest:+.3g}"
