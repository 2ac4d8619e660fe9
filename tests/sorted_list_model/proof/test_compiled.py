"""Compiling: IEEE arithmetic throughout, and numba is imported by nobody else."""

import subprocess
import sys

from sorted_list_model.proof.compiled.tables import compiled


def double(number):
    return 2 * number


def test_a_function_is_compiled_by_ieee_arithmetic():
    assert compiled(double)(3) == 6
    assert compiled(double).targetoptions["error_model"] == "numpy"
    assert not compiled(double).targetoptions.get("fastmath")


def test_numba_is_imported_when_a_proof_is_asked_for_and_not_before():
    script = (
        "import sys, sorted_list_model.__main__, sorted_list_model.report, sorted_list_model.figures\n"
        "import sorted_list_model.proof.certificate, sorted_list_model.proof.check.checker\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
