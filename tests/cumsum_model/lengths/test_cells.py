"""Which cells of the study are trained, and which are left out."""

import pytest

from cumsum_model.lengths.cells import ALL, LONGEST_SEED, Cell, cell_of, planned


@pytest.mark.parametrize("cell", ALL, ids=str)
def test_a_cell_is_told_by_what_its_runs_vary(cell):
    assert cell_of(cell.varied) == cell
    recipe = cell.recipe
    assert (recipe.config.n_ctx, recipe.config.n_layers, recipe.config.n_heads) == (
        cell.seq_len,
        cell.n_layers,
        cell.n_heads,
    )
    if cell.change:
        name, number = cell.change
        assert getattr(recipe.config if name == "d_mlp" else recipe, name) == number


def test_an_intervention_changes_one_number_of_the_published_recipe():
    plain = Cell(80).recipe
    for cell in ALL:
        if cell.change:
            numbers = vars(cell.recipe).items() - {("config", cell.recipe.config)}
            differs = [name for name, number in numbers if number != getattr(plain, name)]
            sizes = [name for name, number in vars(cell.recipe.config).items() if number != getattr(plain.config, name)]
            assert [*differs, *sizes] == [cell.change[0]]


@pytest.mark.parametrize(
    "varied",
    [{}, {"seq_len": 10}, {"seq_len": 10, "n_layers": 1, "n_heads": 1, "epochs": 60, "d_mlp": 4}],
)
def test_other_runs_are_none_of_the_study(varied):
    with pytest.raises(ValueError, match="none of this study"):
        cell_of(varied)


def test_with_time_for_all_nothing_is_left_out_but_what_takes_too_long_itself():
    plan = planned(lambda cell: 1e-3 if cell.seq_len < 320 else 1.0, core_hours=1e6)
    assert set(plan.dropped) == {cell for cell in ALL if cell.seq_len == 320}
    assert all("98 min, more than 30" in why for why in plan.dropped.values())
    assert set(plan.trained) | set(plan.dropped) == set(ALL)


def test_the_first_question_is_answered_first_and_the_rest_as_far_as_there_is_time():
    plan = planned(lambda cell: cell.seq_len * cell.n_layers * cell.n_heads * 1e-5, core_hours=3)
    questions = [cell.question for cell in plan.trained]
    assert questions == sorted(questions)
    for question in set(questions):
        costs = [plan.seconds[cell] for cell in plan.trained if cell.question == question]
        assert costs == sorted(costs)
    assert sum(plan.seconds[cell] for cell in plan.trained) <= 3 * 3600
    left = 3 * 3600 - sum(plan.seconds[cell] for cell in plan.trained)
    for cell in plan.dropped:
        assert plan.seconds[cell] > left or plan.seconds[cell] > LONGEST_SEED * len(cell.seeds)


def test_no_time_trains_nothing():
    plan = planned(lambda _: 1e-3, core_hours=0)
    assert not plan.trained
    assert len(plan.dropped) == len(ALL)
