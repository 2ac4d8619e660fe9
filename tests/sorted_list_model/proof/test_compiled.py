"""Compiling: what is compiled is kept, where it can be, and numba is imported by nobody else."""

import subprocess
import sys

import numba

from sorted_list_model.proof.compiled.tables import compiled


def double(number):
    return 2 * number


def test_a_function_is_compiled_and_kept():
    assert compiled(double)(3) == 6
    assert compiled(double).targetoptions["error_model"] == "numpy"
    assert not compiled(double).targetoptions.get("fastmath")


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch):
    njit, asked = numba.njit, []

    def of_a_folder_that_is_read_only(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", of_a_folder_that_is_read_only)
    assert compiled(double)(3) == 6
    assert len(asked) == 2


def test_numba_is_imported_when_a_proof_is_asked_for_and_not_before():
    script = (
        "import sys, sorted_list_model.__main__, sorted_list_model.report, sorted_list_model.figures\n"
        "import sorted_list_model.proof.certificate, sorted_list_model.proof.check.checker\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
