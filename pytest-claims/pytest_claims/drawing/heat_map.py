"""Heat maps: numbers of one sign in one hue, numbers of both in two, and the scale beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_claims.drawing.canvas import MUTED, OTHER_HUE, pixels, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (0.05, 0.25, 0.5, 1)
"""Where a scale has numbers, in parts of the largest."""


def shades(numbers: np.ndarray, most: float) -> np.ndarray:
    """An image: violet above zero, brown below, and as strong as the root of a number's part of `most`.

    Roots, as of many even parts each would hardly show. What is not finite stays empty.
    """
    strength = np.nan_to_num(np.sqrt(np.clip(np.abs(numbers) / most, 0, 1)))
    below = numbers < 0
    image = pixels(np.where(below, 0, strength))
    image[below] = pixels(strength, OTHER_HUE)[below]
    return image


def draw_heat_map(ax: Axes, numbers: np.ndarray, most: float) -> None:
    """A row of `numbers` under the other, without a frame; the ticks are the caller's."""
    ax.imshow(shades(numbers, most), interpolation="none", aspect="auto")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=2, labelsize=5.6)
    height, width = numbers.shape
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def draw_scale(beside: Axes, what: str, most: float, two_sided: bool = False) -> None:
    """The scale of a row of maps, at its right end: from zero to `most`, or from minus it."""
    paper = beside.get_figure(root=True)
    assert paper is not None
    box = beside.get_position()
    ax = paper.add_axes((0.93, box.y0, 0.014, box.height))
    low = -1 if two_sided else 0
    levels = np.linspace(low, 1, 128 if two_sided else 64)
    image = shades(np.sign(levels) * levels**2, 1.0)[:, None]
    ax.imshow(image, extent=(0, 1, low, 1), origin="lower", aspect="auto", interpolation="none")
    ax.spines[:].set_visible(False)
    below = [-tick for tick in reversed(TICKS)] if two_sided else []
    ticks = np.array([*below, 0, *TICKS])
    ax.set_xticks([])
    form = signed if two_sided else format
    ax.set_yticks(np.sign(ticks) * np.sqrt(np.abs(ticks)), [form(tick * most, ".2g") for tick in ticks.tolist()])
    ax.yaxis.tick_right()
    ax.tick_params(length=0, pad=2, labelsize=6.5)
    ax.text(1.0, 1.03, what, ha="right", va="bottom", fontsize=6.5, color=MUTED, transform=ax.transAxes)
