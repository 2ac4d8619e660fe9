"""Which model the claims are about, and the reactions that they are measured on."""

from importlib.metadata import version

import pytest
import torch

import controls
import mapping
import model as albert
import reactions as data


def pytest_configure():
    # Matrices this small gain nothing from a second thread, and lose much where other programs want the core.
    torch.set_num_threads(1)


def pytest_claims_load(path, device):
    return albert.load(path).to(device)


def pytest_claims_subject(model, path):
    weights = path or f"rxnmapper {version('rxnmapper')}"
    body = sum(parameter.numel() for parameter in model.albert.parameters())
    return f"{weights}: ALBERT, 12 layers of 8 heads that share {body:,} parameters, float32"


def pytest_claims_mutants():
    return (), (controls.permute_within_heads,)


@pytest.fixture(scope="session")
def reactions():
    return tuple(data.load())


@pytest.fixture(scope="session")
def hard_reactions():
    return tuple(data.load(data.HARD_FILE))


@pytest.fixture
def attention(model, computed, reactions):
    """What the atoms of all reactions pay each other, in the model under test or the control."""
    return computed(mapping.attention, model, reactions)


@pytest.fixture(scope="session")
def half_of_reactions(reactions):
    """Every second: enough where the network has to run nine times."""
    return reactions[::2]


@pytest.fixture(scope="session")
def reversed_reactions(reactions):
    return tuple(data.reversed_reactants(reaction) for reaction in reactions)


@pytest.fixture(scope="session")
def rewritten_reactions(reactions):
    return tuple(data.rewritten_product(reaction, seed=0) for reaction in reactions)


@pytest.fixture(scope="session")
def readme_reactions():
    return tuple(data.load(data.README_FILE))


@pytest.fixture(scope="session")
def best_untrained_head(reactions):
    """What the best of all heads and layers finds in networks that were never trained."""
    return max(
        mapping.rates(mapping.found(mapping.attention(albert.untrained(seed), reactions))).max().item()
        for seed in (1, 2, 3)
    )
