"""What all figures share: colours that the page may replace, how axes look, and the way onto paper."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from pytest_claims.drawing.figure import Figure, NotDrawn
from pytest_claims.drawing.svg import embeddable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

P = ParamSpec("P")

INK, MUTED, LINE, ACCENT, OTHER = "#1b1f24", "#59626d", "#d5dae0", "#5b4bb7", "#8a5a00"
THREE_COLOURS = ("#0072b2", "#00805d", "#c24e00")
"""Of three kinds, such as the answers of a model."""

PALETTE = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    ACCENT: "--accent",
    OTHER: "--other",
    **dict(zip(THREE_COLOURS, ("--first", "--second", "--third"), strict=True)),
}
"""The colours of every figure, and the CSS variables that take their place in a page."""

HUE, OTHER_HUE = (123, 107, 224), (190, 132, 40)
"""Of what is drawn in pixels, which no page can colour: legible on light and on dark paper."""

WIDTH = 7.5
"""Inches, of 96 px each on a screen."""

MINUS = "\N{MINUS SIGN}"

CELL = 1.9
"""Points (2.5 px on a screen) that one cell of a density is wide and high."""

_STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 5,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "image.composite_image": False,
    "lines.linewidth": 1.5,
    "path.simplify": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a dollar is a dollar
    **{f"{axis}tick.{part}": value for axis in "xy" for part, value in (
        ("color", LINE), ("labelcolor", MUTED), ("labelsize", 7.5), ("major.size", 3), ("major.pad", 3)
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """Caption, text alternative, and how to draw it: `paint` is given paper of `width` x `height` inches.

    texts: what to write in place of certain texts that `paint` writes, so that foreign ones never meet matplotlib.
    """

    caption: str
    alt: str
    paint: Callable[[Paper], None]
    height: float
    width: float = WIDTH
    texts: Mapping[str, str] = field(default_factory=dict)


def figure(name: str, title: str) -> Callable[[Callable[P, Drawing]], Callable[P, Figure]]:
    """Make a figure of a function that returns a drawing, or raises NotDrawn to say why there is none.

    Whatever style the process has set plays no part, and stays. The same drawing gives the same bytes.
    """

    def decorate(draw: Callable[P, Drawing]) -> Callable[P, Figure]:
        @functools.wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
            try:
                drawing = draw(*args, **kwargs)
            except NotDrawn as why:
                return Figure(name, title, caption="", alt="", svg=None, missing=str(why))
            svg = embeddable(_on_paper(drawing, name), name, title, PALETTE, drawing.texts)
            return Figure(name, title, drawing.caption, drawing.alt, svg, missing=None)

        return drawn

    return decorate


def _on_paper(drawing: Drawing, name: str) -> str:
    import matplotlib
    from matplotlib.figure import Figure as Paper

    written = io.StringIO()
    style: dict[Any, Any] = {**_defaults(), **_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        paper = Paper(figsize=(drawing.width, drawing.height))
        drawing.paint(paper)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        paper.savefig(written, format="svg", facecolor="none", edgecolor="none", metadata=nothing)
    return written.getvalue()


def _defaults() -> dict[str, Any]:
    import matplotlib

    return {key: value for key, value in matplotlib.rcParamsDefault.items() if key.startswith(_LOOKS)}


_LOOKS = ("axes.", "figure.", "font.", "grid.", "hatch.", "image.", "lines.", "markers.", "patch.", "path.",
          "savefig.", "scatter.", "svg.", "text.", "xaxis.", "xtick.", "yaxis.", "ytick.")  # fmt: skip
"""The settings that have a say in what a figure looks like."""


def span(numbers: np.ndarray, pad: float = 0.05) -> tuple[float, float]:
    """Limits of an axis that shows all `numbers`, never of no width."""
    low, high = float(np.min(numbers)), float(np.max(numbers))
    margin = pad * (high - low)
    if margin <= 1e-9 * max(abs(low), abs(high)):
        margin = 0.1 * max(abs(low), abs(high)) or 1.0
    return low - margin, high + margin


def density(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    limits: tuple[float, float, float, float],
    hue: tuple[int, int, int] = HUE,
) -> None:
    """Where points lie within `limits` (left, right, bottom, top): a mark where one does, stronger where many do.

    Pixels, as twenty thousand marks of their own would be a page by themselves.
    """
    paper = ax.get_figure(root=True)
    assert paper is not None
    box, (width, height) = ax.get_position(), paper.get_size_inches()
    shape = (round(box.width * width * 72 / CELL), round(box.height * height * 72 / CELL))
    counts, _, _ = np.histogram2d(x, y, bins=shape, range=(limits[:2], limits[2:]))
    strength = np.log1p(counts) / max(np.log1p(counts.max()), 1e-9)
    opacity = np.where(counts > 0, 0.5 + 0.5 * strength, 0.0)
    ax.imshow(pixels(opacity.T, hue), extent=limits, origin="lower", aspect="auto", interpolation="none")
    ax.set(xlim=limits[:2], ylim=limits[2:])


def pixels(opacity: np.ndarray, hue: tuple[int, int, int] = HUE) -> np.ndarray:
    """An image of one hue, as opaque (0 to 1, in thirty-two steps) as is said for each pixel."""
    image = np.zeros((*opacity.shape, 4), dtype=np.uint8)
    image[..., 3] = np.round(opacity * 31) * 255 / 31
    image[image[..., 3] > 0, :3] = hue
    return image


def signed(number: float, form: str = "") -> str:
    """A number as a figure writes it: with its sign, and zero without one."""
    return f"{number:+{form}}".replace("-", MINUS) if number else "0"


def strokes(ax: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, width: float) -> None:
    """Upright strokes as one path: a path for each would take ten times the room."""
    y = np.stack([low, high, np.full(len(x), np.nan)], axis=1).ravel()
    ax.plot(x.repeat(3), y, color=colour, linewidth=width, solid_capstyle="butt")


def name_y(ax: Axes, what: str) -> None:
    """Say above the axis what is drawn upwards, where no number is so long that it gets in the way."""
    ax.set_title(what, color=MUTED, fontsize=8)
    short_numbers(ax)


def short_numbers(ax: Axes) -> None:
    """Numbers along the upright axis that fit beside it, whatever their size."""
    ax.yaxis.set_major_formatter(lambda number, _: f"{number:.4g}".replace("-", MINUS))


def zero_line(ax: Axes) -> None:
    ax.axhline(0, color=MUTED, linewidth=0.8)


def key(ax: Axes, words: Mapping[str, str], y: float = 1.0) -> None:
    """Words in the colours that they stand for, right-aligned above `ax` at the height y: {word: colour}."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea
    from matplotlib.transforms import Bbox

    parts: list[Artist] = [
        TextArea(word, textprops={"color": colour, "weight": "bold"}) for word, colour in words.items()
    ]
    packed = HPacker(children=parts, pad=0, sep=9)
    box = AnchoredOffsetbox("lower right", child=packed, pad=0, borderpad=0.2, frameon=False)
    box.set_bbox_to_anchor(Bbox.from_extents(1, y, 1, y), ax.transAxes)
    ax.add_artist(box)


LINEAR = 0.1
"""Logits: margins below are drawn on a linear scale, larger ones on a logarithmic one."""


def stretched(margins: np.ndarray) -> np.ndarray:
    """Where margins are drawn: linear around 0, logarithmic further out, so that small ones can be told apart."""
    return np.arcsinh(margins / LINEAR)


def margin_ticks(margins: np.ndarray) -> np.ndarray:
    """Round numbers on both sides of zero, as far as there are margins, and not too many."""
    decades = np.arange(-1, max(np.ceil(np.log10(max(np.abs(margins).max(), 1))), 0) + 1)
    steps = 10.0 ** decades[:: -(-len(decades) // 5)]
    if len(decades) < 4:
        steps = np.sort(np.concatenate([steps, 3 * steps]))
    ticks = np.concatenate([-steps, [0.0], steps])
    return ticks[(ticks >= margins.min()) & (ticks <= margins.max())]
