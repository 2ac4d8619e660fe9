"""The task: how likely each answer is along one list"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_claims.drawing.canvas import Drawing, figure
from pytest_claims.drawing.heat_map import draw_heat_map, draw_scale

from sorted_list_model.figures.subject import Subject, every_few, ring, round_steps, tokens
from toy_model.behaviour import right_label_probabilities
from toy_model.engine import run
from toy_model.figures.measured import measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

MOST_ROWS = 20


@figure("probabilities", "The probability of each answer along one list")
def probabilities(subject: Subject) -> Drawing:
    """Source: solution, Looking at the model."""
    model, data = subject.model, subject.data
    logits = measured(run, model, data.toks[:1])[:, data.scored].cpu()
    targets, queries = data.targets[0], tokens(data.current[0].tolist(), model)
    chances = logits[0].double().softmax(-1)
    right = chances.argmax(-1) == targets
    p_right = right_label_probabilities(logits, data.targets[:1])[0]
    hardest = int(p_right.argmin())
    caption = (
        f"Probability of each answer (column) at SEP and at each sorted number but the last (rows) of one list, the "
        f"first of {subject.data_set}. A ring marks the right answer: if the model sorts, it is on the strongest "
        "square of its row."
    )
    alt = (
        f"Of {len(targets)} answers {int(right.sum())} are right. The right answer is least likely, "
        f"{p_right[hardest].item():.3f}, after {queries[hardest]}, where it is {int(targets[hardest])}; on average it "
        f"has {p_right.mean().item():.3f}."
    )
    height = 0.65 + 0.17 * min(len(targets), MOST_ROWS)

    def paint(paper: Paper) -> None:
        room = {"left": 0.055, "right": 0.915, "bottom": 0.4 / height, "top": 1 - 0.2 / height}
        ax = paper.subplots(gridspec_kw=room)
        draw_heat_map(ax, chances.numpy(), 1.0)
        ring(ax, targets, 5.5)
        rows, columns = every_few(len(queries), MOST_ROWS), round_steps(model.cfg.max_value + 1)
        ax.set_yticks(rows, [queries[i] for i in rows])
        clear = [column for column in columns if column < model.cfg.sep - 2]  # of the word SEP
        ax.set_xticks([*clear, model.cfg.sep], [*map(str, clear), "SEP"])
        ax.set_xlabel("answer")
        draw_scale(ax, "probability", 1.0)

    return Drawing(caption, alt, paint, height)
