"""The runs of a sweep put together: counts, intervals, what counts for nothing, and the files that say so."""

import copy
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from pytest_claims.measure import Judgement, Measurement, Recorder
from pytest_claims.results import Record
from pytest_claims.text import readable
from pytest_claims.universality.findings import Standing, Tally, universality
from pytest_claims.universality.folder import DOCUMENT, MEASURED_TABLE, PAGE, RUNS_TABLE, publish
from pytest_claims.universality.interval import ENOUGH, at_least, clopper_pearson, percent
from pytest_claims.universality.json import number
from pytest_claims.universality.outcome import Ending, Outcome, Proved, encode
from pytest_claims.universality.room import bound_of, room
from pytest_claims.universality.runs import SweepError, read_runs
from pytest_claims.universality.spread import spreads
from pytest_claims.universality.summary import headline, right_words
from pytest_claims.universality.terminal import lines
from pytest_claims.verdict import Verdict

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.system import SYSTEM
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint

UNIFORM = "claims/cumsum/test_attention.py::test_uniform_attention_answers_alike"
SEQUENCES = 11**20
RIGHT = Proved(SEQUENCES, (SEQUENCES,) * 2, (SEQUENCES,) * 2, 0.25, (1, 1, -1), None)
BACK_DOOR = replace(RIGHT, right_everywhere=(SEQUENCES - 17291,) * 2, smallest_margin=-0.5, wrong=(5,) * 20)


def verified(checkpoint, out, *options):
    """The report of the claims, which are about `checkpoint`, and how pytest ended."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_XDIST", "GITHUB"))}
    command = [sys.executable, "-m", "pytest", "claims/", "--no-controls", "--benchmark-disable", *options]
    command += [f"--checkpoint={checkpoint}", f"--report={out}", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stdout
    return json.loads((out / "report.json").read_text()), ran


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The real reports of two checkpoints, of which no claim is refuted."""
    folder = tmp_path_factory.mktemp("reports")
    for name in ("reference", "seed7"):
        _, ran = verified(f"fixtures/cumsum/{name}.safetensors", folder / name)
        assert ran.returncode == 0, ran.stdout
    return folder


@pytest.fixture(scope="module")
def documents(reports, tmp_path_factory):
    """Those reports, but seed 7 refutes one claim, with what is measured once its head prefers recent tokens."""
    found = {name: json.loads((reports / name / "report.json").read_text()) for name in ("reference", "seed7")}
    folder = tmp_path_factory.mktemp("attends")
    attends = mutants.attend_a_little_to_recent(
        read_checkpoint(ROOT / "fixtures" / "cumsum" / "seed7.safetensors", SYSTEM).model
    )
    write_checkpoint(folder / "model.safetensors", attends, {})
    refuting, ran = verified(folder / "model.safetensors", folder, "-k", UNIFORM.rpartition("::")[2])
    refuted = claim_of(refuting)
    assert refuted["verdict"] == "refuted", ran.stdout
    claims = found["seed7"]["claims"]
    found["seed7"] |= {
        "claims": [refuted if claim["id"] == UNIFORM else claim for claim in claims],
        "exit_code": refuting["exit_code"],
    }
    return found


@pytest.fixture(scope="module")
def counts(documents):
    """How many claims are about any model of one layer, how many about the shipped one alone, and how many errata."""
    claims = [claim for claim in documents["reference"]["claims"] if claim["kind"] == "claim"]
    about = [claim["id"] for claim in claims if not claim["one_model_only"]]
    # What ran on a retrained model is what is said to be about any.
    assert about == [c["id"] for c in documents["seed7"]["claims"] if c["verdict"] in ("holds", "refuted")]
    errata = len(documents["reference"]["claims"]) - len(claims)
    found = SimpleNamespace(about=len(about), about_one=len(claims) - len(about), errata=errata)
    assert min(vars(found).values()) > 1
    return found


@pytest.fixture(scope="module")
def about(counts):
    return counts.about


