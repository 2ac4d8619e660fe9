"""October's transformer: it writes ten numbers down in order. A one-layer, two-head, attention-only model.

Start reading at `data` (the task), `model` (the transformer), then `attention` and `ov_circuit`.
"""
