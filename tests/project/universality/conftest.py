"""Sweeps made of the real reports of two checkpoints."""

import copy
import json
import shutil
from types import SimpleNamespace

import pytest
from pytest_claims.universality.findings import universality
from pytest_claims.universality.outcome import Ending, Outcome, encode
from pytest_claims.universality.runs import read_runs
from sweeps import BACK_DOOR, RIGHT, TWO_NUMBERS, UNIFORM, claim_of, published, turned
from verifying import verify

from cumsum_model import mutants
from cumsum_model.system import SYSTEM
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint

SEED7 = ROOT / "fixtures" / "cumsum" / "seed7.safetensors"
SIX_ARE_ENOUGH = ("pytest_claims.universality.findings.ENOUGH", 6)
"""To call a claim universal: so that a sweep of tests need not have thirty runs."""


def verified(checkpoint, out, *options):
    """The exit code of pytest, which leaves a report about `checkpoint` in `out`."""
    options = ("--no-controls", "--benchmark-disable", f"--checkpoint={checkpoint}", f"--report={out}", *options)
    ran = verify(*options)
    assert ran.returncode in (0, 1), ran.stdout
    return ran.returncode


def make_reports(folder):
    """Reports of two checkpoints of which no claim is refuted, and of one whose head prefers recent tokens."""
    for name in ("reference", "seed7"):
        assert verified(f"fixtures/cumsum/{name}.safetensors", folder / name) == 0
    attends = folder / "attends"
    attends.mkdir()
    broken = mutants.attend_a_little_to_recent(read_checkpoint(SEED7, SYSTEM).model)
    write_checkpoint(attends / "model.safetensors", broken, {})
    assert verified(attends / "model.safetensors", attends, "-k", UNIFORM.rpartition("::")[2]) == 1


@pytest.fixture(scope="session")
def reports(once):
    return once("universality-reports", make_reports)


@pytest.fixture(scope="session")
def whole_documents(reports):
    """Those reports, but seed 7 refutes one claim, with what is measured once its head prefers recent tokens."""
    by_run = {
        name: json.loads((reports / name / "report.json").read_text()) for name in ("reference", "seed7", "attends")
    }
    refuting = by_run.pop("attends")
    refuted = claim_of(refuting)
    assert refuted["verdict"] == "refuted"
    claims = by_run["seed7"]["claims"]
    by_run["seed7"] |= {
        "claims": [refuted if claim["id"] == UNIFORM else claim for claim in claims],
        "exit_code": refuting["exit_code"],
    }
    return by_run


@pytest.fixture(scope="session")
def documents(whole_documents):
    """Those reports with a few claims of every kind, which are read in a fraction of the time."""
    kept = {UNIFORM, TWO_NUMBERS}
    for kind in ("claim", "erratum"):
        for one_model_only in (False, True):
            of_kind = [
                claim["id"]
                for claim in whole_documents["reference"]["claims"]
                if (claim["kind"], claim["one_model_only"]) == (kind, one_model_only)
            ]
            kept |= set(of_kind[:3])
    return {
        name: document | {"claims": [claim for claim in document["claims"] if claim["id"] in kept]}
        for name, document in whole_documents.items()
    }


def counts_of(documents):
    """How many claims are about any model of one layer, how many about the shipped one alone, and how many errata."""
    claims = [claim for claim in documents["reference"]["claims"] if claim["kind"] == "claim"]
    about = [claim["id"] for claim in claims if not claim["one_model_only"]]
    # What ran on a retrained model is what is said to be about any.
    assert about == [c["id"] for c in documents["seed7"]["claims"] if c["verdict"] in ("holds", "refuted")]
    errata = len(documents["reference"]["claims"]) - len(claims)
    numbers = SimpleNamespace(about=len(about), about_one=len(claims) - len(about), errata=errata)
    assert min(vars(numbers).values()) > 1
    return numbers


@pytest.fixture(scope="session")
def counts(documents):
    return counts_of(documents)


@pytest.fixture(scope="session")
def about(counts):
    return counts.about


class Sweep:
    """A folder of runs: `sweep(seed)` is what the shipped checkpoint measured, under the name of a seed."""

    def __init__(self, folder, reports, documents):
        self.folder, self.reports, self.documents = folder, reports, documents

    def __call__(self, seed, *, of="reference", edit=None, name=None, report=True, **changes):
        document = copy.deepcopy(self.documents[of])
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
        place = self.folder / "runs" / name
        place.mkdir(parents=True)
        (place / "outcome.json").write_bytes(encode(outcome))
        if report:
            (place / "report.json").write_text(json.dumps(document))
            shutil.copy(self.reports / of / "report.html", place)
        return place

    def diverged(self, seed, reason="the loss was not finite in epoch 2", **changes):
        return self(
            seed, report=False, ending=Ending.DIVERGED, reason=reason, exit_code=None, sha256=None, kept_epoch=None,
            proved=None, unproved="it diverged", **changes,
        )  # fmt: skip

    def found(self):
        return universality(read_runs(self.folder))


@pytest.fixture
def sweep(tmp_path, reports, documents, monkeypatch):
    monkeypatch.setattr(*SIX_ARE_ENOUGH)
    return Sweep(tmp_path / "sweep", reports, documents)


@pytest.fixture
def grid(sweep):
    for d_mlp in (4, 16, 8):
        for seed in range(6):
            sweep(seed + d_mlp * 100, of="seed7" if d_mlp == 4 or seed == d_mlp == 8 else "reference",
                  varied={"d_mlp": d_mlp}, proved=BACK_DOOR if d_mlp == 4 else RIGHT)  # fmt: skip
    return sweep


@pytest.fixture(scope="session")
def published_once(once, reports, whole_documents):
    """The folder of `mixed`, with the files about it."""

    def make(folder):
        sweep = Sweep(folder / "sweep", reports, whole_documents)
        for seed in range(6):
            sweep(seed)
        sweep(7, of="seed7", proved=BACK_DOOR)
        sweep.diverged(8)
        sweep(9, report=False)
        sweep(10, edit=turned("error", reason="ZeroDivisionError: x"), proved=None, unproved="too large")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*SIX_ARE_ENOUGH)
            published(sweep.folder)

    return once("universality-published", make) / "sweep"


@pytest.fixture
def mixed(published_once, whole_documents, monkeypatch):
    """One of everything: seeds that hold, one that refutes, a wrong one, one that diverged, one without a report.

    The claims are all there are, and the files about them are published; they may only be read.
    """
    monkeypatch.setattr(*SIX_ARE_ENOUGH)
    return SimpleNamespace(folder=published_once, counts=counts_of(whole_documents))
