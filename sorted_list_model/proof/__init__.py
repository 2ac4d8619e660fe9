"""Proofs over every list: accuracy over all answers in an interval, of classes proved right, proved wrong, and open.

Read in this order: `classes` divides all answers into classes and nodes, `tables` writes what decides an answer as sums
over keys, `bound` proves that one answer beats another on every list of a node, plainly; `compiled` does the same fast
and searches, `certificate` has the verdict. `rounding` bounds what float32 adds.
What is in `check` shares no code with these.
"""
