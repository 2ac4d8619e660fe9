"""Reports for tests, made of records: no claim is run for them."""

from pytest_claims.measure import Judgement, Measurement
from pytest_claims.report.report import Report
from pytest_claims.results import Record, gather
from pytest_claims.verdict import Verdict

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;</pre></i>"

CODE = """\
@claim("The gap is small", source="us", over="everything", refuted_by=[widen_gap])
def test_gap(model, measure):
    # in metres & <b>bold</b>
    assert measure("gap", model["gap"], "m") < 1.5
"""
CONTROL = '''\
def widen_gap(model):
    """Another gap."""
    return {"gap": 4.0}
'''


def record(name, verdict=Verdict.HOLDS, subject="checkpoint", gap=0.25, **options):
    """One run of a claim that says "gap < 1"."""
    claim = f"claims/test_it.py::{name}"
    defaults = {
        "section": "It",
        "statement": f"Claim {name}",
        "over": "everything",
        "source": "us",
        "n_controls": 1,
        "source_id": "1",
        "code": CODE if subject == "checkpoint" else CONTROL,
        "breaks": "" if subject == "checkpoint" else "Another gap.",
        "measurements": [Measurement("gap", gap, "m", comparisons=[Judgement("<", "1", gap < 1, 1 - gap, line=3)])],
        "assertions": ["gap <"],
        "broken": [] if gap < 1 else ["gap <"],
    }
    return Record(f"{claim}[{subject}]", claim=claim, subject=subject, verdict=verdict, **(defaults | options))


def claim(name, verdict=Verdict.HOLDS, control=Verdict.REFUTED, named="widen_gap", control_code=CONTROL, **options):
    """The records of a claim with one control."""
    same = {name: options[name] for name in ("role", "evidence", "erratum", "section", "statement") if name in options}
    gap = 4.0 if control == Verdict.REFUTED else 0.25
    return [record(name, verdict, **options), record(name, control, named, gap=gap, code=control_code, **same)]


def report(*claims, exit_code=0, **options):
    """The report of claims, each given as its records."""
    results, _ = gather(record for records in claims for record in records)
    return Report(results, exit_code=exit_code, **options)


def rival(verdict=Verdict.LOSES):
    """A rival account: true of its control."""
    gap = 4.0 if verdict == Verdict.LOSES else 0.25
    return claim("test_rival", verdict, Verdict.CONFIRMED, role="alternative", gap=gap)


def limit(verdict=Verdict.LIMIT):
    """A stress test without controls."""
    gap = 4.0 if verdict == Verdict.LIMIT else 0.25
    return [record("test_limit", verdict, gap=gap, role="stress", n_controls=0)]


def erratum():
    """A published statement that is false of the model."""
    return claim("test_published", Verdict.AS_PUBLISHED, Verdict.CONFIRMED, erratum=True, gap=4.0)
