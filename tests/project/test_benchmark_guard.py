"""The guard: what is slower fails, noise does not, and what the baseline lacks is told."""

import json
import subprocess
import sys

import pytest

from benchmarks import guard

FAST, SLOW = "benchmarks/test_a.py::test_fast", "benchmarks/test_a.py::test_slow"


class Machine:
    """Measures what it is told to: for each benchmark the ratios of one process after the other."""

    def __init__(self, **ratios):
        self.left = {name: list(numbers) for name, numbers in ratios.items()}
        self.asked = []

    def __call__(self, chosen):
        self.asked.append(list(chosen))
        names = [name for name in chosen if "::" in name] or list(self.left)
        return {name: self.left[name].pop(0) for name in names}


def machine(fast, slow=(0.5,)):
    return Machine(**{FAST: fast, SLOW: slow})


@pytest.fixture
def run(tmp_path, capsys):
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"ratios": {FAST: 0.2, SLOW: 0.5}}))

    def run(measure, *arguments):
        code = guard.main(["--baseline", str(baseline), *arguments], measure)
        return code, capsys.readouterr()

    run.baseline = baseline
    return run


def test_what_is_as_fast_as_it_was_passes(run):
    measure = machine([0.2])
    code, told = run(measure)
    assert code == 0
    assert f"ok      1.00 of the baseline  {FAST}: 1/5; was 1/5" in told.out
    assert measure.asked == [["benchmarks/"]]


def test_a_third_slower_fails(run):
    measure = machine([0.2 * 4 / 3] * 3)
    code, told = run(measure)
    assert code == 1
    assert f"SLOWER  1.33 of the baseline  {FAST}: 1/3.75, 1/3.75, 1/3.75; was 1/5" in told.out
    assert told.err == "error: 1 of 2 benchmarks are more than 1.25 times the baseline\n"
    assert measure.asked == [["benchmarks/"], [FAST], [FAST]]


@pytest.mark.parametrize("ratios", [[0.3, 0.2, 0.2], [0.3, 0.2, 0.3, 0.2]])
def test_one_slow_process_of_three_is_noise(run, ratios):
    code, _ = run(machine(ratios))
    assert code == (0 if sorted(ratios[:3])[1] == 0.2 else 1)


def test_what_the_baseline_lacks_fails_and_is_named(run):
    run.baseline.write_text(json.dumps({"ratios": {SLOW: 0.5}}))
    code, told = run(machine([0.2]))
    assert code == 1
    assert f"NOT IN THE BASELINE  {FAST}: 1/5" in told.out
    assert told.err.splitlines() == [
        "`make baseline` saves the ratios of this commit",
        "error: 0 of 2 benchmarks are more than 1.25 times the baseline, which lacks 1",
    ]


def test_what_is_saved_is_the_median_of_three_processes(run):
    code, _ = run(machine([0.1, 0.4, 0.3], [0.5] * 3), "--save")
    assert code == 0
    assert guard.read_baseline(run.baseline) == {FAST: 0.3, SLOW: 0.5}


def test_a_part_that_is_saved_leaves_the_rest(run):
    code, _ = run(Machine(**{FAST: [0.1] * 3}), "--save", "-k", "fast")
    assert code == 0
    assert guard.read_baseline(run.baseline) == {FAST: 0.1, SLOW: 0.5}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ratios": {"a": null}}'])
def test_another_file_is_refused_by_name(run, text):
    run.baseline.write_text(text)
    code, told = run(machine([0.2]))
    assert code == 4
    assert told.err == f"error: {run.baseline} is not what `python -m benchmarks.guard --save` wrote\n"


def test_a_missing_baseline_is_told(run):
    run.baseline.unlink()
    assert run(machine([0.2]))[1].err == f"error: {run.baseline}: No such file or directory\n"


def test_the_shipped_baseline_has_every_guarded_benchmark(guarded_benchmarks):
    assert set(guard.read_baseline(guard.BASELINE)) == guarded_benchmarks


@pytest.fixture
def guarded_benchmarks():
    """The names of all benchmarks marked `guard`, as pytest collects them in a process of its own."""
    command = [sys.executable, "-P", "-m", "pytest", "benchmarks/", "-m", "guard", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=guard.HERE.parent, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_a_benchmark_that_fails_is_told(run, capsys):
    with pytest.raises(guard.NotMeasured, match="a benchmark failed: pytest benchmarks/ --no-such-option"):
        guard.measured_anew(["benchmarks/", "--no-such-option"])
    assert "--no-such-option" in capsys.readouterr().err
