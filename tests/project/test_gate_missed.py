"""Claims that the suite has and that did not run are missed, however they were dropped or hidden."""

import pytest
from small_suite import green, tell


def test_claims_that_a_hook_drops_in_silence_are_missed(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_collection_modifyitems(items):\n    del items[0:3]\n")
    ran = gate()
    assert not green(ran), tell(ran)
    assert "1 of 3 claims" in ran.document["run"]["left_out"][0]


def test_files_that_a_conftest_does_not_collect_are_missed(gate):
    (gate.path / "claims" / "conftest.py").write_text("collect_ignore = ['test_more.py']\n")
    ran = gate()
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["1 of 3 claims and errata were not selected: test_tiny"]


DEEP = """
from pytest_claims import claim, erratum
from claims_of_gaps import widen_gap

class TestDeep:
    @claim("The gap is moderate", source="us", over="everything", refuted_by=[widen_gap])
    def test_moderate(self, model, measure):
        assert measure("gap", model["gap"]) < 3

@erratum("The gap is huge", source="us", over="everything", true_of=[widen_gap])
def test_huge(model, measure):
    assert measure("gap", model["gap"]) > 3
"""


def test_claims_in_classes_and_sub_folders_and_errata_are_missed_too(gate):
    (gate.path / "claims" / "deep").mkdir()
    (gate.path / "claims" / "deep" / "test_deep.py").write_text(DEEP)
    assert green(gate())
    ran = gate("claims/test_gaps.py", "claims/test_more.py")
    assert not green(ran), tell(ran)
    expected = "2 of 5 claims and errata were not selected: test_moderate, test_huge"
    assert ran.document["run"]["left_out"] == [expected]
    ran = gate("--deselect=claims/deep/test_deep.py::TestDeep::test_moderate")
    assert ran.document["run"]["left_out"] == ["1 of 5 claims and errata were not selected: test_moderate"]


def test_a_file_of_claims_by_another_name_is_missed_too(gate):
    renamed = (gate.path / "claims" / "test_more.py").read_text().replace("import claim\n", "import claim as stated\n")
    (gate.path / "claims" / "test_more.py").write_text(renamed.replace("@claim", "@stated"))
    assert green(gate())
    ran = gate("claims/test_gaps.py")
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["nothing was collected from test_more.py"]


def test_folders_of_claims_named_on_the_command_line_are_not_the_suite(gate):
    for override in ("claims_paths=nowhere", "claims_paths=claims", "claims_paths ="):
        ran = gate("-o", override, "-k", "not small")
        assert not green(ran), tell(ran)
        ran = gate("-o", override, "claims/test_more.py")
        assert not green(ran), tell(ran)


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
def test_claims_that_the_source_does_not_show_are_missed_when_dropped(gate, workers):
    path = gate.path / "claims" / "test_gaps.py"
    text = path.read_text().replace("import claim\n", "import claim as stated\n").replace("@claim(", "@stated(")
    path.write_text(text)
    assert green(gate(*workers))
    for option in ("-knot small", "--deselect=claims/test_gaps.py::test_small"):
        ran = gate(option, *workers)
        assert not green(ran), tell(ran)
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_collection_modifyitems(items):\n    del items[0:3]\n")
    ran = gate(*workers)
    assert not green(ran), tell(ran)


def test_a_variant_that_a_hook_drops_is_missed(gate):
    gate.edit("def test_small(model, measure)", "def test_small(model, measure, which)")
    gate.edit('@claim("The gap is small"', '@pytest.mark.parametrize("which", ["a", "b"])\n@claim("The gap is small"')
    assert green(gate())
    with (gate.path / "conftest.py").open("a") as conftest:
        kept = "[i for i in items if '-a]' not in i.name and '[a-' not in i.name]"
        conftest.write(f"\ndef pytest_collection_modifyitems(items):\n    items[:] = {kept}\n")
    ran = gate()
    assert not green(ran), tell(ran)


def test_a_claim_in_a_branch_is_missed(gate):
    more = (gate.path / "claims" / "test_more.py").read_text()
    indented = more[more.index("@claim") :].replace("\n", "\n    ")
    (gate.path / "claims" / "test_more.py").write_text(f"{more[: more.index('@claim')]}if True:\n    {indented}\n")
    assert green(gate())
    assert not green(gate("claims/test_gaps.py"))


def test_claims_in_a_linked_folder_are_missed(gate):
    (gate.path / "elsewhere").mkdir()
    (gate.path / "claims" / "test_more.py").rename(gate.path / "elsewhere" / "test_more.py")
    (gate.path / "claims" / "linked").symlink_to(gate.path / "elsewhere")
    assert green(gate())
    assert not green(gate("claims/test_gaps.py"))
    assert not green(gate("-k", "not tiny"))


def test_a_claim_that_another_of_its_name_hides_is_missed(gate):
    gate.edit("def test_not_large", "def test_small")
    ran = gate()
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["only the last of several tests of one name is run: test_small"]


@pytest.mark.parametrize("name", ["claims-collection", "claims-running", "claims-collected", "claims-session"])
def test_the_plugin_cannot_be_switched_off_in_parts(gate, name):
    ran = gate("-p", f"no:{name}", "-k", "small")
    assert ran.returncode == 4
    assert not green(ran), tell(ran)


def test_a_file_of_claims_in_another_encoding_is_read(gate):
    path = gate.path / "claims" / "test_more.py"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert green(gate())
    path.write_bytes(b"# coding: latin-1\n# \xe9\n" + path.read_bytes()[3:])
    assert green(gate())


def test_only_what_failed_last_time_is_not_all(gate):
    gate.edit("< 1", "< 0.1")
    assert gate().returncode == 1
    gate.edit("< 0.1", "< 1")
    ran = gate("--lf")
    assert not green(ran), tell(ran)
    assert green(gate())
