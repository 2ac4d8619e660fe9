"""What a folder of a sweep holds, and what of it is done again."""

import dataclasses

import pytest
from pytest_claims.universality.outcome import Ending, OutcomeError, encode, read_outcome
from sweeping import FILES, SUITE, job

from cumsum_model.system import SYSTEM
from toy_model.sweep import client
from toy_model.sweep.suite import Suite


def test_what_is_whole_is_done(done):
    assert client.standing(done, job(), SUITE, SYSTEM).outcome is not None


@pytest.mark.parametrize(
    ("damaged", "damage"),
    [
        *((name, damage) for name in ("outcome.json", "report.json") for damage in ("missing", "cut", "text")),
        ("report.html", "missing"),
    ],
)
def test_a_run_that_lacks_its_verdicts_is_verified_again(done, damaged, damage):
    path = done / "runs" / "seed0" / damaged
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:100] if damage == "cut" else b"no JSON")
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert sorted(stands.files) == FILES[:2]


@pytest.mark.parametrize("damaged", ["model.safetensors", "model.card.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_a_run_that_lacks_its_checkpoint_is_trained_again(done, damaged, damage):
    path = done / "runs" / "seed0" / damaged
    whole = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(whole[:100] if damage == "cut" else b"no JSON")
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert not stands.files


def test_a_report_of_another_model_is_made_again(done, undisturbed):
    run = done / "runs" / "seed0"
    (run / "report.json").write_bytes((undisturbed / "runs" / "seed1" / "report.json").read_bytes())
    stands = client.standing(done, job(), SUITE, SYSTEM)
    assert stands.outcome is None
    assert stands.files


def test_other_claims_verify_it_again_and_do_not_train_it(done):
    for suite in (Suite("cumsum_model", controls=True, select=SUITE.select), Suite("cumsum_model", controls=False)):
        stands = client.standing(done, job(), suite, SYSTEM)
        assert stands.outcome is None
        assert sorted(stands.files) == FILES[:2]
        assert stands.seconds > 0


def test_what_diverged_is_not_trained_again_for_other_claims(done):
    run = done / "runs" / "seed0"
    outcome = dataclasses.replace(read_outcome(run / "outcome.json"), ending=Ending.DIVERGED, reason="nan", suite="old")
    for path in run.iterdir():
        path.unlink()
    (run / "outcome.json").write_bytes(encode(outcome))
    assert client.standing(done, job(), SUITE, SYSTEM).outcome.suite == SUITE.name


def test_a_run_of_another_recipe_is_named(done):
    with pytest.raises(client.OtherRecipe, match=r"seed0 holds a run with d-mlp 8, not 4"):
        client.standing(done, job(d_mlp=4), SUITE, SYSTEM)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format": 2}', b'{"format": 1, "name": 3}', b"\xff", b"[" * 9999]
)
def test_an_outcome_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "outcome.json"
    path.write_bytes(content)
    with pytest.raises(OutcomeError) as caught:
        read_outcome(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_outcome_is_read_as_it_was_written(undisturbed, tmp_path):
    outcome = read_outcome(undisturbed / "runs" / "seed2" / "outcome.json")
    path = tmp_path / "outcome.json"
    path.write_bytes(encode(outcome))
    assert read_outcome(path) == outcome
    assert outcome.proved.sequences == 11**8
