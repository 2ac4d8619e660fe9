"""Runs that count for nothing, and runs that are never counted together."""

import json
import re

import pyarrow.parquet as pq
import pytest
from pytest_claims.universality.folder import DOCUMENT, RUNS_TABLE, publish
from pytest_claims.universality.runs import SweepError, read_runs
from pytest_claims.universality.summary import headline
from pytest_claims.universality.terminal import lines
from sweeps import SEQUENCES, published


def test_runs_that_diverged_are_in_no_count_and_in_every_headline(sweep, about):
    for seed in range(6):
        sweep(seed)
    sweep.diverged(6)
    universality = sweep.found()
    assert headline(universality) == f"All {about} claims hold on all 6 seeds; of 7 runs 1 diverged"
    assert {finding.tally.n for finding in universality.groups[0].claims} == {6}
    assert any(
        "seed6 diverged and counts for no claim: the loss was not finite" in line for line in lines(universality)
    )


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
    ("spoil", "reason"),
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
def test_a_run_that_cannot_be_read_is_told_everywhere_and_counts_nowhere(sweep, spoil, reason, about):
    for seed in range(6):
        sweep(seed)
    spoil(sweep(6))
    universality = sweep.found()
    assert headline(universality) == f"All {about} claims hold on all 6 seeds; of 7 runs 1 cannot be read"
    (unread,) = universality.unread
    assert reason in unread.why
    assert "\n" not in unread.why
    assert str(sweep.folder) not in unread.why
    assert any(unread.why in line for line in lines(universality))
    files = published(sweep.folder)
    document = json.loads(files[DOCUMENT])
    assert [run["why"] for run in document["runs"] if run["ending"] == "unread"] == [unread.why]
    assert document["tone"] == "bad"
    assert len(pq.read_table(sweep.folder / RUNS_TABLE)) == 7


def test_a_copy_of_a_run_is_not_a_seed_of_its_own(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(5, name="seed5 again")
    universality = sweep.found()
    assert {finding.tally.n for finding in universality.groups[0].claims} == {6}
    assert [run.why for run in universality.unread] == ["it is the same seed and options as seed5"]


def test_runs_verified_by_other_claims_are_never_mixed(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(6, suite="other claims")
    universality = sweep.found()
    assert sorted(len(group.counted) for group in universality.groups) == [1, 6]
    assert headline(universality) == "Verified by 2 versions of the claims: 2 groups, each counted by itself"
    assert {universality.name_of(group) for group in universality.groups} == {
        "claims the claims",
        "claims other claims"[:19],
    }
    assert any("several versions of the claims" in line for line in lines(universality))


def test_runs_of_another_recipe_are_never_mixed(sweep):
    for seed in range(6):
        sweep(seed)
    sweep(6, recipe={"seed": 6, "epochs": 3})
    universality = sweep.found()
    assert sorted(len(group.counted) for group in universality.groups) == [1, 6]
    assert sorted(universality.name_of(group) for group in universality.groups) == ["epochs 20", "epochs 3"]


def test_a_folder_without_runs_cannot_be_read(tmp_path):
    with pytest.raises(SweepError, match="has no folder 'runs'"):
        read_runs(tmp_path)
    (tmp_path / "runs" / "seed0").mkdir(parents=True)
    with pytest.raises(SweepError, match="none of the 1 folders"):
        read_runs(tmp_path)


def test_a_sweep_of_which_all_diverged_is_still_told(sweep):
    sweep.diverged(0)
    assert headline(publish(sweep.folder)) == "No run was verified: 1 diverged"
