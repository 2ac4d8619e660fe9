"""A one-layer transformer that tracks the sign of a running sum, and the tools to check what is said of it.

Start reading at `claims/cumsum/test_attention.py`, then `cumsum_model/model.py` and `cumsum_model/circuit.py`.
"""
