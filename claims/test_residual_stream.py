"""The residual stream: resid_mid stores the running mean along u"""

from cumsum_model import circuit, mutants
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim


@claim(
    "resid_mid . u rises with the running mean, and tells any two means apart that differ as much as "
    "two sums at full length do",
    source='write-up, Finding u in resid mid ("zero exceptions" holds only down to this resolution)',
    over=EVALUATION_SET,
    refuted_by=[
        mutants.shout_current_value,
        mutants.attend_to_last,
        mutants.count_signs,
        mutants.untrained_attention_scores,
    ],
)
def test_resid_mid_is_monotone_in_the_mean(model, measure, data):
    gap = 1 / model.cfg.n_ctx
    resolution = circuit.mean_resolution(model, data.values)
    assert measure("largest difference in mean that is out of order", resolution, "units") < gap
