"""The table of claims against mutants: which claim notices which defect"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_claims.drawing.canvas import ACCENT, INK, LINE, MUTED, OTHER, Drawing, figure
from pytest_claims.drawing.figure import Figure, NotDrawn
from pytest_claims.verdict import LETTERS, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

REFUTED, SURVIVED, ERROR, NOT_ABOUT = (
    LETTERS[verdict] for verdict in (Verdict.REFUTED, Verdict.SURVIVED, Verdict.ERROR, Verdict.NOT_ABOUT)
)

LONGEST = 64
"""Characters of a name that are shown."""

WIDTH = 9.4
CELL = 7.2
"""Points from one row to the next."""

FILLED = 0.82
"""Share of a cell that a square fills."""

LETTER = 0.56
"""Width of a letter in terms of its size, in most fonts and on average."""

NAME_SIZE, NUMBER_SIZE = 6.3, 6.0


def draw_matrix(rows: Sequence[str], columns: Sequence[str], letters: Sequence[str]) -> Figure:
    """The table of claims (rows) against mutants (columns): `letters[i][j]` is what claim i says of mutant j.

    "X" refuted, "." survived, "!" error, " " not about it or not run. Names are shown as plain text whatever is in
    them, cut where they are long.
    """
    return _matrix(rows, columns, letters)


@figure("matrix", "Which claim notices which broken model")
def _matrix(rows: Sequence[str], columns: Sequence[str], letters: Sequence[str]) -> Drawing:
    if not rows or not columns:
        raise NotDrawn("no claim was run on any mutant")
    cells = np.array([[*line[: len(columns)].ljust(len(columns))] for line in letters])
    refuted = cells == REFUTED
    judged = np.isin(cells, (REFUTED, SURVIVED, ERROR))
    caption = (
        "A row for each claim, a column for each mutant: a square where the claim is refuted on the mutant, as it "
        "should be wherever what it says is broken; the bare line where it survives; a crossed square where it ended "
        "in an error; nothing where it is not about the mutant or did not run. On the right, how many "
        "mutants refute the claim; below, how many claims notice the mutant. Reading along a row shows what a claim "
        "can see; down a column, who sees a defect."
    )
    alt = (
        f"{len(rows)} claims by {len(columns)} mutants: {int(refuted.sum())} of {int(judged.sum())} cells refuted, "
        f"{int((cells == ERROR).sum())} in error. A claim is refuted by {int(refuted.sum(1).min())} to "
        f"{int(refuted.sum(1).max())} mutants, a mutant noticed by {int(refuted.sum(0).min())} to "
        f"{int(refuted.sum(0).max())} claims."
    )
    row_names, column_names = [plain(name) for name in rows], [plain(name) for name in columns]
    left, top = _room(row_names), _room(column_names)
    height = top + len(rows) * CELL + 16

    def paint(paper: Paper) -> None:
        width = WIDTH * 72
        ax = paper.add_axes((left / width, 16 / height, (width - left - 16) / width, len(rows) * CELL / height))
        _mark(ax, cells, WIDTH * 72 - left - 16)
        style: dict[str, Any] = {"va": "center", "fontsize": NAME_SIZE, "color": INK}
        for i, seen in enumerate(refuted.sum(1).tolist()):
            ax.text(-0.9, i, f"row {i}", ha="right", **style)
            ax.text(len(columns) - 0.3, i, str(seen), va="center", fontsize=NUMBER_SIZE, color=MUTED)
        for j, noticed in enumerate(refuted.sum(0).tolist()):
            ax.text(j, -1.0, f"column {j}", rotation=90, ha="center", va="bottom", fontsize=NAME_SIZE, color=INK)
            ax.text(j, len(rows) - 0.2, str(noticed), ha="center", va="top", fontsize=NUMBER_SIZE, color=MUTED)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)

    # The names are none of matplotlib's business: it has no glyphs for some and a meaning for others.
    texts = {f"row {i}": name for i, name in enumerate(row_names)}
    texts |= {f"column {j}": name for j, name in enumerate(column_names)}
    return Drawing(caption, alt, paint, height / 72, WIDTH, texts)


def plain(name: str) -> str:
    """`name` in one line of printable characters, none of which turns the writing round, cut where it is long."""
    cut = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)


def _room(names: Sequence[str]) -> float:
    """Points that the longest of `names` takes, with what is between it and the table."""
    return max(map(len, names)) * NAME_SIZE * LETTER + 10


def _mark(ax: Axes, cells: np.ndarray, width: float) -> None:
    """All cells of a kind as one path of strokes: a thousand squares of their own would be most of a page."""
    wide = width / cells.shape[1]
    size = min(wide, CELL)
    for row, about in enumerate(cells != NOT_ABOUT):
        edges = np.flatnonzero(np.diff(about, prepend=False, append=False)) - 0.5
        for left, right in edges.reshape(-1, 2):
            ax.plot([left, right], [row, row], color=LINE, linewidth=0.8, clip_on=False)
    for letter, colour in ((REFUTED, ACCENT), (ERROR, OTHER)):
        i, j = np.nonzero(cells == letter)
        half = 0.5 * FILLED * size / wide
        x = np.stack([j - half, j + half, np.full(len(j), np.nan)], axis=1).ravel()
        ax.plot(x, i.repeat(3), color=colour, linewidth=FILLED * size, solid_capstyle="butt", clip_on=False)
        if letter == ERROR:
            ax.plot(j, i, "x", color=INK, markersize=0.5 * size, markeredgewidth=0.8, clip_on=False)