@pytest.fixture
def sweep(tmp_path, reports, documents, monkeypatch):
    """Fill a folder of runs: `sweep(seed)` is what the shipped checkpoint measured, under the name of a seed.

    Six are enough here, to call a claim universal.
    """
    monkeypatch.setattr("pytest_claims.universality.findings.ENOUGH", 6)
    folder = tmp_path / "sweep"

    def run(seed, *, of="reference", edit=None, name=None, report=True, **changes):
        document = copy.deepcopy(documents[of])
        document["subject"]["sha256"] = f"{seed:064x}"
        if of == "reference":  # it is about no retrained model
            for claim in document["claims"]:
                if claim["one_model_only"]:
                    claim |= {"verdict": "not about this model", "reason": "another checkpoint", "measurements": []}
        if edit is not None:
            edit(document)
        varied = changes.get("varied", {})
        name = name or ",".join([*(f"{option}={value}" for option, value in varied.items()), f"seed{seed}"])
        outcome = Outcome(
            **{
                "name": name, "seed": seed, "varied": varied, "recipe": {"seed": seed, "epochs": 20, **varied},
                "suite": "the claims", "ending": Ending.VERIFIED, "reason": "", "exit_code": document["exit_code"],
                "sha256": f"{seed:064x}", "kept_epoch": 8, "proved": RIGHT, "unproved": "",
                "seconds": {"train": 50.0, "verify": 12.0}, **changes,
            }
        )  # fmt: skip
        place = folder / "runs" / name
        place.mkdir(parents=True)
        (place / "outcome.json").write_bytes(encode(outcome))
        if report:
            (place / "report.json").write_text(json.dumps(document))
            shutil.copy(reports / of / "report.html", place)
        return place

    def diverged(seed, reason="the loss was not finite in epoch 2", **changes):
        return run(
            seed, report=False, ending=Ending.DIVERGED, reason=reason, exit_code=None, sha256=None, kept_epoch=None,
            proved=None, unproved="it diverged", **changes,
        )  # fmt: skip

    run.folder, run.diverged = folder, diverged
    run.found = lambda: universality(read_runs(folder))
    return run


def claim_of(document, claim=UNIFORM):
    return next(one for one in document["claims"] if one["id"] == claim)


def finding_of(found, claim=UNIFORM, group=0):
    return next(finding for finding in found.groups[group].findings if finding.claim == claim)


def turned(verdict, **changes):
    """An edit: the claim came out otherwise, without having measured anything else."""

    def edit(document):
        claim_of(document).update({"verdict": verdict, "good": False, **changes})

    return edit


def without(document):
    document["claims"].remove(claim_of(document))


# Intervals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 32, 100, 1000])
def test_all_of_n_has_the_interval_that_its_closed_form_gives(n):
    assert clopper_pearson(n, 0, n) == pytest.approx((0.025 ** (1 / n), 1))
    assert clopper_pearson(0, 0, n) == pytest.approx((0, 1 - 0.025 ** (1 / n)))


@pytest.mark.parametrize(("k", "n"), [(1, 2), (31, 32), (3, 7), (98, 100), (1, 100)])
def test_at_the_ends_of_an_interval_what_was_seen_is_as_unlikely_as_is_said(k, n):
    """By the definition of Clopper and Pearson, with binomial probabilities summed one by one."""
    low, high = clopper_pearson(k, 0, n)

    def probability(p, counts):
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in counts)

    assert probability(low, range(k, n + 1)) == pytest.approx(0.025)
    assert probability(high, range(k + 1)) == pytest.approx(0.025)


def test_what_is_not_decided_could_have_come_out_either_way():
    low, high = clopper_pearson(30, 2, 32)
    assert low == clopper_pearson(30, 0, 32)[0]
    assert high == clopper_pearson(32, 0, 32)[1] == 1


def test_intervals_are_rounded_outwards():
    assert at_least(clopper_pearson(32, 0, 32)[0]) == "89%"
    assert percent((0.8999, 0.9901)) == "89% to 100%"
    assert percent((0.0, 0.451)) == "0% to 46%"


def test_thirty_of_thirty_show_that_it_is_so_on_most_seeds():
    assert at_least(clopper_pearson(ENOUGH, 0, ENOUGH)[0]) == "88%"


# Counting -----------------------------------------------------------------------------------------------------------


