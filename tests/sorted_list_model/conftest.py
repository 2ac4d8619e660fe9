import pytest

from sorted_list_model.scope import reference_model


@pytest.fixture(scope="session")
def trained():
    """The shipped model that sorts lists."""
    return reference_model()
