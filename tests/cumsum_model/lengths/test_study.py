"""The study as a file, and what its seeds say together."""

import json
import math
from dataclasses import replace

import pytest

from cumsum_model.lengths.cells import Cell
from cumsum_model.lengths.proved import Proved
from cumsum_model.lengths.sampled import Sampled, Searched
from cumsum_model.lengths.study import Run, Study, StudyError, encode, mean_interval, read_study

SEARCHED = Searched(0.25, [1, -1, 1], None)
SAMPLED = Sampled(1000, 0, 0, 100, {"-1": 0, "0": 0, "+1": 0})
PROVED = Proved(3, [0.9, 0.8, 0.7], [0.5, 0.4, 0.3], [0.5, 0.4, 0.3], [(0.0, 0.0)] * 3, 0.001)
SECONDS = {"train": 1.0, "prove": 2.0, "sample": 3.0, "search": 4.0}
RIGHT = Run(Cell(3), 0, "a" * 64, 5, 0.1, 1.0, 9.0, 30.0, PROVED, None, SEARCHED, SECONDS)
WRONG = replace(
    RIGHT,
    seed=1,
    proved=replace(
        PROVED,
        right_up_to=2,
        signed=[0.5, 0.4, -0.3],
        found=[0.5, 0.4, -0.3],
        wrong=[(0.0, 0.0), (0.0, 0.0), (0.1, 0.2)],
    ),
)
TWO_LAYERS = replace(RIGHT, cell=Cell(3, 2), proved=None, sampled=SAMPLED, searched=Searched(-1.0, [1, -1], 2))
DIVERGED = Run(Cell(3), 2)
STUDY = Study((RIGHT, WRONG, DIVERGED, TWO_LAYERS), {Cell(320): "too long"}, "a machine")


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "lengths.json"
    path.write_text(encode(STUDY))
    read = read_study(path)
    assert encode(read) == encode(STUDY)
    assert read.runs[:2] == STUDY.runs[:2]
    assert read.dropped == STUDY.dropped


def test_what_is_proved_is_rounded_to_the_safe_side(tmp_path):
    path = tmp_path / "lengths.json"
    bounds = [0.123456789, -0.123456789, -math.inf]
    path.write_text(encode(Study((replace(RIGHT, proved=replace(PROVED, signed=bounds)),), {})))
    read = read_study(path).runs[0].proved.signed
    assert read == [0.12345, -0.12346, -math.inf]


def test_what_is_known_of_a_run():
    assert (RIGHT.known_wrong, RIGHT.proved_right) == (False, True)
    assert (WRONG.known_wrong, WRONG.proved_right) == (True, False)
    assert (TWO_LAYERS.known_wrong, TWO_LAYERS.proved_right) == (True, False)
    assert (DIVERGED.known_wrong, DIVERGED.proved_right) == (False, False)
    assert [run.smallest_margin for run in (RIGHT, WRONG, TWO_LAYERS)] == [0.25, -0.3, -1.0]
    assert [run.shortest_wrong for run in (RIGHT, WRONG, TWO_LAYERS)] == [math.inf, 3, 2]
    assert [run.balanced_margin for run in (RIGHT, WRONG, TWO_LAYERS)] == pytest.approx([0.5, 0.2, -math.inf])


def test_seeds_are_counted_without_those_that_diverged():
    right = STUDY.count([Cell(3)], lambda run: run.proved_right)
    assert (right.found, right.n) == (0.5, 2)
    assert 0 < right.low < 0.5 < right.high < 1
    assert STUDY.count([Cell(3), Cell(3, 2)], lambda run: run.proved_right).n == 3
    assert STUDY.cells == [Cell(3), Cell(3, 2)]
    with pytest.raises(KeyError, match="length 5, 1 layer, 1 head"):
        STUDY.of(Cell(5))


def test_the_interval_of_a_mean_is_students():
    three = mean_interval([1.0, 2.0, 3.0])
    assert (three.found, three.n) == (2, 3)
    assert (three.low, three.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)  # 4.3027 / sqrt(3)
    for unknown in ([1.0], [1.0, math.inf]):
        assert (mean_interval(unknown).low, mean_interval(unknown).high) == (-math.inf, math.inf)
    with pytest.raises(ValueError, match="no mean"):
        mean_interval([])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:50], "is no study of lengths"),
        (lambda text: "[]", "is no study of lengths"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "its version is 9, this one reads 1"),
        (lambda text: text.replace('"seed":', '"sead":'), "a run has sead, seed or lacks it"),
        (lambda text: text.replace('"n_layers":1,', ""), "none of this study"),
        (lambda text: text.replace('"found":[', '"found":{"a":3},"b":['), "is no study of lengths"),
        (lambda text: "[" * 100_000, "is no study of lengths"),
    ],
)
def test_what_is_no_study_is_refused_in_one_line(tmp_path, damage, message):
    path = tmp_path / "lengths.json"
    path.write_text(damage(encode(STUDY)))
    with pytest.raises(StudyError) as refused:
        read_study(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StudyError, match="absent"):
        read_study(tmp_path / "absent.json")


def test_a_change_of_a_run_shows_as_one_line():
    before, after = encode(STUDY), encode(replace(STUDY, runs=(*STUDY.runs[:-1], replace(TWO_LAYERS, loss=0.5))))
    differing = [a for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(differing) == 1
    assert json.loads(differing[0])["loss"] == 0.1


def of_losses(*losses, **sizes):
    cell = Cell(20, **sizes)
    return [Run(cell, seed, "a" * 64, loss=loss) for seed, loss in enumerate(losses)]


def test_a_ratio_compares_a_seed_with_itself():
    study = Study((*of_losses(1.0, 10.0, 99.0), *of_losses(0.5, 5.0, n_heads=4)), {})
    ratio = study.ratio(Cell(20, n_heads=4), Cell(20), lambda run: run.loss)
    assert (ratio.found, ratio.low, ratio.high, ratio.n) == (0.5, 0.5, 0.5, 2)
    only_another = Study((*of_losses(1.0), Run(Cell(20, 2), 7, "a" * 64, loss=1.0)), {})
    with pytest.raises(KeyError, match="no seed in common"):
        only_another.ratio(Cell(20, 2), Cell(20), lambda run: run.loss)


def test_a_geometric_mean_is_that_of_the_logarithms():
    found = Study(tuple(of_losses(1.0, 10.0, 100.0)), {}).geometric_mean(Cell(20), lambda run: run.loss)
    assert found.found == pytest.approx(10)
    assert found.high / found.found == pytest.approx(found.found / found.low)
    assert math.log10(found.low) == pytest.approx(mean_interval([0.0, 1.0, 2.0]).low)
    one = Study(tuple(of_losses(1.0)), {}).geometric_mean(Cell(20), lambda run: run.loss)
    assert (one.found, one.low) == (1, 0)
    assert Study(tuple(of_losses(-1.0, -2.0)), {}).geometric_mean(Cell(20), lambda run: run.loss).high < 1e-6