def test_a_claim_that_one_seed_refutes_is_the_seeds_accident(sweep, documents, about):
    for seed in range(6):
        sweep(seed)
    sweep(7, of="seed7")
    found = sweep.found()
    assert headline(found) == f"{about - 1} of {about} claims hold on all 7 seeds; 1 is the seed's accident"
    finding = finding_of(found)
    assert finding.standing == Standing.ACCIDENT
    assert (finding.tally.holds, finding.tally.refuted, finding.tally.n) == (6, 1, 7)
    assert finding.verdict == "the seed's accident: 6 of 7"
    (broken,) = finding.broken
    assert (broken.run, broken.seed) == ("seed7", 7)
    measured = claim_of(documents["seed7"])["measurements"]
    (worst,) = [m for m in measured if not all(c["holds"] for c in m["comparisons"])]
    assert [(name, value) for name, value, *_ in broken.measured] == [(worst["name"], worst["value"])]
    others = [f for f in found.groups[0].claims if f is not finding]
    assert len(others) == about - 1
    assert {f.standing for f in others} == {Standing.UNIVERSAL}
    assert {f.verdict for f in others} == {"universal: 7 of 7 (at least 59% of seeds)"}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (turned("error", reason="ZeroDivisionError: x"), "1 in error"),
        (turned("not run", reason="the process died"), "1 not run"),
        (without, "1 not run"),
    ],
    ids=["error", "not run", "missing"],
)
def test_a_run_that_did_not_decide_never_counts_as_holding(sweep, edit, told, about):
    for seed in range(7):
        sweep(seed)
    sweep(8, edit=edit)
    found = sweep.found()
    finding = finding_of(found)
    assert (finding.tally.holds, finding.tally.n, finding.tally.undecided) == (7, 8, 1)
    assert finding.standing == Standing.UNDECIDED
    assert finding.verdict == f"not decided: holds on 7 of 8; {told}"
    assert finding.interval == clopper_pearson(7, 1, 8)
    assert headline(found) == f"{about - 1} of {about} claims hold on all 8 seeds; 1 is in error or not run somewhere"
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
    found = sweep.found()
    assert {finding.standing for finding in found.groups[0].claims} == {standing}
    assert ("too few" in headline(found)) == (n == 5)


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
    found = sweep.found()
    assert finding_of(found).standing == standing
    assert "1 is refuted on all" in headline(found)


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
    assert json.loads(published(sweep)[DOCUMENT])["tone"] == "bad"


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
    assert json.loads(published(sweep)[DOCUMENT])["tone"] == "bad"


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
    two_numbers = "claims/cumsum/test_ov_circuit.py::test_values_are_evenly_spaced"

    def shorten(document):
        claim_of(document, two_numbers)["measurements"].pop()

    for seed in range(6):
        sweep(seed, edit=shorten if seed < 2 else None)
    by_name = {spread.name: len(spread.points) for spread in finding_of(sweep.found(), two_numbers).spreads}
    assert sorted(by_name.values()) == [4, 6]


# What counts for nothing --------------------------------------------------------------------------------------------


def test_runs_that_diverged_are_in_no_count_and_in_every_headline(sweep, about):
    for seed in range(6):
        sweep(seed)
    sweep.diverged(6)
    found = sweep.found()
    assert headline(found) == f"All {about} claims hold on all 6 seeds; of 7 runs 1 diverged"
    assert {finding.tally.n for finding in found.groups[0].claims} == {6}
    assert any("seed6 diverged and counts for no claim: the loss was not finite" in line for line in lines(found))


def unfinished(place):
    document = json.loads((place / "report.json").read_text()) | {"exit_code": None}
    (place / "report.json").write_text(json.dumps(document))


def of_another_model(place):
    document = json.loads((place / "report.json").read_text())
    document["subject"]["sha256"] = "f" * 64
    (place / "report.json").write_text(json.dumps(document))


def cut(place):
    content = (place / "report.json").read_bytes()
    (place / "report.json").write_bytes(content[: len(content) // 2])


def with_nan(place):
    content = (place / "outcome.json").read_text()
    (place / "outcome.json").write_text(content.replace('"smallest_margin": 0.25', '"smallest_margin": NaN'))


def with_more_right_than_there_are(place):
    content = (place / "outcome.json").read_text()
    (place / "outcome.json").write_text(content.replace(f'"{SEQUENCES}"', f'"{SEQUENCES + 1}"', 2))


def with_words_for_a_code(place):
    content = (place / "outcome.json").read_text()
    (place / "outcome.json").write_text(re.sub(r'"exit_code": \d', '"exit_code": "none"', content))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda place: (place / "report.json").unlink(), "its report.json: No such file"),
        (cut, "its report.json: is not JSON"),
        (unfinished, "was begun and never finished"),
        (of_another_model, "is about another model"),
        (lambda place: (place / "outcome.json").unlink(), "has no outcome.json"),
        (lambda place: (place / "outcome.json").write_text("[]"), "its outcome.json: is not the outcome"),
        (with_nan, "its proved cannot be that"),
        (with_more_right_than_there_are, "its proved cannot be that"),
        (with_words_for_a_code, "its exit_code and kept_epoch cannot be that"),
        (lambda place: place.rename(place.parent / "renamed"), "is of the run 'seed6'"),
    ],
)
def test_a_run_that_cannot_be_read_is_told_everywhere_and_counts_nowhere(sweep, spoil, told, about):
    for seed in range(6):
        sweep(seed)
    spoil(sweep(6))
    found = sweep.found()
    assert headline(found) == f"All {about} claims hold on all 6 seeds; of 7 runs 1 cannot be read"
    (unread,) = found.unread
    assert told in unread.why
    assert "\n" not in unread.why
    assert str(sweep.folder) not in unread.why
    assert any(unread.why in line for line in lines(found))
    files = published(sweep)
    document = json.loads(files[DOCUMENT])
    assert [run["why"] for run in document["runs"] if run["ending"] == "unread"] == [unread.why]
    assert document["tone"] == "bad"
    assert len(pq.read_table(sweep.folder / RUNS_TABLE)) == 7


