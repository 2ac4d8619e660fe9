"""Models of other sizes, and one that computes nothing, get a verdict on every claim and no error."""

import json

import pytest
from verifying import verdicts_of, verify

from sorted_list_model.config import SortedListConfig
from sorted_list_model.task import untrained
from toy_model.checkpoint.checkpoint import write_checkpoint

SIZES = {
    "lists_of_one": {"n_ctx": 3, "max_value": 5, "n_heads": 3, "d_head": 16},
    "lists_of_all": {"n_ctx": 5, "max_value": 1},
    "short_lists_one_head": {"n_ctx": 9, "max_value": 15, "n_heads": 1},
    "two_layers": {"n_layers": 2},
    "nothing": {},
}
CAME_OUT = {"refuted", "not about this model", "holds", "known limit", "stands"}
"""Every verdict but those that say that something went wrong."""


@pytest.fixture(scope="module")
def reports(once):
    def make(folder):
        for name, sizes in SIZES.items():
            model = untrained(SortedListConfig(**sizes), seed=5)
            if name == "nothing":
                for weights in model.parameters():
                    weights.zero_()
            write_checkpoint(folder / f"{name}.safetensors", model, {})
        paths = [f"--checkpoint={folder / name}.safetensors" for name in SIZES]
        result = verify(*paths, "--no-controls", f"--report={folder}", claims="claims/sorted_list")
        assert result.returncode == 1, result.stdout + result.stderr

    return once("sorted-lists-of-other-sizes", make)


@pytest.mark.parametrize("name", SIZES)
def test_models_of_other_sizes_are_judged_without_an_error(reports, name):
    report = reports / name / "report.json"
    assert json.loads(report.read_text())["tone"] == "bad"
    assert set(verdicts_of(report).values()) <= CAME_OUT
