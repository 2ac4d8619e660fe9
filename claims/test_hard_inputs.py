"""Hard inputs: sequences whose sum ends next to zero"""

import torch
from hypothesis import given
from hypothesis import strategies as st

from cumsum_model import mutants
from cumsum_model.behaviour import margins
from cumsum_model.data import labels_of
from cumsum_model.strategies import near_zero_values
from cumsum_model.verification import claim


@claim(
    "Sums of -1, 0 and +1 are told apart, however the sequence gets there",
    source="write-up, end",
    over="what a search finds: hypothesis, sequences of every length that end next to zero",
    refuted_by=[mutants.attend_to_last, mutants.shout_current_value, mutants.clip_values],
)
@given(search=st.data())
def test_near_zero_sums_are_told_apart(model, measure, search):
    values = search.draw(near_zero_values(model.cfg.max_value, model.cfg.n_ctx), label="values")
    sequence = torch.tensor([values], device=model.device)
    with torch.no_grad():
        logits = model(sequence + model.cfg.max_value)
    label = labels_of(sequence)[0, -1]
    p_right = logits[0, -1].softmax(-1)[label]
    margin = margins(logits, labels_of(sequence))[0, -1]
    assert measure("smallest margin of the right logit", margin, "logits") > 0, (
        f"values {values}, sum {sum(values):+d}: P(right) = {p_right:.3f}"
    )
