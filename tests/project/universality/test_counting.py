"""On how many seeds a claim holds: what counts for it, against it, or for nothing."""

import json
from dataclasses import replace

import pytest
from pytest_claims.universality.findings import Standing, Tally
from pytest_claims.universality.folder import DOCUMENT
from pytest_claims.universality.interval import clopper_pearson
from pytest_claims.universality.summary import headline, right_words
from pytest_claims.universality.terminal import lines
from sweeps import SEQUENCES, TWO_NUMBERS, claim_of, finding_of, published, turned, without


def test_a_claim_that_one_seed_refutes_is_the_seeds_accident(sweep, documents, about):
    for seed in range(6):
        sweep(seed)
    sweep(7, of="seed7")
    universality = sweep.found()
    assert headline(universality) == f"{about - 1} of {about} claims hold on all 7 seeds; 1 is the seed's accident"
    finding = finding_of(universality)
    assert finding.standing == Standing.ACCIDENT
    assert (finding.tally.holds, finding.tally.refuted, finding.tally.n) == (6, 1, 7)
    assert finding.verdict == "the seed's accident: 6 of 7"
    (broken,) = finding.broken
    assert (broken.run, broken.seed) == ("seed7", 7)
    measured = claim_of(documents["seed7"])["measurements"]
    (worst,) = [m for m in measured if not all(c["holds"] for c in m["comparisons"])]
    assert [(name, value) for name, value, *_ in broken.measured] == [(worst["name"], worst["value"])]
    others = [f for f in universality.groups[0].claims if f is not finding]
    assert len(others) == about - 1
    assert {f.standing for f in others} == {Standing.UNIVERSAL}
    assert {f.verdict for f in others} == {"universal: 7 of 7 (at least 59% of seeds)"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (turned("error", reason="ZeroDivisionError: x"), "1 in error"),
        (turned("not run", reason="the process died"), "1 not run"),
        (without, "1 not run"),
    ],
    ids=["error", "not run", "missing"],
)
def test_a_run_that_did_not_decide_never_counts_as_holding(sweep, edit, words, about):
    for seed in range(7):
        sweep(seed)
    sweep(8, edit=edit)
    universality = sweep.found()
    finding = finding_of(universality)
    assert (finding.tally.holds, finding.tally.n, finding.tally.undecided) == (7, 8, 1)
    assert finding.standing == Standing.UNDECIDED
    assert finding.verdict == f"not decided: holds on 7 of 8; {words}"
    assert finding.interval == clopper_pearson(7, 1, 8)
    assert (
        headline(universality)
        == f"{about - 1} of {about} claims hold on all 8 seeds; 1 is in error or not run somewhere"
    )
    assert [aside.runs for aside in finding.undecided] == [("seed8",)]
    assert all(point.run != "seed8" for spread in finding.spreads for point in spread.points)


def test_a_run_that_the_claim_is_not_about_is_none_of_its_n(sweep, about):
    for seed in range(7):
        sweep(seed)
    sweep(8, edit=turned("not about this model", reason="it has two layers", measurements=[]))
    finding = finding_of(sweep.found())
    assert (finding.tally.n, finding.tally.not_about, finding.standing) == (7, 1, Standing.UNIVERSAL)
    assert [(aside.reason, aside.runs) for aside in finding.not_about] == [("it has two layers", ("seed8",))]
    assert headline(sweep.found()) == f"All {about} claims hold on every seed that they are about, of 8"


def test_claims_about_the_shipped_checkpoint_alone_count_for_nothing(sweep, counts):
    for seed in range(6):
        sweep(seed)
    group = sweep.found().groups[0]
    assert {name: len(getattr(group, name)) for name in ("about_one", "claims", "errata")} == {
        "about_one": counts.about_one, "claims": counts.about, "errata": counts.errata,
    }  # fmt: skip
    assert not any(finding.tally.n for finding in group.about_one)
    assert all(finding.tally.n == (0 if finding.one_model_only else 6) for finding in group.errata)


@pytest.mark.parametrize(("n", "standing"), [(5, Standing.TOO_FEW), (6, Standing.UNIVERSAL)])
def test_fewer_than_six_runs_make_nothing_universal(sweep, n, standing):
    for seed in range(n):
        sweep(seed)
    universality = sweep.found()
    assert {finding.standing for finding in universality.groups[0].claims} == {standing}
    assert ("too few" in headline(universality)) == (n == 5)


