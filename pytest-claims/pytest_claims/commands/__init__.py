"""The commands of `python -m pytest_claims`. None runs a claim."""
