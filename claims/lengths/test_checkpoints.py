"""The shipped checkpoints: what the study says of them is so"""

from pytest_claims import claim

from cumsum_model.lengths import mutants
from cumsum_model.lengths.shipped import margin_found, shipped_runs

SHIPPED = "the first seed at lengths 20, 40 and 80, of one layer and of two"


@claim(
    "The study is about the checkpoints that are shipped: on each of the six the hardest sequence that was found has "
    "the margin that the study reports, to within a hundredth of a logit",
    source="ours",
    instrument=True,
    over=f"{SHIPPED}; the one sequence of each that the study names",
    evidence="sampled",
    refuted_by=[mutants.misattribute_figures, mutants.forget_the_shipped],
)
def test_the_study_is_about_the_shipped_checkpoints(model, measure):
    runs = shipped_runs(model)
    assert measure("shipped checkpoints that the study has figures of", len(runs)) == 6
    off = max(abs(margin_found(run, checkpoint) - run.searched.margin) for run, checkpoint in runs)
    assert measure("margin of the hardest sequence that was found, off by at most", off, "logits") < 1 / 100
