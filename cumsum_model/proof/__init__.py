"""Proofs over every sequence: `certificate.certify` searches, `check.checker` verifies without trusting the search.

Read in this order: `tables` writes everything that decides a prediction as sums over positions, `dynamic_program` finds
the extremes of such sums, `extremes` makes of them bounds on logits (`mixed_signs` where a neuron may fire or not),
`certificate` the verdict on every sequence.
`balls` carries rounding errors along, `rounding` bounds what float32 adds, `splitting` and `counting` count where
right and wrong sequences mix. What is in `check` shares no code with these.
"""
