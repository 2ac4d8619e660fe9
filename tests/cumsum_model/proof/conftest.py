"""Models and their certificates."""

import pytest
from brute_force import shortened
from certificates import document_of

from cumsum_model.__main__ import main


@pytest.fixture(scope="session")
def short(reference):
    """The shipped model with a context of four, so that a check takes a moment."""
    return shortened(reference, 4)


@pytest.fixture(scope="session")
def document(short):
    return document_of(short)


@pytest.fixture(scope="session")
def written(once):
    """The certificate of the shipped checkpoint, as `certify` writes it."""

    def make(folder):
        assert main(["certify", "--out", str(folder / "cert.json")]) == 0

    return once("certificate", make) / "cert.json"
