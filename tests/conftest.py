import pytest

from cumsum_model.checkpoint import REFERENCE, read_checkpoint


@pytest.fixture(scope="session")
def reference():
    """The shipped model."""
    return read_checkpoint(REFERENCE).model
