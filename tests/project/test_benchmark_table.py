"""The table of benchmarks: what stands in it is what was saved, and a missed goal is told."""

import json

import pytest

from benchmarks import table
from toy_model.timing import in_turns


def saved(**extra):
    stats = {"median": 0.25, "q1": 0.2, "q3": 0.5, "rounds": 7}
    extra_info = {"figure": "ours / theirs", "unit": "x", "goal": 0.2, "file": "Forward passes", **extra}
    benchmark = {"fullname": "benchmarks/test_forward.py::test_it[1]", "stats": stats, "extra_info": extra_info}
    return {"machine_info": {"suite": {"processor": "a fast one"}}, "benchmarks": [benchmark]}


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "bench.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def test_every_figure_has_its_spread_its_goal_and_its_command(write):
    text = table.markdown(table.read(write(saved())))
    assert "- processor: a fast one" in text
    assert "### Forward passes" in text
    assert "| ours / theirs | 1/4 | 1/5 .. 1/2 | 7 | <= 1/5 | **no** |  |" in text
    assert "| `pytest 'benchmarks/test_forward.py::test_it[1]'` |" in text


def test_a_goal_that_is_met_and_one_that_is_not(write):
    assert "| yes |" in table.markdown(table.read(write(saved(goal=0.25))))
    assert "| **no** |" in table.markdown(table.read(write(saved(goal=0.249))))
    assert "yes" not in table.markdown(table.read(write(saved(goal=None))))


@pytest.mark.parametrize(("took", "met"), [(0.9, "yes"), (1.1, "**no**")])
def test_a_goal_in_seconds_is_one_of_ours(write, took, met):
    seconds = {"ours": {"median": took}, "theirs": {"median": 0.1}}
    text = table.markdown(table.read(write(saved(goal=None, goal_seconds=1.0, seconds=seconds))))
    assert f"| <= 1 s | {met} |" in text


def test_seconds_and_rates_are_told_for_both(write):
    seconds = {"ours": {"median": 0.002}, "theirs": {"median": 5e-6}}
    text = table.markdown(table.read(write(saved(seconds=seconds, tokens=1000, least_seconds=0.001))))
    assert "| 2 ms / 5 us (5e+05 / 2e+08 tokens/s, 50% of the machine) |" in text


@pytest.mark.parametrize(
    "document", ["", "[]", "{}", '{"machine_info": {}, "benchmarks": []}', '{"machine_info": {}, "benchmarks": [{}]}']
)
def test_another_file_is_refused_by_name(write, document, monkeypatch, capsys):
    path = write(document)
    monkeypatch.setattr("sys.argv", ["table", str(path)])
    assert table.main() == 1
    error = capsys.readouterr().err
    assert error == f"error: {path} is not a file that `pytest benchmarks/ --benchmark-json` wrote\n"


def test_the_table_goes_between_its_marks(write, tmp_path, monkeypatch):
    document = tmp_path / "performance.md"
    document.write_text(f"# Speed\n\n{table.START}\nold\n{table.END}\n\nMore.\n")
    monkeypatch.setattr("sys.argv", ["table", str(write(saved())), "--into", str(document)])
    assert table.main() == 0
    text = document.read_text()
    assert text.startswith(f"# Speed\n\n{table.START}\n")
    assert text.endswith(f"{table.END}\n\nMore.\n")
    assert "old" not in text
    assert "ours / theirs" in text


def test_a_document_without_marks_is_left_alone(write, tmp_path, monkeypatch, capsys):
    document = tmp_path / "performance.md"
    document.write_text("# Speed\n")
    monkeypatch.setattr("sys.argv", ["table", str(write(saved())), "--into", str(document)])
    assert table.main() == 1
    assert capsys.readouterr().err.startswith(f"error: {document}: it has no lines ")
    assert document.read_text() == "# Speed\n"


def test_two_ways_are_run_in_turns():
    order = []
    pair = in_turns(lambda: order.append("ours"), lambda: order.append("theirs"), rounds=4, warm_up=2)
    assert len(order) == 12
    assert all(set(order[i : i + 2]) == {"ours", "theirs"} for i in range(0, 12, 2))
    assert order[4:8] == ["theirs", "ours", "ours", "theirs"]  # the first of a round is not always the same
    assert pair.ratios.shape == (4,)
    assert (pair.ratios == pair.ours / pair.theirs).all()
