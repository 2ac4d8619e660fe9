"""Reports that are read back: what is no report of this format is refused in one line."""

import re

import pytest
from one_file import HOLDS, REFUTED, SHOWN, SURVIVED
from pytest_claims.output.github import workflow_commands
from pytest_claims.output.json import ReportError, from_document, read_report, schema


def test_a_report_of_an_unknown_format_is_refused_in_one_line(reported):
    _, document, _, _ = reported(SHOWN)
    assert schema()["properties"]["format"]["const"] == document["format"] == 3
    with pytest.raises(ReportError, match="is a report of format 1; this version reads formats 2 to 3"):
        from_document({**document, "format": 1})


def test_numbers_beyond_floating_point_are_read_and_told(reported):
    document = reported(HOLDS)[1]
    measured = document["claims"][0]["measurements"][0]
    measured["value"] = measured["comparisons"][0]["slack"] = 10**400
    assert from_document(document).claims[0].records[0].measurements[0].slack == float("inf")
    measured["comparisons"][0].update(slack=-(10**400), holds=False)
    document["claims"][0]["verdict"] = "refuted"
    assert "= 10,000,000" in next(workflow_commands(from_document(document)))


def valid(reported):
    return reported(SURVIVED)[1]


def test_every_part_of_the_schema_is_required(reported):
    document = valid(reported)
    from_document(document)
    for place in (document, document["subject"], document["run"], document["claims"][0]):
        for key in list(place):
            value = place.pop(key)
            with pytest.raises(ReportError):
                from_document(document)
            place[key] = value
    place = document["claims"][0]["measurements"][0]["comparisons"][0]
    for key, wrong_value in (("operator", "~"), ("holds", "yes"), ("slack", "a little"), ("slack", None), ("line", -1)):
        value, place[key] = place[key], wrong_value
        with pytest.raises(ReportError, match=key):
            from_document(document)
        place[key] = value
    from_document(document)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"format": NaN}', "NaN stands where"),
        (b'{"format": 1, "format": 1}', "twice"),
        (b"[]", "is not a verification report"),
        (b"{}", "is not a verification report"),
        (b'{"format": 1}', "is not a verification report"),
        (b'{"format": 1, "claims": []}', "is a report of format 1; this version reads formats 2 to 3"),
        (b'{"format": 2, "claims": []}', "is not a valid report"),
        (b'{"format": 2, "claims": 7}', "is not a valid report"),
    ],
)
def test_a_report_that_is_none_is_one_line(tmp_path, content, message):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=re.escape(message)) as caught:
        read_report(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_claim_that_stands_twice_is_refused(reported):
    document = valid(reported)
    document["claims"] *= 2
    with pytest.raises(ReportError, match="twice"):
        from_document(document)


def test_headline_and_tone_are_not_taken_on_trust(reported):
    document = reported(REFUTED)[1]
    document["tone"], document["headline"], document["claims"][0]["good"] = "good", "All is well", True
    report = from_document(document)
    assert (report.tone, report.headline) == ("bad", "1 claim refuted")
