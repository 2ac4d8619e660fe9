"""Marks and colours lie where the numbers are: read back off the SVG, against what is measured of the model."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from embedded import elements
from pytest_claims.drawing.canvas import ACCENT, HUE, OTHER, OTHER_HUE

from sorted_list_model import figures
from sorted_list_model.data import SortedListDataset
from sorted_list_model.figures.subject import subject_of
from sorted_list_model.hard_inputs import lists_with_jump, lists_with_minimum
from sorted_list_model.ov_circuit import copied, diagonals, ov_circuit
from toy_model.engine import run
from toy_model.intervention import positional_mean_heads, run_under


@pytest.fixture(scope="module")
def drawn(trained):
    subject = subject_of(trained)
    return {figure.name: figure for figure in (draw(subject) for draw in figures.FIGURES)}


def marks(figure, fill, last=""):
    """Places of the filled marks of one colour, left to right; y grows upwards."""
    style = re.compile(rf"fill: var\(--\w+, {fill}\); stroke: [^;]*{last}$")
    uses = [element for element in elements(figure) if element.tag.endswith("use")]
    places = [(float(use.attrib["x"]), -float(use.attrib["y"])) for use in uses if style.match(use.attrib["style"])]
    return np.array(sorted(places))


def assert_heights_are(places, numbers):
    """Upright, numbers are drawn to one linear scale, evenly apart."""
    assert len(places) == len(numbers)
    assert np.ptp(np.diff(places[:, 0])) < 0.05
    slope, offset = np.polyfit(numbers, places[:, 1], 1)
    assert slope > 0
    np.testing.assert_allclose(slope * np.asarray(numbers) + offset, places[:, 1], atol=0.02)


@pytest.mark.parametrize(("head", "colour"), [(0, ACCENT), (1, OTHER)])
def test_the_curves_of_copying_are_the_diagonals_and_squares_mark_what_is_copied(trained, drawn, head, colour):
    assert_heights_are(marks(drawn["copying"], colour), diagonals(trained)[head].numpy())
    circles, squares = (marks(drawn["copying"], colour, last) for last in ("", "; stroke-linejoin: miter"))
    places = copied(trained)[head].nonzero().flatten().numpy()
    np.testing.assert_allclose(squares[:, 0], circles[places, 0], atol=0.02)


@pytest.mark.parametrize(("head", "colour"), [(0, ACCENT), (1, OTHER)])
def test_the_curves_of_ablation_are_mean_falls_by_target(trained, drawn, head, colour):
    data = SortedListDataset(10_000, seed=43)
    toks, targets = data.toks[:2000], data.targets[:2000]
    logits = [run(trained, toks), run_under(trained, toks, positional_mean_heads([head]))]
    whole, without = (some[:, 10:20].double().log_softmax(-1).gather(-1, targets[..., None])[..., 0] for some in logits)
    falls = [(whole - without)[targets == number].mean().item() for number in range(51)]
    assert_heights_are(marks(drawn["ablation-by-target"], colour), falls)


def test_accuracy_by_smallest_is_that_of_the_answer_at_sep(trained, drawn):
    accuracies = []
    for smallest in range(42):
        data = SortedListDataset.of(lists_with_minimum(smallest, 100, 0))
        accuracies.append((run(trained, data.toks)[:, 10].argmax(-1) == smallest).double().mean().item())
    assert_heights_are(marks(drawn["accuracy-by-smallest"], ACCENT), accuracies)


def test_accuracy_by_jump_is_that_of_answers_after_such_a_jump(trained, drawn):
    accuracies = []
    for gap in range(1, 43):
        data = SortedListDataset.of(lists_with_jump(gap, 100, 0))
        after = data.jumps == gap
        right = run(trained, data.toks)[:, 11:20].argmax(-1) == data.targets[:, 1:]
        accuracies.append(right[after].double().mean().item())
    assert_heights_are(marks(drawn["accuracy-by-jump"], OTHER), accuracies)


def images(figure):
    """The maps of a figure, as pixels; the scale beside them is the last."""
    import matplotlib.image

    for element in elements(figure):
        if element.tag.endswith("image"):
            content = base64.b64decode(element.attrib["href"].partition("base64,")[2])
            pixels = matplotlib.image.imread(io.BytesIO(content))
            yield pixels[::-1] if "scale(1 -1)" in element.attrib.get("transform", "") else pixels


def test_the_map_of_the_ov_circuit_is_violet_above_zero_and_brown_below(trained, drawn):
    circuits = ov_circuit(trained).numpy()
    most = np.abs(circuits).max()
    for circuit, pixels in zip(circuits, images(drawn["ov-circuit"]), strict=False):
        assert pixels.shape == (51, 51, 4)
        np.testing.assert_allclose(pixels[..., 3], np.sqrt(np.abs(circuit) / most), atol=0.5 / 31 + 0.005)
        seen = pixels[..., 3] > 0
        for hue, where in ((HUE, circuit > 0), (OTHER_HUE, circuit < 0)):
            np.testing.assert_allclose(
                pixels[seen & where][:, :3] * 255, np.broadcast_to(hue, ((seen & where).sum(), 3))
            )


@torch.no_grad()
def test_the_maps_of_attention_are_the_patterns_of_the_model(trained, drawn):
    maps = list(images(drawn["attention-patterns"]))
    data = SortedListDataset(10_000, seed=43)
    pattern = trained.run_with_cache(data.toks[:1])[1]["blocks.0.attn.hook_pattern"][0, :, 10:20, :20].numpy()
    for head in range(2):
        np.testing.assert_allclose(maps[head][..., 3], np.sqrt(pattern[head]), atol=0.5 / 31 + 0.005)
