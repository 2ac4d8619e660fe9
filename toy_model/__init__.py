"""One small transformer, and everything that is done to it whatever its task: training, checkpoints, sweeps, commands.

Start reading at `transformer.py`; `system.py` says what a package has to tell of its task and model.
"""