@pytest.mark.parametrize(
    ("tally", "standing"),
    [
        (Tally(holds=29), Standing.TOO_FEW),
        (Tally(holds=30), Standing.UNIVERSAL),
        (Tally(refuted=29), Standing.TOO_FEW),
        (Tally(refuted=30), Standing.REFUTED),
    ],
    ids=repr,
)
def test_thirty_runs_are_what_it_takes(sweep, monkeypatch, tally, standing):
    sweep(0)
    (finding, *_) = sweep.found().groups[0].claims
    monkeypatch.undo()
    assert replace(finding, tally=tally).standing == standing


@pytest.mark.parametrize(("n", "standing"), [(2, Standing.TOO_FEW), (6, Standing.REFUTED)])
def test_a_claim_that_no_seed_keeps_is_refuted_everywhere(sweep, n, standing):
    for seed in range(n):
        sweep(seed, of="seed7")
    universality = sweep.found()
    assert finding_of(universality).standing == standing
    assert "1 is refuted on all" in headline(universality)


def test_a_control_that_survives_is_told_beside_a_claim_that_holds(sweep):
    survivor = {
        "name": "attend_to_last",
        "breaks": "",
        "verdict": "survived",
        "reason": "it holds",
        "broken": [],
        "measurements": [],
    }
    for seed in range(7):
        sweep(seed, edit=(lambda document: claim_of(document).update(controls=[survivor])) if seed == 3 else None)
    finding = finding_of(sweep.found())
    assert finding.holds_on_all
    assert finding.verdict.endswith("; on 1 not every control came out as it has to")
    assert [(aside.what, aside.runs) for aside in finding.failing] == [("attend_to_last survived", ("seed3",))]
    assert "1 is not refuted by a control somewhere" in headline(sweep.found())
    assert json.loads(published(sweep.folder)[DOCUMENT])["tone"] == "bad"


def test_a_claim_of_which_no_control_can_be_made_is_told(sweep):
    impossible = {
        "name": "shout_current_value",
        "breaks": "",
        "verdict": "not about this model",
        "reason": "cannot be made of this model: nothing can be written past the heads",
        "broken": [],
        "measurements": [],
    }
    for seed in range(7):
        sweep(
            seed,
            edit=(lambda document: claim_of(document).update(controls=[impossible], n_controls=1))
            if seed == 3
            else None,
        )
    finding = finding_of(sweep.found())
    assert [(aside.what, aside.runs) for aside in finding.failing] == [("no control", ("seed3",))]
    assert json.loads(published(sweep.folder)[DOCUMENT])["tone"] == "bad"


def test_an_erratum_that_stands_on_a_seed_is_told(sweep):
    def as_published(document):
        about_any = (claim for claim in document["claims"] if not claim["one_model_only"])
        erratum = next(claim for claim in about_any if claim["kind"] == "erratum")
        erratum.update(verdict="stands" if document["subject"]["sha256"].endswith("3") else "refuted as published")

    for seed in range(6):
        sweep(seed, edit=as_published)
    (finding,) = [finding for finding in sweep.found().groups[0].errata if finding.tally.n]
    assert (finding.tally.holds, finding.tally.refuted) == (5, 1)
    assert any("errata refuted as published on: 5 of 6" in line for line in lines(sweep.found()))


def test_a_measurement_that_some_runs_do_not_have_is_counted_on_the_others(sweep):
    def shorten(document):
        claim_of(document, TWO_NUMBERS)["measurements"].pop()

    for seed in range(6):
        sweep(seed, edit=shorten if seed < 2 else None)
    by_name = {spread.name: len(spread.points) for spread in finding_of(sweep.found(), TWO_NUMBERS).spreads}
    assert sorted(by_name.values()) == [4, 6]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((SEQUENCES, SEQUENCES), "all"),
        ((SEQUENCES - 17291,) * 2, "all but 17,291 (1 - 2.6e-17)"),
        ((SEQUENCES - 300, SEQUENCES - 2), "all but 2 to 300 (1 - 4.5e-19 to 1 - 3e-21)"),
        ((SEQUENCES // 2,) * 2, f"all but {SEQUENCES - SEQUENCES // 2:,} (0.500000)"),
        ((0, 0), f"all but {SEQUENCES:,} (0)"),
    ],
)
def test_all_is_said_of_all_alone(bounds, words):
    assert right_words(bounds, SEQUENCES) == words


@pytest.mark.parametrize(
    ("verdict", "holds"), [("loses", 7), ("wins", 6), ("known limit", 6)], ids=["loses", "wins", "known limit"]
)
def test_a_rival_that_loses_counts_as_holding_and_a_limit_that_is_found_against(sweep, verdict, holds):
    """Neither is an error: a rival account has to lose, and a claim that tests a known limit may be refuted."""
    for seed in range(6):
        sweep(seed)
    sweep(8, edit=turned(verdict))
    tally = finding_of(sweep.found()).tally
    assert (tally.holds, tally.n, tally.undecided) == (holds, 7, 0)
