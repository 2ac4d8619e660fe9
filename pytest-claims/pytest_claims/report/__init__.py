"""The report of a run: what it says, whether that is good, and what it is compared with."""
