"""Claims as pytest tests: each measures, is judged against a bound, and is shown to fail on broken models.

A pytest plugin that knows nothing of what is being verified. A suite registers
`cumsum_model.verification.plugin`, defines the session fixture `checkpoint` (the model under test) and
writes claims:

    @claim("The head averages", source="..", over="every sequence", refuted_by=[attend_to_last])
    def test_attention_is_uniform(model, measure):
        assert measure("largest |pattern - 1/n|", uniformity_gap(model)) < 1e-3

`model` is the checkpoint in one run and each control in the others.
"""

from cumsum_model.verification.claim import claim, erratum, timing

__all__ = ["claim", "erratum", "timing"]
