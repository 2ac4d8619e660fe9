"""The answers: how likely each is, along one sequence"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_claims.drawing.canvas import INK, MINUS, MUTED, Drawing, figure, signed

from cumsum_model.data import VOCAB_OUT, ZERO
from cumsum_model.figures.subject import LABEL_COLOURS, Subject, answers_key
from toy_model.behaviour import right_label_probabilities
from toy_model.engine import run
from toy_model.figures.measured import measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

SIGNS = (MINUS, "0", "+")
"""The labels where there is no room for words."""

ROOM_FOR_WORDS = 22
CROSS = "\N{MULTIPLICATION SIGN}"


@figure("probabilities", "The three answers along one sequence that keeps returning to zero")
def answers_along_a_sequence(subject: Subject) -> Drawing:
    """Of the evaluation set, the sequence with most running sums of zero."""
    model, data = subject.model, subject.data
    chosen = int((data.labels == ZERO).sum(1).argmax())
    values, labels = data.values[chosen], data.labels[chosen]
    logits = measured(run, model, data.toks[[chosen]])
    chances = logits[0].double().softmax(-1).cpu()
    right = chances.argmax(-1) == labels
    p_right = right_label_probabilities(logits, labels[None])[0].cpu()
    n, sums = len(values), values.cumsum(0)
    caption = (
        "Probability of each answer at every position of one sequence, stacked: the answer is right where the colour "
        f"of the label below has the largest part of the bar; a cross above marks a wrong one. Sequence {chosen} of "
        f"{subject.data_set}, the one with most running sums of zero. Look where it is least sure."
    )
    hardest = int(p_right.argmin())
    alt = (
        f"Of {n} positions {int(right.sum())} are answered rightly. The right label is least likely, "
        f"{p_right[hardest].item():.3f}, at position {hardest + 1}, where the sum is {sums[hardest].item()}; on "
        f"average it has {p_right.mean().item():.3f}."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.24, "top": 0.86})
        below = chances.cumsum(-1) - chances
        places = range(1, n + 1)
        for label, colour in enumerate(LABEL_COLOURS):
            ax.bar(
                places, chances[:, label].tolist(), 0.82, below[:, label].tolist(), color=colour, alpha=0.8, linewidth=0
            )
        small = 7.0 if n <= ROOM_FOR_WORDS else max(4.0, 7.0 * 28 / n)
        names = VOCAB_OUT if n <= ROOM_FOR_WORDS else SIGNS
        across = ax.get_xaxis_transform()
        for place, value, total, label, good in zip(
            places, values.tolist(), sums.tolist(), labels.tolist(), right.tolist(), strict=True
        ):
            style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": small, "transform": across}
            ax.text(place, -0.03, signed(value), color=INK, **style)
            ax.text(place, -0.12, signed(total), color=MUTED, **style)
            style["fontsize"] = 7
            ax.text(place, -0.21, names[label], color=LABEL_COLOURS[label], weight="bold", **style)
            if not good:
                ax.text(place, 1.005, CROSS, color=INK, ha="center", va="bottom", fontsize=9)
        for height, word in ((-0.03, "value"), (-0.12, "sum"), (-0.21, "label")):
            ax.text(-0.012, height, word, ha="right", va="top", fontsize=7, color=MUTED, transform=ax.transAxes)
        ax.spines["bottom"].set_visible(False)
        ax.set(xlim=(0.45, n + 0.55), ylim=(0, 1), xticks=[], yticks=(0.25, 0.5, 0.75, 1))
        above = 1.06  # the crosses
        ax.set_title("probability", y=above, pad=5, color=MUTED, fontsize=8)
        answers_key(ax, above)
        ax.spines["left"].set_bounds(0, 1)

    return Drawing(caption, alt, paint, height=2.9)