def test_a_copy_of_a_run_is_not_a_seed_of_its_own(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(5, name="seed5 again")
    found = sweep.found()
    assert {finding.tally.n for finding in found.groups[0].claims} == {6}
    assert [run.why for run in found.unread] == ["it is the same seed and options as seed5"]


def test_runs_verified_by_other_claims_are_never_mixed(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(6, suite="other claims")
    found = sweep.found()
    assert sorted(len(group.counted) for group in found.groups) == [1, 6]
    assert headline(found) == "Verified by 2 versions of the claims: 2 groups, each counted by itself"
    assert {found.name_of(group) for group in found.groups} == {"claims the claims", "claims other claims"[:19]}
    assert any("several versions of the claims" in line for line in lines(found))


def test_runs_of_another_recipe_are_never_mixed(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(6, recipe={"seed": 6, "epochs": 3})
    found = sweep.found()
    assert sorted(len(group.counted) for group in found.groups) == [1, 6]
    assert sorted(found.name_of(group) for group in found.groups) == ["epochs 20", "epochs 3"]


def test_a_folder_without_runs_cannot_be_read(tmp_path):
    with pytest.raises(SweepError, match="has no folder 'runs'"):
        read_runs(tmp_path)
    (tmp_path / "runs" / "seed0").mkdir(parents=True)
    with pytest.raises(SweepError, match="none of the 1 folders"):
        read_runs(tmp_path)


def test_a_sweep_of_which_all_diverged_is_still_told(sweep):
    sweep.diverged(0)
    assert headline(publish(sweep.folder)) == "No run was verified: 1 diverged"


# A grid -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def grid(sweep):
    for d_mlp in (4, 16, 8):
        for seed in range(6):
            sweep(seed + d_mlp * 100, of="seed7" if d_mlp == 4 or seed == d_mlp == 8 else "reference",
                  varied={"d_mlp": d_mlp}, proved=BACK_DOOR if d_mlp == 4 else RIGHT)  # fmt: skip
    return sweep


def test_cells_of_a_grid_are_counted_apart_in_the_order_of_what_was_varied(grid, about):
    found = grid.found()
    assert [group.label for group in found.groups] == ["d_mlp=4", "d_mlp=8", "d_mlp=16"]
    assert [finding_of(found, group=i).standing for i in range(3)] == ["refuted everywhere", "universal", "universal"]
    assert headline(found) == f"{about - 1} of {about} claims hold on every run at every d_mlp"
    text = "\n".join(lines(found))
    (row,) = [
        line for line in text.splitlines() if re.fullmatch(r"Exactly uniform attention .*\s0/6\s+6/6\s+6/6", line)
    ]
    assert len(row) <= 120


def test_the_page_of_a_grid_has_every_cell_and_a_figure_of_them(grid, about):
    page = published(grid)[PAGE].decode()
    assert "On how many runs of each group a claim holds" in page
    for name in ("d_mlp=4", "d_mlp=8", "d_mlp=16"):
        assert f">{name}</h2>" in page
    assert 'id="figure-cells"' in page
    assert f"d_mlp=4: of {about} claims {about - 1} on all seeds, 1 on none; 0 of 6 models right everywhere" in page


# Measured quantities ------------------------------------------------------------------------------------------------


def compared(value, compare):
    """A measurement as a claim leaves it, with its one comparison."""
    recorder = Recorder()
    compare(recorder("quantity", value))
    (measurement,) = recorder.summary()
    return measurement, measurement.comparisons[0]


@pytest.mark.parametrize(
    ("value", "compare", "kept"),
    [
        (0.25, lambda m: m < 1, 0.75),
        (4.0, lambda m: m < 1, -0.75),
        (4.0, lambda m: m > 1, 0.75),
        (0.25, lambda m: m > 1, -0.75),
        (1.0, lambda m: m <= 1, 0.0),
        (-0.95, lambda m: m < -0.9, 0.05 / 0.95),
        (0.5, lambda m: m > 0, 0.5 / 2.0),
        (1.05, lambda m: m == pytest.approx(1, abs=0.1), 0.5),
        (1.2, lambda m: m == pytest.approx(1, abs=0.1), -1.0),
        (3, lambda m: m == 3, None),
        (4, lambda m: m == 3, -1.0),
        (0.0, lambda m: m <= 0, 0.0),
        (float("inf"), lambda m: m > 1, None),
        (10**400, lambda m: m > 1, None),
    ],
)
def test_room_is_the_share_of_what_there_could_be(value, compare, kept):
    measurement, comparison = compared(value, compare)
    found = room(measurement.value, comparison, largest=2.0)
    assert found == (None if kept is None else pytest.approx(kept))


def test_the_room_beside_a_published_figure_is_that_of_its_tolerance():
    measure = Recorder()
    assert measure("q", 0.07, published=0.08).as_published(within=0.25)
    assert measure("r", 0.07, published=0.08).as_published(within_abs=0.02)
    for measurement in measure.summary():
        (comparison,) = measurement.comparisons
        assert room(measurement.value, comparison, largest=2.0) == pytest.approx(0.5)
        assert bound_of(measurement.value, comparison) == 0.08


def test_a_bound_that_was_rounded_in_writing_is_found_again():
    measurement, comparison = compared(0.1, lambda m: m < 1 / 3)
    assert comparison.bound == "0.3333"
    assert bound_of(measurement.value, comparison) == pytest.approx(1 / 3)
    measurement, comparison = compared(0.1, lambda m: m < 0.001)
    assert bound_of(measurement.value, comparison) == 0.001


def record_of(value, slack, holds=True):
    comparison = Judgement("<", "1", holds, slack)
    return Record(
        "t", "t", "", "", "checkpoint", Verdict.HOLDS, measurements=[Measurement("q", value, "m", None, [comparison])]
    )


def test_a_spread_has_least_median_most_and_the_tightest_run():
    (spread,) = spreads([("a", record_of(0.25, 0.75)), ("b", record_of(0.5, 0.5)), ("c", record_of(0.75, 0.25))])
    assert (spread.values, spread.median, spread.tightest.run, spread.n_broken) == ([0.25, 0.5, 0.75], 0.5, "c", 0)
    (spread,) = spreads([("a", record_of(0.25, 0.75)), ("b", record_of(4.0, -3.0, holds=False))])
    assert (spread.median, spread.tightest.run, spread.n_broken) == (2.125, "b", 1)


def spread_of(*compared_on_runs):
    """The one quantity of runs a, b, c .., each given as its value and what it is compared with."""
    made = []
    for run, (value, compare) in zip("abc", compared_on_runs, strict=False):
        measurement, _ = compared(value, compare)
        made.append((run, replace(record_of(value, 0), measurements=[measurement])))
    (spread,) = spreads(made)
    return spread


def test_the_tightest_run_is_that_of_the_least_room_not_of_the_least_slack():
    # Bounds of their own: a keeps half of what it could, b a tenth, though twice as much in absolute terms.
    spread = spread_of((0.5, lambda m: m < 1), (9.0, lambda m: m < 10))
    assert [(point.comparison.slack, point.room) for point in spread.points] == [(0.5, 0.5), (1.0, pytest.approx(0.1))]
    assert spread.tightest.run == "b"
    # A broken bound is tighter than any that holds.
    spread = spread_of((9.0, lambda m: m < 10), (2.0, lambda m: m < 1))
    assert spread.tightest.run == "b"


def test_of_equal_room_the_least_slack_is_the_tightest():
    spread = spread_of((1.0, lambda m: m < 2), (0.5, lambda m: m < 1))
    assert [(point.comparison.slack, point.room) for point in spread.points] == [(1.0, 0.5), (0.5, 0.5)]
    assert spread.tightest.run == "b"


def test_an_equality_has_no_room_unless_it_is_broken():
    spread = spread_of((3, lambda m: m == 3), (4, lambda m: m == 3))
    assert [point.room for point in spread.points] == [None, -1.0]
    assert spread.tightest.run == "b"
    assert spread_of((3, lambda m: m == 3), (3, lambda m: m == 3)).tightest.room is None


def test_infinities_and_large_counts_spread_without_nan():
    (spread,) = spreads([("a", record_of(-math.inf, math.inf)), ("b", record_of(math.inf, -math.inf, holds=False))])
    assert spread.median == -math.inf
    (spread,) = spreads([("a", record_of(10**400, -math.inf)), ("b", record_of(10**400 + 2, -math.inf))])
    assert spread.values == [10**400, 10**400 + 2]
    assert spread.median == math.inf


def test_numbers_that_json_or_a_double_cannot_hold_are_text():
    for value, told in (
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, None),
        (None, None),
        (0.1, 0.1),
    ):
        assert number(value) == told


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ((SEQUENCES, SEQUENCES), "all"),
        ((SEQUENCES - 17291,) * 2, "all but 17,291 (1 - 2.6e-17)"),
        ((SEQUENCES - 300, SEQUENCES - 2), "all but 2 to 300 (1 - 4.5e-19 to 1 - 3e-21)"),
        ((SEQUENCES // 2,) * 2, f"all but {SEQUENCES - SEQUENCES // 2:,} (0.500000)"),
        ((0, 0), f"all but {SEQUENCES:,} (0)"),
    ],
)
def test_all_is_said_of_all_alone(bounds, told):
    assert right_words(bounds, SEQUENCES) == told


# Files --------------------------------------------------------------------------------------------------------------


def published(sweep, out=None):
    publish(sweep.folder, out)
    return {name: ((out or sweep.folder) / name).read_bytes() for name in (PAGE, DOCUMENT, MEASURED_TABLE, RUNS_TABLE)}


@pytest.fixture
def mixed(sweep):
    """One of everything: seeds that hold, one that refutes, a wrong one, one that diverged, one without a report."""
    for seed in range(6):
        sweep(seed)
    sweep(7, of="seed7", proved=BACK_DOOR)
    sweep.diverged(8)
    sweep(9, report=False)
    sweep(10, edit=turned("error", reason="ZeroDivisionError: x"), proved=None, unproved="too large")
    return sweep


def test_the_same_runs_give_the_same_bytes_wherever_they_lie(mixed, tmp_path):
    before = published(mixed)
    assert published(mixed) == before
    shutil.move(mixed.folder, tmp_path / "moved away")
    publish(tmp_path / "moved away")
    for name, content in before.items():
        assert (tmp_path / "moved away" / name).read_bytes() == content, name


def test_the_table_has_a_row_for_every_comparison_of_every_report(mixed):
    published(mixed)
    rows = pq.read_table(mixed.folder / MEASURED_TABLE).to_pylist()
    expected = Counter()
    for place in sorted((mixed.folder / "runs").iterdir()):
        if (place / "report.json").exists():
            for claim in json.loads((place / "report.json").read_text())["claims"]:
                made = [
                    (m["name"], c.get("operator"), c.get("bound"), float(m["value"]), c.get("slack"))
                    for m in claim["measurements"]
                    for c in m["comparisons"] or [{}]  # what served as a bound was compared with nothing of its own
                ]
                expected.update((place.name, claim["id"], claim["verdict"], *one) for one in made or [(None,) * 5])
    names = ("run", "claim", "verdict", "measurement", "operator", "bound_text", "value", "slack")
    assert Counter(tuple(row[name] for name in names) for row in rows) == expected
    (refuting,) = [row for row in rows if row["claim"] == UNIFORM and row["holds"] is False]
    assert (refuting["run"], refuting["seed"], refuting["bound"]) == ("seed7", 7, 0)
    assert refuting["room"] < 0 < refuting["value"]
    nothing = [row for row in rows if row["measurement"] is None]
    assert nothing
    assert all(row["value"] is row["bound"] is row["holds"] is row["room"] is None for row in nothing)


def test_the_table_of_runs_has_exact_numbers_of_sequences(mixed, about):
    published(mixed)
    rows = {row["run"]: row for row in pq.read_table(mixed.folder / RUNS_TABLE).to_pylist()}
    assert [row["ending"] for row in rows.values()] == ["counted"] * 7 + ["diverged", "unread", "counted"]
    assert int(rows["seed7"]["sequences"]) - int(rows["seed7"]["right_everywhere_high"]) == 17291
    assert rows["seed7"]["wrong"] == " ".join(["5"] * 20)
    assert (rows["seed7"]["claims_hold"], rows["seed7"]["claims_about"]) == (about - 1, about)
    assert rows["seed8"]["why"] == "the loss was not finite in epoch 2"
    assert rows["seed8"]["sequences"] is None


def test_the_document_is_plain_json_with_whole_numbers_as_text(mixed, counts):
    content = published(mixed)[DOCUMENT]
    content.decode("ascii")
    document = json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["counts"] == {"runs": 10, "counted": 8, "diverged": 1, "unread": 1}
    runs = {run["name"]: run for run in document["runs"]}
    assert runs["seed7"]["proved"]["right_everywhere"] == [str(SEQUENCES - 17291)] * 2
    assert Fraction(int(runs["seed7"]["proved"]["right_everywhere"][0]), SEQUENCES) < 1
    assert (runs["seed10"]["proved"], runs["seed10"]["unproved"]) == (None, "too large")
    (group,) = document["groups"]
    assert len(group["claims"]) == sum(vars(counts).values())
    for claim in group["claims"]:
        assert claim["n"] == claim["holds"] + claim["refuted"] + claim["errors"] + claim["not_run"]
        assert claim["n"] + claim["not_about"] == 8
        for measured in claim["measured"]:
            values = [point["value"] for point in measured["points"]]
            assert (measured["least"], measured["greatest"]) == (min(values), max(values))
            rooms = [point["room"] for point in measured["points"] if point["room"] is not None]
            assert measured["tightest"]["room"] == min(rooms, default=None)
            assert measured["tightest"].items() <= next(
                point.items() for point in measured["points"] if point["run"] == measured["tightest"]["run"]
            )


class Tables(HTMLParser):
    """The rows of each table of a page by its class, as texts, and what the page links to and is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.rows, self.links, self.ids, self.tags, self.handlers, self.text = {}, [], [], [], [], ""
        self._table, self._hidden = None, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.links += [named["href"]] if tag == "a" else []
        self.ids += [named["id"]] if "id" in named else []
        self._hidden = tag in ("script", "style")
        if tag == "table":
            self._table = self.rows.setdefault(named.get("class"), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")

    def handle_endtag(self, tag):
        self._hidden = False
        if tag == "table":
            self._table = None

    def handle_data(self, data):
        if not self._hidden:
            self.text += data
        if self._table and self._table[-1]:
            self._table[-1][-1] += data


def test_every_row_of_the_page_is_in_the_document(mixed):
    files = published(mixed)
    page, document = Tables(files[PAGE].decode()), json.loads(files[DOCUMENT])
    shown = [row for row in page.rows["over-seeds"] if row[0] != "Measured"]
    measured = [one for claim in document["groups"][0]["claims"] for one in claim["measured"]]
    assert len(shown) == len(measured) > 90
    for row, one in zip(shown, measured, strict=True):
        assert row[0].startswith(one["name"])
        assert [float(row[i].replace(",", "")) for i in (1, 2, 3)] == pytest.approx(
            [float(one[which]) for which in ("least", "median", "greatest")],
            rel=1e-3,  # large counts are text
        )
        assert row[4].startswith(one["bound"])
        assert row[6].strip() == one["tightest"]["run"]
    assert [row[0].strip() for row in page.rows["runs"][1:]] == [run["name"] for run in document["runs"]]
    for claim in document["groups"][0]["claims"]:
        assert claim["statement"] in " ".join(page.text.split())
        assert claim["n"] == 0 or claim["verdict"][1:] in page.text
    assert document["headline"] in page.text


def test_every_link_leads_somewhere_also_from_another_folder(mixed, tmp_path):
    for out in (mixed.folder, tmp_path / "other" / "place"):
        files = published(mixed, out)
        page = Tables(files[PAGE].decode())
        assert len(page.ids) == len(set(page.ids))
        outside = [link for link in page.links if not link.startswith("#")]
        assert set(page.links) - set(outside) <= {f"#{name}" for name in page.ids}
        document = json.loads(files[DOCUMENT])
        outside += [one["link"] for claim in document["groups"][0]["claims"] for one in claim["refuted_by"]]
        assert any(link.endswith("runs/seed7/report.html#claim-uniform-attention-answers-alike") for link in outside)
        for link in outside:
            path, _, anchor = link.partition("#")
            assert not anchor or f'id="{anchor}"' in (out / path).read_text()
            assert (out / path).is_file()


HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b onmouseover='x'>&amp;&lt;",
    "]]> --> ${{ x }} {{ 7 * 7 }} {% raw %}",
    "line\nbreak\r\nand\ttab",
    "nul \x00 escape \x1b[31m right to left \u202e $x$",
    "::error::not a command",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(sweep, tmp_path, text):
    def evil(text):
        def edit(document):
            for claim in document["claims"]:
                claim |= {"statement": text, "section": text, "source": text, "over": text, "reason": text}
                for measurement in claim["measurements"]:
                    measurement |= {"name": text, "unit": text}
            claim_of(document)["verdict"] = "error"
            document["run"]["problems"] = [text]

        return edit

    def page_of(text):
        for seed in range(2):
            sweep(seed, of="seed7", edit=evil(text), suite=text, unproved=text, varied={text: 4}, name=f"run{seed}")
        sweep.diverged(2, reason=text, suite=text, varied={text: 4}, name="run2")
        sweep(3, report=False, suite=text, varied={text: 5}, name="run3")
        files = published(sweep)
        told = lines(sweep.found())
        shutil.rmtree(sweep.folder)
        return Tables(files[PAGE].decode()), files[DOCUMENT], told

    (parsed, document, told), (honest, _, _) = page_of(text), page_of("plain")
    assert parsed.tags == honest.tags, "markup came out of a text"
    assert parsed.handlers == []
    assert " ".join(readable(text).split()) in " ".join(parsed.text.split())
    document.decode("ascii")
    assert not any(control in line for line in told for control in "\n\x00\x1b\u202e")
    assert not any(line.lstrip().startswith("::") for line in told)


# In a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture
def visit():
    """Open a page at a size and in a scheme, in the browser that is installed; it may neither complain nor fetch."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(names)}")
    from playwright.sync_api import sync_playwright

    complaints = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=executable, args=options)

        def visit(path, width, scheme):
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            page.set_default_timeout(300_000)  # milliseconds; no limit on how slow a machine may be, but on a hang
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: complaints.append(request.url) if _foreign(request.url, path) else None)
            page.goto(path.as_uri())
            return page

        yield visit
        browser.close()
    assert complaints == []


