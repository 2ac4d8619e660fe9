"""November's system: a one-layer transformer that tracks the sign of a running sum, and what is known of it.

Start reading at `claims/cumsum/test_attention.py`, then `attention.py` and `ov_circuit.py` here.
"""
