"""The saved table of claims on sorted lists against mutants: whole, and without a hole."""

import json

import pytest
from declarations import declarations

from sorted_list_model import mutants
from toy_model.checkout import ROOT


@pytest.fixture(scope="module")
def saved():
    return json.loads((ROOT / "docs" / "matrix-sorted-list.json").read_text())


def primary():
    """The claims that have to hold: neither errata nor known limits."""
    declared = declarations("sorted_list").items()
    return {name: claim for name, claim in declared if not claim.erratum and claim.role == "primary"}


def refuting(row):
    return {mutant for mutant, verdict in row.items() if verdict == "refuted"}


def test_it_has_every_claim_and_every_mutant(saved):
    assert primary().keys() <= saved["claims"].keys()
    of_architecture = {mutant.__name__ for mutant in mutants.ARCHITECTURES}
    assert {mutant.__name__ for mutant in mutants.ALL} == set(saved["mutants"]) - of_architecture
    assert saved["holes"] == []
    for claim, row in saved["claims"].items():
        assert row.keys() == set(saved["mutants"]), claim
        assert set(row.values()) <= {"refuted", "survived", "not about this model"}


def test_every_claim_is_refuted_by_two_and_by_all_its_controls(saved):
    for name, claim in primary().items():
        noticing = refuting(saved["claims"][name])
        assert len(noticing) >= 2, name
        assert {control.__name__ for control in claim.controls} <= noticing, name


def test_every_defect_is_noticed(saved):
    for mutant in (*mutants.BREAKING, *mutants.HIDDEN):
        assert any(mutant.__name__ in refuting(row) for row in saved["claims"].values()), mutant.__name__


def test_what_breaks_nothing_is_noticed_by_no_claim(saved):
    """No claim on sorted lists is about a basis, a gauge, or a number of a head."""
    harmless = {mutant.__name__ for mutant in mutants.SYMMETRIES}
    assert set(saved["harmless"]) == harmless
    for name, row in saved["claims"].items():
        assert not refuting(row) & harmless, name
        assert not saved["depends_on"].get(name), name