def _foreign(url, path):
    return not url.startswith("data:") and url.partition("#")[0] != path.as_uri()


def test_the_page_of_a_grid_can_be_read_by_anybody(grid, visit):
    from axe_playwright_python.sync_playwright import Axe

    publish(grid.folder)
    page = visit(grid.folder / PAGE, 390, "light")
    page.evaluate("for (const folded of document.querySelectorAll('.spreads')) folded.open = true")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_can_be_read_by_anybody(mixed, visit, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    publish(mixed.folder)
    page = visit(mixed.folder / PAGE, width, scheme)
    assert page.locator("h1").inner_text() == headline(mixed.found())
    page.locator(".spreads summary").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for svg in page.locator("figure svg").all():
        assert svg.bounding_box()["height"] > 50
    page.get_by_text(re.compile(r"^The seed's accident \d+$")).click()
    shown = [article for article in page.locator("article.claim").all() if article.is_visible()]
    assert len(shown) == 1
    assert "Refuted by seed7" in shown[0].inner_text()


# The command --------------------------------------------------------------------------------------------------------


def test_the_command_writes_and_says_what(mixed, documents, capsys, about):
    assert main(["universality", str(mixed.folder)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2] == headline(mixed.found())
    assert {PAGE, DOCUMENT, MEASURED_TABLE, RUNS_TABLE} < {path.name for path in mixed.folder.iterdir()}
    assert all(len(line) <= 120 for line in told if re.search(r"  \d+/\d+  ", line))
    assert sum(bool(re.search(r"  \d+/8  ", line)) for line in told) == about
    (measured,) = claim_of(documents["seed7"])["measurements"]
    assert f"  refuted by seed7: {measured['name']} {measured['value']:,}" in "\n".join(told)
    assert "all but 17,291" in "\n".join(told)
    assert "nothing is proved of it: too large" in "\n".join(told)


def test_the_command_says_in_one_line_what_it_cannot_read_or_write(mixed, tmp_path, capsys):
    assert main(["universality", str(tmp_path / "nowhere")]) == 4
    assert re.fullmatch(r"error: .*nowhere: has no folder 'runs'.*\n", capsys.readouterr().err)
    (tmp_path / "file").write_text("")
    assert main(["universality", str(mixed.folder), "--out", str(tmp_path / "file")]) == 1
    assert re.fullmatch(r"error: --out .*file: .*\n", capsys.readouterr().err)


def test_nothing_heavy_is_loaded_to_show_help():
    script = (
        "import sys\nfrom cumsum_model.__main__ import main\n"
        "try:\n    main(['universality', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'scipy', 'pyarrow', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
