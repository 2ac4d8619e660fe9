"""What a claim declares of itself: what it depends on, and whether it is exhaustive or about an instrument."""

from one_file import SHOWN, summary
from pytest_claims.claim import claim
from pytest_claims.output.json import from_document


def test_what_a_claim_depends_on_is_shown(reported):
    body = SHOWN.replace("@stated(widen_both)", '@stated(widen_both, depends_on=("neuron numbers", "basis"))')
    result, document, page, _ = reported(body)
    result.stdout.fnmatch_lines(["*over everything; us; depends on: neuron numbers, basis"])
    assert document["claims"][0]["depends_on"] == ["neuron numbers", "basis"]
    assert "Depends on: neuron numbers, basis." in page
    assert "Depends on" not in reported(SHOWN)[2]


def test_what_a_claim_depends_on_has_a_name(run_claims):
    result = run_claims(SHOWN.replace("@stated(widen_both)", "@stated(widen_both, depends_on=(7,))"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_gaps depends on what is no text: 7*"])
    assert claim("a", source="b", over="c", depends_on="neurons")(lambda: 0).__claims__.depends_on == ("neurons",)


def test_exhaustive_claims_and_instruments_are_counted(run_claims):
    several = SHOWN + "".join(
        SHOWN.replace("test_gaps", f"test_{i}").replace("(widen_both)", f"(widen_both, {what})")
        for i, what in enumerate(["exhaustive=True", "exhaustive=True", "instrument=True"])
    )
    assert summary(run_claims(several)).startswith(
        "4 claims: 4 hold (2 over every input), of them 1 of the instruments; "
    )
    refuted = several.replace('model["gap"]) < 1', 'model["gap"]) < 0.1')
    assert summary(run_claims(refuted)).startswith("4 claims: 0 hold, 4 refuted, of them 1 of the instruments; ")


def test_what_a_claim_is_survives_the_way_through_json(reported):
    options = 'depends_on=("neuron numbers",), exhaustive=True, instrument=True'
    _, document, _, _ = reported(SHOWN.replace("(widen_both)", f"(widen_both, {options})"))
    (result,) = from_document(document).claims
    for record in result.records:
        assert (record.depends_on, record.exhaustive, record.instrument) == (["neuron numbers"], True, True)
    assert result.controls[0].broken == result.checkpoint.assertions == ["gap <", "second gap <"]
