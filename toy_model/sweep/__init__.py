"""Many checkpoints: train and verify them, on this machine or on a cluster."""
