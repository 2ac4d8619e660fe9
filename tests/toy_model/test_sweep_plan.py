"""The plan of a sweep: seeds, grids and names of runs, and what cannot be planned."""

import doctest

import pytest

from cumsum_model.__main__ import main
from cumsum_model.task import PUBLISHED
from sorted_list_model.task import PUBLISHED as SORTED_LISTS
from toy_model.recipe import options_of
from toy_model.sweep import plan
from toy_model.sweep.plan import PlanError, parse_grid, parse_seeds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0:0"], "the range is empty"),
        (["--seeds", "x"], "'x' are no seeds"),
        (["--seeds", "0:5:0"], "a step of 0"),
        (["--seeds", "0:999999999"], "more than 100,000"),
        (["--seeds", "0:90000", "--grid", "d_mlp=2,4"], "these are 180,000 runs"),
        (["--seeds", "0", "--grid", "width=3"], "'width=3' is no option with values"),
        (["--seeds", "0", "--grid", "d_mlp"], "'d_mlp' is no option with values"),
        (["--seeds", "0", "--grid", "d_mlp=a"], "the values of d_mlp are whole numbers"),
        (["--seeds", "0", "--grid", "n_heads=0"], "n_heads must be a whole number of at least 1"),
        (["--seeds", "0", "--grid", "seed=1"], "seeds are given with --seeds"),
        (["--seeds", "0", "--grid", "d_mlp=2", "--grid", "d-mlp=4"], "d_mlp is given twice"),
        (["--seeds", "0", "--grid", "lr_start=nan"], "lr_start must be a finite number"),
        (["--seeds", "0", "--n-heads", "0"], "seed0: n_heads must be a whole number of at least 1"),
        (["--seeds", "0", "--lr-end", "nan"], "lr_end must be a finite number"),
        (["--seeds", "0", "--workers", "0"], "--workers is a number of at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_planned_is_one_line(tmp_path, capsys, options, message):
    assert main(["sweep", "--out", str(tmp_path / "new"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_examples_in_docstrings():
    outcome = doctest.testmod(plan)
    assert outcome.attempted > 3
    assert outcome.failed == 0


def test_every_option_can_be_a_grid():
    for option in options_of(PUBLISHED):
        if option.field != "seed":
            assert parse_grid([f"{option.name}={option.value}"], PUBLISHED) == {option.name: [option.value]}


def test_names_of_runs_are_different_and_fit_in_a_folder():
    jobs = plan.plan(parse_seeds("0:3"), parse_grid(["d_mlp=2,4", "lr-end=1e-4,0.0002"], PUBLISHED), PUBLISHED)
    assert len({each.name for each in jobs}) == len(jobs) == 12
    assert {(each.recipe.config.d_mlp, each.recipe.lr_end) for each in jobs} == {
        (d, e) for d in (2, 4) for e in (1e-4, 2e-4)
    }
    assert jobs[0].name == "d_mlp=2,lr_end=0.0001,seed=0"
    assert not any("/" in each.name for each in jobs)
    with pytest.raises(PlanError, match="seed must lie in"):
        plan.plan([2**63], {}, PUBLISHED)


def test_sizes_may_be_possible_together_alone():
    """Of numbers of 0 .. 5 there are no lists of ten, as the published recipe has, and there are of two and of five."""
    grid = parse_grid(["seq_len=5,11"], SORTED_LISTS)
    jobs = plan.plan([0], grid, SORTED_LISTS, {"max_value": 5})
    assert [(each.recipe.config.max_value, each.recipe.config.n_ctx) for each in jobs] == [(5, 5), (5, 11)]
    with pytest.raises(PlanError, match="seed0: there are no 10 different numbers"):
        plan.plan([0], {}, SORTED_LISTS, {"max_value": 5})
