"""Imports without a search for garbage: the collector is out meanwhile, and back afterwards whatever happens."""

import gc
import subprocess
import sys

import pytest

from toy_model.importing import importing


def test_the_collector_is_out_meanwhile_and_back_afterwards():
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_imported_is_set_aside_and_little_is_not():
    script = """
import gc
from toy_model.importing import importing
with importing():
    import colorsys
assert gc.get_freeze_count() == 0
with importing():
    import torch
assert gc.get_freeze_count() > 50_000
"""
    subprocess.run([sys.executable, "-c", script], check=True)
